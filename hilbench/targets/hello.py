"""Asks over a line whether an agent runs at its other end: targets ask before anybody speaks the link's protocol.

The wire format is that of `hilbench.link.protocol`, which targets do not import; a test holds the two together.
"""

from __future__ import annotations

import contextlib
import random
import time
import zlib

from cobs import cobs

from hilbench.errors import LinkTimeout
from hilbench.targets.base import Stream

NONCE_BYTES = 4
_END = b"\0"
_HELLO, _INFO = 0x01, 0x81
_HEADER_BYTES, _CRC_BYTES = 4, 4
_ASK_EVERY_S = 0.2
_HELD_BYTES = 1024
"""Longer than an INFO frame on the wire, of this version or another: what holds no end mark for so long is none."""


def answers(stream: Stream, within_s: float) -> bool:
    """Whether an agent answers within `within_s` seconds: with a whole INFO frame that repeats what it was asked.

    It is asked at least once. All else that arrives meanwhile is dropped. False, too, when the line is gone or takes
    no more.
    """
    nonce = random.randbytes(NONCE_BYTES)
    asked, held = hello(nonce), b""
    deadline = time.monotonic() + within_s
    with contextlib.suppress(EOFError, LinkTimeout):
        while True:
            stream.write(asked)
            ask_again = time.monotonic() + _ASK_EVERY_S
            while (left_s := min(ask_again, deadline) - time.monotonic()) > 0:
                *frames, held = (held + stream.read(left_s)).split(_END)
                held = held[-_HELD_BYTES:]
                if any(is_answer(frame, nonce) for frame in frames):
                    return True
            if time.monotonic() >= deadline:
                return False
    return False


def hello(nonce: bytes) -> bytes:
    """Return the question as it goes on the wire: the end of whatever half frame is there, and a HELLO frame."""
    body = bytes([_HELLO, 0, 0, 0]) + nonce
    encoded: bytes = cobs.encode(body + _crc(body))
    return _END + encoded + _END


def is_answer(wire: bytes, nonce: bytes) -> bool:
    """Whether `wire`, without its end mark, is a whole INFO frame that begins with `nonce`, as in every version."""
    try:
        frame: bytes = cobs.decode(wire)
    except cobs.DecodeError:
        return False
    body, crc = frame[:-_CRC_BYTES], frame[-_CRC_BYTES:]
    return body[:1] == bytes([_INFO]) and body[_HEADER_BYTES:].startswith(nonce) and crc == _crc(body)


def _crc(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(_CRC_BYTES, "little")
