"""The seam to a store: where records are kept, one document a run."""

from __future__ import annotations

import re
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
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def checked_id(record_id: str) -> str:
    """Return `record_id`, which never leads out of a folder. Raises `StoreError` when no record has such an id."""
    if not _ID.fullmatch(record_id):
        raise StoreError(f"'{record_id}' is not a record's id", hint="ids are letters, digits, dots, dashes and _")
    return record_id


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

    @classmethod
    def of(cls, record: Record) -> Document:
        """Return `record` as the document that keeps it."""
        return cls(record.id, record.id, record.to_json())


def checked(document: Document) -> Record:
    """Return the record of a document that is to be kept. Raises `StoreError` when it could not be read again."""
    checked_id(document.id)
    size = len(document.text.encode("utf-8", "surrogatepass"))
    if size > LARGEST_BYTES:
        raise too_large(size, document.where)
    return document.record()


def too_large(size: int, where: str) -> StoreError:
    """Return the error for a document of `size` bytes that is not read."""
    return StoreError(f"{size} bytes are more than the {LARGEST_BYTES} a record may have", where=where)


def missing(record_id: str, where: str) -> StoreError:
    """Return the error for a record that is not there."""
    return StoreError(
        f"there is no record '{record_id}'", where=where, hint="`hilbench store list` lists what is there"
    )


def refuse_another(document: Document, kept: Document) -> None:
    """Raise `StoreError` unless `kept`, found under the id of `document`, is the same record."""
    if kept.text == document.text and kept.problem is None:
        return
    try:
        if kept.record() == document.record():  # another schema's text of it
            return
        what, hint = "another record is kept under this id", "nothing was changed; see which of the two is right"
    except StoreError as error:
        what, hint = f"what is kept under this id is damaged: {error.what}", "nothing was changed; remove it first"
    raise StoreError(what, where=kept.where, hint=hint)


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
    """Keeps records. Keeping the same record twice leaves one; another record of the same id is refused."""

    def ready(self) -> None:
        """Raise `StoreError` for what would keep records from being kept; of a server that is away, only warn."""

    def put(self, record: Record) -> str:
        """Keep `record`, wholly or not at all, and return where it is: PLACE/ID. Raises `StoreError`."""

    def keep(self, document: Document) -> str:
        """Keep a document to the byte, as `put` does. Raises `StoreError`, also when it is damaged."""

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
    if not colon or "/" in scheme:
        name, place = "directory", str(spec)
    else:
        name, place = scheme.partition("+")[0], rest if scheme == "directory" else str(spec)
    store: Store = load("stores", name)(place)
    return store
