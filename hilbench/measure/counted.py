"""From what an emulator counted to cycles of the real board, for each timed inference, and what the median one did.

The guest's own clock and the emulator's counter are two methods for one number: windows that do not agree with the
times that the device told, to the instruction, are not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hilbench.catalog.board import Board
from hilbench.catalog.timing import Doubt
from hilbench.counts import Probe, Window
from hilbench.errors import Unavailable
from hilbench.measure import cycles as models
from hilbench.measure.cycles.model import CycleModel
from hilbench.measure.latency import Times
from hilbench.measure.metric import Int, Metric, Number, Part
from hilbench.measure.profile import OperatorCycles
from hilbench.measure.statistics import summary

Phases = tuple[Window, Window, Window]
"""The windows of one repeat: input copy, inference, output copy."""


class Counts(Part):
    """What ran in the timed inference of the median instruction count.

    `mix`: instructions by class. `loads` and `stores`: words by region of memory, in the first inference of all.
    `misses`: those of the simulated caches. `stalls`: cycles that the board's memory made it wait, by cause, where
    cycles were estimated. `unknown`: instructions that the decoder does not know.
    """

    mix: dict[str, Int]
    branches_taken: Int
    loads: dict[str, Int]
    stores: dict[str, Int]
    misses: dict[str, Int]
    stalls: dict[str, Number]
    unknown: Int


@dataclass(frozen=True)
class Claim:
    """What an estimate says of itself: its model, and its error in words and as a share (`bound`)."""

    model: str
    error: str
    bound: float


@dataclass(frozen=True)
class EstimatedTimes:
    """Estimated cycles: of each timed inference, of its copies of input and output (visit, repeat), and of the first
    inference after reset. `metrics` makes them time.
    """

    cycles: tuple[tuple[float, ...], ...]
    copies: tuple[tuple[tuple[float, float], ...], ...]
    first: float

    def metrics(self, clock_hz: int, claim: Claim) -> dict[str, Metric]:
        """Return `cycles` and all latencies on a clock of `clock_hz`."""

        def seconds(cycles: Sequence[Sequence[float]]) -> Metric:
            return summary(cycles, "s", "estimated", 1 / clock_hz)

        metrics = {
            "cycles": summary(self.cycles, "cycles", "estimated"),
            "latency": seconds(self.cycles),
            "first_latency": seconds([[self.first]]),
            "input_latency": seconds([[repeat[0] for repeat in visit] for visit in self.copies]),
            "output_latency": seconds([[repeat[1] for repeat in visit] for visit in self.copies]),
        }
        return {name: metric.model_copy(update=vars(claim)) for name, metric in metrics.items()}


@dataclass(frozen=True)
class Estimator:
    """Cycles of a board whose file describes its memories, by the model of its core."""

    board: Board
    model: CycleModel

    def cycles(self, window: Window) -> float:
        """Return what `window` takes on the board."""
        return models.estimate(window, self.board.core_info, self.board.timing).cycles

    def times(self, warmup: Sequence[Phases], timed: Sequence[Sequence[Phases]]) -> EstimatedTimes:
        """Return the cycles of all; the first repeat of `warmup` is the first inference after reset."""
        return EstimatedTimes(
            cycles=tuple(tuple(self.cycles(repeat[1]) for repeat in visit) for visit in timed),
            copies=tuple(tuple((self.cycles(r[0]), self.cycles(r[2])) for r in visit) for visit in timed),
            first=self.cycles(warmup[0][1]),
        )

    def metrics(self, times: EstimatedTimes) -> dict[str, Metric]:
        """Return `cycles` and all latencies."""
        assert self.board.clock_hz, "the catalog refuses a board with a core but no clock"
        return times.metrics(self.board.clock_hz, Claim(self.model.name, self.error, self.bound))

    @property
    def bound(self) -> float:
        """The relative error that is stated: that of the core's model, or what is not known of the memories."""
        doubt = self._doubt
        return doubt.bound if doubt else self.model.bound

    @property
    def error(self) -> str:
        """What is known of the error, in words."""
        doubt = self._doubt
        return f"{doubtful(doubt.bound)}{doubt.why}" if doubt else self.model.error

    @property
    def _doubt(self) -> Doubt | None:
        doubt = self.board.timing.doubt if self.board.timing else None
        return doubt if doubt and doubt.bound > self.model.bound else None

    def operators(self, rows: Sequence[Sequence[Sequence[Window]]]) -> OperatorCycles:
        """Return the cycles of operators, each of which is the windows that it ran in."""
        cycles = [[sum(self.cycles(window) for window in windows) for windows in row] for row in rows]
        return OperatorCycles(cycles, self.model.name, self.error)


def doubtful(bound: float) -> str:
    """Return how the words for an error begin that is larger than that of the core's model."""
    return f"±{bound * 100:g} %: "


def estimator(board: Board) -> Estimator | None:
    """Return what turns counts into the cycles of `board`; None where its file does not describe its memories.

    Raises `Unavailable` when there is no model for its core.
    """
    if board.timing is None:
        return None
    model = models.model_of(board.core)
    if model is None:
        raise Unavailable(f"there is no cycle model of {board.core_info.title}")
    return Estimator(board, model)


def probe(board: Board) -> Probe:
    """Return what has to be counted for `board`."""
    return models.probe(board.timing)


def matched(windows: Sequence[Window], times: Times) -> list[list[Phases]]:
    """Return the windows of each visit in `times`: one list a visit, three windows a repeat.

    Windows that belong to no visit (a sample that was disturbed and run again) are passed over. Raises `Unavailable`
    when a visit has none: then one of the two methods is wrong.
    """
    counts, found, at = [window.instructions for window in windows], [], 0
    for index, visit in enumerate(times):
        wanted = [part for repeat in visit for part in repeat]
        while counts[at : at + len(wanted)] != wanted:
            at += 1
            if at + len(wanted) > len(counts):
                raise Unavailable(f"the emulator's counter and the guest's clock disagree from timed sample {index} on")
        every = windows[at : at + len(wanted)]
        found.append([(every[i], every[i + 1], every[i + 2]) for i in range(0, len(wanted), 3)])
        at += len(wanted)
    return found


def operator_windows(windows: Sequence[Window], counts: Sequence[int]) -> list[list[Window]]:
    """Return the windows of each operator of one profiled inference, and of the rest, of all that it opened.

    `counts` is what the device told: a number an operator and one for the rest, which is the last window (compiled
    models) or one before each operator too (interpreters). Raises `Unavailable` when windows and counts do not agree
    either way: an operator whose parts are not in turn cannot be told from others.
    """
    inside = windows[1:-1]  # between input copy and output copy
    for parts, rest in ((inside[:-1], inside[-1:]), (inside[1::2], inside[::2])):
        found = _in_turn(parts, counts[:-1])
        if found is not None and sum(window.instructions for window in rest) == counts[-1]:
            return [*found, list(rest)]
    raise Unavailable("operators do not end in turn, so that their cycles cannot be told apart")


def _in_turn(windows: Sequence[Window], counts: Sequence[int]) -> list[list[Window]] | None:
    """Return the windows of each operator, one after another; None when they do not add up to `counts`.

    An operator runs in as many windows as it has parts; one that runs nothing, such as a reshape, may have none.
    """
    left, found = list(windows), []
    for count in counts:
        parts: list[Window] = []
        while left and sum(part.instructions for part in parts) < count:
            parts.append(left.pop(0))
        if sum(part.instructions for part in parts) != count:
            return None
        found.append(parts)
    return None if any(window.instructions for window in left) else found


def counts_of(timed: Sequence[Sequence[Phases]], first: Window, board: Board) -> Counts:
    """Return what ran in the inference of the median instruction count (the first such, of equal ones).

    `first` is the window of the first inference, its accesses to memory counted.
    """
    every = sorted((repeat[1] for visit in timed for repeat in visit), key=lambda window: window.instructions)
    median = every[(len(every) - 1) // 2]
    estimate = models.estimate(median, board.core_info, board.timing)
    return Counts(
        mix={name: count for name, count in sorted(estimate.classes.items()) if count},
        branches_taken=estimate.branches_taken,
        loads=dict(first.loads or {}),
        stores=dict(first.stores or {}),
        misses=dict(median.misses),
        stalls=dict(estimate.stalls),
        unknown=estimate.unknown,
    )
