"""Searches schedules for one kernel in the space that `kernels.tile` samples. Who runs candidates is not known here.

Space, traces and database are MetaSchedule's; the search is not. Its evolutionary one replays hundreds of traces for
each candidate that it measures, to let a cost model choose. Here spaces have some hundred schedules, and measuring one
costs no more than making it.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tvm import s_tir
from tvm.tirx import ForKind

from hilbench.catalog.core import Core
from hilbench.frameworks.tvm import kernel, kernels, tuning

Measure = Callable[[Sequence[Any]], Sequence[int | None]]
"""Called with PrimFuncs; returns the instructions that each takes, or None where it does not work."""

Tiles = tuple[int, ...]
"""The size of each tile, in the order in which they are sampled."""

BATCH = 16
"""Candidates that are measured at once: enough to cost little each, few enough to learn from one batch for the next."""

# A Cortex-M has 16 registers: more sums than that are spilled, and more code in a row only fills the flash.
_MOST_SUMS = 16
_MOST_STEPS = 256
# Half of a batch are neighbours of so many of the best, which differ in one tile; the rest is drawn from all.
_BEST = 4


def search(what: kernel.Kernel, core: Core, codegen: str, trials: int, measure: Measure, database: Any) -> int:
    """Try at most `trials` schedules of a kernel that `database` does not hold, and add those that work.

    Ours is measured before all others. Returns how many were tried: fewer where there are no more.
    """
    ours = tuning.our_schedule(what)
    entry = database.commit_workload(tuning.workload(what))

    def keep(trace: Any, count: int) -> None:
        database.commit_tuning_record(tuning.record(trace, entry, count, core, codegen))

    # The first that is measured gives the output that all others must have.
    (count,) = measure([ours.mod["main"]])
    if tuning.best(database, what, core, codegen)[0] is None and count is not None:
        keep(ours.trace, count)
    found = tuning.records(database, what, core, codegen)
    counts: dict[Tiles, float] = {_tiles(record.trace): tuning.instructions(record) for record in found}
    counts = {tiles: count for tiles, count in counts.items() if len(tiles) == len(_tiles(ours.trace))}
    tried = 0
    while batch := list(itertools.islice(_candidates(what, ours.trace, counts), min(BATCH, trials - tried))):
        tried += len(batch)
        for schedule, count in zip(batch, measure([schedule.mod["main"] for schedule in batch]), strict=True):
            counts[_tiles(schedule.trace)] = math.inf if count is None else count
            if count is not None:
                keep(schedule.trace, count)
    return tried


def _candidates(what: kernel.Kernel, trace: Any, counts: dict[Tiles, float]) -> Iterator[Any]:
    """Give schedules that are not in `counts`, one near the best and one from anywhere by turns."""
    extents = [math.prod(int(factor) for factor in trace.decisions[sample]) for sample in _samples(trace)]
    left = [tiles for tiles in itertools.product(*map(_sizes, extents)) if tiles not in counts]
    random.Random(len(counts)).shuffle(left)
    best = sorted(counts, key=lambda tiles: (counts[tiles], tiles))[:_BEST]
    near = [tiles for tiles in left if any(_differing(tiles, good) == 1 for good in best)]
    turns = itertools.chain.from_iterable(itertools.zip_longest(near, left))
    for tiles in dict.fromkeys(one for one in turns if one is not None):
        schedule = _schedule(what, trace, extents, tiles)
        if schedule is not None:
            yield schedule


def _schedule(what: kernel.Kernel, trace: Any, extents: Sequence[int], tiles: Tiles) -> Any | None:
    """Return our schedule with other tiles; None if they are too large."""
    for sample, extent, size in zip(_samples(trace), extents, tiles, strict=True):
        trace = trace.with_decision(sample, [extent // size, size], remove_postproc=True)
    schedule = s_tir.Schedule(tuning.workload(what))
    trace.apply_to_schedule(schedule, remove_postproc=True)
    schedule.enter_postproc()
    kernels.finish(what, schedule)
    probe = schedule.copy()  # what looks at a schedule is added to its trace
    small = _written_out(probe, "sums_init") <= _MOST_SUMS and _written_out(probe, "sums_update") <= _MOST_STEPS
    return schedule if small else None


def _written_out(schedule: Any, block: str) -> int:
    """Return how many times `block` is written out."""
    loops = (schedule.get(loop) for loop in schedule.get_loops(schedule.get_sblock(block)))
    return math.prod(int(loop.extent) for loop in loops if loop.kind == ForKind.UNROLLED)


def _samples(trace: Any) -> list[Any]:
    return [instruction for instruction in trace.insts if instruction.kind.name == "SamplePerfectTile"]


def _tiles(trace: Any) -> Tiles:
    return tuple(int(trace.decisions[sample][1]) for sample in _samples(trace))


def _sizes(extent: int) -> list[int]:
    return [size for size in range(1, kernels.LARGEST_TILE + 1) if extent % size == 0]


def _differing(one: Tiles, other: Tiles) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))
