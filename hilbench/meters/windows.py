"""Finds the inferences in a capture: a window is a stretch during which the board held its trigger line up.

The firmware raises the line around every inference that it runs, so windows and inferences must agree in number, and
in length with what the board's own timer counted. Where they do not, there is no energy, and an error says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hilbench.errors import MeterError
from hilbench.measure.energy import Window
from hilbench.meters.base import Block, Capture, Flags, Floats

_FEWEST = 20
"""Samples in a window: with fewer, the sample at each edge alone is more than 5 % of it."""
_LOST = 0.01
"""The share of a window's samples that may be missing: they are taken to be like the others."""
_PAUSE_S = 0.002
"""Between the repeats of one input the agent is at work for less than this; longer, it waits for the host."""
_SLACK_SAMPLES = 3
_SLACK = 0.01
"""How far a window may be from the time that the board counted, once the two clocks are allowed for."""
_CLOCKS = 0.1
"""How far the board's clock may be from the meter's: RC oscillators are a few per cent off."""
_MOST_RUNS = 1_000_000
_WIRING = "is the board's trigger pin wired to the meter's input, with a common ground? docs/energy.md"


@dataclass(frozen=True)
class Timed:
    """An inference whose energy is wanted.

    `number` counts the inferences that the device ran while the meter recorded, from 0; some of them may not have been
    timed. `duration_s` is what the board's own timer counted for it.
    """

    number: int
    duration_s: float


@dataclass(frozen=True)
class Found:
    """`windows` has one entry for each timed inference, in order; `idle` are the pauses in which the agent waits."""

    windows: tuple[Window, ...]
    idle: tuple[Window, ...]


@dataclass(frozen=True)
class _Run:
    """A stretch of one level of the trigger. `watts` is the sum over those of its `samples` that were not lost.

    `unsure` samples were lost right before it: the edge is somewhere among them.
    """

    high: bool
    watts: float
    samples: int
    lost: int
    overloads: int
    unsure: int

    def window(self, rate_hz: float) -> Window:
        """Return it as energy over time; a lost sample counts as the mean of the others."""
        kept = max(self.samples - self.lost, 1)
        seconds = self.samples / rate_hz
        return Window(self.watts / kept * seconds, seconds, self.samples, self.lost)

    def __add__(self, other: _Run) -> _Run:
        return _Run(self.high, self.watts + other.watts, self.samples + other.samples, self.lost + other.lost,
                    self.overloads + other.overloads, self.unsure)  # fmt: skip


def find_windows(capture: Capture, timed: Sequence[Timed]) -> Found:
    """Return the window of each of `timed`, and the pauses.

    Raises `MeterError` with the reason when the capture does not fit the inferences: the trigger is missing or has too
    few or too many edges, a window is too short, lost samples, was beyond the meter's range or has another length.
    """
    if capture.problem:
        raise MeterError(capture.problem)
    blocks = capture.blocks()
    if capture.marks == "rises":
        samples = {one.number: round(one.duration_s * capture.rate_hz) for one in timed}
        blocks = _held(blocks, samples)
    runs = _runs(blocks)
    if not runs:
        raise MeterError("the meter sent nothing that makes samples")
    ran = max(one.number for one in timed) + 1
    high = _windows(runs, ran)
    chosen = [high[one.number] for one in timed]
    for one, run in zip(timed, chosen, strict=True):
        _check(run, f"inference {one.number}")
    windows = tuple(run.window(capture.rate_hz) for run in chosen)
    _check_lengths(windows, timed, capture.rate_hz)
    pauses = (run for run in runs if not run.high and run.samples >= _PAUSE_S * capture.rate_hz and not run.overloads)
    idle = tuple(run.window(capture.rate_hz) for run in pauses if run.lost <= _LOST * run.samples)
    if capture.marks == "rises" and idle and _typical_w(windows) < _typical_w(idle):
        raise MeterError(
            "the board draws less in the windows than between them",
            hint="the meter's marks are where inferences end: it takes falls of the trigger for rises",
        )
    return Found(windows, idle)


def _typical_w(windows: Sequence[Window]) -> float:
    return float(np.median([window.power_w for window in windows]))


def _windows(runs: Sequence[_Run], ran: int) -> list[_Run]:
    """Return the `ran` windows among `runs`. Raises `MeterError` if there is another number of them."""
    high = [run for run in runs if run.high]
    if not high:
        raise MeterError(f"the trigger never rose, while the board ran {ran} inferences", hint=_WIRING)
    if runs[0].high:
        raise MeterError("the trigger was up before the first inference", hint=_WIRING)
    if runs[-1].high:
        raise MeterError("the trigger was still up after the last inference", hint=_WIRING)
    if len(high) != ran:
        raise MeterError(f"the meter saw {len(high)} windows of the trigger for {ran} inferences", hint=_WIRING)
    return high


def _check(run: _Run, name: str) -> None:
    if run.overloads:
        raise MeterError(f"{name} drew more than the meter can measure, in {run.overloads} of {run.samples} samples")
    if run.samples < _FEWEST:
        raise MeterError(
            f"{name} has only {run.samples} of the meter's samples; {_FEWEST} are needed",
            hint="sample faster, if the meter can; such short inferences need another meter",
        )
    if run.lost + run.unsure > _LOST * run.samples:
        raise MeterError(
            f"the meter lost {run.lost + run.unsure} samples in or right before {name}, which has {run.samples}",
            hint="give the meter a USB port of its own, and the computer less to do",
        )


def _check_lengths(windows: Sequence[Window], timed: Sequence[Timed], rate_hz: float) -> None:
    """Raise `MeterError` unless every window is as long as the board says, up to one factor between the clocks."""
    ratios = [window.duration_s / one.duration_s for window, one in zip(windows, timed, strict=True)]
    clocks = float(np.median(ratios))
    slack_s = _SLACK_SAMPLES / rate_hz
    longest_s = max(one.duration_s for one in timed)
    if abs(clocks - 1) > _CLOCKS + slack_s / longest_s:
        raise MeterError(
            f"the trigger's windows are {clocks:.3g} times as long as the inferences that the board timed",
            hint="another pin than the trigger, or clock_hz in the board's file is wrong",
        )
    for window, one in zip(windows, timed, strict=True):
        expected_s = one.duration_s * clocks
        if abs(window.duration_s - expected_s) > slack_s + _SLACK * expected_s:
            raise MeterError(
                f"the window of inference {one.number} is {window.duration_s:.6g} s long, its time {expected_s:.6g} s",
                hint="samples were lost without a trace, or the trigger line is disturbed",
            )


def _runs(blocks: Iterator[Block]) -> list[_Run]:
    """Return the stretches of one trigger level, in order. Memory is bounded by the longest block."""
    runs: list[_Run] = []
    for block in blocks:
        for run in _block_runs(block):
            if runs and runs[-1].high == run.high:
                runs[-1] += run
            else:
                runs.append(run)
        if len(runs) > _MOST_RUNS:
            raise MeterError("the trigger line changes all the time", hint=_WIRING)
    return runs


def _block_runs(block: Block) -> Iterator[_Run]:
    trigger = block.trigger
    if not len(trigger):
        return
    starts = np.concatenate(([0], np.flatnonzero(trigger[1:] != trigger[:-1]) + 1))
    lost = np.isnan(block.current_a)
    watts = np.where(lost, 0.0, block.current_a * block.voltage_v)
    unsure = _lost_before(lost, starts)
    sums: list[Floats] = [
        np.add.reduceat(values.astype(np.float64), starts) for values in (watts, lost, block.overload)
    ]
    lengths = np.diff(np.append(starts, len(trigger)))
    for index, start in enumerate(starts):
        yield _Run(bool(trigger[start]), float(sums[0][index]), int(lengths[index]), int(sums[1][index]),
                   int(sums[2][index]), unsure[index])  # fmt: skip


def _lost_before(lost: Flags, starts: np.ndarray[tuple[int], np.dtype[np.intp]]) -> list[int]:
    """Return how many samples were lost right before each of `starts`."""
    kept = np.flatnonzero(~lost)
    before = np.searchsorted(kept, starts) - 1
    last = np.where(before >= 0, kept[before] if len(kept) else -1, -1)
    return [int(start - 1 - one) for start, one in zip(starts, last, strict=True)]


def _held(blocks: Iterator[Block], samples: Mapping[int, int]) -> Iterator[Block]:
    """Hold the trigger up after the n-th rise for `samples[n]` samples, the time that the board counted.

    A rise that nobody asks for is held for one sample.
    """
    rises = left = 0
    for block in blocks:
        level = np.zeros(len(block.trigger), dtype=np.bool_)
        level[:left] = True
        left = max(left - len(level), 0)
        for start in np.flatnonzero(block.trigger):
            length = max(samples.get(rises, 1), 1)
            rises += 1
            level[start : start + length] = True
            left = max(left, int(start) + length - len(level))
        yield replace(block, trigger=level)
