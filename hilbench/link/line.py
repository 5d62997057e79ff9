"""Frames on a stream: numbers and counts those that go out, keeps those that come in and belong to the session."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hilbench.errors import DeviceFault, LinkClosed
from hilbench.link import protocol
from hilbench.link.framing import END, Decoder, RawFrame, encode
from hilbench.link.protocol import Ack, AckFlag, Fault, Frame
from hilbench.targets.base import Stream

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 1.0
"""How long to wait for the answer to a question before asking again: between these, by how long the last one took."""
_DRAIN_READS = 64

Answer = TypeVar("Answer", bound=protocol._Payload)


@dataclass
class LinkStats:
    """What went over the line so far. Frames that came broken: `damaged_in` here, `damaged_out` at the device.

    `bytes_placed` are those of inputs that were written into the device's memory, past the line.
    """

    bytes_sent: int = 0
    bytes_received: int = 0
    frames_resent: int = 0
    damaged_in: int = 0
    damaged_out: int = 0
    polls: int = 0
    bytes_placed: int = 0


class Line:
    """Sends and receives frames. `session` is 0 outside a session; `sent` is the number of frames sent so far."""

    def __init__(self, stream: Stream) -> None:
        self.stats = LinkStats()
        self.session = 0
        self.sent = 0
        self._stream = stream
        self._decoder = Decoder()
        self._wait_s = _FIRST_WAIT_S

    def send(self, frame: Frame, payload: bytes = b"", *, cut: bool = False) -> int:
        """Send one frame and return its number. With `cut`, end what half frame the device may hold first."""
        wire = encode(frame, self.session, self.sent & 0xFF, payload)
        self._write(END + wire if cut else wire)
        self.sent += 1
        return self.sent - 1

    def number_of(self, sequence: int) -> int:
        """Return the number of the latest frame sent that carried `sequence`."""
        latest = self.sent - 1
        return latest - ((latest - sequence) & 0xFF)

    def receive(self, timeout_s: float) -> list[RawFrame]:
        """Return the frames that have arrived, waiting at most `timeout_s` for the first bytes.

        Raises `DeviceFault` when the device reports a fault, `LinkError` when its end of the line is closed.
        """
        before = self._decoder.damaged
        frames = self._decoder.feed(self._read(timeout_s))
        for frame in frames:
            if frame.type == Frame.FAULT:
                raise _fault(frame.payload)
        ours = [frame for frame in frames if frame.session == self.session or frame.type == Frame.INFO]
        self.stats.damaged_in += self._decoder.damaged - before
        self.stats.damaged_out += sum(_is_nak(frame) for frame in ours)
        return ours

    @property
    def halfway(self) -> bool:
        """True when a frame from the device has begun to arrive and has not ended."""
        return self._decoder.halfway

    def drain(self) -> None:
        """Forget what has arrived so far."""
        for _ in range(_DRAIN_READS):  # bounded, because a device may chatter without end
            if not self._read(0):
                break
        self._decoder = Decoder()

    def ask(
        self, frame: Frame, payload: bytes, answer: tuple[Frame, Callable[[bytes], Answer | None]], within_s: float
    ) -> Answer | None:
        """Send a question until its answer comes; None if none came in time.

        `answer` is the type of the frame that answers, and what reads its payload (None: not the answer to this).
        """
        kind, read = answer
        start = time.monotonic()
        wait_s = self._wait_s
        while (now := time.monotonic()) < start + within_s:
            self.send(frame, payload, cut=True)
            again = min(now + wait_s, start + within_s)
            damaged = self._damaged
            while (left := again - time.monotonic()) > 0:
                if self.session and self._damaged > damaged:
                    break  # ask again at once; outside a session it may be the noise of another program
                for got in self.receive(left):
                    if got.type == kind and (found := read(got.payload)) is not None:
                        took = time.monotonic() - start
                        self._wait_s = min(max(3 * took, _FIRST_WAIT_S), _LONGEST_WAIT_S)
                        return found
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        return None

    @property
    def _damaged(self) -> int:
        return self.stats.damaged_in + self.stats.damaged_out

    def _read(self, timeout_s: float) -> bytes:
        try:
            data = self._stream.read(timeout_s)
        except EOFError as error:
            raise _gone() from error
        self.stats.bytes_received += len(data)
        return data

    def _write(self, wire: bytes) -> None:
        try:
            self._stream.write(wire)
        except EOFError as error:
            raise _gone() from error
        self.stats.bytes_sent += len(wire)


def _is_nak(frame: RawFrame) -> bool:
    return frame.type == Frame.ACK and (ack := Ack.unpack(frame.payload)) is not None and bool(ack.flags & AckFlag.NAK)


def _gone() -> LinkClosed:
    return LinkClosed("the device is gone: its end of the line is closed")


def _fault(payload: bytes) -> DeviceFault:
    fault = Fault.unpack(payload)
    registers = dict(vars(fault)) if fault else {}
    at = f" at pc {fault.pc:#010x}" if fault else ""
    return DeviceFault(f"the processor faulted{at}", registers)
