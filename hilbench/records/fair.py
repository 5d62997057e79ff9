"""Which records may stand in one table, and in which order: only what ran one model on one stream of inputs.

A row that misses its suite's bar for fidelity or accuracy has a place in the table but none in the ranking: a kernel
that computes something else may be as fast as it likes. Where the suite sets no bar for fidelity, all outputs have to
equal the reference's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from hilbench.catalog.suite import Bound
from hilbench.records.expect import broken, unknown
from hilbench.records.record import Record

_RANKED_BY = ("cycles", "instructions", "latency")
_BARS = ("fidelity", "accuracy")


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
    """A group in order: first those with a place, then the others. `metric` is what was ranked by, "" for nothing."""

    metric: str
    standings: tuple[Standing, ...]


def rank(group: Sequence[Record]) -> Ranking:
    """Rank records of one ground by cycles, instructions or latency: the first that all have, on one basis."""
    metric = next((name for name in _RANKED_BY if _common(name, group)), "")
    judged = [(record, _below(record) or ("" if metric else "nothing to rank by")) for record in group]
    fit = sorted((record for record, reason in judged if not reason), key=lambda record: record.metrics[metric].value)
    values = [record.metrics[metric].value for record in fit]
    placed = [Standing(record, 1 + values.index(value)) for record, value in zip(fit, values, strict=True)]
    return Ranking(metric, (*placed, *(Standing(record, None, reason) for record, reason in judged if reason)))


def _common(name: str, group: Sequence[Record]) -> bool:
    """Say whether all have the metric on one basis, and estimates by one model."""
    metrics = [record.metrics.get(name) for record in group]
    return len({(metric.basis, metric.model) if metric else None for metric in metrics}) == 1 and None not in metrics


def _below(record: Record) -> str:
    """Return which bar of its suite the record misses, or cannot show that it meets."""
    bars = {name: bound for name, bound in record.bars.items() if name in _BARS}
    if "fidelity" in record.metrics:
        bars.setdefault("fidelity", Bound(min=1.0))
    return "; ".join([*broken(record, bars), *unknown(record, bars)])
