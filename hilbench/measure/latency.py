"""Times: what a board's counter counted becomes instructions, cycles and seconds, with the basis said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hilbench.catalog.board import Board
from hilbench.measure.metric import Basis, Metric

Times = Sequence[Sequence[tuple[int, int, int]]]
"""One entry a sample, of one (input copy, inference, output copy) triple a repeat, in the board's counter unit."""

ONE_CYCLE = "one cycle an instruction"
"""The model behind an emulator's seconds: counted instructions over the board's clock, no wait states, no stalls."""
_BOUND_KNOWN = "a lower bound: no stalls, no wait states; the error is not known"
_BOUND_UNKNOWN = "the error is not known: this core can issue two instructions a cycle"


def time_metrics(times: Times, board: Board, first: int | None) -> dict[str, Metric]:
    """Return the metrics of time: `latency` always, `instructions` or `cycles` when that is what was counted.

    `first` is the first inference after reset in counter units, None when it was not seen; it becomes `first_latency`.
    """
    inference = [repeat[1] for sample in times for repeat in sample]
    metrics: dict[str, Metric] = {}
    if board.counter == "instructions":
        metrics["instructions"] = _summary(inference, 1.0, "instructions", "counted")
    elif board.counter == "cycles":
        metrics["cycles"] = _summary(inference, 1.0, "cycles", "measured")
    metrics["latency"] = _seconds(inference, board)
    if first is not None:
        metrics["first_latency"] = _seconds([first], board)
    metrics["input_latency"] = _seconds([repeat[0] for sample in times for repeat in sample], board)
    metrics["output_latency"] = _seconds([repeat[2] for sample in times for repeat in sample], board)
    return metrics


def _seconds(counts: Sequence[int], board: Board) -> Metric:
    """Return counts as seconds on the board's clock (a nanosecond counter needs none)."""
    if board.counter == "nanoseconds":
        return _summary(counts, 1e-9, "s", "host")
    assert board.clock_hz, "the catalog refuses a board that counts cycles or instructions but has no clock"
    if board.counter == "cycles":
        return _summary(counts, 1 / board.clock_hz, "s", "measured")
    estimate = _summary(counts, 1 / board.clock_hz, "s", "estimated")
    error = _BOUND_KNOWN if board.core_info.single_issue else _BOUND_UNKNOWN
    return estimate.model_copy(update={"model": ONE_CYCLE, "error": error})


def _summary(counts: Sequence[int], unit_value: float, unit: str, basis: Basis) -> Metric:
    """Return the distribution of counts. Every percentile is one of the observations, so that a count stays whole."""
    values = np.asarray(counts, dtype=np.float64) * unit_value
    low, median, p90, p99, high = (float(v) for v in np.percentile(values, [0, 50, 90, 99, 100], method="inverted_cdf"))
    return Metric.model_validate(
        {"value": median, "unit": unit, "basis": basis, "n": len(counts), "min": low, "median": median, "p90": p90,
         "p99": p99, "max": high}
    )  # fmt: skip
