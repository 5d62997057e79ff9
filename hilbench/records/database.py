"""Rows of records in SQLite or PostgreSQL, through SQLAlchemy, with its errors told in our words."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, LargeBinary, Select, case, cast, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from hilbench.errors import StoreError
from hilbench.records import migrations
from hilbench.records.address import Address
from hilbench.records.failures import Refused, told
from hilbench.records.migrations import RECORDS
from hilbench.records.record import Record
from hilbench.records.spool import Away
from hilbench.records.store import LARGEST_BYTES, Document, Query, too_large

_T = TypeVar("_T")
_CONNECT_S = 5
_UNANSWERED_MS = 10_000
"""So long a connection waits for the other side to confirm what was sent, before it counts as broken."""
_RECYCLE_S = 30
"""A connection that rested longer is not used again: firewalls drop them in silence."""
_BUSY_S = 30
"""So long SQLite waits for another process to finish writing."""
_POOL: dict[str, Any] = {"poolclass": QueuePool, "pool_size": 1, "pool_recycle": _RECYCLE_S}
_WAITS_S = (0.25, 1.0)
"""Between attempts to reach a database: a server that restarts is often back by then."""
_BATCH = 16
"""Rows fetched at a time: a document has some 20 kB, but may be large."""


class Database:
    """The database at an address. Nothing is connected before it is asked for. All methods raise `StoreError`."""

    def __init__(self, where: Address) -> None:
        self.where = where
        self._engine = _engine(where)
        self._process = os.getpid()
        self._parents: tuple[Engine, ...] = ()

    def migrate(self) -> None:
        """Bring the tables to the newest version; a database that has it is only read."""
        if self._transaction(migrations.version) < len(migrations.STEPS):
            while self._transaction(migrations.step, write=True):
                pass

    def insert(self, record: Record, document: Document) -> Document | None:
        """Keep `document`, that of `record`, and return once it is safe; if its id is taken, return what has it."""
        dialect = sqlite if self.where.file else postgresql
        row = {
            "id": record.id, "started": record.started, "suite": record.suite, "task": record.task,
            "board": record.board.id, "framework": record.framework.variant, "branch": record.source.get("branch"),
            "git_commit": record.source.get("commit"), "document": document.text,
            "sha256": sha256(document.text.encode()).hexdigest(),
        }  # fmt: skip
        statement = dialect.insert(RECORDS).values(row).on_conflict_do_nothing(index_elements=["id"])
        # Not the count of rows, which not every driver gives.
        statement = statement.returning(RECORDS.c.id)

        def work(connection: Connection) -> Document | None:
            added = connection.execute(statement).first()
            return None if added else self._one(connection, record.id)

        return self._transaction(work, write=True)

    def get(self, record_id: str) -> Document | None:
        """Return the document with this id, None if there is none."""
        return self._transaction(lambda connection: self._one(connection, record_id))

    def documents(self, query: Query) -> Iterator[Document]:
        """Yield the documents that `query` wants in the order of their ids, few of them in memory at a time."""
        statement = self._rows().order_by(RECORDS.c.id)
        for name in ("suite", "task", "board", "framework", "branch"):
            if (wanted := getattr(query, name)) is not None:
                statement = statement.where(RECORDS.c[name] == wanted)
        if query.since is not None:
            statement = statement.where(RECORDS.c.started >= query.since)
        with self._telling(), self._connect() as connection:
            for row in connection.execute(statement, execution_options={"yield_per": _BATCH}):
                yield self._document(*row)

    def _one(self, connection: Connection, record_id: str) -> Document | None:
        row = connection.execute(self._rows().where(RECORDS.c.id == record_id)).one_or_none()
        return None if row is None else self._document(*row)

    def _rows(self) -> Select[Any]:
        """Return the query for the arguments of `_document`: what is too large stays where it is."""
        text = RECORDS.c.document
        size = func.length(cast(text, LargeBinary)) if self.where.file else func.octet_length(text)
        return select(RECORDS.c.id, case((size <= LARGEST_BYTES, text), else_=None), size, RECORDS.c.sha256)

    def _document(self, record_id: Any, text: Any, size: int | None, digest: Any) -> Document:
        """Return what a row holds; SQLite's columns hold anything, whatever they were made for."""
        where = f"{self.where.place}/{record_id}"
        if size is not None and size > LARGEST_BYTES:
            return Document(str(record_id), where, "", too_large(size, where))
        if not isinstance(text, str) or sha256(text.encode("utf-8", "surrogateescape")).hexdigest() != digest:
            changed = StoreError("the row was changed after it was written, or is damaged", where=where, hint=_AGAIN)
            return Document(str(record_id), where, "", changed)
        return Document(str(record_id), where, text)

    def _transaction(self, work: Callable[[Connection], _T], *, write: bool = False) -> _T:
        """Return what `work` does in a transaction; one that failed for no lasting reason is done again."""
        before: StoreError | None = None
        for wait_s in (*_WAITS_S, None):
            try:
                with self._telling(), self._connect(write) as connection:
                    return work(connection)
            except (Away, Refused) as error:
                # A server that starts refuses too, but not twice once it has said that it is ready.
                if isinstance(error, Refused) and isinstance(before, Refused):
                    raise
                before = error
            if wait_s is not None:
                time.sleep(wait_s)
        assert before is not None
        raise Away(before.what, where=before.where, hint=before.hint)

    def _own_engine(self) -> Engine:
        """Return the engine of this process: the connections of its parent are neither used nor closed."""
        if self._process != os.getpid():
            self._parents = (*self._parents, self._engine)
            self._engine, self._process = _engine(self.where), os.getpid()
        return self._engine

    @contextlib.contextmanager
    def _connect(self, write: bool = False) -> Iterator[Connection]:
        with self._own_engine().connect() as connection:
            connection.execution_options(hilbench_write=write)
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise told(error, self._engine, self.where) from None
        except OverflowError as error:  # a document of gigabytes, from SQLite
            raise StoreError(str(error), where=self.where.place) from None


_AGAIN = "take it from a backup or copy, or run the benchmark again"


def _engine(where: Address) -> Engine:
    """Return the engine of a database. Raises ImportError without its driver."""
    if where.file:
        engine = create_engine(where.url, connect_args={"timeout": _BUSY_S}, **_POOL)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "checkout", _same_file)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    defaults = {"connect_timeout": _CONNECT_S, "tcp_user_timeout": _UNANSWERED_MS, "application_name": "hilbench"}
    given = {name: value for name, value in defaults.items() if name not in where.url.query}
    # Statements that the server keeps do not go through a pooler such as PgBouncer.
    return create_engine(where.url, connect_args={**given, "prepare_threshold": None}, **_POOL)


def _prepare_sqlite(connection: Any, entry: Any) -> None:
    connection.isolation_level = None  # else Python begins transactions of its own, and none for DDL
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")  # damage is told row by row
    connection.execute("PRAGMA synchronous=FULL")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode=WAL")
    entry.info["file"] = _file_of(connection)


def _same_file(connection: Any, entry: Any, _: Any) -> None:
    """Part from a file that is no longer the one of that name: it was deleted, or restored from a backup."""
    if entry.info["file"] != _file_of(connection):
        raise DisconnectionError("the file is another")


def _file_of(connection: Any) -> tuple[int, int] | None:
    try:
        found = Path(connection.execute("PRAGMA database_list").fetchone()[2]).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _begin_sqlite(connection: Connection) -> None:
    # Two that read first and then write would wait for each other.
    write = connection.get_execution_options().get("hilbench_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
