"""Makes the baseline: a folder of records, one a row, small enough to be kept in git beside the code it is about."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hilbench.errors import StoreError, UsageError
from hilbench.records.compare import Row, row_of
from hilbench.records.directory import DirectoryStore, locked
from hilbench.records.record import Record
from hilbench.records.refs import yet_to_come
from hilbench.records.replace import put_in_place
from hilbench.records.store import open_store, select


@dataclass(frozen=True)
class Replaced:
    """A row of the baseline: the record that it has now, and the ids of those that it had."""

    row: Row
    record: Record
    before: tuple[str, ...]


def promote(records: Sequence[Record], spec: str) -> list[Replaced]:
    """Make `records` the baseline of their rows in the folder `spec`; other rows and other files stay.

    All of them or none: they are written beside the folder, which is then exchanged as a whole. Raises `UsageError`
    when `spec` is no folder or a record is dated in the future, `StoreError` when the folder cannot be written or holds
    a damaged record.
    """
    if ahead := [record.id for record in records if yet_to_come(record)]:
        raise UsageError(f"{ahead[0]} is dated in the future", hint="no run could replace it: run it again")
    store = open_store(spec)
    if not isinstance(store, DirectoryStore):
        raise UsageError(
            f"'{spec}' is no folder, and a baseline is one",
            hint="in a store that many write to, compare with a branch: --hil-compare=branch:main",
        )
    folder = store.folder.resolve()
    rows = {row_of(record): record for record in records}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Whoever else makes rows of it meanwhile would lose them, or these.
        with locked(folder.parent), tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as beside:
            kept = _kept(store)
            found = [Replaced(row, record, tuple(kept.get(row, ()))) for row, record in rows.items()]
            _exchange(folder, Path(beside), found)
    except OSError as error:
        raise StoreError(f"the baseline could not be written: {error.strerror or error}", where=str(folder)) from error
    return found


def _kept(store: DirectoryStore) -> dict[Row, list[str]]:
    """Return the ids of the records of each row."""
    kept: dict[Row, list[str]] = {}
    damaged: list[StoreError] = []
    for record in select(store, damaged=damaged.append) if store.folder.exists() else ():
        kept.setdefault(row_of(record), []).append(record.id)
    if damaged:
        raise damaged[0]
    return kept


def _exchange(folder: Path, beside: Path, found: Sequence[Replaced]) -> None:
    new = beside / "new"
    if folder.exists():
        shutil.copytree(folder, new, symlinks=True)
    for one in found:
        for record_id in one.before:
            (new / f"{record_id}.json").unlink()
    for one in found:
        DirectoryStore(new).put(one.record)
    put_in_place(new, folder)
