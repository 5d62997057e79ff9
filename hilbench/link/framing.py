"""Turns frames into bytes on the wire and bytes back into frames; a damaged one is counted and never passed on.

The wire format is in `hilbench.link.protocol`. COBS leaves a zero byte for the end of a frame alone, so a reader that
missed a part finds the next frame at the next zero.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from cobs import cobs

from hilbench.link.protocol import CHUNK_BYTES, CRC, HEADER, MAX_REPEATS, OVERHEAD_BYTES, TIMES, Result

END = b"\0"
"""Ends a frame; alone, it ends whatever half frame the other side holds."""
MAX_BODY_BYTES = OVERHEAD_BYTES + Result.layout.size + MAX_REPEATS * TIMES.size + CHUNK_BYTES
"""The largest body there is: a RESULT with all its times and a chunk of output."""
MAX_WIRE_BYTES = MAX_BODY_BYTES + MAX_BODY_BYTES // 254 + 1
"""The largest frame before its end mark: COBS adds one byte, and one for every 254."""


class RawFrame(NamedTuple):
    """A frame that arrived whole. `type` may be one that this version does not know."""

    type: int
    session: int
    sequence: int
    payload: bytes


def encode(type_: int, session: int, sequence: int, payload: bytes) -> bytes:
    """Return a frame as it goes on the wire, with its end mark."""
    body = HEADER.pack(type_, session, sequence) + payload
    encoded: bytes = cobs.encode(body + CRC.pack(zlib.crc32(body)))
    return encoded + END


class Decoder:
    """Reads frames from a stream in pieces of any size.

    `damaged` counts what stood between two end marks and was no whole frame. Memory is bounded: what is longer than any
    frame is dropped up to the next end mark.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._held = bytearray()
        self._overlong = False

    @property
    def halfway(self) -> bool:
        """True when a frame has begun to arrive and has not ended."""
        return bool(self._held) or self._overlong

    def feed(self, data: bytes) -> list[RawFrame]:
        """Return the frames that `data` completes, in order."""
        *ends, rest = data.split(END)
        frames = []
        for end in ends:
            self._hold(end)
            frame = self._finish()
            if frame is not None:
                frames.append(frame)
        self._hold(rest)
        return frames

    def _hold(self, piece: bytes) -> None:
        if len(self._held) + len(piece) > MAX_WIRE_BYTES:
            self._overlong = True
            self._held.clear()
        elif not self._overlong:
            self._held += piece

    def _finish(self) -> RawFrame | None:
        held, overlong = bytes(self._held), self._overlong
        self._held.clear()
        self._overlong = False
        if not held and not overlong:
            return None  # two end marks in a row are no frame, and no damage
        frame = None if overlong else decode(held)
        if frame is None:
            self.damaged += 1
        return frame


def decode(wire: bytes) -> RawFrame | None:
    """Return the frame in `wire`, which holds no end mark; None when it is damaged."""
    try:
        body = cobs.decode(wire)
    except cobs.DecodeError:
        return None
    if len(body) < OVERHEAD_BYTES or CRC.pack(zlib.crc32(body[: -CRC.size])) != body[-CRC.size :]:
        return None
    type_, session, sequence = HEADER.unpack_from(body)
    return RawFrame(type_, session, sequence, body[HEADER.size : -CRC.size])
