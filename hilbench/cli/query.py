"""What commands do with options that choose records: a word that nothing has is a mistake, and is told as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from operator import attrgetter

from hilbench.errors import UsageError, nearest
from hilbench.records.record import Record
from hilbench.records.store import Query, Store, select

_FACTS: tuple[tuple[str, Callable[[Record], str]], ...] = (
    ("suite", attrgetter("suite")),
    ("task", attrgetter("task")),
    ("board", attrgetter("board.id")),
    ("framework", attrgetter("framework.variant")),
    ("branch", lambda record: record.source.get("branch", "")),
)


def require_time(text: str | None) -> None:
    """Raise `UsageError` unless `text` is an ISO 8601 date or time, or none was given."""
    try:
        datetime.fromisoformat(text or "2026-01-31")
    except ValueError:
        raise UsageError(f"--since: '{text}' is no date", hint="write it as 2026-01-31, or 2026-01-31T12:00") from None


def require_known(store: Store, query: Query, metrics: Iterable[str] = ()) -> None:
    """Raise `UsageError` for the first word of `query`, or of `metrics`, that no record of `store` has.

    To be asked where nothing was found: it reads the whole store. Says nothing of a store without records.
    """
    seen: dict[str, set[str]] = {name: set() for name, _ in _FACTS}
    known: set[str] = set()
    for record in select(store):
        known |= record.metrics.keys()
        for name, fact in _FACTS:
            seen[name] |= {fact(record)} - {""}
    if not known:
        return
    asked = [(name, getattr(query, name), seen[name]) for name, _ in _FACTS]
    for name, word, words in [*asked, *(("metric", metric, known | {"all"}) for metric in metrics)]:
        if word is not None and word not in words:
            raise UsageError(f"no record has the {name} '{word}'", hint=nearest(word, words) if words else None)
