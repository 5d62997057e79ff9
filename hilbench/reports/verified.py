"""What a report does with verdicts: a record whose numbers do not follow from its samples is never ranked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from hilbench.records import fair
from hilbench.records.record import Record
from hilbench.records.verify import Verdict
from hilbench.reports.columns import Failure

Verdicts = Mapping[str, Verdict]
"""What is known of which record, by its id. Of a record without one, nobody asked."""


def ranked(group: Sequence[Record], verdicts: Verdicts) -> fair.Ranking:
    """Rank records of one ground as `fair.rank` does; those that failed come last, and have no place."""
    failed = {id(record): why for record in group if (why := _failed(verdicts.get(record.id)))}
    ranking = fair.rank([record for record in group if id(record) not in failed])
    apart = (fair.Standing(record, None, failed[id(record)]) for record in group if id(record) in failed)
    return replace(ranking, standings=(*ranking.standings, *apart))


def sound(group: Sequence[Record], verdicts: Verdicts) -> list[Record]:
    """Return those that did not fail: what a chart may show beside each other."""
    return [record for record in group if not _failed(verdicts.get(record.id))]


def failures(records: Sequence[Record], verdicts: Verdicts) -> Iterator[Failure]:
    """Yield those that failed, each with what did not hold."""
    for record in records:
        if why := _failed(verdicts.get(record.id)):
            yield Failure(record.label, why)


def unverified_lines(group: Sequence[Record], verdicts: Verdicts) -> list[str]:
    """Return a line for all of which nothing is wrong, but which lack the same of what a place rests on."""
    lacking: dict[str, list[str]] = {}
    for record in group:
        verdict = verdicts.get(record.id)
        if verdict is not None and verdict.mark == "unknown":
            names = ", ".join(dict.fromkeys(check.name for check in verdict.lacking))
            lacking.setdefault(names, []).append(record.framework.variant)
    return [f"unverified: {', '.join(dict.fromkeys(who))}: not checked: {names}" for names, who in lacking.items()]


def _failed(verdict: Verdict | None) -> str:
    failed = verdict.of("failed") if verdict else ()
    if not failed:
        return ""
    more = f"; {', '.join(check.name for check in failed[1:])} fail too" if failed[1:] else ""
    return f"failed verification: {failed[0].name}: {failed[0].detail}{more}"
