"""The frames of the link: every number that host and device share, and nothing else.

On the wire a frame is COBS(body) followed by one zero byte. A body is

    type u8 | session u16 | sequence u8 | payload | CRC-32 of all before it

with all integers little-endian and the CRC that of zlib. `c_header()` writes these numbers as the agent's
`firmware/agent/hb_protocol.h`; a test holds the two together (`python -m hilbench.link.protocol` prints it).

A session begins with START, which names it by a random number; frames of another session are ignored. A sample's input
travels as numbered fragments of `chunk` bytes, up to `SLOTS` samples in flight; ACK says for each which fragments are
there. RESULT is kept by the device until the host releases the sample, and can be asked for again with POLL.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from enum import IntEnum, IntFlag
from typing import ClassVar, Self

VERSION = 2
HEADER = struct.Struct("<BHB")
CRC = struct.Struct("<I")
OVERHEAD_BYTES = HEADER.size + CRC.size
CHUNK_BYTES = 512
"""Payload bytes of one DATA or BLOCK frame: 97 % of the wire carries data, and a small board can hold a few."""
SLOTS = 2
"""Samples that the device can hold at once: one being inferred, one being received."""
MAX_REPEATS = 16
BUILD_ID_BYTES = 16


class Frame(IntEnum):
    """Frame types. Those from the device have the top bit set."""

    HELLO = 0x01
    START = 0x02
    DATA = 0x03
    POLL = 0x04
    READ = 0x05
    RESET = 0x06
    PLACED = 0x07
    INFO = 0x81
    STARTED = 0x82
    ACK = 0x83
    RESULT = 0x84
    BLOCK = 0x85
    FAULT = 0x86


class AckFlag(IntFlag):
    """Why an ACK was sent: NAK answers a damaged frame, POLLED a POLL; BUSY says that an inference is under way."""

    NAK = 1
    POLLED = 2
    BUSY = 4


class Status(IntEnum):
    """How an inference ended."""

    OK = 0
    INIT_FAILED = 1
    INVOKE_FAILED = 2
    UNSTABLE_OUTPUT = 3
    STACK_OVERFLOW = 4


class AfterReset(IntEnum):
    """What a device does after RESET: run its image again, or its boot loader where it knows a way there."""

    RUN = 0
    BOOT_LOADER = 1


class Region(IntEnum):
    """What READ reads.

    MESSAGE is what the model says of its failure, as text. PROFILE is what each operator of the last inference took:
    one u64 an operator, in the board's counter units, then one for the rest; nothing if the image gives no profile.
    """

    MANIFEST = 0
    OUTPUT = 1
    MESSAGE = 2
    PROFILE = 3


@dataclass(frozen=True)
class _Payload:
    """A payload of fixed-size fields, followed by free bytes where a subclass has a `data` field."""

    layout: ClassVar[struct.Struct]

    def pack(self) -> bytes:
        """Return the payload's bytes."""
        values = [getattr(self, field.name) for field in fields(self) if field.name != "data"]
        return self.layout.pack(*values) + getattr(self, "data", b"")

    @classmethod
    def unpack(cls, payload: bytes) -> Self | None:
        """Return the payload read from `payload`, or None when its size is wrong."""
        has_data = "data" in cls.__dataclass_fields__
        size = cls.layout.size
        if len(payload) < size or (len(payload) > size and not has_data):
            return None
        values = cls.layout.unpack_from(payload)
        return cls(*values, *([payload[size:]] if has_data else []))


@dataclass(frozen=True)
class Hello(_Payload):
    """Who are you? `nonce` comes back in INFO."""

    layout = struct.Struct("<I")
    nonce: int


@dataclass(frozen=True)
class Info(_Payload):
    """Answer to HELLO; sizes are in bytes. `arena_bytes` is what the model says it used, 0 when it cannot say.

    The input of sample i lies at `input_address + i % slots * slot_bytes` of the device's memory; an address of 0 says
    that nobody else can write there.
    """

    layout = struct.Struct(f"<IBBH{BUILD_ID_BYTES}sIIIIIII")
    nonce: int
    version: int
    slots: int
    chunk_bytes: int
    build_id: bytes
    manifest_bytes: int
    input_bytes: int
    output_bytes: int
    arena_bytes: int
    stack_bytes: int
    input_address: int = 0
    slot_bytes: int = 0


@dataclass(frozen=True)
class Start(_Payload):
    """Begin the session of the frame's header: each input is run `repeats` times; `measure` turns on stack painting."""

    layout = struct.Struct("<IBB")
    nonce: int
    repeats: int
    measure: int


@dataclass(frozen=True)
class Started(_Payload):
    """Answer to START; repeating START with the same nonce changes nothing."""

    layout = struct.Struct("<I")
    nonce: int


@dataclass(frozen=True)
class Data(_Payload):
    """Fragment `fragment` of sample `sample` (mod 2**16); all samples before `released` may be forgotten."""

    layout = struct.Struct("<HHH")
    sample: int
    fragment: int
    released: int
    data: bytes = b""


@dataclass(frozen=True)
class Placed(_Payload):
    """The input of `sample` was written into its slot by other means, and has this CRC-32; answered like DATA.

    A device that finds another CRC there does not have the sample. Samples before `released` may be forgotten.
    """

    layout = struct.Struct("<HHI")
    sample: int
    released: int
    crc: int


@dataclass(frozen=True)
class Poll(_Payload):
    """Send an ACK, and every RESULT from `released` on that is ready."""

    layout = struct.Struct("<H")
    released: int


@dataclass(frozen=True)
class Reset(_Payload):
    """Reset yourself, and then do `after` (`AfterReset`); without a payload: run. There is no answer."""

    layout = struct.Struct("<B")
    after: int


@dataclass(frozen=True)
class Read(_Payload):
    """Send a BLOCK: up to CHUNK_BYTES of `region` (for OUTPUT, of sample `sample`) from `offset`."""

    layout = struct.Struct("<BHI")
    region: int
    sample: int
    offset: int


@dataclass(frozen=True)
class Block(_Payload):
    """Answer to READ, with its fields repeated; no data when there is nothing there."""

    layout = struct.Struct("<BHI")
    region: int
    sample: int
    offset: int
    data: bytes = b""


@dataclass(frozen=True)
class Ack(_Payload):
    """What the device has: `sequence` of the last good frame, and `done`, the samples inferred (mod 2**16).

    For samples `done` and `done + 1`: how many fragments are there without a gap, and a bitmap of the 32 from there on.
    """

    layout = struct.Struct("<BBHHIHI")
    sequence: int
    flags: int
    done: int
    have0: int
    bitmap0: int
    have1: int
    bitmap1: int


@dataclass(frozen=True)
class Result(_Payload):
    """One sample's inference. Times follow in `data`, then the first bytes of the output.

    `data` is `repeats` times three u64 (input copy, inference, output copy, in the board's counter units), then up to
    CHUNK_BYTES of output. `invocation` counts inferences since reset before this sample's first. `disturbed`
    counts bytes that arrived while an inference was timed, and one more where the clock was stopped meanwhile (by a
    debugger that let go): its time is then not clean.
    """

    layout = struct.Struct("<HBBIIIII")
    sample: int
    status: int
    repeats: int
    invocation: int
    input_crc: int
    output_crc: int
    stack_bytes: int
    disturbed: int
    data: bytes = b""


@dataclass(frozen=True)
class Fault(_Payload):
    """The processor faulted: the stacked registers, and the fault status registers of the System Control Block."""

    layout = struct.Struct("<14I")
    r0: int
    r1: int
    r2: int
    r3: int
    r12: int
    lr: int
    pc: int
    xpsr: int
    sp: int
    exc_return: int
    cfsr: int
    hfsr: int
    mmfar: int
    bfar: int


TIMES = struct.Struct("<QQQ")


def c_header() -> str:
    """Return `firmware/agent/hb_protocol.h`."""
    payloads = (Hello, Info, Start, Started, Data, Placed, Poll, Reset, Read, Block, Ack, Result, Fault)
    numbers = {
        "HB_PROTOCOL_VERSION": VERSION,
        "HB_HEADER_BYTES": HEADER.size,
        "HB_CRC_BYTES": CRC.size,
        "HB_CHUNK_BYTES": CHUNK_BYTES,
        "HB_SLOTS": SLOTS,
        "HB_MAX_REPEATS": MAX_REPEATS,
        "HB_BUILD_ID_BYTES": BUILD_ID_BYTES,
        "HB_TIMES_BYTES": TIMES.size,
        **{f"HB_FRAME_{frame.name}": frame for frame in Frame},
        **{f"HB_ACK_{flag.name}": flag for flag in AckFlag},
        **{f"HB_STATUS_{status.name}": status for status in Status},
        **{f"HB_AFTER_RESET_{after.name}": after for after in AfterReset},
        **{f"HB_REGION_{region.name}": region for region in Region},
        **{f"HB_{payload.__name__.upper()}_BYTES": payload.layout.size for payload in payloads},
    }
    width = max(map(len, numbers))
    lines = [f"#define {name:{width}} {int(value)}u" for name, value in numbers.items()]
    return "\n".join(
        [
            "/* The numbers that host and device share. Written by `python -m hilbench.link.protocol`. */",
            "#ifndef HB_PROTOCOL_H",
            "#define HB_PROTOCOL_H",
            "",
            *lines,
            "",
            "#endif",
            "",
        ]
    )


if __name__ == "__main__":
    print(c_header(), end="")
