"""Compares runs with earlier ones, row by row and metric by metric, and judges what got worse.

Exact metrics (counted, or estimated from counts) are compared as they are: every difference is one. Noisy ones are
tested, against the allowance and not against zero, and all tests of a comparison share one chance of a false alarm.
Numbers that do not stand on the same ground are never compared: the pair says in what it differs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from hilbench.catalog.allowance import Allowance
from hilbench.measure import change
from hilbench.measure.direction import lower_is_better
from hilbench.measure.metric import Metric, Part
from hilbench.measure.statistics import exact, of_measured
from hilbench.measure.units import both
from hilbench.measure.units import change as changed
from hilbench.records import fair, paired
from hilbench.records.meaning import meaning
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

Verdict = Literal["better", "worse", "same", "untested", "shown"]
"""`same`: equal, or not to be told apart from noise. `untested`: it differs, and there are too few observations to say
whether that is noise, or more than is allowed. `shown`: nobody can say which way is better."""


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
    to be known. `failures` and `warnings` (what somebody named, and no test could judge) are one line each, `before`
    and `after` the ids of the records.
    """

    row: Row
    state: Literal["both", "gone", "new"] = "both"
    before: str | None = None
    after: str | None = None
    differences: tuple[Difference, ...] = ()
    not_compared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Comparison(Part):
    """All rows of two sides."""

    pairs: tuple[Pair, ...] = Field(default=())

    @property
    def failures(self) -> list[str]:
        """The one line of each failure."""
        return [line for pair in self.pairs for line in pair.failures]

    @property
    def warnings(self) -> list[str]:
        """The one line of each threshold that was named and could not be tested."""
        return [line for pair in self.pairs for line in pair.warnings]


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
    tested = {(match.row, f"{p:.6e}"): p for match in both for p in match.chances.values()}
    sure = change.holm(tested, alpha)
    found = {
        match.row: match.pair(
            {name for name, p in match.chances.items() if (match.row, f"{p:.6e}") in sure}, alpha / max(1, len(tested))
        )
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
        self._tests = {name: self._test(name) for name in self._names if not self._exact(name)}
        judged = [name for name in self._tests if self._allowance(name) is not None]
        self.chances = {name: p for name in judged if (p := self._chance(name)) is not None}
        """p of each noisy metric that has an allowance and a test: how likely it looks so much worse if it is not."""

    def pair(self, sure: set[str], few: float) -> Pair:
        """Return what came of it. `sure` are the noisy metrics that got worse than allowed beyond doubt; of others that
        with more visits would have a p of at most `few`, nobody can say.
        """
        doubtful = {
            name
            for name in self.chances
            if name not in sure and (p := self._chance(name, suspected=True)) is not None and p <= few
        }
        differences = tuple(self._difference(name, sure, doubtful) for name in self._names)
        untested = {d.metric: d for d in differences if d.verdict == "untested" and d.allowed}
        reasons = {name: self._too_little(name) for name in untested}
        return Pair(
            row=self.row,
            before=self.before.id,
            after=self.after.id,
            differences=differences,
            not_compared=(self.refused,) if self.refused else tuple(_together(self._apart, "differs in")),
            notes=(
                *self._lost().values(),
                *_together(reasons, "not tested:"),
                *paired.notes(self.before, self.after, compared=not self.refused),
            ),
            failures=(*_failures(self.row, differences), *self._unseen()),
            warnings=tuple(
                f"UNTESTED {self.row}: {untested[name].sentence}: {reason}"
                for name, reason in reasons.items()
                if name in self.held.named
            ),
        )

    def _difference(self, name: str, sure: set[str], doubtful: set[str]) -> Difference:
        old, new = self.before.metrics[name], self.after.metrics[name]
        allowance = self._allowance(name)
        test, plain = self._tests.get(name), self._exact(name)
        verdict: Verdict = (
            "untested" if name in doubtful else _verdict(old.value, new.value, self._lower(name), test, plain)
        )
        failed = name in sure
        if allowance is not None and plain and verdict == "worse":
            failed = abs(new.value - old.value) > allowance.worth(old.value, old.unit) * (1 + _SAME)
        return Difference(
            metric=name,
            before=old,
            after=new,
            verdict=verdict,
            ci95=test.ci95 if isinstance(test, change.Ratio) else None,
            allowed="" if allowance is None else str(allowance),
            failed=failed,
        )

    def _lower(self, name: str) -> bool | None:
        return lower_is_better(name, self.before.metrics[name].unit)

    def _allowance(self, name: str) -> Allowance | None:
        return self.held.allowance(name, self.before.metrics[name])

    def _exact(self, name: str) -> bool:
        return all(exact(record.metrics[name]) for record in (self.before, self.after))

    def _chance(self, name: str, suspected: bool = False) -> float | None:
        """Return p of a judged metric, None where nothing can be tested."""
        test, allowance, old = self._tests[name], self._allowance(name), self.before.metrics[name]
        if test is None or allowance is None:
            return None
        worth = allowance.worth(old.value, old.unit)
        if isinstance(test, change.Ratio):
            worth /= old.value
        return (test.suspected if suspected else test.worse)(worth, bool(self._lower(name)))

    def _test(self, name: str) -> change.Ratio | change.Shift | None:
        """Return how a noisy metric changed: from its observations, else from the intervals that were made of them."""
        old, new = self.before.metrics[name], self.after.metrics[name]
        part = _part(name, old)
        if part is None:
            return change.of_intervals(old.value, old.ci95, new.value, new.ci95) if old.ci95 and new.ci95 else None
        sides = [
            [[repeat[part] for repeat in visit] for visit in record.samples.times]
            for record in (self.before, self.after)
        ]
        whole = all(len({len(visit) for visit in side}) == 1 for side in sides)
        return change.ratio(*sides) if whole and old.value > 0 else None

    def _too_little(self, name: str) -> str:
        """Return why a noisy metric cannot be judged."""
        old, new = self.before.metrics[name], self.after.metrics[name]
        if 1 in (old.n, new.n):
            return "one observation"
        if _part(name, old) is None:
            return "no interval is known"
        return f"too few visits ({min(len(record.samples.times) for record in (self.before, self.after))})"

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
        if len(meanings := {meaning(record, name): None for record in sides}) > 1:
            return f"what it means ({', '.join(each or 'unknown' for each in meanings)})"
        return ""

    def _lost(self) -> dict[str, str]:
        """Return a line on each metric that only the earlier record has, with the reason where it is told."""
        if self.refused:
            return {}
        missing = self.after.missing
        return {
            name: f"{name} is gone" + (f": {' '.join(missing[name].split())}" if name in missing else "")
            for name in self.before.metrics
            if name not in self.after.metrics
        }

    def _unseen(self) -> Iterator[str]:
        """Yield a failure for each metric that somebody named, or words ask for, and that cannot be compared."""
        named = self.held.named
        yield from (
            f"GONE {self.row}: {line}" for name, line in self._lost().items() if name in named or self.held.gone
        )
        for line in _together(
            {n: reason for n, reason in self._apart.items() if n in named}, "not compared: differs in"
        ):
            yield f"GONE {self.row}: {line}"
        if self.held.new:
            rest = {name: reason for name, reason in self._apart.items() if name not in named}
            lines = [f"not compared, {self.refused}"] if self.refused else _together(rest, "not compared: differs in")
            yield from (f"NEW {self.row}: {line}" for line in lines)


def _part(name: str, metric: Metric) -> int | None:
    """Return which of the times of a repeat a noisy metric was made of; None for none of them."""
    if metric.basis != "estimated":
        return _TIMED.get(name)
    return _TIMED["latency"] if name == "energy" and of_measured(metric) else None


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


def _verdict(
    before: float, after: float, lower: bool | None, test: change.Ratio | change.Shift | None, plain: bool
) -> Verdict:
    if before == after or math.isclose(before, after, rel_tol=_SAME):
        return "same"
    if lower is None:
        return "shown"
    if not plain and test is None:
        return "untested"
    if not plain and test is not None and not test.differs:
        return "same"
    return "worse" if (after > before) == lower else "better"


def _together(reasons: Mapping[str, str], between: str) -> list[str]:
    """Return one line for each reason, with the metrics that it is the reason for."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return [f"{', '.join(these)} {between} {reason}" for reason, these in names.items()]


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
