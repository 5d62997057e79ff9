"""Times: what a board's counter counted becomes instructions, cycles and seconds, with the basis said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hilbench.catalog.core import CORES
from hilbench.measure.metric import Metric
from hilbench.measure.statistics import summary

Times = Sequence[Sequence[tuple[int, int, int]]]
"""One entry a visit of an input, of one (input copy, inference, output copy) triple a repeat, in counter units."""

ONE_CYCLE = "one cycle an instruction"
"""The model behind an emulator's seconds: counted instructions over the board's clock, no wait states, no stalls."""
_BOUND_KNOWN = "a lower bound: no stalls, no wait states; the error is not known"
_BOUND_UNKNOWN = "the error is not known: this core can issue two instructions a cycle"


class Clock(Protocol):
    """What turns counts into time: a board of the catalog, or what a record says of its board."""

    @property
    def core(self) -> str:
        """The core's name."""

    @property
    def clock_hz(self) -> int | None:
        """Hertz of the core."""

    @property
    def counter(self) -> str:
        """What is counted: instructions, cycles or nanoseconds."""


def exact(board: Clock) -> bool:
    """Return whether the board's counter gives the same number each time: instructions do, clocks do not."""
    return board.counter == "instructions"


def time_metrics(times: Times, board: Clock, first: int | None, precision: float | None = None) -> dict[str, Metric]:
    """Return the metrics of time: `latency` always, `instructions` or `cycles` when that is what was counted.

    `first` is the first inference after reset in counter units, None when it was not seen; it becomes `first_latency`
    and is not in `times`. `precision` is what the suite wants of `latency` and `cycles`.
    """
    copies_in, inference, copies_out = ([[repeat[part] for repeat in visit] for visit in times] for part in range(3))
    metrics: dict[str, Metric] = {}
    if board.counter == "instructions":
        metrics["instructions"] = summary(inference, "instructions", "counted")
    elif board.counter == "cycles":
        metrics["cycles"] = summary(inference, "cycles", "measured", precision=precision)
    metrics["latency"] = _seconds(inference, board, precision)
    if first is not None:
        metrics["first_latency"] = _seconds([[first]], board)
    metrics["input_latency"] = _seconds(copies_in, board)
    metrics["output_latency"] = _seconds(copies_out, board)
    return metrics


def shortfall(metric: Metric) -> str:
    """Return how far a metric's interval is from what the suite wants; empty if it is as narrow, or not asked for."""
    if metric.precise is not False or metric.precision is None:
        return ""
    half = metric.relative_half_width
    reached = "timed too seldom for an interval" if half is None else f"known to ±{half * 100:.2g} %"
    wanted = f"±{metric.precision * 100:.2g} %"
    return f"{reached}, not to the {wanted} asked for: time it on a quieter machine, or raise latency: max_rounds"


def _seconds(counts: Sequence[Sequence[int]], board: Clock, precision: float | None = None) -> Metric:
    """Return counts as seconds on the board's clock (a nanosecond counter needs none)."""
    if board.counter == "nanoseconds":
        return summary(counts, "s", "host", 1e-9, precision)
    assert board.clock_hz, "the catalog refuses a board that counts cycles or instructions but has no clock"
    if board.counter == "cycles":
        return summary(counts, "s", "measured", 1 / board.clock_hz, precision)
    estimate = summary(counts, "s", "estimated", 1 / board.clock_hz)
    single_issue = CORES[board.core].single_issue
    error = _BOUND_KNOWN if single_issue else _BOUND_UNKNOWN
    known = {"model": ONE_CYCLE, "error": error, "lower_bound": single_issue}
    return estimate.model_copy(update=known)
