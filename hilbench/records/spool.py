"""Where records wait while their database is away: `.hilbench/spool/<hash of its address>/`, files as in any store.

A record leaves the spool only after the database has it for good, and a database takes the same record once. So
whoever is killed, and however many send at a time, each record ends up there exactly once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from hilbench.errors import StoreError
from hilbench.records.directory import DirectoryStore, locked, write_whole
from hilbench.records.store import Document, checked

SPOOLS = Path(".hilbench/spool")
"""The folder of all spools, beside where the program was started: as the folder of records is."""
_ADDRESS = "address"


class Away(StoreError):
    """The database cannot be reached, or is too busy: what waits in the spool can be sent later."""


class Spool:
    """The spool of one database. `address`: its URL without any password."""

    def __init__(self, address: str, spools: Path = SPOOLS) -> None:
        self.address = address
        self.folder = spools.absolute() / hashlib.sha256(address.encode()).hexdigest()[:16]
        self._records = DirectoryStore(self.folder)

    def keep(self, document: Document) -> None:
        """Keep `document` until it is sent. Raises `StoreError`."""
        self._records.keep(document)
        try:
            write_whole(self.folder / _ADDRESS, self.address.encode())
        except OSError as error:
            raise StoreError(f"cannot be written: {error.strerror}", where=str(self.folder / _ADDRESS)) from error

    def waiting(self) -> list[str]:
        """Return the ids of the records that wait, damaged ones too."""
        return self._records.ids() if self.folder.is_dir() else []

    def send(self, put: Callable[[Document], None], tell: Callable[[StoreError], None], *, wait: bool = False) -> int:
        """Give all that waits to `put`, which returns once it is safe; return how many were given.

        `tell` is told of each that is damaged or refused; these stay. Where another process is sending, nothing is
        done, or with `wait` once it has ended. Raises `Away` as `put` does; the rest stays.
        """
        if not self.waiting():
            return 0
        sent = 0
        with locked(self.folder, wait=wait) as mine:
            for document in self._records.documents() if mine else ():
                try:
                    checked(document)
                    put(document)
                except Away:
                    raise
                except StoreError as error:
                    tell(error)
                    continue
                Path(document.where).unlink(missing_ok=True)
                sent += 1
        return sent


def spools(folder: Path = SPOOLS) -> Iterator[Spool]:
    """Yield the spools in which records wait. Raises `StoreError` when one does not say whose it is."""
    for path in sorted(folder.glob(f"*/{_ADDRESS}")):
        try:
            spool = Spool(path.read_text(encoding="utf-8"), folder)
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"the address of a spool cannot be read: {error}", where=str(path)) from error
        if spool.folder != path.parent.absolute():
            raise StoreError("the address is not that of this spool", where=str(path), hint=_BY_HAND)
        if spool.waiting():
            yield spool


_BY_HAND = "`hilbench store copy` brings the records of this folder into a store"
