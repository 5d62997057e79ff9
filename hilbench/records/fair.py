"""Which records may stand in one table, and in which order: only what ran one model on one stream of inputs.

A row that misses its suite's bar for fidelity or accuracy has a place in the table but none in the ranking: a kernel
that computes something else may be as fast as it likes. Where the suite sets no bar for fidelity, all outputs have to
equal the reference's. Nor has one whose number is of another kind than the others': bases and models are never mixed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple, get_args

from hilbench.catalog.suite import Bound
from hilbench.measure.metric import Basis
from hilbench.records.expect import broken, unknown
from hilbench.records.meaning import meaning
from hilbench.records.record import Record

_RANKED_BY = ("cycles", "instructions", "latency")
_BARS = ("fidelity", "accuracy")
_BASES = get_args(Basis)


class Kind(NamedTuple):
    """What a number is; only numbers of one kind are put in an order or in one column.

    `meaning` is what else they must agree in: for an accuracy how it was scored, for fidelity what it is to.
    """

    name: str
    basis: Basis
    model: str | None
    meaning: str = ""


def kind(record: Record, name: str) -> Kind | None:
    """Return the kind of a record's metric; None for one that it does not have."""
    metric = record.metrics.get(name)
    return None if metric is None else Kind(name, metric.basis, metric.model, meaning(record, name))


@dataclass(frozen=True)
class Ground:
    """What must agree before two numbers can be compared. `inputs` hashes every byte that was streamed, in order:
    which samples, and how they were quantised."""

    suite: str
    task: str
    board: str
    target: str
    counter: str
    model: str
    data: str
    inputs: str


def ground(record: Record) -> Ground:
    """Return what `record` stands on."""
    board, target = record.board, record.target
    return Ground(
        suite=record.suite,
        task=record.task,
        board=f"{board.id}, {board.core} at {board.clock_hz} Hz",
        target=" as ".join(filter(None, (f"{target.kind} {target.version}", target.stand_in))),
        counter=board.counter,
        model=record.model.sha256,
        data=record.dataset.sha256,
        inputs=record.dataset.inputs_sha256,
    )


def differences(one: Record, other: Record) -> list[str]:
    """Return what keeps two records from being compared, such as "model"; nothing if they can be."""
    first, second = ground(one), ground(other)
    return [each.name for each in fields(Ground) if getattr(first, each.name) != getattr(second, each.name)]


def groups(records: Sequence[Record]) -> list[list[Record]]:
    """Return the records in groups that can be compared, in the order of the first of each."""
    found: dict[Ground, list[Record]] = {}
    for record in records:
        found.setdefault(ground(record), []).append(record)
    return list(found.values())


@dataclass(frozen=True)
class Standing:
    """A record's place in its group, from 1; None for one that is not ranked, with the reason."""

    record: Record
    place: int | None
    reason: str = ""


@dataclass(frozen=True)
class Ranking:
    """A group in order: first those with a place, then the others. `by` is what was ranked by, None for nothing."""

    by: Kind | None
    standings: tuple[Standing, ...]

    @property
    def metric(self) -> str:
        """The name of what was ranked by, "" for nothing."""
        return self.by.name if self.by else ""

    @property
    def ranked(self) -> list[Record]:
        """The records that have a place, best first: all have the metric, and of one kind."""
        return [standing.record for standing in self.standings if standing.place is not None]


def rank(group: Sequence[Record]) -> Ranking:
    """Rank records of one ground by cycles, instructions or latency: what most of those that meet their bars have.

    That is one metric on one basis, and an estimate by one model. The others have no place, with the reason.
    """
    below = {id(record): _below(record) for record in group}
    by = _commonest([record for record in group if not below[id(record)]] or group)
    judged = [(record, below[id(record)] or _unlike(record, by)) for record in group]
    name = by.name if by else ""
    fit = sorted((record for record, reason in judged if not reason), key=lambda record: record.metrics[name].value)
    values = [record.metrics[name].value for record in fit]
    placed = [Standing(record, 1 + values.index(value)) for record, value in zip(fit, values, strict=True)]
    return Ranking(by, (*placed, *(Standing(record, None, reason) for record, reason in judged if reason)))


def _commonest(group: Sequence[Record]) -> Kind | None:
    """Return the kind of number to rank by that most have; of those as common, what says most of a board's speed."""
    counts = Counter(each for record in group for each in _kinds(record))

    def order(one: Kind) -> tuple[int, int, int, str]:
        return -counts[one], _RANKED_BY.index(one.name), _BASES.index(one.basis), one.model or ""

    return min(counts, key=order, default=None)


def _kinds(record: Record) -> Iterator[Kind]:
    return (found for name in _RANKED_BY if (found := kind(record, name)))


def _unlike(record: Record, by: Kind | None) -> str:
    """Return why a record cannot be ranked by this, "" if it can."""
    if by is None:
        return "nothing to rank by"
    mine = kind(record, by.name)
    if mine is None:
        return f"the others are ranked by {by.name}, and it has none"
    if mine.basis != by.basis:
        return f"the others are ranked by {by.basis} {by.name}, and it has {mine.basis}"
    other = f"the others are ranked by {by.name} that another model estimated; its own: {mine.model}"
    return "" if mine == by else other


def _below(record: Record) -> str:
    """Return which bar of its suite the record misses, or cannot show that it meets."""
    bars = {name: bound for name, bound in record.bars.items() if name in _BARS}
    if "fidelity" in record.metrics:
        bars.setdefault("fidelity", Bound(min=1.0))
    return "; ".join([*broken(record, bars), *unknown(record, bars)])
