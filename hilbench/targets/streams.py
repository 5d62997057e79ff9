"""A stream of bytes over a connected socket: the line to a host process or to an emulator's UART."""

from __future__ import annotations

import select
import socket

from hilbench.errors import LinkTimeout

_READ_BYTES = 65536
_WRITE_DEADLINE_S = 10.0
"""A device that takes nothing for this long is stuck: the link has far less in flight than a socket buffers."""


class SocketStream:
    """A `Stream` over a connected stream socket, which it owns from now on.

    >>> ours, theirs = socket.socketpair()
    >>> with SocketStream(ours) as stream:
    ...     stream.write(b"hello")
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(_WRITE_DEADLINE_S)
        self._socket = connection
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    def read(self, timeout_s: float) -> bytes:
        """Return what has arrived, waiting at most `timeout_s` for the first byte; b'' if nothing came.

        Raises `EOFError` when the other end is gone.
        """
        try:
            if not self._poll.poll(max(0.0, timeout_s) * 1000):
                return b""
            data = self._socket.recv(_READ_BYTES)
        except (OSError, ValueError) as error:  # also when it was closed on this side
            raise EOFError from error
        if not data:
            raise EOFError
        return data

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises `EOFError` when the other end is gone, `LinkTimeout` when it takes no more."""
        try:
            self._socket.sendall(data)
        except TimeoutError as error:
            raise LinkTimeout(f"the device has taken no bytes for {_WRITE_DEADLINE_S:.0f} s") from error
        except OSError as error:
            raise EOFError from error

    def close(self) -> None:
        """Close the socket; the other end reads the end of the stream."""
        self._socket.close()

    def __enter__(self) -> SocketStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
