"""The history of each metric: the values of one task, board and framework in the order of their runs.

Values are only in one series if they can be compared: where model, data, inputs, unit, basis or another thing that
makes a number mean something else has changed, another series begins and says what was new.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property

from hilbench.measure import direction
from hilbench.measure.metric import Basis, Metric, Unit
from hilbench.measure.statistics import exact
from hilbench.records.compare import Row, row_of
from hilbench.records.meaning import meaning
from hilbench.records.record import Record
from hilbench.records.trend import Change, apart, changes

_SHORT = 8
"""Digits of a commit that people read."""


@dataclass(frozen=True)
class Basics:
    """What all values of a series share. Names are as they are told: "model changed"."""

    model: str
    data: str
    inputs: str
    samples: int
    clock: int | None
    counter: str
    meaning: str
    unit: Unit
    basis: Basis
    estimate: str


@dataclass(frozen=True)
class Point:
    """A value with the run that gave it. `commit` is "" where the run was in no repository, `dirty` with changes."""

    metric: Metric
    record: str
    started: str
    commit: str
    dirty: bool

    @property
    def source(self) -> str:
        """The commit in short, with a plus if there were changes on top."""
        return self.commit[:_SHORT] + "+" * self.dirty if self.commit else "unknown"


@dataclass
class Series:
    """A metric's values that can be compared, oldest first.

    `new` names what differed from the series before it of the same row and metric; empty for the first.
    """

    row: Row
    metric: str
    basics: Basics
    new: tuple[str, ...] = ()
    points: list[Point] = field(default_factory=list)

    @property
    def values(self) -> list[float]:
        """The values."""
        return [point.metric.value for point in self.points]

    @property
    def exact(self) -> bool:
        """Whether every difference is real: nothing noisy is among the values (`hilbench.measure.statistics.exact`)."""
        return all(exact(point.metric) for point in self.points)

    @cached_property
    def changes(self) -> list[Change]:
        """The steps; ask when all points are there."""
        return changes(self.values, exact=self.exact)

    def worse(self, change: Change) -> bool | None:
        """Return whether `change` is for the worse; None where nobody can say."""
        return direction.worse(self.metric, change.before, change.after, self.basics.unit)

    def commits(self, change: Change) -> tuple[str, str]:
        """Return the commits of the last run before `change` and of the first after it."""
        return self.points[change.index - 1].source, self.points[change.index].source

    def worsened_within(self, last: int) -> Change | None:
        """Return how the level now is worse than the one before the `last` points, None if it is not.

        What got worse in steps, or came back only in part, is worse. Levels of noisy values that had several steps
        between them have to differ by more than noise.
        """
        first = max(1, len(self.points) - last)
        within = [change for change in self.changes if change.index >= first]
        if not within:
            return None
        net = Change(within[0].index, within[0].before, within[-1].after)
        if not self.worse(net):
            return None
        edges = [0, *(change.index for change in self.changes), len(self.points)]
        place = self.changes.index(within[0])
        old, new = self.values[edges[place] : edges[place + 1]], self.values[edges[-2] :]
        return net if len(within) == 1 or apart(old, new, exact=self.exact) else None


def histories(records: Iterable[Record], metrics: Sequence[str] | None = None) -> list[Series]:
    """Return the series of all rows, a row's together and each in the order of its first run.

    A row does not know its target's version, nor its framework's: an update is what may be found.

    `metrics` None takes all; others are sorted as it says. Records may come in any order and are not kept.
    """
    points: dict[tuple[Row, str], list[tuple[Point, Basics]]] = {}
    for record in records:
        for name in record.metrics if metrics is None else metrics:
            if name in record.metrics:
                points.setdefault((row_of(record), name), []).append(_point(record, name))
    first: dict[Row, int] = {}
    for row, _ in points:
        first.setdefault(row, len(first))
    order = {name: place for place, name in enumerate(metrics or ())}
    found = []
    for (row, name), these in sorted(points.items(), key=lambda item: (first[item[0][0]], order.get(item[0][1], 0))):
        found += _parted(row, name, sorted(these, key=lambda pair: (pair[0].started, pair[0].record)))
    return found


def _point(record: Record, name: str) -> tuple[Point, Basics]:
    metric, source = record.metrics[name], record.source
    point = Point(metric, record.id, record.started, source.get("commit", ""), source.get("dirty") == "yes")
    basics = Basics(
        model=record.model.sha256,
        data=record.dataset.sha256,
        inputs=record.dataset.inputs_sha256,
        samples=record.dataset.samples,
        clock=record.board.clock_hz,
        counter=record.board.counter,
        meaning=meaning(record, name),
        unit=metric.unit,
        basis=metric.basis,
        estimate=metric.model or "",
    )
    return point, basics


def _parted(row: Row, name: str, points: Iterable[tuple[Point, Basics]]) -> list[Series]:
    """Return a series for each of the `Basics`: one that comes back goes on with its own."""
    found: dict[Basics, Series] = {}
    before: Basics | None = None
    for point, basics in points:
        if basics not in found:
            found[basics] = Series(row, name, basics, _differences(before, basics) if before else ())
        found[basics].points.append(point)
        before = basics
    return list(found.values())


def _differences(one: Basics, other: Basics) -> tuple[str, ...]:
    theirs = asdict(other)
    return tuple(name for name, value in asdict(one).items() if value != theirs[name])
