"""The seam to a store: where records are kept, one document a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hilbench.errors import StoreError
from hilbench.plugins import load
from hilbench.records.record import Record

DEFAULT = Path(".hilbench/records")
LARGEST_BYTES = 64 * 2**20
"""A document beyond this is refused unread: no run of ours writes one, and a page of them would be no page."""


@dataclass(frozen=True)
class Document:
    """A record as it is kept, unread: the id it is kept under, where it is, and its text.

    `problem` says why there is no text: it cannot be read, is no text, or is too large.
    """

    id: str
    where: str
    text: str
    problem: StoreError | None = None

    def record(self) -> Record:
        """Return the record. Raises `StoreError` when it is damaged, too large, or kept under another's id."""
        if self.problem is not None:
            raise self.problem
        record = Record.from_json(self.text, self.where)
        if record.id != self.id:
            raise StoreError(f"the record calls itself '{record.id}', but is kept as '{self.id}'", where=self.where)
        return record


@dataclass(frozen=True)
class Query:
    """Which records are wanted; None is any. `since` is an ISO 8601 time, as in `Record.started`."""

    suite: str | None = None
    task: str | None = None
    board: str | None = None
    framework: str | None = None
    branch: str | None = None
    since: str | None = None

    def wants(self, record: Record) -> bool:
        """Say whether `record` is one of them. `framework` is its variant, `branch` that of its source."""
        asked = (
            (self.suite, record.suite),
            (self.task, record.task),
            (self.board, record.board.id),
            (self.framework, record.framework.variant),
            (self.branch, record.source.get("branch")),
        )
        return all(wanted in (None, found) for wanted, found in asked) and (self.since or "") <= record.started


EVERYTHING = Query()


class Store(Protocol):
    """Keeps records. Putting the same record twice leaves one; another record of the same id is refused."""

    def put(self, record: Record) -> str:
        """Keep `record`, wholly or not at all, and return where it is: PLACE/ID. Raises `StoreError`."""

    def get(self, record_id: str) -> Record:
        """Return the record with this id. Raises `StoreError` when it is missing or damaged."""

    def documents(self, query: Query = EVERYTHING) -> Iterator[Document]:
        """Yield the documents in the order of their ids, oldest first, damaged ones too.

        Those that `query` does not want may be left out, as far as the store can tell. Raises `StoreError` when there
        is no store or it cannot be asked.
        """


def select(
    store: Store, query: Query = EVERYTHING, damaged: Callable[[StoreError], None] = lambda error: None
) -> Iterator[Record]:
    """Yield the records of `store` that `query` wants, oldest first; `damaged` is told of each that cannot be read."""
    for document in store.documents(query):
        try:
            record = document.record()
        except StoreError as error:
            damaged(error)
            continue
        if query.wants(record):
            yield record


def open_store(spec: str | Path) -> Store:
    """Return the store that `spec` names: a folder, or `SCHEME:…` for a store registered under that name.

    What follows a `+` in the scheme is the store's own business: `postgresql+psycopg://…` is the store `postgresql`.
    """
    scheme, colon, rest = str(spec).partition(":")
    if not colon or not rest or "/" in scheme:
        name, place = "directory", str(spec)
    else:
        name, place = scheme.partition("+")[0], rest if scheme == "directory" else str(spec)
    store: Store = load("stores", name)(place)
    return store
