"""The first question to a device: who are you? Needs no session."""

from __future__ import annotations

import random

from hilbench.errors import LinkError
from hilbench.link.line import Line
from hilbench.link.protocol import CHUNK_BYTES, VERSION, Frame, Hello, Info

_HINT = "build the image again with this hilbench"


def say_hello(line: Line, within_s: float) -> Info | None:
    """Ask until the device answers; None if it did not within `within_s` seconds.

    Raises `LinkError` when it speaks another version of the protocol, or makes no sense.
    """
    hello = Hello(random.getrandbits(32)).pack()

    def read(payload: bytes) -> Info | None:
        # Nonce and version come first in every version; what follows may have another size.
        if len(payload) <= len(hello) or not payload.startswith(hello):
            return None
        if payload[len(hello)] != VERSION:
            raise LinkError(
                f"the device speaks version {payload[len(hello)]} of the link, this hilbench version {VERSION}",
                hint=_HINT,
            )
        return Info.unpack(payload)

    info = line.ask(Frame.HELLO, hello, (Frame.INFO, read), within_s)
    if info and not (0 < info.chunk_bytes <= CHUNK_BYTES and info.slots and info.input_bytes and info.output_bytes):
        raise LinkError(
            f"the device's answer makes no sense: {info.input_bytes} input bytes in chunks of {info.chunk_bytes}, "
            f"{info.slots} slots, {info.output_bytes} output bytes",
            hint=_HINT,
        )
    return info
