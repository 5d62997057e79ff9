"""Records in a database: SQLite in a file, PostgreSQL for a lab. What it cannot take now waits in a spool."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from hilbench.errors import HilbenchError, NoStore, StoreError, Unavailable
from hilbench.records.directory import DirectoryStore
from hilbench.records.record import Record
from hilbench.records.spool import Away, Spool
from hilbench.records.store import EVERYTHING, Document, Query, checked, checked_id, missing, refuse_another

_LOG = logging.getLogger("hilbench")


class SqlStore:
    """The records in the database at `spec`: `sqlite:FILE`, `sqlite:///FILE`, `postgresql://USER@HOST/DATABASE`.

    `place` is that without a password. Raises `UsageError` for what is no address, and `Unavailable` without the
    packages. A database that cannot be reached shows when it is used, not here.
    """

    def __init__(self, spec: str) -> None:
        try:
            from hilbench.records.address import address
            from hilbench.records.database import Database

            where = address(str(spec))
            self._database = Database(where)
        except ImportError as error:
            raise Unavailable(
                f"a package for databases is missing: {error}", hint="pip install 'hilbench[sql]'"
            ) from None
        self.place, self.file = where.place, where.file
        self.spool = Spool(where.bare)
        self._open = False

    def ready(self) -> None:
        """See `Store.ready`: makes or migrates the tables, and sends what waits in the spool."""
        try:
            if self.file is not None:
                DirectoryStore(self.file.parent).ready()
            self._opened(make=True)
        except Away as error:
            _LOG.warning("%s; records wait in %s until `hilbench store send`, or a later run", error, self.spool.folder)

    def put(self, record: Record) -> str:
        """See `Store.put`."""
        return self.keep(Document.of(record))

    def keep(self, document: Document) -> str:
        """See `Store.keep`. What the database does not take is spooled: with a warning if it is only away."""
        record = checked(document)
        try:
            self._opened(make=True)
            kept = self._database.insert(record, document)
        except HilbenchError as error:
            self._open = False
            return self._spooled(document, error)
        if kept is not None:
            refuse_another(document, kept)
        return f"{self.place}/{record.id}"

    def get(self, record_id: str) -> Record:
        """See `Store.get`."""
        checked_id(record_id)
        self._opened()
        found = self._database.get(record_id)
        if found is None:
            raise missing(record_id, self.place)
        return found.record()

    def documents(self, query: Query = EVERYTHING) -> Iterator[Document]:
        """See `Store.documents`. The rows come as they are read."""
        self._opened()
        yield from self._database.documents(query)

    def send(self, tell: Callable[[StoreError], None]) -> int:
        """Send what waits in the spool, and return how many there were; `tell` is told of each that has to stay.

        Raises `StoreError`.
        """
        self._migrated(make=True)
        sent = self.spool.send(self._insert, tell, wait=True)
        self._open = True
        return sent

    def _opened(self, *, make: bool = False) -> None:
        if not self._open:
            self._migrated(make=make)
            sent = self.spool.send(self._insert, lambda error: _LOG.warning("left in the spool: %s", error))
            if sent:
                _LOG.warning("%d records that had waited were sent to %s", sent, self.place)
            self._open = True

    def _migrated(self, *, make: bool) -> None:
        if self.file is not None and not self.file.exists():
            if not make:
                raise NoStore("there is no such database", where=self.place, hint="a run with --hil-store makes it")
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"no folder for the database: {error.strerror}", where=str(self.file)) from error
        self._database.migrate()

    def _insert(self, document: Document) -> None:
        kept = self._database.insert(document.record(), document)
        if kept is not None:
            refuse_another(document, kept)

    def _spooled(self, document: Document, error: HilbenchError) -> str:
        try:
            self.spool.keep(document)
        except StoreError as second:
            raise StoreError(f"{error.what}; nor could it wait in the spool: {second}", where=error.where) from error
        if not isinstance(error, Away):
            hint = (
                f"{error.hint or 'mend this'}; the record waits in {self.spool.folder}, `hilbench store send` sends it"
            )
            raise StoreError(error.what, where=error.where, hint=hint) from error
        _LOG.warning("%s; record %s waits in %s", error, document.id, self.spool.folder)
        return f"{self.spool.folder}, until `hilbench store send` sends to {self.place}/{document.id}"
