"""What goes between hilbench and the process that runs pyOCD: messages of JSON with bytes behind, over a socket.

One request, any number of notes of progress, one reply. Errors of `hilbench.errors` travel as they are.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

from hilbench.errors import HilbenchError, TargetError, Unavailable

NOBODYS_FOLDER = "/proc/self/ns"
"""A folder that always is there and in which nobody can put anything: pyOCD runs a pyocd_user.py where it works."""
_LENGTHS = struct.Struct("<II")  # bytes of JSON, bytes of data
_MOST_JSON = 1024 * 1024
_MOST_DATA = 64 * 1024 * 1024
_READ_BYTES = 1024 * 1024
_ERRORS: dict[str, type[HilbenchError]] = {kind.__name__: kind for kind in (Unavailable, TargetError)}

Message = dict[str, Any]


class Channel:
    """One end of a connected socket, which it owns from now on."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        self._socket = connection
        self._received = bytearray()

    def send(self, message: Message, data: bytes = b"", timeout_s: float | None = None) -> None:
        """Send a message. Raises `EOFError` when nobody is there, `TimeoutError` when nobody takes it."""
        text = json.dumps(message).encode()
        self._socket.settimeout(timeout_s)
        try:
            self._socket.sendall(_LENGTHS.pack(len(text), len(data)) + text + data)
        except TimeoutError:
            raise
        except OSError as error:
            raise EOFError from error

    def receive(self, timeout_s: float | None = None) -> tuple[Message, bytes]:
        """Return the next message. Raises `EOFError`, `TimeoutError`, and `ValueError` for what is no message."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        text_bytes, data_bytes = _LENGTHS.unpack(self._take(_LENGTHS.size, deadline))
        if text_bytes > _MOST_JSON or data_bytes > _MOST_DATA:
            raise ValueError(f"a message of {text_bytes} and {data_bytes} bytes")
        message = json.loads(self._take(text_bytes, deadline))
        if not isinstance(message, dict):
            raise ValueError(f"a message that is no object: {message!r:.80}")
        return message, self._take(data_bytes, deadline)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _take(self, count: int, deadline: float | None) -> bytes:
        while len(self._received) < count:
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and left_s <= 0:
                raise TimeoutError
            self._socket.settimeout(left_s)
            try:
                data = self._socket.recv(_READ_BYTES)
            except TimeoutError:
                raise
            except OSError as error:
                raise EOFError from error
            if not data:
                raise EOFError
            self._received += data
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken


def error_message(error: HilbenchError) -> Message:
    """Return the reply that says that a request failed."""
    kind = "Unavailable" if isinstance(error, Unavailable) else "TargetError"
    return {"error": kind, "what": error.what, "where": error.where, "hint": error.hint}


def error_in(message: Message) -> HilbenchError | None:
    """Return the error that a reply tells of; None if it is none."""
    if "error" not in message:
        return None
    kind = _ERRORS.get(message["error"], TargetError)
    return kind(str(message.get("what")), where=message.get("where"), hint=message.get("hint"))
