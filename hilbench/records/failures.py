"""What a database's errors mean: away for now, or wrong until somebody mends it; and what to do."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from hilbench.errors import StoreError, UsageError
from hilbench.records.address import Address
from hilbench.records.spool import Away

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_SQLITE_HINTS = {
    sqlite3.SQLITE_CANTOPEN: "see whether the folder exists and can be written",
    sqlite3.SQLITE_READONLY: "the file or its folder cannot be written; see who owns it",
    sqlite3.SQLITE_FULL: "free some space; nothing half-written was left",
    sqlite3.SQLITE_IOERR: "see whether the disk is full or failing; nothing half-written was left",
    sqlite3.SQLITE_NOTADB: "this file is something else: name another",
    sqlite3.SQLITE_CORRUPT: "take the file from a backup; `sqlite3 FILE .recover` saves what can be read",
}
_PING_S = 5
_AWAY_STATES = ("08", "40", "53", "57P", "25006")
"""SQLSTATEs (PostgreSQL 15, appendix A): connection lost, try again, out of resources, shut down, a standby."""
_FULL_HOUSE = re.compile("too many (clients|connections)|connection slots")
_IS_IT_UP = "see whether the server is up and the address right"
_REFUSED = "see user, password and database in the address; without a password there, ~/.pgpass or PGPASSWORD has it"
_STATES = {
    "28": _REFUSED,
    "3D": _REFUSED,
    "42501": "ask for the right to create tables, or to insert into and select from hilbench_records",
    "42P01": "the tables are gone; they are made anew at the next run",
}


class Refused(StoreError):
    """The server is there and lets us not in. One that is just starting may let us in a moment later."""


def told(error: SQLAlchemyError, engine: Engine, where: Address) -> StoreError | UsageError:
    """Return what `error` of `engine` means, without passwords."""
    cause = getattr(error, "orig", None) or error
    what = where.scrub(str(cause)) or type(cause).__name__
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # the rest of it is the extended code
        if code in _BUSY:
            return Away(f"the database is busy: {what}", where=where.place, hint="another process holds it: see which")
        return StoreError(f"the database fails: {what}", where=where.place, hint=_SQLITE_HINTS.get(code))
    state = getattr(cause, "sqlstate", None) or ""
    if state.startswith(_AWAY_STATES):
        return Away(f"the database cannot be used now: {what}", where=where.place, hint=_IS_IT_UP)
    if state or not isinstance(error, DBAPIError):
        hint = next((hint for start, hint in _STATES.items() if state.startswith(start)), None) if state else None
        return StoreError(f"the database refuses: {what}", where=where.place, hint=hint)
    return _connection_told(cause, what, engine, where)


def _connection_told(cause: Any, what: str, engine: Engine, where: Address) -> StoreError | UsageError:
    """Return what an error without an SQLSTATE means: libpq gives none when it cannot connect.

    Its words are in the language of the server and cannot be told apart, so the server is asked whether it is there.
    """
    import psycopg

    if isinstance(cause, psycopg.DataError):
        return StoreError(f"the database cannot hold this: {what}", where=where.place)
    given = engine.dialect.create_connect_args(where.url)[1]
    known = {"connect_timeout": _PING_S, **{name: value for name, value in given.items() if name != "context"}}
    try:
        answer: int = psycopg.pq.PGconn.ping(psycopg.conninfo.make_conninfo(**known).encode())
    except psycopg.ProgrammingError:
        answer = psycopg.pq.Ping.NO_ATTEMPT
    if answer == psycopg.pq.Ping.NO_ATTEMPT:
        return UsageError(
            f"{where.place} is no address of a database: {what}", hint="see the port and what follows `?`"
        )
    turned_away = cause.pgconn is not None and not cause.pgconn.backend_pid
    if answer == psycopg.pq.Ping.OK and turned_away and not _FULL_HOUSE.search(what):
        return Refused(f"the server refuses: {what}", where=where.place, hint=_REFUSED)
    return Away(f"the database cannot be reached: {what}", where=where.place, hint=_IS_IT_UP)
