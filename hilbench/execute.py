"""Runs an image on its target: timed inferences first, then every sample for its output.

On an emulator that counts, the timed inferences are counted in a run of their own, since counting takes time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

from hilbench.catalog.board import Board
from hilbench.counts import Probe, Window
from hilbench.errors import (
    LinkClosed,
    LinkError,
    LinkTimeout,
    StoreError,
    TargetCrashed,
    TargetError,
    Unavailable,
    UnstableOutput,
)
from hilbench.images.image import Image
from hilbench.link.client import Client, DeviceFault, Inference
from hilbench.measure.counted import probe
from hilbench.measure.rounds import enough, warm_up
from hilbench.meters.session import Metering, metered
from hilbench.meters.session import Outcome as Energy
from hilbench.meters.windows import Timed as Metered
from hilbench.plan import Setting
from hilbench.targets.base import IDLE, Counted, Counting, Running
from hilbench.targets.crash import fault_report

Progress = Callable[[str, int, int], None]
"""Called with what is under way, how many samples are done, and how many there are."""

_Run = TypeVar("_Run", bound=Running)

HELLO_S = 10.0
"""A board answers within a second of its reset; a loaded computer that starts an emulator may need several."""


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


@dataclass(frozen=True)
class Outcome:
    """What the device gave: the timed inferences, the outputs of all samples, what a meter saw, how the link fared."""

    timed: Timed
    outputs: tuple[bytes, ...]
    energy: Energy
    arena_bytes: int
    link: dict[str, int]


def execute(setting: Setting, image: Image, inputs: Sequence[bytes], progress: Progress) -> Outcome:
    """Run the image on its target. Raises `UnstableOutput` when a sample has one output now and another then."""
    timed, reason = _counted(setting, image, inputs, progress)
    with metered(setting.plan.meter) as metering, device(setting, image) as (client, _):
        timed = timed or Timed(*_timed(setting, client, inputs, progress, metering), uncounted=reason)
        outputs = tuple(
            inference.output
            for inference in _collect(client.infer(inputs, depth=2), "inference", len(inputs), progress)
        )
        (again,) = client.infer(inputs[:1])
        # The model may only know its arena once it has run.
        arena_bytes = client.hello(within_s=HELLO_S).arena_bytes
    every = (timed.warmup, *timed.visits)
    for inference, when in [(again, "at its end"), *((visit, "while it was timed") for visit in every)]:
        if inference.output != outputs[inference.index]:
            raise UnstableOutput(
                f"sample {inference.index} gave one output in the accuracy run and another {when}",
                hint="the model keeps state between inferences, or writes where it should not",
            )
    energy = metering.outcome(_metered_visits(timed, setting.plan.board))
    return Outcome(timed, outputs, energy, arena_bytes, asdict(client.stats))


@contextmanager
def device(setting: Setting, image: Image) -> Iterator[tuple[Client, Running]]:
    """Run `image` on its target and give a client that knows that it is this image."""
    with _opened(setting, image, setting.target.run(image.path, setting.plan.board, setting.settings)) as opened:
        yield opened


@contextmanager
def counted_device(setting: Setting, image: Image, probe: Probe) -> Iterator[tuple[Client, Counted]]:
    """Do as `device`, and count what `probe` asks for. Raises `Unavailable` where that cannot be here."""
    target, board = setting.target, setting.plan.board
    if not isinstance(target, Counting):
        raise Unavailable(f"the target {target.name} does not count")
    with _opened(setting, image, target.count(image.path, board, setting.settings, probe)) as opened:
        yield opened


@contextmanager
def _opened(setting: Setting, image: Image, start: AbstractContextManager[_Run]) -> Iterator[tuple[Client, _Run]]:
    with start as running, _post_mortem(running, image):
        client = Client(running.stream, timeout_s=setting.task.timeout_s)
        client.hello(within_s=HELLO_S)
        client.require(image.manifest.build_id)
        yield client, running


def _counted(setting: Setting, image: Image, inputs: Sequence[bytes], progress: Progress) -> tuple[Timed | None, str]:
    """Return the timed inferences with what was counted in them; None with the reason where nothing can be."""
    if not isinstance(setting.target, Counting):
        return None, ""
    try:
        with counted_device(setting, image, probe(setting.plan.board)) as (client, running):
            warmup, visits = _timed(setting, client, inputs, progress, Metering(None))
            windows = tuple(running.windows())
        if setting.clockless:
            warmup, *every = (_as_counted(inference, windows) for inference in (warmup, *visits))
            visits = tuple(every)
        # To look at every access takes twice the time, so that is done in one inference alone.
        with counted_device(setting, image, Probe(memory=True)) as (client, running):
            (_,) = client.infer(inputs[:1])
            first = next(iter(running.windows()[1:]), None)  # after the copy of the input
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
    setting: Setting, client: Client, inputs: Sequence[bytes], progress: Progress, metering: Metering
) -> tuple[Inference, tuple[Inference, ...]]:
    latency, board = setting.task.latency, setting.plan.board
    chosen = inputs[: latency.samples]
    visits: list[Inference] = []
    (warmup,) = client.infer(chosen[:1], repeats=warm_up(latency, board), measure=True, depth=1)
    with metering.recording():
        while not enough([inference.times for inference in visits], len(chosen), latency, board):
            one_round = client.infer(chosen, repeats=latency.repeats, measure=True, depth=1)
            visits += _collect(one_round, "timing", len(chosen), progress)
    return warmup, tuple(visits)


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


@contextmanager
def _post_mortem(running: Running, image: Image) -> Iterator[None]:
    """Turn a device's silence or fault into `TargetCrashed` with a report."""
    try:
        yield
    except DeviceFault as fault:
        raise TargetCrashed(str(fault_report(fault.registers, image.elf))) from None
    except (LinkTimeout, LinkClosed) as silence:
        report = running.crash()
        if report is None:
            raise
        raise TargetCrashed(str(report), hint=silence.hint) from None
