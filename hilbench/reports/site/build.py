"""Builds the whole site beside the old one, and puts it in its place when it is whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from hilbench.errors import StoreError, UsageError, printable
from hilbench.records.directory import DirectoryStore
from hilbench.records.replace import replacement
from hilbench.records.sign import SUFFIX, signature_of
from hilbench.records.sql import SqlStore
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
    _check_apart(store, out)
    try:
        with replacement(out, _is_site) as folder, pool(jobs) as workers:
            published = _write(store, folder, workers)
    except OSError as error:
        raise StoreError(f"the site could not be written: {error}", where=str(out),
                         hint="whatever was there before is still there") from error  # fmt: skip
    return Published(out, *published)


def _write(store: Store, folder: Path, workers: Pool) -> tuple[int, int, tuple[Refused, ...]]:
    for name in _FOLDERS:
        (folder / name).mkdir()
    found = gather(store.documents(), workers, partial(_append, folder / "history"))
    entries, groups, broken = _rows(folder, entries_of(found.rows.values(), workers), workers)
    refused = (*found.refused, *broken)
    if not entries:
        first = f": {refused[0].id}: {refused[0].reason}" if refused else ""
        raise NothingToShow(f"none of {found.documents} records can be shown{first}", refused)
    records = sum(len(entry.runs) for entry in entries)
    _tables(folder, groups, entries, records, refused)
    for name in _ASSETS:
        _text(folder / name, asset(name))
    _text(folder / ".nojekyll", "")
    _text(folder / MARKER, _MARK)  # last: what has it is whole
    return len(entries), records, refused


def _rows(
    folder: Path, entries: Sequence[Entry], workers: Pool
) -> tuple[Sequence[Entry], Sequence[Group], list[Refused]]:
    """Write what belongs to rows; return those that could be shown, in their groups, and the others with the reason.

    Whoever cannot be shown must not stand in the others' rankings either, so that these are made anew without him.
    """
    refused: list[Refused] = []
    while True:
        groups = groups_of(entries)
        work = ((entry, _standing(entry, group)) for group in groups for entry in group.entries.values())
        failed = {each.slug: why for (each, _), why in workers.apply(partial(_row_files, folder), work) if why}
        if not failed:
            return entries, groups, refused
        for entry in entries:
            if entry.slug in failed:
                _remove(folder, entry)
                why = f"its row, of {len(entry.runs)} records, cannot be shown: {failed[entry.slug]}"
                refused.append(Refused(printable(entry.newest.id[:200]), why))
        entries = [entry for entry in entries if entry.slug not in failed]


def _remove(folder: Path, entry: Entry) -> None:
    for path in (*_files(folder, entry), folder / "history" / f"{entry.slug}.tar.gz"):
        path.unlink(missing_ok=True)


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


def _files(folder: Path, entry: Entry) -> tuple[Path, Path, Path, Path]:
    rows, record = folder / "rows", folder / "records" / f"{names.file(entry.record.id)}.json"
    return rows / f"{entry.slug}.html", rows / f"{entry.slug}.js", record, record.with_name(record.name + SUFFIX)


def _row_files(folder: Path, work: tuple[Entry, pages.Standing]) -> str:
    """Write what belongs to one row: its page, its data for the page that compares, its newest record as it is.

    Returns why the row cannot be shown, there or in a table; nothing if it can.
    """
    entry, standing = work
    try:
        page, script = pages.row_page(entry, standing), pages.row_script(entry, standing)
        pages.check_in_tables(entry)
        signature = signature_of(entry.newest)
    except Exception as error:  # whatever a record may do to a page: the site is that of all the others too
        return printable(f"{type(error).__name__}: {error}".splitlines()[0][:200])
    of_page, of_script, record, of_signature = _files(folder, entry)
    _text(of_page, page)
    _text(of_script, script)
    record.write_bytes(entry.newest.text.encode("utf-8", "surrogatepass"))
    if signature:
        of_signature.write_bytes(signature)
    return ""


def _text(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def _append(folder: Path, slug: str, piece: bytes) -> None:
    with (folder / f"{slug}.tar.gz").open("ab") as file:
        file.write(piece)


def _check_ours(out: Path) -> None:
    """Raise `UsageError` unless `out` is new, empty, or a site that was published before."""
    if not out.exists() or _is_site(out):
        return
    if not out.is_dir() or any(out.iterdir()):
        raise UsageError(
            f"'{out}' is not a site that hilbench published, and is not written over",
            hint="name a new folder with -o, or empty this one",
        )


def _check_apart(store: Store, out: Path) -> None:
    """Raise `UsageError` if the store lies in the folder that a new site takes the place of."""
    place = store.folder if isinstance(store, DirectoryStore) else store.file if isinstance(store, SqlStore) else None
    if place is not None and place.resolve().is_relative_to(out):
        raise UsageError(
            f"the store '{place}' lies in '{out}', and would be gone with the old site",
            hint="name another folder with -o, or move the records out of it first",
        )


def _is_site(folder: Path) -> bool:
    return (folder / MARKER).is_file()
