"""One session: sends inputs, keeps sending what got lost, and gives back each sample's inference, in order and once.

Nothing is believed because it arrived: the device says what input it ran (its CRC-32) and what it computed, and either
being another than on this side is an error.
"""

from __future__ import annotations

import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from hilbench.errors import DeviceReset, LinkClosed, LinkError, LinkTimeout, TargetCrashed, TargetError, UnstableOutput
from hilbench.link.framing import RawFrame
from hilbench.link.hello import say_hello
from hilbench.link.line import Line
from hilbench.link.pace import Pace
from hilbench.link.protocol import (
    TIMES,
    Ack,
    AckFlag,
    Block,
    Data,
    Frame,
    Info,
    Placed,
    Poll,
    Read,
    Region,
    Result,
    Status,
)
from hilbench.link.window import Fragment, Window, unwrap
from hilbench.targets.base import Memory

_QUIET_TRIES = 20
"""A line that is never quiet for one measurement in this many is not fit for measuring."""
_CRASHES: dict[int, str] = {
    Status.INIT_FAILED: "the model could not be set up on the device",
    Status.INVOKE_FAILED: "the model failed on the device",
    Status.STACK_OVERFLOW: "the model overflowed its stack",
}


POWER = "a watchdog, or its power supply?"
"""What to look at when a device began anew."""
_LAST_TRY_S = 1.0
"""How long a device that fell silent may take to say whether it still knows the session."""


@dataclass(frozen=True)
class Inference:
    """One sample's inference on the device.

    `times` holds for each repeat the counts of copying the input in, inferring, and copying the output out, in the
    board's counter units. `invocation` counts the inferences since reset before this sample's first. `output` is the
    raw bytes of all output tensors one after another; `stack_bytes` is 0 unless it was measured.
    """

    index: int
    times: tuple[tuple[int, int, int], ...]
    invocation: int
    output: bytes
    stack_bytes: int


@dataclass
class _Answer:
    """A RESULT, and its output as far as it is here."""

    result: Result
    times: tuple[tuple[int, int, int], ...]
    output: bytearray = field(default_factory=bytearray)


class Transfer:
    """A session on `line` that is started already. `depth` 1 keeps the line silent while the device infers.

    With `memory`, inputs are written straight into the device, and the line only says so.
    """

    def __init__(
        self,
        line: Line,
        info: Info,
        inputs: Sequence[bytes],
        *,
        repeats: int,
        depth: int,
        timeout_s: float,
        memory: Memory | None = None,
    ) -> None:
        self._line = line
        self._info = info
        self._inputs = inputs
        self._repeats = repeats
        self._depth = depth
        self._memory = memory
        self._written: set[int] = set()  # samples whose input is in place by our own account
        self._window = Window(1 if memory else -(-info.input_bytes // info.chunk_bytes))
        self._pace = Pace(timeout_s)
        self._flights: deque[tuple[int, float]] = deque()  # number and time of DATA frames, for round trips
        self._todo = deque(range(len(inputs)))
        self._carried: list[int] = []  # sample on the wire -> index of its input: a measurement redone is a new sample
        self._tries = [0] * len(inputs)
        self._done = 0
        self._released = 0
        self._answers: dict[int, _Answer] = {}
        self._reading: tuple[int, int] | None = None  # sample and offset of the READ on its way

    def run(self) -> Iterator[Inference]:
        """Give each input's inference in order.

        Raises `UnstableOutput`, `TargetCrashed` (the model failed), `DeviceFault`, `LinkTimeout` and `LinkError`.
        """
        left = len(self._inputs)
        while left:
            self._send()
            self._receive()
            for inference in self._finished():
                left -= 1
                yield inference
                self._pace.resumed()

    def _send(self) -> None:
        while self._todo and len(self._carried) < self._released + self._depth:
            self._carried.append(self._todo.popleft())
            self._window.admit(len(self._carried) - 1)
        resent = self._window.resent
        while fragment := self._window.take(self._line.sent):
            number = self._place(fragment.sample) if self._memory else self._send_fragment(fragment)
            self._flights.append((number, time.monotonic()))
            self._pace.touched()
        self._line.stats.frames_resent += self._window.resent - resent
        # Quiet while the device infers: not when a frame from it has begun to arrive, nor when it says that it is done.
        inferring = self._window.idle and self._done == self._released and not self._line.halfway
        self._pace.quiet = self._depth == 1 and inferring

    def _send_fragment(self, fragment: Fragment) -> int:
        start = fragment.index * self._info.chunk_bytes
        chunk = self._inputs[self._carried[fragment.sample]][start : start + self._info.chunk_bytes]
        data = Data(fragment.sample & 0xFFFF, fragment.index, self._released & 0xFFFF, chunk)
        return self._line.send(Frame.DATA, data.pack())

    def _place(self, sample: int) -> int:
        """Write the input of `sample` where the device looks for it. It is free: what was there has been released.

        It is only said again at first where the answer got lost: a device that has the input may be timing it, and
        bytes on its line it counts, but not those in its memory.
        """
        assert self._memory is not None
        data = self._inputs[self._carried[sample]]
        if sample in self._written:
            self._written.remove(sample)
        else:
            address = self._info.input_address + sample % self._info.slots * self._info.slot_bytes
            try:
                self._memory.write(address, data)
            except TargetError as lost:
                raise LinkClosed(f"the device's memory cannot be reached any more: {lost.what}") from None
            self._written.add(sample)
            self._line.stats.bytes_placed += len(data)
        return self._line.send(Frame.PLACED, Placed(sample & 0xFFFF, self._released & 0xFFFF, zlib.crc32(data)).pack())

    def _receive(self) -> None:
        before = replace(self._line.stats)
        frames = self._line.receive(self._pace.poll_in_s())
        stats = self._line.stats
        if stats.damaged_in > before.damaged_in:
            self._flights.clear()  # an ACK may be missing: the next one does not tell how long a frame took
        for frame in frames:
            self._pace.heard()
            self._take(frame)
        if stats.bytes_received > before.bytes_received:
            self._pace.touched()
        self._read_output()
        self._give_up_if_dead()
        if not frames and self._pace.poll_in_s() == 0:
            self._poll()
        else:
            self._ask_again(stats.damaged_in > before.damaged_in, stats.damaged_out > before.damaged_out)

    def _ask_again(self, damaged_in: bool, damaged_out: bool) -> None:
        """Ask at once for what was lost by the look of it, instead of waiting until a poll is due."""
        if self._reading is not None:
            if damaged_in or damaged_out:
                self._reading = None
                self._read_output()
            return
        # Where the broken frame may be an ACK, the device may be inferring: that is not disturbed for a guess.
        asked = self._pace.asked or self._done > self._released
        may_ask = self._depth > 1 or self._window.idle or asked
        lost = (damaged_in and may_ask) or (damaged_out and self._window.idle and asked)
        if lost and len(self._carried) > self._released + len(self._answers):
            self._poll()

    def _take(self, frame: RawFrame) -> None:
        if frame.type == Frame.ACK and (ack := Ack.unpack(frame.payload)):
            self._on_ack(ack)
        elif frame.type == Frame.RESULT and (result := Result.unpack(frame.payload)):
            self._on_result(result)
        elif frame.type == Frame.BLOCK and (block := Block.unpack(frame.payload)):
            self._on_block(block)

    def _on_ack(self, ack: Ack) -> None:
        done = unwrap(ack.done, self._done)
        if done > len(self._carried):
            raise LinkError(f"the device has inferred {done} samples of {len(self._carried)}")
        newest = self._line.number_of(ack.sequence)
        self._pace.busy = bool(ack.flags & AckFlag.BUSY)
        if self._window.acknowledge(ack, done, newest) or done > self._done:
            self._pace.progress()
        self._done = max(done, self._done)
        while self._flights and self._flights[0][0] <= newest:
            number, sent_at = self._flights.popleft()
            if number == newest:
                self._pace.round_trip(time.monotonic() - sent_at)
        if ack.flags & AckFlag.NAK:
            self._flights.clear()

    def _on_result(self, result: Result) -> None:
        sample = unwrap(result.sample, self._released)
        if not self._released <= sample < len(self._carried) or sample in self._answers:
            return
        size = self._repeats * TIMES.size
        if result.repeats != self._repeats or not size <= len(result.data) <= size + self._info.output_bytes:
            index = self._carried[sample]
            raise LinkError(f"sample {index}: a result of {len(result.data)} bytes for {result.repeats} repeats")
        self._pace.result()
        self._pace.progress()
        self._done = max(self._done, sample + 1)
        self._window.inferred(self._done)
        times = tuple(TIMES.iter_unpack(result.data[:size]))
        self._answers[sample] = _Answer(result, times, bytearray(result.data[size:]))

    def _check(self, index: int, answer: _Answer) -> None:
        """Raise if the inference of input `index` failed, or was not one of this input."""
        result = answer.result
        if result.status == Status.UNSTABLE_OUTPUT:
            raise UnstableOutput(
                f"sample {index}: its {self._repeats} runs gave different outputs",
                hint="the model keeps state, does not write its whole output, reads memory not its own, or has a race",
            )
        if result.status != Status.OK:
            crash = _CRASHES.get(result.status) or f"the device reports the unknown status {result.status}"
            raise TargetCrashed(f"sample {index}: {crash}")
        if result.input_crc != zlib.crc32(self._inputs[index]):
            raise LinkError(f"sample {index}: the device ran another input than the one sent")
        if result.output_crc != zlib.crc32(answer.output):
            raise LinkError(f"sample {index}: the output changed on its way here")

    def _whole(self, answer: _Answer) -> bool:
        """True when nothing more of the answer is to come; a failed inference has no output worth reading."""
        return answer.result.status != Status.OK or len(answer.output) == self._info.output_bytes

    def _read_output(self) -> None:
        """Ask for more of the oldest output that is not whole, unless that question is on its way."""
        for sample, answer in sorted(self._answers.items()):
            if not self._whole(answer):
                question = (sample, len(answer.output))
                if self._reading != question:
                    self._line.send(Frame.READ, Read(Region.OUTPUT, sample & 0xFFFF, len(answer.output)).pack())
                    self._reading = question
                    self._pace.touched()
                return
        self._reading = None

    def _on_block(self, block: Block) -> None:
        if self._reading is None or block.region != Region.OUTPUT:
            return
        sample, offset = self._reading
        if (block.sample, block.offset) != (sample & 0xFFFF, offset):
            return
        if not block.data or offset + len(block.data) > self._info.output_bytes:
            raise LinkError(f"sample {self._carried[sample]}: the device sent {len(block.data)} bytes at {offset}")
        self._answers[sample].output += block.data
        self._reading = None  # so that the same block, should it come twice, is not taken twice
        self._pace.progress()

    def _finished(self) -> Iterator[Inference]:
        """Release and give every whole answer that is next in order; a disturbed measurement is sent again instead."""
        while (answer := self._answers.get(self._released)) and self._whole(answer):
            index = self._carried[self._released]
            self._check(index, answer)
            del self._answers[self._released]
            self._released += 1
            if answer.result.disturbed and self._depth == 1:
                self._redo(index)
                continue
            result = answer.result
            yield Inference(index, answer.times, result.invocation, bytes(answer.output), result.stack_bytes)

    def _redo(self, index: int) -> None:
        self._tries[index] += 1
        if self._tries[index] == _QUIET_TRIES:
            raise LinkError(
                f"sample {index}: each of {_QUIET_TRIES} measurements was disturbed",
                hint="another program on this port, noise on the line, or a debugger that stops the clock?",
            )
        self._todo.appendleft(index)

    def _poll(self) -> None:
        self._line.send(Frame.POLL, Poll(self._released & 0xFFFF).pack(), cut=True)
        self._line.stats.polls += 1
        self._pace.polled()
        self._flights.clear()
        self._reading = None
        self._read_output()

    def _give_up_if_dead(self) -> None:
        sample = f"sample {self._carried[self._released]}"
        hint = "if one inference may take longer, raise the task's timeout_s"
        if self._pace.silent():
            if not say_hello(self._line, _LAST_TRY_S):
                raise LinkTimeout(f"the device stopped answering at {sample}", hint=hint)
            poll = Poll(self._released & 0xFFFF).pack()
            if not self._line.ask(Frame.POLL, poll, (Frame.ACK, Ack.unpack), _LAST_TRY_S):
                raise DeviceReset(f"the device was reset at {sample}", hint=POWER)
            self._pace.heard()
        if self._pace.stuck(self._repeats):
            what = "has been inferring" if self._pace.busy else "answers, but has not got on with"
            waited_s = time.monotonic() - self._pace.progress_at
            raise LinkTimeout(f"the device {what} {sample} for {waited_s:.1f} s", hint=hint)
