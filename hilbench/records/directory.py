"""Records as files: `<folder>/<id>.json`, each written whole or not at all, and never written over."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hilbench.errors import NoStore, StoreError, UsageError
from hilbench.records.record import Record
from hilbench.records.store import (
    EVERYTHING,
    LARGEST_BYTES,
    Document,
    Query,
    checked,
    checked_id,
    missing,
    refuse_another,
    too_large,
)

_SUFFIX = ".json"
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What link(2) says on file systems that have no hard links, such as FAT and some of those in user space."""


class DirectoryStore:
    """A folder of JSON files; made when the first record arrives."""

    def __init__(self, folder: str | Path) -> None:
        if not str(folder):
            raise UsageError("the store has no name", hint="name a folder, such as .hilbench/records")
        self.folder = Path(folder)

    def ready(self) -> None:
        """See `Store.ready`. Makes nothing."""
        there = next(path for path in (self.folder, *self.folder.absolute().parents) if os.path.lexists(path))
        if not there.is_dir():
            raise StoreError("this is no folder, and records are kept in one", where=str(there), hint=_ELSEWHERE)
        if not os.access(there, os.W_OK | os.X_OK):
            raise StoreError("no record can be written into this folder", where=str(there), hint=_ELSEWHERE)

    def put(self, record: Record) -> str:
        """See `Store.put`; returns the file's path."""
        return self.keep(Document.of(record))

    def keep(self, document: Document) -> str:
        """See `Store.keep`; returns the file's path."""
        checked(document)
        path = self._path(document.id)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(path) and _new(path, document.text.encode()):
                return str(path)
        except OSError as error:
            raise StoreError(
                f"the record could not be written: {error.strerror or error}",
                where=str(path),
                hint="free some space or name another folder with --hil-store; nothing half-written was left",
            ) from error
        refuse_another(document, read_document(path))
        return str(path)

    def get(self, record_id: str) -> Record:
        """See `Store.get`."""
        path = self._path(record_id)
        if not os.path.lexists(path):
            raise missing(record_id, str(self.folder))
        return read_document(path).record()

    def documents(self, query: Query = EVERYTHING) -> Iterator[Document]:
        """See `Store.documents`. Ids begin with the time, so that their order is that of time.

        One document is in memory at a time. What is removed after the folder was listed is left out.
        """
        for record_id in self.ids():
            path = self.folder / f"{record_id}{_SUFFIX}"
            document = read_document(path)
            if document.problem is None or os.path.lexists(path):
                yield document

    def ids(self) -> list[str]:
        """Return the ids of all documents in order, damaged ones too. Raises `StoreError` when there is no folder."""
        try:
            names = os.listdir(self.folder)  # noqa: PTH208 (a Path for each of 100,000 names takes its time)
        except OSError as error:
            raise NoStore(
                f"there is no such folder of records: {error.strerror}",
                where=str(self.folder),
                hint="a run makes it; name another with --store, or see `hilbench store --help`",
            ) from error
        return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX) and name[0] != ".")

    def _path(self, record_id: str) -> Path:
        return self.folder / f"{checked_id(record_id)}{_SUFFIX}"


_ELSEWHERE = "name a folder that can be written with --hil-store"


def read_document(path: Path) -> Document:
    """Return the document in a file; what keeps it from being read is its `problem`."""
    name, where = path.name.removesuffix(_SUFFIX), str(path)
    try:
        return Document(name, where, _read(path).decode())
    except OSError as error:
        return Document(name, where, "", StoreError(f"the record cannot be read: {error.strerror}", where=where))
    except UnicodeDecodeError as error:
        return Document(name, where, "", StoreError(f"the record is no text: {error}", where=where))
    except StoreError as error:
        return Document(name, where, "", error)


def _read(path: Path) -> bytes:
    # A pipe that is called x.json would block an ordinary open for good.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            raise StoreError("this is a folder, not a record", where=str(path))
        if not stat.S_ISREG(found.st_mode):
            raise StoreError("this is not a file", where=str(path))
        if found.st_size > LARGEST_BYTES:
            raise too_large(found.st_size, str(path))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(LARGEST_BYTES)
    finally:
        os.close(handle)


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, also after a crash. Raises OSError."""
    with _beside(path, data) as new:
        new.replace(path)


def _new(path: Path, data: bytes) -> bool:
    """Write a file whole, and say so; False if there is one already, which stays as it is. Raises OSError."""
    with _beside(path, data) as new:
        try:
            os.link(new, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with locked(path.parent):
                if os.path.lexists(path):
                    return False
                new.replace(path)
    _sync(path.parent)
    return True


@contextlib.contextmanager
def _beside(path: Path, data: bytes) -> Iterator[Path]:
    """Yield a hidden file with `data` in the folder of `path`; it is gone afterwards unless it was moved."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a folder, which ends with the process; yields whether it was had. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            had = True
        except BlockingIOError:
            had = False
        yield had
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    """Make a new name in `folder` outlast a power cut, where the file system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
