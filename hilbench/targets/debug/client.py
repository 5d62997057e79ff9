"""Our side of pyOCD: a process that runs it, and what can be asked of it.

pyOCD can wait for a probe, or for a server that is gone, for ever, and takes a second to import. So it has a process
of its own, which dies with ours, and which is killed when it is silent for too long.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hilbench.errors import TargetError
from hilbench.targets.debug.wire import Channel, Message, error_in
from hilbench.targets.process import Child, child

SILENCE_S = 35.0
"""Longer than the longest step: pyOCD gives a chip 10 s to erase a sector, and 30 s to sum up its flash."""
START_S = 60.0
"""pyOCD imports in 1 s; on a computer that is far too busy it takes several."""
_CLOSE_S = 3.0
_END_S = 0.5
_WORDS_LINES = 5
_HINT = "unplug the probe and plug it in again (of a remote probe: look after its server)"


@dataclass(frozen=True)
class AttachedProbe:
    """A debug probe that pyOCD sees. `board_id` is the board that it is on, as its firmware says; '' if it does not."""

    unique_id: str
    description: str
    board_id: str = ""

    def __str__(self) -> str:
        on = f", on board {self.board_id}" if self.board_id.strip("0") else ""
        return f"'{self.unique_id}' ({self.description}{on})"


@dataclass(frozen=True)
class Link:
    """How a chip is connected to: pyOCD's name for it, and what `targets.probe` of a board file has besides."""

    target: str
    pack: str = ""
    frequency_hz: int = 4_000_000
    connect: str = "halt"


@dataclass(frozen=True)
class Chip:
    """What a probe is connected to, as read from the chip.

    `cpuid` is the register of that name; `core` what pyOCD makes of it; `part_id` the word in which its maker says
    which part it is, with its name ('' where none is known).
    """

    probe: str
    unique_id: str
    core: str
    cpuid: int
    part_id: str = ""


@dataclass(frozen=True)
class Look:
    """What a chip was doing. `looks` are its registers at some moments, `before_pc` the halfword before the last pc.

    `fault` are its fault status registers ({} on Armv6-M), `frame` what a fault stacked ({} if it is in none).
    `state` is pyOCD's word for how it was found (running, sleeping, halted, lockup, reset); `halted_by` says why.
    """

    state: str
    halted_by: str
    looks: tuple[dict[str, int], ...]
    before_pc: int
    fault: dict[str, int]
    frame: dict[str, int]


@dataclass
class PyOcd:
    """A process that runs pyOCD. Make one with `started()`.

    Every method raises `TargetError` or `Unavailable` as the process says; `TargetError` too when the process died or
    had to be killed, and from then on.
    """

    _process: Child
    _channel: Channel
    complaint: str = ""
    broken: str = field(default="", repr=False)

    def probes(self, board_ids: bool) -> tuple[AttachedProbe, ...]:
        """Return what is attached, sorted; with `board_ids`, probes are asked on which board they are.

        `complaint` then holds what pyOCD had to complain about, such as a probe that it may not open.
        """
        found = self._ask({"do": "probes", "board_ids": board_ids})["result"]
        self.complaint = found[0]["told"]
        probes = (AttachedProbe(**{k: v for k, v in one.items() if k != "told"}) for one in found if "unique_id" in one)
        return tuple(sorted(probes, key=lambda probe: (probe.description, probe.unique_id)))

    def open(self, probe: str, link: Link) -> Chip:
        """Connect to the chip at `probe`, which is a whole unique id. Changes nothing on it, but may halt it."""
        return Chip(**self._ask({"do": "open", "probe": probe, **vars(link)})["result"])

    def flash(self, segments: Sequence[tuple[int, bytes]], code: tuple[int, int]) -> bool:
        """Bring `segments` (address, bytes) into flash, if they are not there; return whether they were written.

        Erases no sector without a segment in it, and nothing outside of `code` (first address, and that after the
        last).
        """
        sizes = [(address, len(data)) for address, data in segments]
        message = {"do": "flash", "segments": sizes, "code": code}
        return bool(self._ask(message, b"".join(data for _, data in segments))["result"])

    def read(self, address: int, count: int) -> bytes:
        """Return `count` bytes from `address` on; the chip may run."""
        return bytes(self._ask({"do": "read", "address": address, "count": count})["data"])

    def write(self, address: int, data: bytes) -> None:
        """Write `data` from `address` on; the chip may run."""
        self._ask({"do": "write", "address": address}, data)

    def reset(self, halt: bool = False) -> None:
        """Reset the chip; it runs, or with `halt` stands at its first instruction."""
        self._ask({"do": "reset", "halt": halt})

    def halt(self) -> None:
        """Stop the chip."""
        self._ask({"do": "halt"})

    def resume(self) -> None:
        """Let the chip go on."""
        self._ask({"do": "resume"})

    def registers(self) -> dict[str, int]:
        """Return the registers of the chip, which stands still."""
        return dict(self._ask({"do": "registers"})["result"])

    def look(self) -> Look:
        """Return what the chip is doing. It stands still a few times for it, and goes on."""
        found = self._ask({"do": "look"})["result"]
        return Look(**{**found, "looks": tuple(found["looks"])})

    def close(self) -> None:
        """Let go of the chip, which runs on, and of the probe."""
        if not self.broken:
            self._ask({"do": "close"}, silence_s=_CLOSE_S)

    def wait_ready(self) -> None:
        """Wait until pyOCD is loaded. Raises `Unavailable` when it cannot be."""
        self._reply("starting", START_S)

    def _ask(self, message: Message, data: bytes = b"", silence_s: float | None = None) -> Message:
        silence_s = silence_s or SILENCE_S
        what = str(message["do"])
        if self.broken:
            raise TargetError(self.broken, hint=_HINT)
        try:
            self._channel.send(message, data, silence_s)
        except TimeoutError:
            raise self._killed(f"pyOCD took no request ('{what}') for {silence_s:g} s") from None
        except EOFError:
            raise self._died(what) from None
        return self._reply(what, silence_s)

    def _reply(self, what: str, silence_s: float) -> Message:
        while True:
            try:
                message, data = self._channel.receive(silence_s)
            except TimeoutError:
                raise self._killed(f"pyOCD was silent for {silence_s:g} s at '{what}'") from None
            except EOFError:
                raise self._died(what) from None
            except ValueError as error:
                raise self._killed(f"pyOCD's process answered '{what}' with {error}") from None
            failure = error_in(message)
            if failure is not None:
                raise failure
            if "progress" not in message:
                return {**message, "data": data}

    def _killed(self, why: str) -> TargetError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.broken = f"{why}, and was killed{self._words()}"
        return TargetError(self.broken, hint=_HINT)

    def _died(self, what: str) -> TargetError:
        ended = self._process.wait(_END_S)
        how = "" if ended is None else f" ({signal.Signals(-ended).name})" if ended < 0 else f" (exit code {ended})"
        self.broken = f"pyOCD's process ended at '{what}'{how}{self._words()}"
        return TargetError(self.broken, hint=_HINT)

    def _words(self) -> str:
        words = "; ".join(self._process.tail().strip().splitlines()[-_WORDS_LINES:])
        return f" (its last words: {words})" if words else ""


@contextlib.contextmanager
def started() -> Iterator[PyOcd]:
    """Run pyOCD in a process of its own, which is gone when the context is left. Raises `Unavailable` without pyOCD."""
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(end) for end in socket.socketpair())
        # -P: no module in the current folder may stand in for one of ours.
        argv = [sys.executable, "-P", "-m", "hilbench.targets.debug.server", f"--fd={theirs.fileno()}"]
        process = stack.enter_context(child(argv, pass_fds=[theirs.fileno()], pin=False))
        theirs.close()  # the process has its own now, and the channel ends with it
        pyocd = PyOcd(process, Channel(ours))
        pyocd.wait_ready()
        try:
            yield pyocd
        finally:
            with contextlib.suppress(TargetError):  # what cannot be let go of is killed
                pyocd.close()
