"""A probe behind a pyOCD server, at which a server that is gone, silent or none at all is an error, and soon.

pyOCD 0.46 reads for ever from a server that has closed its line, and waits for ever for one that says nothing. Runs
where pyOCD runs.
"""

from __future__ import annotations

import socket

from pyocd.probe.tcp_client_probe import TCPClientProbe
from pyocd.utility.sockets import ClientSocket

ANSWER_S = 10.0
"""A server answers when its probe has done one thing: that takes milliseconds, or half a second for a reset."""
_MOST_BYTES = 64 * 1024 * 1024
_OBJECT = b"{"


class NoServerError(ConnectionError):
    """Something else than a pyOCD server answers."""


class RemoteProbe(TCPClientProbe):  # type: ignore[misc]  # pyOCD has no types
    """The probe at `HOST:PORT`."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._socket = _ServerSocket(*self._extract_address(address))


class _ServerSocket(ClientSocket):  # type: ignore[misc]
    """pyOCD's socket, but for the ends that it does not know."""

    def connect(self) -> None:
        super().connect()
        self._socket.settimeout(ANSWER_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def set_timeout(self, timeout: float) -> None:
        """Keep our own: pyOCD sets 0.1 s, and begins again each time that it has passed."""

    def readline(self) -> bytes:
        """Return one line. Raises `OSError` when none comes."""
        while (end := self._buffer.find(b"\n")) < 0:
            data = self._socket.recv(self._packet_size)
            if not data:
                raise ConnectionResetError("it has closed the connection")
            self._buffer += data
            if not self._buffer.startswith(_OBJECT) or len(self._buffer) > _MOST_BYTES:
                raise NoServerError(f"it says {bytes(self._buffer[:40])!r}")
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line
