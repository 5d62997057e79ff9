"""`python -m hilbench.targets.debug.server --fd=N`: runs pyOCD and answers requests over the socket it inherits.

It is started by `client`, and is killed when it is silent for too long: pyOCD can wait for ever where a probe or a
server is gone.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hilbench.errors import HilbenchError, Unavailable
from hilbench.targets.debug.wire import NOBODYS_FOLDER, Channel, Message, error_message

if TYPE_CHECKING:
    from hilbench.targets.debug.session import Session

_TELL_EVERY_S = 0.1


def main() -> None:
    """Answer requests until the other end closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    channel = Channel(socket.socket(fileno=parser.parse_args().fd))
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger("pyocd.coresight.cortex_m").setLevel(logging.ERROR)  # it warns of every chip without an image
    os.chdir(NOBODYS_FOLDER)
    try:
        session = _session(channel)
    except HilbenchError as error:
        channel.send(error_message(error))
        return
    channel.send({"ready": True})
    try:
        while True:
            message, data = channel.receive()
            channel.send(*_answer(session, message, data))
    except EOFError:
        session.close()


def _session(channel: Channel) -> Session:
    last_s = 0.0

    def tell(share: float) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _TELL_EVERY_S:
            last_s = time.monotonic()
            channel.send({"progress": share})

    try:
        from hilbench.targets.debug.session import Session
    except Exception as error:  # a plug-in of pyOCD that does not import fails here, with whatever it raises
        raise Unavailable(
            f"pyOCD cannot be loaded: {type(error).__name__}: {error}",
            hint="pip install 'hilbench[probe]'; a plug-in of pyOCD that does not import has the same effect",
        ) from error
    return Session(tell)


def _answer(session: Session, message: Message, data: bytes) -> tuple[Message, bytes]:
    try:
        result = _REQUESTS[message.pop("do")](session, message, data)
    except HilbenchError as error:
        return error_message(error), b""
    return ({}, result) if isinstance(result, bytes) else ({"result": result}, b"")


def _flash(session: Session, message: Message, data: bytes) -> bool:
    segments, offset = [], 0
    for address, size in message["segments"]:
        segments.append((address, data[offset : offset + size]))
        offset += size
    return session.flash(segments, tuple(message["code"]))


_REQUESTS: dict[str, Callable[[Session, Message, bytes], Any]] = {
    "probes": lambda session, message, data: session.probes(**message),
    "open": lambda session, message, data: session.open(**message),
    "flash": _flash,
    "read": lambda session, message, data: session.read(**message),
    "write": lambda session, message, data: session.write(data=data, **message),
    "reset": lambda session, message, data: session.reset(**message),
    "halt": lambda session, message, data: session.halt(),
    "resume": lambda session, message, data: session.resume(),
    "registers": lambda session, message, data: session.registers(),
    "look": lambda session, message, data: session.look(),
    "close": lambda session, message, data: session.close(),
}


if __name__ == "__main__":
    main()
