"""Runs an image on its target: timed inferences first, then every sample for its output.

On an emulator that counts, the timed inferences are counted in a run of their own, since counting takes time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from hilbench.catalog.board import Board
from hilbench.counts import Probe, Window
from hilbench.device import Device, Recovery, counted_device, device
from hilbench.errors import (
    LinkError,
    StoreError,
    TargetCrashed,
    TargetError,
    Unavailable,
    UnstableOutput,
)
from hilbench.images.image import Image
from hilbench.link.client import Inference
from hilbench.measure.counted import probe
from hilbench.measure.rounds import enough, warm_up
from hilbench.meters.session import MISSING, Metering, metered
from hilbench.meters.session import Outcome as Energy
from hilbench.meters.windows import Timed as Metered
from hilbench.plan import Setting
from hilbench.targets.base import IDLE, Counting, Described, Running

Progress = Callable[[str, int, int], None]
"""Called with what is under way, how many samples are done, and how many there are."""

_Run = TypeVar("_Run", bound=Running)
_INFERENCE, _TIMING = "inference", "timing"
_TOTALS = "this emulator counts instructions, but does not tell which they were"


@dataclass(frozen=True)
class Timed:
    """Timed inferences: a warm-up, and the visits that count. `windows` are what an emulator counted meanwhile.

    `first` is the first inference once more, its accesses to memory counted. `uncounted` is the reason why a target
    that can count did not.
    """

    warmup: Inference
    visits: tuple[Inference, ...]
    windows: tuple[Window, ...] | None = None
    first: Window | None = None
    uncounted: str = ""

    @property
    def clock_stands_still(self) -> bool:
        """Whether the device's clock does not count, so that nothing is known of time."""
        return _stands_still(self.visits)


@dataclass(frozen=True)
class Outcome:
    """What the device gave: the timed inferences, the outputs of all samples, what a meter saw, how the link fared."""

    timed: Timed
    outputs: tuple[bytes, ...]
    energy: Energy
    arena_bytes: int
    link: dict[str, int]
    recoveries: tuple[Recovery, ...] = ()
    attached: Mapping[str, str] = field(default_factory=dict)


def execute(setting: Setting, image: Image, inputs: Sequence[bytes], progress: Progress) -> Outcome:
    """Run the image on its target. Raises `UnstableOutput` when a sample has one output now and another then."""
    timed, reason = _counted(setting, image, inputs, progress)
    with metered(setting.plan.meter) as metering, device(setting, image) as board:
        timed = timed or Timed(*_timed(setting, board, inputs, progress, metering), uncounted=reason)
        every = board.infer(inputs, _INFERENCE, depth=2)
        outputs = tuple(inference.output for inference in _collect(every, _INFERENCE, len(inputs), progress))
        again, arena_bytes = board.arena_bytes(inputs[0], _INFERENCE)
    repeats = (timed.warmup, *timed.visits)
    for inference, when in [(again, "at its end"), *((visit, "while it was timed") for visit in repeats)]:
        if inference.output != outputs[inference.index]:
            raise UnstableOutput(
                f"sample {inference.index} gave one output in the accuracy run and another {when}",
                hint="the model keeps state between inferences, or writes where it should not",
            )
    energy = _energy(metering, timed, board)
    attached = board.running.facts if isinstance(board.running, Described) else {}
    return Outcome(timed, outputs, energy, arena_bytes, board.stats(), tuple(board.recoveries), attached)


def _energy(metering: Metering, timed: Timed, device: Device[Running]) -> Energy:
    """Return what the meter saw. Which inference is which follows from their number since reset: one reset too many
    in between, and nobody knows."""
    energy = metering.outcome(_metered_visits(timed, device.setting.plan.board))
    if energy.facts and isinstance(device.running, Described) and "probe" in device.running.facts:
        energy = replace(energy, facts={**energy.facts, "debugger": "attached: a chip that is debugged draws more"})
    if energy.metrics and any(recovery.phase == _TIMING for recovery in device.recoveries):
        return Energy(missing={MISSING: "the board failed and was reset while it was metered"}, facts=energy.facts)
    return energy


def _counted(setting: Setting, image: Image, inputs: Sequence[bytes], progress: Progress) -> tuple[Timed | None, str]:
    """Return the timed inferences with what was counted in them; None with the reason where nothing can be."""
    if not isinstance(setting.target, Counting):
        return None, ""
    try:
        with counted_device(setting, image, probe(setting.plan.board)) as counted:
            warmup, visits = _timed(setting, counted, inputs, progress, Metering(None))
            windows = tuple(counted.running.windows())
        if setting.clockless:
            warmup, *every = (_as_counted(inference, windows) for inference in (warmup, *visits))
            visits = tuple(every)
        if windows and not any(window.blocks for window in windows):
            return Timed(warmup, visits, windows, uncounted=_TOTALS), ""
        # To look at every access takes twice the time, so that is done in one inference alone.
        with counted_device(setting, image, Probe(memory=True)) as counted:
            (_,) = counted.infer(inputs[:1], _TIMING)
            first = next(iter(counted.running.windows()[1:]), None)  # after the copy of the input
        if first is None or first.instructions != warmup.times[0][1]:
            raise Unavailable("the emulator's counter and the guest's clock disagree on the first inference")
    except (Unavailable, StoreError, TargetError, LinkError) as reason:
        if isinstance(reason, TargetCrashed) and not reason.what.startswith(IDLE):
            raise
        if setting.clockless:
            raise
        return None, str(reason)  # an idle device was only slow: counting takes time
    return Timed(warmup, visits, windows, first), ""


def _as_counted(inference: Inference, windows: Sequence[Window]) -> Inference:
    """Return `inference` with the emulator's counts for its times: each inference since reset opened three windows."""
    first = 3 * inference.invocation
    counts = [window.instructions for window in windows[first : first + 3 * len(inference.times)]]
    if len(counts) != 3 * len(inference.times):
        raise Unavailable(f"the emulator counted {len(windows)} windows, too few for sample {inference.index}")
    times = tuple((counts[i], counts[i + 1], counts[i + 2]) for i in range(0, len(counts), 3))
    return replace(inference, times=times)


def _timed(
    setting: Setting, device: Device[_Run], inputs: Sequence[bytes], progress: Progress, metering: Metering
) -> tuple[Inference, tuple[Inference, ...]]:
    latency, board = setting.task.latency, setting.plan.board
    chosen = inputs[: latency.samples]
    visits: list[Inference] = []

    def warm() -> Inference:
        (inference,) = device.infer(chosen[:1], _TIMING, repeats=warm_up(latency, board), measure=True)
        return inference

    warmup = warm()
    with metering.recording():
        while not (_stands_still(visits) or enough([visit.times for visit in visits], len(chosen), latency, board)):
            one_round = device.infer(chosen, _TIMING, repeats=latency.repeats, measure=True, recovered=warm)
            visits += _collect(_believed(one_round, device), _TIMING, len(chosen), progress)
    return warmup, tuple(visits)


def _believed(inferences: Iterator[Inference], device: Device[_Run]) -> Iterator[Inference]:
    """Give `inferences` on. Raises `TargetError` when one took so long that the cycle counter may have wrapped.

    Cycle counters have 32 bits (DWT_CYCCNT: Armv7-M ARM DDI 0403E, C1.8.8). That one wrapped shows in the time on this
    side of the line, from one answer to the next: it is longer by a whole turn of the counter.
    """
    board = device.setting.plan.board
    turn_s = 2**32 / (board.clock_hz or 1)
    before, recovered = time.monotonic(), len(device.recoveries)
    for inference in inferences:
        now = time.monotonic()
        if len(device.recoveries) > recovered:  # the board was away
            before, recovered = now, len(device.recoveries)
        counted_s = sum(part for repeat in inference.times for part in repeat) / (board.clock_hz or 1)
        if board.counter == "cycles" and counted_s > 0 and now - before - counted_s >= turn_s:
            raise TargetError(
                f"sample {inference.index} took {now - before:.1f} s here and {counted_s:.1f} s by the cycle counter "
                f"of {board.id}, which begins anew every {turn_s:.1f} s: its time is not known",
                hint="if this computer was busy, run it again; else the model is too slow to be timed on this board",
            )
        yield inference
        before = time.monotonic()


def _stands_still(visits: Sequence[Inference]) -> bool:
    """Whether inferences took no time at all: the clock of the device does not count."""
    return bool(visits) and not any(part for visit in visits for repeat in visit.times for part in repeat)


def _metered_visits(timed: Timed, board: Board) -> list[list[Metered]]:
    """Return which of the inferences that ran while the meter recorded are the timed ones, and how long each took."""
    before = timed.warmup.invocation + len(timed.warmup.times)
    return [
        [
            Metered(visit.invocation - before + repeat, times[1] / (board.clock_hz or 1))
            for repeat, times in enumerate(visit.times)
        ]
        for visit in timed.visits
    ]


def _collect(inferences: Iterator[Inference], phase: str, total: int, progress: Progress) -> Iterator[Inference]:
    for done, inference in enumerate(inferences, start=1):
        progress(phase, done, total)
        yield inference
