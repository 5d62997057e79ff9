"""The host's end of the link: who is there, is it the right image, and what does it infer from these inputs.

client = Client(stream, timeout_s=60)
client.hello(within_s=5)
client.require(build_id)
for inference in client.infer(inputs):
    ...
"""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Callable, Iterator, Sequence

from hilbench.errors import DeviceFault, DeviceReset, LinkError, LinkTimeout, ModelError, TargetCrashed, WrongImage
from hilbench.link.hello import say_hello
from hilbench.link.line import Answer, Line, LinkStats
from hilbench.link.protocol import MAX_REPEATS, SLOTS, Block, Frame, Info, Read, Region, Start, Started
from hilbench.link.transfer import POWER, Inference, Transfer
from hilbench.targets.base import Memory, Stream

__all__ = ["Client", "DeviceFault", "Inference", "LinkStats"]

_MESSAGE_S = 2.0
"""A device whose model failed is idle: it answers at once, or never."""


class Client:
    """Speaks to the agent at the other end of `stream`.

    `timeout_s` is the longest that the device may be silent, or busy with one inference. With `memory`, inputs go
    straight into the device's memory where the device says at which address (`Info.input_address`), and not over
    `stream`. All methods raise
    `DeviceFault` when the device reports a fault, and `LinkError` when its end of the line is closed.
    """

    def __init__(self, stream: Stream, timeout_s: float, memory: Memory | None = None) -> None:
        self._line = Line(stream)
        self._memory = memory
        self._timeout_s = timeout_s
        self._info: Info | None = None
        self._invocations = 0

    @property
    def stats(self) -> LinkStats:
        """What went over the line so far."""
        return self._line.stats

    def hello(self, within_s: float) -> Info:
        """Ask until the device answers, however long it boots, but at most `within_s` seconds.

        Raises `LinkTimeout` when it stays silent, `LinkError` when it speaks another version of the protocol.
        """
        self._line.drain()
        self._line.session = 0
        received = self.stats.bytes_received
        self._info = say_hello(self._line, within_s)
        if self._info is None:
            noise = self.stats.bytes_received - received
            raise LinkTimeout(
                f"the device does not answer ({noise} bytes in {within_s:g} s, but no frame)",
                hint="another program or baud rate on the device?" if noise else "is it running, and connected?",
            )
        return self._info

    def require(self, build_id: str) -> None:
        """Raise `WrongImage` unless the device runs the image `build_id` (32 hexadecimal digits)."""
        runs = self._known().build_id.hex()
        if runs != build_id.lower():
            raise WrongImage(
                f"the device runs the image {runs}, not {build_id}",
                hint="put the image on it again, and check that this is the right board",
            )

    def manifest(self) -> bytes:
        """Return the manifest (JSON) in the device's image. Raises `LinkTimeout`, `LinkError` when it is cut short."""
        size = self._known().manifest_bytes
        if self._line.session == 0:
            self._start(repeats=1, measure=False)
        manifest = b""
        while len(manifest) < size:
            block = self._read(Region.MANIFEST, len(manifest))
            if not block.data:
                raise LinkError(f"the device's manifest ends at {len(manifest)} of {size} bytes")
            manifest += block.data
        return manifest

    def infer(
        self, inputs: Sequence[bytes], *, repeats: int = 1, measure: bool = False, depth: int = SLOTS
    ) -> Iterator[Inference]:
        """Run every input on the device, `repeats` times each, and give the inferences in order as they come.

        An input is the raw bytes of all input tensors one after another. With `depth` 1 one sample is on its way at a
        time and the line is silent while the device infers: this is how time is measured, and a sample that was
        disturbed all the same is run again. `measure` also measures the stack.

        Raises `ModelError` for an input of the wrong size; while iterating `UnstableOutput` when repeats differ,
        `TargetCrashed` when the model failed, `LinkTimeout` when the device hangs.
        """
        info = self._known()
        if not 1 <= repeats <= MAX_REPEATS or not 1 <= depth <= SLOTS:
            raise ValueError(f"repeats={repeats} is not in 1..{MAX_REPEATS}, or depth={depth} not in 1..{SLOTS}")
        for index, data in enumerate(inputs):
            if len(data) != info.input_bytes:
                raise ModelError(f"sample {index} has {len(data)} bytes; the model's input has {info.input_bytes}")
        return self._infer(info, inputs, repeats, measure, min(depth, info.slots))

    def reset(self) -> None:
        """Tell the device to reset itself. Say hello again afterwards."""
        self._line.send(Frame.RESET, cut=True)
        self._line.session = 0
        self._info = None
        self._invocations = 0

    def _infer(
        self, info: Info, inputs: Sequence[bytes], repeats: int, measure: bool, depth: int
    ) -> Iterator[Inference]:
        self._start(repeats, measure)
        memory = self._memory if info.input_address else None
        transfer = Transfer(
            self._line, info, inputs, repeats=repeats, depth=depth, timeout_s=self._timeout_s, memory=memory
        )
        try:
            for inference in transfer.run():
                if inference.invocation < self._invocations:
                    raise DeviceReset(f"the device was reset before sample {inference.index}", hint=POWER)
                self._invocations = inference.invocation + len(inference.times)
                yield inference
        except TargetCrashed as crash:
            message = self._message()
            raise TargetCrashed(f"{crash.what}: {message}" if message else crash.what, hint=crash.hint) from None

    def profile(self) -> tuple[int, ...]:
        """Return what each operator of the last inference took, in the board's counter units, then what the rest took.

        Empty for an image that was not built for a profile. Call it when an `infer` has ended.
        """
        data = b""
        while block := self._read(Region.PROFILE, len(data)).data:
            data += block
        return tuple(number for (number,) in struct.iter_unpack("<Q", data))

    def _message(self) -> str:
        """Return what the model says of its failure, on one line; empty if nothing, or if the device is silent."""

        def read(payload: bytes) -> Block | None:
            block = Block.unpack(payload)
            return block if block and block.region == Region.MESSAGE else None

        question = Read(Region.MESSAGE, 0, 0).pack()
        with contextlib.suppress(LinkError):
            if block := self._line.ask(Frame.READ, question, (Frame.BLOCK, read), _MESSAGE_S):
                return "; ".join(block.data.decode("utf-8", "replace").split("\r\n")).strip("; \n")
        return ""

    def _known(self) -> Info:
        if self._info is None:
            raise RuntimeError("call hello() first")
        return self._info

    def _start(self, repeats: int, measure: bool) -> None:
        """Begin a session of a new number, so that no frame of an older one is taken for one of this.

        Raises `WrongImage` when another image has taken the place of the one that answered first.
        """
        if (info := say_hello(self._line, self._timeout_s)) and self._info and info.build_id != self._info.build_id:
            raise WrongImage(
                f"the device runs the image {info.build_id.hex()} now, and ran {self._info.build_id.hex()}",
                hint="somebody else has put an image on it in mid-run",
            )
        self._line.session = (self._line.session + random.randrange(0xFFFE)) % 0xFFFF + 1  # never 0, never the same
        nonce = random.getrandbits(32)

        def read(payload: bytes) -> Started | None:
            started = Started.unpack(payload)
            return started if started and started.nonce == nonce else None

        start = Start(nonce, repeats, int(measure)).pack()
        self._ask(Frame.START, start, (Frame.STARTED, read))

    def _read(self, region: Region, offset: int) -> Block:
        def read(payload: bytes) -> Block | None:
            block = Block.unpack(payload)
            return block if block and (block.region, block.offset) == (region, offset) else None

        return self._ask(Frame.READ, Read(region, 0, offset).pack(), (Frame.BLOCK, read))

    def _ask(self, frame: Frame, payload: bytes, answer: tuple[Frame, Callable[[bytes], Answer | None]]) -> Answer:
        found = self._line.ask(frame, payload, answer, self._timeout_s)
        if found is None:
            raise LinkTimeout(f"the device does not answer {frame.name} within {self._timeout_s:g} s")
        return found
