"""The device's end of the link in Python, for models that run on the computer: the same rules as `firmware/agent/`.

It is as honest as the agent: the input is loaded again before every repeat, repeats whose outputs differ are an error,
and the three phases of an inference are timed apart.
"""

from __future__ import annotations

import threading
import time
import traceback
import zlib
from dataclasses import dataclass, field
from typing import Protocol

from hilbench.errors import LinkError
from hilbench.link.framing import Decoder, RawFrame, encode
from hilbench.link.protocol import (
    CHUNK_BYTES,
    MAX_REPEATS,
    SLOTS,
    TIMES,
    VERSION,
    Ack,
    AckFlag,
    Block,
    Data,
    Frame,
    Hello,
    Info,
    Poll,
    Read,
    Region,
    Result,
    Start,
    Started,
    Status,
)
from hilbench.link.window import unwrap
from hilbench.targets.base import Stream

_WAKE_S = 3600.0
"""How long a read may wait: the end of the stream ends it at once."""


class HostModel(Protocol):
    """A model that runs on the computer: what `hb_model.h` is to firmware. Any exception is a failed inference."""

    input_bytes: int
    """Bytes of all input tensors together."""
    output_bytes: int
    """Bytes of all output tensors together."""
    arena_bytes: int
    """Bytes of tensor memory in use; 0 if unknown."""

    def set_input(self, data: bytes) -> None:
        """Copy `data`, all input tensors one after another, into the model."""

    def invoke(self) -> None:
        """Run the model once."""

    def get_output(self) -> bytes:
        """Return a copy of all output tensors, one after another."""


@dataclass
class _Slot:
    """A sample's input as far as it has come; bit i of `have` is fragment i."""

    data: bytearray
    have: int = 0

    def state(self) -> tuple[int, int]:
        """Return how many fragments are there without a gap, and a bitmap of the 32 from there on."""
        gapless = (~self.have & (self.have + 1)).bit_length() - 1
        return gapless, self.have >> gapless & 0xFFFFFFFF


@dataclass
class _Session:
    """What START begins and forgets."""

    number: int
    start: Start
    input_bytes: int
    last_sequence: int = 0
    done: int = 0
    released: int = 0
    slots: dict[int, _Slot] = field(default_factory=dict)
    results: dict[int, tuple[Result, bytes]] = field(default_factory=dict)

    def slot(self, sample: int) -> _Slot:
        return self.slots.setdefault(sample, _Slot(bytearray(self.input_bytes)))

    def release(self, low: int) -> None:
        self.released = max(self.released, min(self.done, unwrap(low, self.released)))
        for sample in [sample for sample in self.results if sample < self.released]:
            del self.results[sample]


class Device:
    """Serves `model` on `stream`. `inferences` counts those since it was made."""

    def __init__(self, model: HostModel, stream: Stream, build_id: bytes, manifest: bytes = b"") -> None:
        self.inferences = 0
        self._model = model
        self._stream = stream
        self._build_id = build_id
        self._manifest = manifest
        self._all = (1 << -(-model.input_bytes // CHUNK_BYTES)) - 1
        self._changed = threading.Condition()  # held for every access to what follows
        self._session: _Session | None = None
        self._decoder = Decoder()
        self._sequence = 0
        self._busy = False
        self._timing = False
        self._disturbed = 0
        self._closed = False

    def serve(self) -> bool:
        """Answer until the other end is closed (False), or asks for a reset (True)."""
        threading.Thread(target=self._work, name="inference", daemon=True).start()
        try:
            while self._take(self._stream.read(_WAKE_S)):
                pass
            return True
        except EOFError:
            return False
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()

    def _take(self, data: bytes) -> bool:
        """Answer all frames in `data`; False when one was RESET."""
        with self._changed:
            if self._timing:
                self._disturbed += len(data)
            damaged = self._decoder.damaged
            for frame in self._decoder.feed(data):
                if frame.type == Frame.RESET:
                    return False
                self._answer(frame)
            if self._session and self._decoder.damaged > damaged:
                self._acknowledge(self._session, AckFlag.NAK)
            return True

    def _answer(self, frame: RawFrame) -> None:
        if frame.type == Frame.HELLO and (hello := Hello.unpack(frame.payload)):
            self._send(Frame.INFO, frame.session, self._info(hello.nonce).pack())
        elif frame.type == Frame.START and (start := Start.unpack(frame.payload)) and 0 < start.repeats <= MAX_REPEATS:
            self._start(frame.session, start)
            self._send(Frame.STARTED, frame.session, Started(start.nonce).pack())
        if self._session is None or self._session.number != frame.session:
            return
        session = self._session
        session.last_sequence = frame.sequence
        if frame.type == Frame.DATA and (fragment := Data.unpack(frame.payload)):
            session.release(fragment.released)
            self._keep(session, fragment)
            self._acknowledge(session, AckFlag(0))
        elif frame.type == Frame.POLL and (poll := Poll.unpack(frame.payload)):
            session.release(poll.released)
            self._acknowledge(session, AckFlag.POLLED)
            for sample in session.results:
                self._send_result(session, sample)
        elif frame.type == Frame.READ and (question := Read.unpack(frame.payload)):
            data = self._region(session, question)[question.offset : question.offset + CHUNK_BYTES]
            block = Block(question.region, question.sample, question.offset, data)
            self._send(Frame.BLOCK, session.number, block.pack())
        self._changed.notify_all()

    def _info(self, nonce: int) -> Info:
        model = self._model
        sizes = (len(self._manifest), model.input_bytes, model.output_bytes, model.arena_bytes)
        return Info(nonce, VERSION, SLOTS, CHUNK_BYTES, self._build_id, *sizes, 0)

    def _start(self, number: int, start: Start) -> None:
        if self._session is None or (self._session.number, self._session.start.nonce) != (number, start.nonce):
            self._session = _Session(number, start, self._model.input_bytes)

    def _keep(self, session: _Session, fragment: Data) -> None:
        """Keep a fragment of the right size of a sample that there is a slot for."""
        sample = unwrap(fragment.sample, session.done)
        start = fragment.fragment * CHUNK_BYTES
        size = min(CHUNK_BYTES, session.input_bytes - start)
        if session.done <= sample < session.done + SLOTS and len(fragment.data) == size:
            slot = session.slot(sample)
            if not slot.have >> fragment.fragment & 1:
                slot.data[start : start + size] = fragment.data
                slot.have |= 1 << fragment.fragment

    def _region(self, session: _Session, question: Read) -> bytes:
        if question.region == Region.MANIFEST:
            return self._manifest
        if question.region in (Region.MESSAGE, Region.PROFILE):
            return b""  # a host program that fails says why on stderr, and ends
        _, output = session.results.get(unwrap(question.sample, session.done), (None, b""))
        return output

    def _acknowledge(self, session: _Session, flags: AckFlag) -> None:
        if self._busy:
            flags |= AckFlag.BUSY
        states = (*session.slot(session.done).state(), *session.slot(session.done + 1).state())
        ack = Ack(session.last_sequence, flags, session.done & 0xFFFF, *states)
        self._send(Frame.ACK, session.number, ack.pack())

    def _send_result(self, session: _Session, sample: int) -> None:
        self._send(Frame.RESULT, session.number, session.results[sample][0].pack())

    def _send(self, frame: Frame, session: int, payload: bytes) -> None:
        self._stream.write(encode(frame, session, self._sequence, payload))
        self._sequence = (self._sequence + 1) & 0xFF

    def _work(self) -> None:
        """Infer whatever is ready, until the link ends."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._ready())
                if self._closed or (session := self._session) is None:
                    return
                sample, data = session.done, bytes(session.slots[session.done].data)
                self._busy = True
            result, output = self._infer(sample, data, session.start.repeats)
            with self._changed:
                self._busy = False
                if self._session is not session:
                    continue  # a new session has begun meanwhile: nobody waits for this one
                session.results[sample] = (result, output)
                session.done += 1
                del session.slots[sample]
                try:
                    self._send_result(session, sample)
                except (EOFError, LinkError):
                    return

    def _ready(self) -> bool:
        session = self._session
        if session is None or session.done - session.released >= SLOTS or session.done not in session.slots:
            return False
        return session.slots[session.done].have == self._all

    def _infer(self, sample: int, data: bytes, repeats: int) -> tuple[Result, bytes]:
        """Run one sample `repeats` times; return its RESULT and whole output."""
        self._disturbed = 0
        invocation = self.inferences
        status = Status.OK
        times: list[tuple[int, int, int]] = []
        output = b""
        try:
            for _ in range(repeats):
                phases, again = self._once(data)
                times.append(phases)
                if len(times) > 1 and again != output:
                    status = Status.UNSTABLE_OUTPUT
                output = again
        except Exception:
            traceback.print_exc()
            status = Status.INVOKE_FAILED
        times += [(0, 0, 0)] * (repeats - len(times))
        head = b"".join(TIMES.pack(*phases) for phases in times) + output[:CHUNK_BYTES]
        crcs = (zlib.crc32(data), zlib.crc32(output))
        return Result(sample & 0xFFFF, status, repeats, invocation, *crcs, 0, self._disturbed, head), output

    def _once(self, data: bytes) -> tuple[tuple[int, int, int], bytes]:
        """Run the model once on `data`; return the nanoseconds of its three phases, and the output."""
        self._timing = True
        try:
            start = time.perf_counter_ns()
            self._model.set_input(data)
            loaded = time.perf_counter_ns()
            self._model.invoke()
            invoked = time.perf_counter_ns()
            output = self._model.get_output()
            end = time.perf_counter_ns()
        finally:
            self._timing = False
        self.inferences += 1
        return (loaded - start, invoked - loaded, end - invoked), output
