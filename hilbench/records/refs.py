"""From what people type to records: a file, a folder or store, `latest`, `baseline`, an id, a commit, a branch."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from hilbench.errors import NoStore, StoreError, UsageError, nearest
from hilbench.records.compare import Row, row_of
from hilbench.records.directory import read_document
from hilbench.records.record import Record, time_of
from hilbench.records.store import DEFAULT, EVERYTHING, Query, open_store, select

BASELINE = Path(".hilbench/baseline")
WORDS = ("latest", "baseline")
_BRANCH = "branch:"
_COMMIT = re.compile(r"[0-9a-f]{4,40}")
_SHOWN = 3
_AHEAD = timedelta(days=1)
"""How far another computer's clock may be ahead of ours."""


class NothingYet(UsageError):
    """There is nothing under a name that is right: no run yet, no baseline, nothing of that branch."""


@dataclass(frozen=True)
class Places:
    """Where names are looked up: the store of runs, and that of the baseline."""

    store: str = str(DEFAULT)
    baseline: str = str(BASELINE)


@dataclass(frozen=True)
class Found:
    """The records that a name stands for, at most one a row, and what was left out on the way; `one` that it names."""

    records: tuple[Record, ...]
    notes: tuple[str, ...] = ()
    one: bool = False


def yet_to_come(record: Record) -> bool:
    """Say whether a record is dated more than a day ahead: it would be the newest for years, whatever is run."""
    return time_of(record.started) > datetime.now(UTC) + _AHEAD


@dataclass
class _Newest:
    """The newest record of each row, of those that it is shown."""

    records: dict[Row, Record] = field(default_factory=dict)
    dirty: int = 0
    ahead: int = 0

    def see(self, record: Record, clean: bool = False) -> None:
        """Keep `record` if it is the newest; with `clean`, not one that was made with uncommitted changes."""
        if clean and record.source.get("dirty") == "yes":
            self.dirty += 1
            return
        if yet_to_come(record):
            self.ahead += 1
            return
        kept = self.records.get(row_of(record))
        if kept is None or (kept.started, kept.id) <= (record.started, record.id):
            self.records[row_of(record)] = record

    def found(self, damaged: Iterable[StoreError]) -> Found:
        count, notes = len(list(damaged)), []
        if self.dirty:
            notes.append(f"left out: {_records(self.dirty)} made with uncommitted changes")
        if self.ahead:
            notes.append(f"left out: {_records(self.ahead)} dated in the future")
        if count:
            notes.append(f"left out: {_records(count)} that cannot be read")
        return Found(tuple(self.records.values()), tuple(notes))


def resolve(ref: str, places: Places, query: Query = EVERYTHING) -> Found:
    """Return the records that `ref` stands for: of a store, the newest of each row that `query` wants.

    Of runs in the store, what cannot be read or is dated in the future is left out with a note. The baseline, and a
    store that is named itself, are wholly readable or an error: a row that cannot be read would never fail again.

    Raises `NothingYet` where there are none under a name that is right, `UsageError` for a name that is not or that
    means several things, and `StoreError` for a store that cannot be asked or a file that cannot be read.
    """
    if not ref:
        _unknown(ref, ())
    if ref == "latest":
        return _newest(places.store, query, "there is no record to compare with yet", "the first run makes them")
    if ref == "baseline":
        hint = "`hilbench baseline` makes one of a run"
        return _newest(places.baseline, query, "there is no baseline yet", hint, whole=True)
    if ref.startswith(_BRANCH):
        return _of_branch(ref.removeprefix(_BRANCH), places, query)
    if Path(ref).is_file():
        return Found((read_file(Path(ref)),), one=True)
    if Path(ref).is_dir() or (":" in ref and not Path(ref).exists()):
        return _newest(ref, query, "there is no record", "", whole=True)
    return _search(ref, places, query)


def read_file(path: Path) -> Record:
    """Return the record in a file of any name. Raises `StoreError`."""
    document = read_document(path)
    if document.problem is not None:
        raise document.problem
    return Record.from_json(document.text, document.where)


def _newest(spec: str, query: Query, what: str, hint: str, *, whole: bool = False) -> Found:
    damaged: list[StoreError] = []
    newest = _Newest()
    for record in _select(spec, query, damaged):
        newest.see(record)
    if whole and damaged:
        raise damaged[0]
    found = newest.found(damaged)
    if not found.records:
        raise NothingYet(what, where=spec, hint="; ".join(found.notes) or hint or None)
    return found


def _of_branch(name: str, places: Places, query: Query) -> Found:
    damaged: list[StoreError] = []
    newest, branches = _Newest(), set[str]()
    for record in _select(places.store, query, damaged):
        branch = record.source.get("branch", "")
        branches.add(branch)
        if branch == name:
            newest.see(record, clean=True)
    found = newest.found(damaged)
    if not found.records:
        what, others = f"there is no record of the branch '{name}'", branches - {""}
        if others and name not in others:  # a slip of the pen would be a gate that stays open
            raise UsageError(what, where=places.store, hint=nearest(name, others))
        hint = "; ".join(found.notes) or "the first run on it makes them"
        raise NothingYet(what, where=places.store, hint=hint)
    return found


def _search(ref: str, places: Places, query: Query) -> Found:
    """Look `ref` up as an id, a commit and a branch."""
    damaged: list[StoreError] = []
    ids: dict[str, Record] = {}
    commits: dict[str, _Newest] = {}
    branch, names = _Newest(), set[str]()
    for record in _select(places.store, EVERYTHING, damaged):
        if record.id == ref:
            return Found((record,), one=True)
        if record.id.startswith(ref):
            ids[record.id] = record
        commit, of = record.source.get("commit", ""), record.source.get("branch", "")
        names |= {of} - {""}
        if not query.wants(record):
            continue
        if _COMMIT.fullmatch(ref) and commit.startswith(ref):
            commits.setdefault(commit, _Newest()).see(record, clean=True)
        if of == ref:
            branch.see(record, clean=True)
    meanings = {
        **(
            {f"any of {len(ids)} records": sorted(ids)} if len(ids) > 1 else {f"the record {one}": [one] for one in ids}
        ),
        **{f"the commit {one[:12]}": [one] for one in sorted(commits)},
        **({f"the branch {ref}": [f"{_BRANCH}{ref}"]} if branch.records or branch.dirty or branch.ahead else {}),
    }
    if not meanings:
        _unknown(ref, names)
    if len(meanings) > 1 or len(ids) > 1:
        some = [word for words in meanings.values() for word in words]
        more = f" and {len(some) - _SHOWN} more" if len(some) > _SHOWN else ""
        raise UsageError(
            f"'{ref}' may be {' or '.join(list(meanings)[:_SHOWN])}", hint=f"write {', '.join(some[:_SHOWN])}{more}"
        )
    if ids:
        return Found(tuple(ids.values()), one=True)
    newest = next(iter(commits.values()), branch)
    found = newest.found(damaged)
    if not found.records:
        raise NothingYet(f"there is no record of {next(iter(meanings))}", hint="; ".join(found.notes) or None)
    return found


def _unknown(ref: str, branches: Iterable[str]) -> NoReturn:
    close = nearest(ref, {*WORDS, *branches})
    known = close if close.startswith("did you mean") else ""
    raise UsageError(
        f"'{ref}' is no file, store, record, commit or branch that is known here",
        hint=known or "latest, baseline, a record's file or id, a folder, a commit, or branch:NAME",
    )


def _select(spec: str, query: Query, damaged: list[StoreError]) -> Iterator[Record]:
    with contextlib.suppress(NoStore):
        yield from select(open_store(spec), query, damaged.append)


def _records(count: int) -> str:
    return f"{count} record{'s' if count > 1 else ''}"
