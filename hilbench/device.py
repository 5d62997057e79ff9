"""A device under test: an image that runs on its target, the link to it, and what to do when it falls silent.

A real board that hangs, faults, is unplugged or loses power is reset, and the work goes on at the sample where it
stopped: what is known already is kept. A sample at which it fails twice is a finding, as is any failure on an
emulator, where nothing happens by chance.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from hilbench.counts import Probe
from hilbench.errors import (
    DeviceFault,
    DeviceReset,
    HilbenchError,
    LinkClosed,
    LinkError,
    LinkTimeout,
    TargetCrashed,
    TargetError,
    Unavailable,
)
from hilbench.images.image import Image
from hilbench.link.client import Client, Inference
from hilbench.link.line import LinkStats
from hilbench.plan import Setting
from hilbench.targets.base import Addressable, Counted, Counting, CrashReport, Memory, Reusable, Running
from hilbench.targets.crash import fault_report

HELLO_S = 10.0
"""A board answers within a second of its reset; a loaded computer that starts an emulator may need several."""
REUSE_S = 1.5
"""An agent that runs answers within milliseconds, or, where a serial server is far away, within this time."""
RECOVERIES = 5
"""A board that fails more often than this in one run needs a person."""
MEMORY_FROM_BYTES = 1024
"""With the channel `auto`, the size of inputs from which on they do not go over the line: below that, the two ways to
stop an emulator, or to ask a debug probe, take longer than a UART."""

_Run = TypeVar("_Run", bound=Running)
_FAILURES = (DeviceFault, LinkTimeout, LinkClosed, DeviceReset)


@dataclass(frozen=True)
class Recovery:
    """A failure that the run got over: at which sample of which phase, and how the device had died."""

    phase: str
    sample: int
    report: str


@dataclass
class Device(Generic[_Run]):
    """A device that runs an image. `recoveries` are the failures so far that it was reset after."""

    setting: Setting
    image: Image
    running: _Run
    client: Client
    recoveries: list[Recovery] = field(default_factory=list)
    _stats: list[LinkStats] = field(default_factory=list)

    def infer(
        self,
        inputs: Sequence[bytes],
        phase: str,
        *,
        repeats: int = 1,
        measure: bool = False,
        depth: int = 1,
        recovered: Callable[[], object] = lambda: None,
    ) -> Iterator[Inference]:
        """Run every input as `Client.infer` does, and go on where a real board failed, after a call of `recovered`.

        Raises `TargetCrashed` with a report for a failure that is not got over, and what `Client.infer` raises.
        """
        done, failed_at = 0, -1
        while done < len(inputs):
            try:
                for inference in self.client.infer(inputs[done:], repeats=repeats, measure=measure, depth=depth):
                    yield replace(inference, index=done)
                    done += 1
            except _FAILURES as failure:
                self._recover(failure, phase, done, again=failed_at == done)
                failed_at = done
                recovered()

    def arena_bytes(self, data: bytes, phase: str) -> tuple[Inference, int]:
        """Return one more inference, of `data`, and what the model then says of its arena: it may not know before.

        Goes on after a failure, and raises, as `infer` does.
        """
        again = False
        while True:
            try:
                (inference,) = self.client.infer([data], depth=1)
                return inference, self.client.hello(within_s=HELLO_S).arena_bytes
            except _FAILURES as failure:
                self._recover(failure, phase, 0, again=again)
                again = True

    def stats(self) -> dict[str, int]:
        """Return what went over the line, before and after each recovery together."""
        every = [vars(stats) for stats in (*self._stats, self.client.stats)]
        return {name: sum(stats[name] for stats in every) for name in every[0]}

    def _recover(self, failure: LinkError, phase: str, sample: int, *, again: bool) -> None:
        """Reset the board and say hello to it. Raises `TargetCrashed` where that is no use."""
        crashed = _crashed(failure, self.running, self.image)
        if not self.setting.target.silicon or again or len(self.recoveries) == RECOVERIES:
            raise crashed from None
        try:
            self.running.reset()
            self._stats.append(self.client.stats)
            self.client = _restarted(self.setting, self.image, self.running)
        except (LinkError, TargetError, Unavailable) as reason:
            raise TargetCrashed(
                f"{crashed.what}\nand it could not be started again: {reason.what}", hint=reason.hint or crashed.hint
            ) from None
        self.recoveries.append(Recovery(phase, sample, crashed.what))


@contextmanager
def device(setting: Setting, image: Image) -> Iterator[Device[Running]]:
    """Run `image` on its target and give the device, which is known to run this image."""
    with _opened(setting, image, _started(setting, image)) as opened:
        yield opened


@contextmanager
def _started(setting: Setting, image: Image) -> Iterator[Running]:
    """Give the board as it runs now if that is `image`; else put `image` on it."""
    target, what = setting.target, (image.path, setting.plan.board, setting.settings)
    if isinstance(target, Reusable):
        with target.attached(*what) as running:
            if running is not None and _runs(running, image):
                yield running
                return
    with target.run(*what) as running:
        yield running


def _runs(running: Running, image: Image) -> bool:
    try:
        client = Client(running.stream, timeout_s=REUSE_S)
        client.hello(within_s=REUSE_S)
        client.require(image.manifest.build_id)
    except LinkError:
        return False
    return True


@contextmanager
def counted_device(setting: Setting, image: Image, probe: Probe) -> Iterator[Device[Counted]]:
    """Do as `device`, and count what `probe` asks for. Raises `Unavailable` where that cannot be here."""
    target, board = setting.target, setting.plan.board
    if not isinstance(target, Counting):
        raise Unavailable(f"the target {target.name} does not count")
    with _opened(setting, image, target.count(image.path, board, setting.settings, probe)) as opened:
        yield opened


@contextmanager
def _opened(setting: Setting, image: Image, start: AbstractContextManager[_Run]) -> Iterator[Device[_Run]]:
    with start as running:
        try:
            yield Device(setting, image, running, _client(setting, image, running))
        except (DeviceFault, LinkTimeout, LinkClosed) as failure:
            raise _crashed(failure, running, image) from None


def _restarted(setting: Setting, image: Image, running: Running) -> Client:
    """Say hello to a board that was reset. One that faulted may tell of it for some seconds more, and begins anew."""
    deadline = time.monotonic() + HELLO_S
    while True:
        try:
            return _client(setting, image, running)
        except DeviceFault:
            if time.monotonic() >= deadline:
                raise


def _client(setting: Setting, image: Image, running: Running) -> Client:
    memory = _memory(setting, image, running)
    client = Client(running.stream, timeout_s=setting.task.timeout_s, memory=memory)
    client.hello(within_s=HELLO_S)
    client.require(image.manifest.build_id)
    return client


def _memory(setting: Setting, image: Image, running: Running) -> Memory | None:
    """Return the way by which inputs go into the device past its line; None where they go over the line."""
    channel = setting.plan.channel
    if channel == "memory" and not isinstance(running, Addressable):
        raise Unavailable(
            f"--hil-channel=memory: the target {setting.target.name} has no way into the device's memory",
            hint="leave it out: inputs then go over the serial line",
        )
    input_bytes = sum(tensor.bytes for tensor in image.manifest.model.inputs)
    wanted = channel == "memory" or (channel == "auto" and input_bytes >= MEMORY_FROM_BYTES)
    return running.memory if wanted and isinstance(running, Addressable) else None


def _crashed(failure: LinkError, running: Running, image: Image) -> HilbenchError:
    """Return a device's silence or fault as a crash, with a report; `failure` itself where nothing more is known."""
    if isinstance(failure, DeviceReset):
        return failure
    if isinstance(failure, DeviceFault):
        return TargetCrashed(str(fault_report(failure.registers, image.elf)))
    report: CrashReport | None
    try:
        report = running.crash()
    except (TargetError, Unavailable) as error:
        report = CrashReport("gone", error.what)
    return TargetCrashed(str(report), hint=failure.hint) if report else failure
