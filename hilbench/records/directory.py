"""Records as files: `<folder>/<id>.json`, each written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hilbench.errors import StoreError
from hilbench.records.record import Record

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class DirectoryStore:
    """A folder of JSON files; made when the first record arrives."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def put(self, record: Record) -> str:
        """See `Store.put`; returns the file's path."""
        path = self._path(record.id)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, record.to_json().encode())
        except OSError as error:
            raise StoreError(
                f"the record could not be written: {error.strerror or error}",
                where=str(path),
                hint="free some space or name another folder with --hil-store; nothing half-written was left",
            ) from error
        return str(path)

    def get(self, record_id: str) -> Record:
        """See `Store.get`."""
        return read_record(self._path(record_id))

    def select(self, *, task: str | None = None, board: str | None = None) -> Iterator[Record]:
        """See `Store.select`. Ids begin with the time, so that the order of names is that of time."""
        for path in sorted(self.folder.glob("*.json")):
            record = read_record(path)
            if task in (None, record.task) and board in (None, record.board.id):
                yield record

    def _path(self, record_id: str) -> Path:
        if not _ID.fullmatch(record_id):
            raise StoreError(f"'{record_id}' is not a record's id", hint="ids are the file names without .json")
        return self.folder / f"{record_id}.json"


def read_record(path: Path) -> Record:
    """Read one record file. Raises `StoreError` when it is missing, unreadable or damaged."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"the record cannot be read: {error}", where=str(path)) from error
    return Record.from_json(text, str(path))


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, also after a crash. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
