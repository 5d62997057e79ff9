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
from hilbench.records.store import EVERYTHING, LARGEST_BYTES, Document, Query

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
        return read_document(self._path(record_id)).record()

    def documents(self, query: Query = EVERYTHING) -> Iterator[Document]:
        """See `Store.documents`. Ids begin with the time, so that the order of names is that of time."""
        if not self.folder.is_dir():
            raise StoreError("there is no such folder of records", where=str(self.folder))
        for path in sorted(self.folder.glob("*.json")):
            yield read_document(path)

    def _path(self, record_id: str) -> Path:
        if not _ID.fullmatch(record_id):
            raise StoreError(f"'{record_id}' is not a record's id", hint="ids are the file names without .json")
        return self.folder / f"{record_id}.json"


def read_document(path: Path) -> Document:
    """Return the document in a file; what keeps it from being read is its `problem`."""
    name, where = path.name.removesuffix(".json"), str(path)
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise StoreError(f"{size} bytes are more than the {LARGEST_BYTES} a record may have", where=where)
        return Document(name, where, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        return Document(name, where, "", StoreError(f"the record cannot be read: {error}", where=where))
    except StoreError as error:
        return Document(name, where, "", error)


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
