"""How often time is taken: warm-up first, then rounds over the same inputs until the median is known well enough.

    warmup = client.infer(inputs[:1], repeats=warm_up(latency, board), …)
    timed = []
    while not enough([inference.times for inference in timed], len(inputs), latency, board):
        timed += client.infer(inputs, repeats=latency.repeats, …)

A counter of instructions is exact: it warms up with one inference, which is the first after reset and so is kept apart,
and takes one round. Clocks and cycle counters are noisy: they go on until half the median's interval is at most
`latency.precision` of it, or to `latency.max_rounds`, and then the metric says that it is not. Going through all inputs
before coming back to the first spreads each input's visits over time, so that a disturbance of a second hits few.
"""

from __future__ import annotations

from hilbench.catalog.board import Board
from hilbench.catalog.suite import Latency
from hilbench.measure.latency import Times, exact
from hilbench.measure.statistics import narrow


def warm_up(latency: Latency, board: Board) -> int:
    """Return how many inferences come first and are not part of `latency`."""
    return 1 if exact(board) else latency.warmup


def enough(times: Times, inputs: int, latency: Latency, board: Board) -> bool:
    """Return whether the rounds so far are enough; `times` has one entry a visit of one of the `inputs`, in order."""
    if not times:
        return False
    if exact(board) or len(times) >= inputs * latency.max_rounds:
        return True
    return narrow([[inference for _, inference, _ in visit] for visit in times], latency.precision)
