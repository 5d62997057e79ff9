"""Opens the serial line to a board: a port of this computer, or one that another computer serves.

Of a local port, DTR and RTS stay as the kernel sets them at open, asserted, also when it is closed again: many boards
take a DTR that falls and rises for a reset. Who wants that, as the boot loaders that wait for a 1200-baud touch do,
lowers DTR himself.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import termios
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import serial

from hilbench.errors import LinkTimeout
from hilbench.targets import serial_trouble
from hilbench.targets.base import Stream
from hilbench.targets.ports import Port, checked_url

_READ_BYTES = 65536
_WRITE_DEADLINE_S = 10.0
"""A line that takes no byte for this long is stuck: at 1200 baud it takes 120 a second."""
_CONNECT_S = 5.0
_SERVER_CLOSES_S = 0.3
"""A server that is asked again at once says that its port is in use: ser2net, which pyserial gives this time, too."""
_PULSE_S = 0.1
"""Boards that couple DTR to their reset do so through 100 nF or so: much less would do."""


class SerialStream(Stream, Protocol):
    """The stream of an open serial line."""

    def pulse_dtr(self) -> bool:
        """Lower DTR for a moment, which resets boards that are wired so; False where the line has no DTR."""


@contextlib.contextmanager
def open_line(port: Port, baud: int) -> Iterator[SerialStream]:
    """Open `port` at `baud`, for this process alone where it is a local one; what it had received is forgotten.

    A `socket://` line has the baud rate that its server gave it. Raises `Unavailable` with the reason and a remedy.
    """
    if port.url.startswith("rfc2217:"):
        from hilbench.targets.rfc2217_line import open_rfc2217

        opened: contextlib.AbstractContextManager[SerialStream] = open_rfc2217(port, baud)
    else:
        opened = _socket(port) if port.remote else _local(port, baud)
    with opened as stream:
        yield stream


class FileStream:
    """A `SerialStream` over the descriptor of a terminal or socket that does not block. It does not own it.

    `set_dtr` sets the line's DTR, None where there is none.
    """

    def __init__(self, fd: int, set_dtr: Callable[[bool], None] | None = None) -> None:
        self._fd = fd
        self._set_dtr = set_dtr
        self._early = bytearray()
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def read(self, timeout_s: float) -> bytes:
        """Return what has arrived, waiting at most `timeout_s` for the first byte; b'' if nothing came.

        Raises `EOFError` when the other end is gone.
        """
        if self._early:
            early = bytes(self._early)
            self._early.clear()
            return early
        deadline = time.monotonic() + timeout_s
        while self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            if data := self._take():
                return data
        return b""

    def write(self, data: bytes) -> None:
        """Send all of `data`; what arrives meanwhile is kept, so that two ends that both write do not lock up.

        Raises `EOFError` when the other end is gone, `LinkTimeout` when it takes no more.
        """
        left = memoryview(data)
        deadline = time.monotonic() + _WRITE_DEADLINE_S
        while left:
            try:
                sent = os.write(self._fd, left)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                raise EOFError from error
            if sent:
                left = left[sent:]
                deadline = time.monotonic() + _WRITE_DEADLINE_S
            else:
                self._wait_to_write(deadline)

    def pulse_dtr(self) -> bool:
        """Lower DTR for a moment; False where the line has none. Raises `EOFError` when it is gone."""
        if self._set_dtr is None:
            return False
        try:
            self._set_dtr(False)
            time.sleep(_PULSE_S)
            self._set_dtr(True)
        except OSError as error:
            raise EOFError from error
        return True

    def close(self) -> None:
        """Read and write no more: the descriptor's number may soon belong to another file."""
        self._poll.unregister(self._fd)
        self._fd = -1

    def _take(self) -> bytes:
        """Return what can be read now; b'' when somebody else was faster. Raises `EOFError`."""
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise EOFError from error
        if not data:
            raise EOFError
        return data

    def _wait_to_write(self, deadline: float) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN | select.POLLOUT)
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if not ready:
            raise LinkTimeout(f"the serial line has taken no bytes for {_WRITE_DEADLINE_S:.0f} s")
        if ready[0][1] & select.POLLIN:
            self._early += self._take()


@contextlib.contextmanager
def _local(port: Port, baud: int) -> Iterator[FileStream]:
    line = serial.Serial(timeout=0, exclusive=True)
    line.port, line.baudrate = port.url, baud
    with serial_trouble.explained(port, baud):
        line.open()
    with contextlib.closing(line):
        with serial_trouble.explained(port, baud):
            _settle(line.fileno())
            serial_trouble.check_rate(line.fileno(), port, baud)
        with contextlib.closing(FileStream(line.fileno(), _dtr_of(line))) as stream:
            yield stream


def _settle(fd: int) -> None:
    """Keep DTR at close, and let a read that finds nothing say so: with VMIN 0, it looks like the end of the line."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = termios.tcgetattr(fd)
    cc[termios.VMIN] = 1
    termios.tcsetattr(fd, termios.TCSANOW, [iflag, oflag, cflag & ~termios.HUPCL, lflag, ispeed, ospeed, cc])


def _dtr_of(line: serial.Serial) -> Callable[[bool], None] | None:
    def set_dtr(high: bool) -> None:
        line.dtr = high

    try:
        set_dtr(True)
    except OSError:
        return None  # a pseudo-terminal
    return set_dtr


@contextlib.contextmanager
def _socket(port: Port) -> Iterator[FileStream]:
    parts = checked_url(port.url)
    with serial_trouble.explained(port):
        connection = socket.create_connection((parts.hostname, parts.port), timeout=_CONNECT_S)
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # without, frames wait 44 ms for an ACK
        connection.setblocking(False)
        try:
            with contextlib.closing(FileStream(connection.fileno())) as stream:
                yield stream
        finally:
            connection.close()
            time.sleep(_SERVER_CLOSES_S)
