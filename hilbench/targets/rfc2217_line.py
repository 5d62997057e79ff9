"""A serial line that another computer serves with RFC 2217: Telnet, with the line's baud rate and DTR as options.

pyserial speaks the protocol, in a thread of its own that puts each byte that arrives into a queue.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import time
import warnings
from collections.abc import Iterator

import serial
from serial import rfc2217

from hilbench.errors import LinkTimeout
from hilbench.targets import serial_trouble
from hilbench.targets.ports import Port, checked_url

_PULSE_S = 0.1


@contextlib.contextmanager
def open_rfc2217(port: Port, baud: int) -> Iterator[Rfc2217Stream]:
    """Open `port` at `baud`, and forget what its server had received. Raises `Unavailable`."""
    checked_url(port.url)
    line = _Line()
    line.port, line.baudrate = port.url, baud
    with serial_trouble.explained(port, baud), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyserial 3.5 names its thread the old way
        line.open()
    with contextlib.closing(line):
        yield Rfc2217Stream(line)


class Rfc2217Stream:
    """A `SerialStream` over an open `_Line`."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    def read(self, timeout_s: float) -> bytes:
        """Return what has arrived, waiting at most `timeout_s` for the first byte. Raises `EOFError`."""
        return self._line.take(timeout_s)

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises `EOFError` when the server is gone, `LinkTimeout` when it takes no more."""
        try:
            self._line.write(data)
        except serial.SerialException as error:
            if isinstance(error.__context__, TimeoutError):
                raise LinkTimeout(f"the server of {self._line.port} takes no more bytes") from error
            raise EOFError from error
        except OSError as error:
            raise EOFError from error

    def pulse_dtr(self) -> bool:
        """Have the server lower DTR for a moment; False when it does not do that."""
        try:
            self._line.dtr = False
            time.sleep(_PULSE_S)
            self._line.dtr = True
        except ValueError:
            return False
        except OSError as error:
            raise EOFError from error
        return True


class _Line(rfc2217.Serial):
    """pyserial's client, and its queue as a whole: `read` drops what came just before the connection ended."""

    _read_buffer: queue.Queue[bytes | None]
    _socket: socket.socket | None

    def take(self, timeout_s: float) -> bytes:
        """Return what is in the queue, waiting at most `timeout_s` for the first byte. Raises `EOFError` at its end."""
        arrived = self._read_buffer
        data = bytearray()
        try:
            piece = arrived.get(timeout=max(0.0, timeout_s))
            while piece is not None:
                data += piece
                piece = arrived.get_nowait()
            arrived.put(None)  # the end, also for the next call
            if not data:
                raise EOFError
        except queue.Empty:
            pass
        return bytes(data)

    def _telnet_read_loop(self) -> None:
        """Mark the end in the queue, however the thread ends: a server that goes while it is answered breaks it."""
        with contextlib.suppress(OSError):
            super()._telnet_read_loop()  # type: ignore[misc]  # not in the stubs
        self._read_buffer.put(None)

    def close(self) -> None:
        """Close the connection, which pyserial leaves open when its other end has ended it."""
        connection = self._socket
        super().close()
        if connection is not None:
            connection.close()
