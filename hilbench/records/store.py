"""The seam to a store: where records are kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from hilbench.plugins import load
from hilbench.records.record import Record

DEFAULT = Path(".hilbench/records")


class Store(Protocol):
    """Keeps records. Putting the same record twice leaves one."""

    def put(self, record: Record) -> str:
        """Keep `record`, wholly or not at all, and return where it is. Raises `StoreError`."""

    def get(self, record_id: str) -> Record:
        """Return the record with this id. Raises `StoreError` when it is missing or damaged."""

    def select(self, *, task: str | None = None, board: str | None = None) -> Iterator[Record]:
        """Yield the records of `task` and `board` (None: any), oldest first. Raises `StoreError` for a damaged one."""


def open_store(spec: str | Path) -> Store:
    """Return the store that `--hil-store` names: a folder, or `SCHEME:…` for a store registered under that name."""
    scheme, _, rest = str(spec).partition(":")
    name, place = ("directory", str(spec)) if not rest or "/" in scheme else (scheme, rest)
    store: Store = load("stores", name)(place)
    return store
