"""Who stands where: the newest record of each row, verified, in groups that can be compared, as `fair` ranks them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hilbench.records import fair
from hilbench.records.record import Record, Samples
from hilbench.records.store import Document
from hilbench.records.verify import Check, State, check
from hilbench.reports.reproduce import commands
from hilbench.reports.site.pool import Pool
from hilbench.reports.site.rows import Row, Run

MARKS = {
    "ok": ("✓", "verified", "what its place rests on came out the same when it was made again from its raw samples"),
    "unknown": ("○", "not fully checked", "nothing is wrong, but it does not hold what is needed to make it again"),
    "failed": ("✗", "FAILED", "what it claims does not follow from its own samples"),
}
"""The sign, the words and the meaning of each mark."""
UNVERIFIED = "unverified"
"""What stands beside the place of a record that is `unknown`."""
_NO_SAMPLES = Samples(times=(), outputs="")


@dataclass(frozen=True, slots=True)
class Verified:
    """A record without its raw parts, what was checked of it, what that comes to and why, and how to run it again."""

    record: Record
    checks: tuple[Check, ...]
    mark: State
    reasons: tuple[Check, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A row with its newest record, and all its runs."""

    slug: str
    found: Verified
    runs: list[Run]
    newest: Document

    @property
    def record(self) -> Record:
        """Its newest record, which lacks its raw parts here."""
        return self.found.record

    @property
    def mark(self) -> State:
        """One of `MARKS`."""
        return self.found.mark

    @property
    def why(self) -> str:
        """What was wrong with it, or could not be checked."""
        return "; ".join(f"{each.name}: {each.detail}" if each.detail else each.name for each in self.found.reasons)

    @property
    def when(self) -> datetime:
        """The time of its newest record."""
        return self.runs[-1].started


@dataclass(frozen=True, slots=True)
class Group:
    """Entries that can be compared: ranked ones, those without a place, and those that failed verification, apart."""

    ranking: fair.Ranking
    entries: dict[str, Entry]
    failed: tuple[Entry, ...]

    @property
    def records(self) -> list[Record]:
        """The records of the ranking, in its order."""
        return [standing.record for standing in self.ranking.standings]

    @property
    def any(self) -> Record:
        """One record, for what all have in common."""
        return next(iter(self.entries.values())).record

    @property
    def when(self) -> datetime:
        """The time of the newest record."""
        return max(entry.when for entry in self.entries.values())

    def standing(self, entry: Entry) -> str:
        """Return a place in words, such as `1 of 4 by instructions`, or why there is none."""
        if entry in self.failed:
            return "not ranked: failed verification"
        found = next(each for each in self.ranking.standings if each.record.id == entry.record.id)
        if found.place is None:
            return f"not ranked: {found.reason}"
        ranked = sum(each.place is not None for each in self.ranking.standings)
        place = f"{found.place} of {ranked} by {self.ranking.metric}" if ranked > 1 else "the only one so far"
        return place + ("" if entry.mark == "ok" else f", {UNVERIFIED}")


def entries_of(rows: Iterable[Row], pool: Pool) -> list[Entry]:
    """Return each row with its newest record fully verified."""
    kept = list(rows)
    verified = pool.apply(verify, [row.newest for row in kept])
    return [Entry(row.slug, found, row.runs, row.newest) for row, (_, found) in zip(kept, verified, strict=True)]


def verify(document: Document) -> Verified:
    """Return what is known of the record of a document that was read before."""
    verdict = check(document)
    record = verdict.record or document.record()
    light = record.model_copy(update={"samples": _NO_SAMPLES, "profile": None, "counts": None, "confusion": None})
    reasons = verdict.of("failed") if verdict.mark == "failed" else verdict.lacking
    return Verified(light, verdict.checks, verdict.mark, reasons, tuple(commands([record])))


def groups_of(entries: Sequence[Entry]) -> list[Group]:
    """Return the entries in groups that can be compared, ordered by task, board, and newest first."""
    grounds: dict[fair.Ground, list[Entry]] = {}
    for entry in entries:
        grounds.setdefault(fair.ground(entry.record), []).append(entry)
    found = []
    for members in grounds.values():
        members.sort(key=lambda each: each.slug)
        fit = [each.record for each in members if each.mark != "failed"]
        failed = tuple(each for each in members if each.mark == "failed")
        found.append(Group(fair.rank(fit), {each.record.id: each for each in members}, failed))
    found.sort(key=lambda group: (group.any.suite, group.any.task, group.any.board.id, -group.when.timestamp(),
                                  min(each.slug for each in group.entries.values())))  # fmt: skip
    return found
