"""Compares runs with earlier ones, row by row and metric by metric, and judges what got worse.

Exact metrics (counted, or estimated from counts) are compared as they are: every difference is one. Noisy ones are
tested, against the allowance and not against zero, and all tests of a comparison share one chance of a false alarm.
Numbers that do not stand on the same ground are never compared: the pair says in what it differs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from hilbench.measure import change
from hilbench.measure.direction import lower_is_better
from hilbench.measure.metric import Metric, Part
from hilbench.measure.statistics import exact
from hilbench.measure.units import both
from hilbench.measure.units import change as changed
from hilbench.records import fair, paired
from hilbench.records.record import Record
from hilbench.records.thresholds import Thresholds

ALPHA = 0.01
"""The chance that a comparison of runs that differ in nothing (or by just what is allowed) fails for noise."""
_SAME = 1e-12
"""Relative difference below which an exact number is the same: sums may be added in another order elsewhere."""
_TIMED = {"input_latency": 0, "instructions": 1, "cycles": 1, "latency": 1, "output_latency": 2}
"""The metrics whose observations a record holds, and which of the times of a repeat they are."""
_FAMILIES = (
    ("accuracy", "fidelity", "fidelity_lsb"),
    ("instructions", "cycles", "latency", "first_latency", "energy", "net_energy"),
    ("ram", "arena", "stack", "peak_tensors"),
)
"""Metrics that tell of one thing, such as slower code: a failure of several of them is one failure, told once."""
_GROUNDS = {"board": "clock or core", "data": "data set", "inputs": "streamed inputs"}

Verdict = Literal["better", "worse", "same", "shown"]
"""`same`: equal, or not to be told apart from noise. `shown`: nobody can say which way is better."""


class Row(NamedTuple):
    """What is compared over time: one task on one board through one framework."""

    suite: str
    task: str
    board: str
    target: str
    framework: str

    def __str__(self) -> str:
        """Return it as people read it, such as `digits on mps2-an386 with tvm`."""
        return f"{self.task} on {self.board} with {self.framework}"


def row_of(record: Record) -> Row:
    """Return the row of `record`; a board and the emulator that stands in for it are two."""
    target = " as ".join(filter(None, (record.target.kind, record.target.stand_in)))
    return Row(record.suite, record.task, record.board.id, target, record.framework.variant)


class Difference(Part):
    """One metric before and after. `ci95` is the interval of the ratio where it was tested, `allowed` how much worse it
    could have got (empty where that does not matter); `failed` says that it got worse than that.
    """

    metric: str
    before: Metric
    after: Metric
    verdict: Verdict
    ci95: tuple[float, float] | None = None
    allowed: str = ""
    failed: bool = False

    @property
    def change(self) -> str:
        """By how much, such as `+1.0 %` or `+3.1 % [2.8, 3.4]`."""
        text = changed(self.before, self.after)
        return text if self.ci95 is None else f"{text} [{', '.join(f'{100 * (end - 1):.1f}' for end in self.ci95)}]"

    @property
    def sentence(self) -> str:
        """What happened, such as `instructions 200,106 -> 202,107 (+1.0 %, allowed 0)`."""
        before, after = both(self.before, self.after)
        return f"{self.metric} {before} -> {after} ({self.change}, allowed {self.allowed})"


class Pair(Part):
    """A row with a run on both sides, or on one: `state`. `not_compared` says what could not be, `notes` what else is
    to be known. `failures` are one line each, `before` and `after` the ids of the records.
    """

    row: Row
    state: Literal["both", "gone", "new"] = "both"
    before: str | None = None
    after: str | None = None
    differences: tuple[Difference, ...] = ()
    not_compared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


class Comparison(Part):
    """All rows of two sides."""

    pairs: tuple[Pair, ...] = Field(default=())

    @property
    def failures(self) -> list[str]:
        """The one line of each failure."""
        return [line for pair in self.pairs for line in pair.failures]


def compare(
    before: Iterable[Record],
    after: Iterable[Record],
    thresholds: Mapping[Row, Thresholds] | Thresholds,
    alpha: float = ALPHA,
) -> Comparison:
    """Compare two sides, each with one record a row (of several, the last counts), and judge what got worse.

    `thresholds` are the same for all rows, or one for each. Raises `UsageError` for one that does not fit its metric.
    """
    old, new = ({row_of(record): record for record in side} for side in (before, after))
    rows = list(dict.fromkeys([*new, *old]))
    held = {row: thresholds if isinstance(thresholds, Thresholds) else thresholds[row] for row in rows}
    both = [_Match(row, old[row], new[row], held[row]) for row in rows if row in old and row in new]
    # Cycles and latency come of the same observations: they are one test, and share their p.
    tested = {(match.row, f"{p:.6e}"): p for match in both for p in match.chances().values()}
    sure = change.holm(tested, alpha)
    found = {
        match.row: match.pair({name for name, p in match.chances().items() if (match.row, f"{p:.6e}") in sure})
        for match in both
    }
    return Comparison(pairs=tuple(found.get(row) or _alone(row, old.get(row), new.get(row), held[row]) for row in rows))


def _alone(row: Row, old: Record | None, new: Record | None, held: Thresholds) -> Pair:
    state: Literal["gone", "new"] = "gone" if new is None else "new"
    fails = held.gone if new is None else held.new
    failures = (f"{state.upper()} {row}",) if fails else ()
    return Pair(row=row, state=state, before=old.id if old else None, after=new.id if new else None, failures=failures)


class _Match:
    """Two records of one row, and what is to be said of them."""

    def __init__(self, row: Row, before: Record, after: Record, held: Thresholds) -> None:
        self.row, self.before, self.after, self.held = row, before, after, held
        self.refused = _different_ground(before, after)
        names = [] if self.refused else [name for name in before.metrics if name in after.metrics]
        self._apart = {name: reason for name in names if (reason := self._kept_apart(name))}
        self._names = [name for name in names if name not in self._apart]
        self._ratios = {name: self._ratio(name) for name in self._names if not self._exact(name)}

    def chances(self) -> dict[str, float]:
        """Return p of each noisy metric that has an allowance: how likely it looks so much worse if it is not."""
        found = {}
        for name, ratio in self._ratios.items():
            old = self.before.metrics[name]
            allowance = self.held.allowance(name, old)
            if ratio is not None and allowance is not None and old.value > 0:
                share = allowance.worth(old.value, old.unit) / old.value
                found[name] = ratio.above(1 + share) if self._lower(name) else ratio.below(max(1e-9, 1 - share))
        return found

    def pair(self, sure: set[str]) -> Pair:
        """Return what came of it; `sure` are the noisy metrics that got worse than allowed beyond doubt."""
        differences = tuple(self._difference(name, sure) for name in self._names)
        lost = self._lost()
        return Pair(
            row=self.row,
            before=self.before.id,
            after=self.after.id,
            differences=differences,
            not_compared=(self.refused,) if self.refused else _together(self._apart),
            notes=(*lost, *paired.notes(self.before, self.after, compared=not self.refused)),
            failures=(
                *_failures(self.row, differences),
                *(f"GONE {self.row}: {line}" for line in lost if self.held.gone),
                *([f"NEW {self.row}: not compared, {self.refused}"] if self.refused and self.held.new else []),
            ),
        )

    def _difference(self, name: str, sure: set[str]) -> Difference:
        old, new = self.before.metrics[name], self.after.metrics[name]
        allowance = self.held.allowance(name, old)
        ratio, lower = self._ratios.get(name), self._lower(name)
        verdict = _verdict(old.value, new.value, lower, ratio, self._exact(name))
        failed = name in sure
        if allowance is not None and self._exact(name) and verdict == "worse":
            failed = abs(new.value - old.value) > allowance.worth(old.value, old.unit) * (1 + _SAME)
        judged = allowance is not None and (self._exact(name) or ratio is not None)
        return Difference(
            metric=name,
            before=old,
            after=new,
            verdict=verdict,
            ci95=ratio.ci95 if ratio else None,
            allowed=str(allowance) if judged else "",
            failed=failed,
        )

    def _lower(self, name: str) -> bool | None:
        return lower_is_better(name, self.before.metrics[name].unit)

    def _exact(self, name: str) -> bool:
        return all(exact(record.metrics[name]) for record in (self.before, self.after))

    def _ratio(self, name: str) -> change.Ratio | None:
        """Return how a noisy metric changed: from its observations, else from the intervals that were made of them."""
        part = _TIMED.get(name)
        old, new = self.before.metrics[name], self.after.metrics[name]
        if part is not None and old.basis != "estimated":
            sides = [
                [[repeat[part] for repeat in visit] for visit in record.samples.times]
                for record in (self.before, self.after)
            ]
            whole = all(len({len(visit) for visit in side}) == 1 for side in sides)
            return change.ratio(*sides) if whole else None
        if old.ci95 and new.ci95:
            return change.ratio_of_intervals(old.value, old.ci95, new.value, new.ci95)
        return None

    def _kept_apart(self, name: str) -> str:
        """Return what keeps a metric of the two from being compared; empty if nothing does."""
        old, new = self.before.metrics[name], self.after.metrics[name]
        if old.unit != new.unit:
            return f"unit ({old.unit}, {new.unit})"
        if old.basis != new.basis:
            return f"basis ({old.basis}, {new.basis})"
        if old.model != new.model:
            return "estimate model"
        sides = self.before, self.after
        if name in _TIMED and self._exact(name) and len({len(record.samples.times) for record in sides}) > 1:
            return "number of timed samples"
        if name == "accuracy" and len({record.scored_by for record in sides} - {None}) > 1:
            return "what accuracy means"
        if name.startswith("fidelity") and len({record.reference and record.reference.name for record in sides}) > 1:
            return "reference"
        return ""

    def _lost(self) -> tuple[str, ...]:
        """Return the metrics that only the earlier record has, with the reason where it is told."""
        if self.refused:
            return ()
        missing = self.after.missing
        return tuple(
            f"{name} is gone" + (f": {' '.join(missing[name].split())}" if name in missing else "")
            for name in self.before.metrics
            if name not in self.after.metrics
        )


def _different_ground(before: Record, after: Record) -> str:
    """Return what keeps two records from being compared at all; empty if nothing does. An emulator's version does not:
    what it counts is the program's.
    """
    differs = [name for name in fair.differences(before, after) if name != "target"]
    words = [_GROUNDS.get(name, name) for name in differs]
    if before.dataset.samples != after.dataset.samples:
        words = [word for word in words if word != _GROUNDS["inputs"]]
        words.append(f"number of samples ({before.dataset.samples}, {after.dataset.samples})")
    return f"differs in {', '.join(words)}" if words else ""


def _verdict(before: float, after: float, lower: bool | None, ratio: change.Ratio | None, plain: bool) -> Verdict:
    if before == after or math.isclose(before, after, rel_tol=_SAME):
        return "same"
    if lower is None:
        return "shown"
    if not plain and (ratio is None or ratio.ci95[0] <= 1 <= ratio.ci95[1]):
        return "same"
    return "worse" if (after > before) == lower else "better"


def _together(apart: Mapping[str, str]) -> tuple[str, ...]:
    """Return one line for each reason, with the metrics that it keeps from being compared."""
    reasons: dict[str, list[str]] = {}
    for name, reason in apart.items():
        reasons.setdefault(reason, []).append(name)
    return tuple(f"{', '.join(names)} differs in {reason}" for reason, names in reasons.items())


def _failures(row: Row, differences: Sequence[Difference]) -> list[str]:
    """Return one line for each thing that got worse: its first metric, and the others that tell of it."""
    failed = {difference.metric: difference for difference in differences if difference.failed}
    lines = []
    while failed:
        first = next(iter(failed))
        family = next((names for names in _FAMILIES if first in names), (first,))
        head, *others = (failed.pop(name) for name in family if name in failed)
        lines.append(f"WORSE {row}: {head.sentence}" + "".join(f", {other.metric} too" for other in others))
    return lines
