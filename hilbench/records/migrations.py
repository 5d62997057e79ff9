"""The tables of a database of records, and the steps that bring an older database to them."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Column, Connection, Index, Integer, MetaData, Table, Text, func, insert, inspect, select, update

from hilbench.errors import StoreError

_LOCK = int.from_bytes(b"hilbench", "big")
"""The number of the lock that whoever migrates a PostgreSQL database holds."""

_WORD = Text().with_variant(Text(collation="C"), "postgresql")
"""A text that is sorted by its bytes, whatever the language of the database."""

_metadata = MetaData()
SCHEMA = Table("hilbench_schema", _metadata, Column("version", Integer, nullable=False))
RECORDS = Table(
    "hilbench_records",
    _metadata,
    Column("id", _WORD, primary_key=True),
    Column("started", _WORD, nullable=False),
    Column("suite", _WORD, nullable=False),
    Column("task", _WORD, nullable=False),
    Column("board", _WORD, nullable=False),
    Column("framework", _WORD, nullable=False, comment="its variant: the name and the options that are not defaults"),
    Column("branch", _WORD),
    Column("git_commit", _WORD),
    Column("document", Text, nullable=False, comment="the sealed JSON document, to the byte"),
    Column("sha256", _WORD, nullable=False, comment="of the document in UTF-8"),
    Index("hilbench_records_started", "started"),
    Index("hilbench_records_task", "task", "board", "framework", "started"),
    Index("hilbench_records_suite", "suite", "started"),
    Index("hilbench_records_branch", "branch", "started"),
)


def _first(connection: Connection) -> None:
    """0 to 1: the table of records."""
    RECORDS.create(connection)


STEPS: tuple[Callable[[Connection], None], ...] = (_first,)
"""Step i brings a database from version i to i + 1, in one transaction. A step is never changed once it is released."""


def version(connection: Connection) -> int:
    """Return the version of a database, 0 for one without our tables. Raises `StoreError` for one from the future."""
    if not inspect(connection).has_table(SCHEMA.name):
        return 0
    found = connection.scalar(select(func.max(SCHEMA.c.version))) or 0
    if found > len(STEPS):
        raise StoreError(
            f"the database is of version {found}, and this hilbench knows up to {len(STEPS)}",
            hint="a newer hilbench made it: pip install --upgrade hilbench",
        )
    return int(found)


def step(connection: Connection) -> bool:
    """Bring the database one version further, in the transaction of `connection`; say whether there was a step to do.

    Of processes that do this at once, one does it. (In SQLite a transaction that writes is alone from its beginning.)
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    found = version(connection)
    if found >= len(STEPS):
        return False
    if found == 0:
        SCHEMA.create(connection, checkfirst=True)
        connection.execute(insert(SCHEMA).values(version=0))
    STEPS[found](connection)
    connection.execute(update(SCHEMA).values(version=found + 1))
    return True
