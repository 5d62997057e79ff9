"""Builds the whole site beside the old one, and puts it in its place when it is whole."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from hilbench.errors import StoreError, UsageError
from hilbench.records.store import Store
from hilbench.reports.site import names, pages
from hilbench.reports.site.pool import Pool, pool
from hilbench.reports.site.rows import Refused, gather
from hilbench.reports.site.standings import Entry, Group, entries_of, groups_of
from hilbench.reports.site.views import short_title
from hilbench.reports.web import asset

MARKER = "hilbench-site.txt"
"""The file that tells a site of ours, which may be written over, from a folder of somebody's."""
_MARK = "A site made by `hilbench publish`, which may write over this whole folder.\n"
_ASSETS = ("style.css", "charts.css", "app.js", "site.js", "rows_page.js", "compare.js")
Of = TypeVar("Of")
_FOLDERS = ("tasks", "boards", "frameworks", "rows", "records", "history")


@dataclass(frozen=True)
class Published:
    """What was made: how many rows of how many records, and what was refused."""

    folder: Path
    rows: int
    records: int
    refused: tuple[Refused, ...]


def publish(store: Store, out: Path, jobs: int) -> Published:
    """Write the site of all records of `store` into the folder `out`, with `jobs` processes.

    Raises `UsageError` for a folder that holds anything else, `StoreError` when there is nothing to show or no room.
    The same store gives the same bytes.
    """
    out = out.resolve()
    _check_ours(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with _beside(out) as folder, pool(jobs) as workers:
            published = _write(store, folder, workers)
            _swap(folder, out)
    except OSError as error:
        raise StoreError(f"the site could not be written: {error}", where=str(out),
                         hint="whatever was there before is still there") from error  # fmt: skip
    return Published(out, *published)


def _write(store: Store, folder: Path, workers: Pool) -> tuple[int, int, tuple[Refused, ...]]:
    for name in _FOLDERS:
        (folder / name).mkdir()
    found = gather(store.documents(), workers, partial(_append, folder / "history"))
    refused = tuple(found.refused)
    if not found.rows:
        first = f": {refused[0].id}: {refused[0].reason}" if refused else ""
        raise NothingToShow(f"none of {found.documents} records can be shown{first}", refused)
    entries = entries_of(found.rows.values(), workers)
    groups = groups_of(entries)
    _tables(folder, groups, entries, found.documents - len(refused), refused)
    work = ((entry, _standing(entry, group)) for group in groups for entry in group.entries.values())
    for _ in workers.apply(partial(_row_files, folder), work):
        pass
    for name in _ASSETS:
        _text(folder / name, asset(name))
    _text(folder / MARKER, _MARK)
    _text(folder / ".nojekyll", "")
    return len(entries), found.documents - len(refused), refused


class NothingToShow(StoreError):
    """No record could be shown; `refused` says why."""

    def __init__(self, what: str, refused: Sequence[Refused]) -> None:
        super().__init__(what, hint="run a suite first, or name another store")
        self.refused = tuple(refused)


def _tables(
    folder: Path, groups: Sequence[Group], entries: Sequence[Entry], records: int, refused: Sequence[Refused]
) -> None:
    """Write all pages but those of rows."""
    _text(folder / "index.html", pages.index_page(groups, entries, records, refused))
    for kind, name_of in (("task", lambda g: pages.task_key(g.any)), ("board", lambda g: g.any.board.id)):
        for name, members in _by(groups, name_of).items():
            about = members[0].any.board.name if kind == "board" else ""
            _text(folder / f"{kind}s" / f"{names.page(name)}.html", pages.tables_page(kind, name, members, about))
    listed = [(group.entries[key], group) for group in groups for key in group.entries]
    for name, rows in _by(listed, lambda each: each[0].record.framework.name).items():
        _text(folder / "frameworks" / f"{names.page(name)}.html", pages.framework_page(name, rows))
    _text(folder / "rows.html", pages.all_rows_page(len(entries)))
    _text(folder / "rows.js", pages.rows_script(listed))
    _text(folder / "compare.html", pages.compare_page())
    _text(folder / "refused.html", pages.refused_page(refused))


def _by(members: Sequence[Of], name_of: Callable[[Of], str]) -> dict[str, list[Of]]:
    found: dict[str, list[Of]] = {}
    for member in members:
        found.setdefault(name_of(member), []).append(member)
    return found


def _standing(entry: Entry, group: Group) -> pages.Standing:
    rivals = tuple(
        (other.slug, other.record.framework.variant) for other in group.entries.values() if other is not entry
    )
    return pages.Standing(group.standing(entry), short_title(group), rivals)


def _row_files(folder: Path, work: tuple[Entry, pages.Standing]) -> None:
    """Write what belongs to one row: its page, its data for the page that compares, its newest record as it is."""
    entry, standing = work
    _text(folder / "rows" / f"{entry.slug}.html", pages.row_page(entry, standing))
    _text(folder / "rows" / f"{entry.slug}.js", pages.row_script(entry, standing))
    record = folder / "records" / f"{names.file(entry.record.id)}.json"
    record.write_bytes(entry.newest.text.encode("utf-8", "surrogatepass"))


def _text(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def _append(folder: Path, slug: str, piece: bytes) -> None:
    with (folder / f"{slug}.tar.gz").open("ab") as file:
        file.write(piece)


def _check_ours(out: Path) -> None:
    """Raise `UsageError` unless `out` is new, empty, or a site that was published before."""
    if not out.exists() or (out / MARKER).is_file():
        return
    if not out.is_dir() or any(out.iterdir()):
        raise UsageError(
            f"'{out}' is not a site that hilbench published, and is not written over",
            hint="name a new folder with -o, or empty this one",
        )


@contextlib.contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Give an empty folder on the same file system as `out`; what is left of it in the end is removed."""
    folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _swap(folder: Path, out: Path) -> None:
    """Put `folder` in the place of `out`, and the old one out of the way; the old one stays if that fails."""
    if not out.exists():
        folder.rename(out)
        return
    old = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.old."))
    try:
        out.rename(old)  # over the empty folder
        try:
            folder.rename(out)
        except OSError:
            old.rename(out)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
