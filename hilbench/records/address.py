"""The address of a database, as a user writes it and as it may be shown: without a password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from hilbench.errors import UsageError

_HINT = "write postgresql+psycopg://USER@HOST/DATABASE"
_SECRETS = ("password", "sslpassword")


@dataclass(frozen=True)
class Address:
    """Where a database is. `place` can be shown; `bare` is it without any trace of a password, and can be kept."""

    url: URL
    place: str
    bare: str

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database, None for a server."""
        return Path(self.url.database or "") if self.url.get_backend_name() == "sqlite" else None

    def scrub(self, text: str) -> str:
        """Return `text` on one line, without the passwords."""
        for secret in (self.url.password, *(self.url.query.get(name) for name in _SECRETS)):
            text = text.replace(str(secret), "***") if secret else text
        return " ".join(text.split())


def address(spec: str) -> Address:
    """Return the address `spec`: `sqlite:FILE`, `sqlite:///FILE` or `postgresql://…`. Raises `UsageError`."""
    scheme, _, rest = spec.partition(":")
    name, _, driver = scheme.partition("+")
    if name == "sqlite":
        return _sqlite(spec, driver, rest)
    if driver not in ("", "psycopg"):
        raise UsageError(f"the store's driver '{driver}' is not known", hint=_HINT)
    shown = re.sub(r"//([^:/@]*):.*@", r"//\1:***@", spec.partition("?")[0])
    try:
        url = make_url(spec).set(drivername="postgresql+psycopg")
        if not 0 < (url.port or 1) < 2**16:
            raise ValueError("no port has such a number")
    except (SQLAlchemyError, ValueError):
        raise UsageError(f"'{shown}' is no address of a database", hint=_HINT) from None
    if not (url.database or "dbname" in url.query or "service" in url.query):
        raise UsageError(f"'{shown}' names no database", hint=_HINT)
    if url.password is None and "password" in url.query:
        url = url.set(password=str(url.query["password"]))
    url = url.difference_update_query(["password"])
    public = url.difference_update_query(_SECRETS)
    without = URL.create(
        public.drivername, public.username, None, public.host, public.port, public.database, public.query
    )
    bare = without.render_as_string(hide_password=False)
    return Address(url, public.render_as_string(hide_password=True), bare)


def _sqlite(spec: str, driver: str, rest: str) -> Address:
    if driver not in ("", "pysqlite"):
        raise UsageError(f"the store's driver '{driver}' is not known", hint="write sqlite:FILE")
    name = rest.removeprefix("///")
    if not name or name == ":memory:" or name.startswith("//"):
        raise UsageError(f"'{spec}' names no file", hint="write sqlite:FILE, such as sqlite:records.db")
    path = Path(name).expanduser().absolute()
    return Address(URL.create("sqlite+pysqlite", database=str(path)), f"sqlite:{name}", f"sqlite:{path}")
