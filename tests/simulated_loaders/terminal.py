"""The device's end of a pseudo-terminal, read in pieces of the size that a protocol wants."""

from __future__ import annotations

import contextlib
import os
import select
import termios
import tty
from collections.abc import Iterator


class Silence(Exception):
    """The other end is silent, or was closed, or this end is to stop."""


class Terminal:
    """`device` is what the host opens; of what it sends, `read` returns what is asked for."""

    def __init__(self) -> None:
        self.far, self._near = os.openpty()
        tty.setraw(self._near)
        self.device = os.ttyname(self._near)
        self.closed = False

    def read(self, count: int, within_s: float = 5.0) -> bytes:
        data = b""
        while len(data) < count:
            if self.closed or not select.select([self.far], [], [], within_s)[0]:
                raise Silence
            data += os.read(self.far, count - len(data))
        return data

    def some(self, within_s: float) -> bytes:
        """Return what is there, b'' if nothing comes."""
        return os.read(self.far, 65536) if select.select([self.far], [], [], within_s)[0] else b""

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while len(view):
            view = view[os.write(self.far, view[:1024]) :]

    @property
    def baud(self) -> int:
        """The rate that the host has set, as its number in termios."""
        return termios.tcgetattr(self._near)[5]

    def close(self) -> None:
        self.closed = True
        os.close(self._near)
        os.close(self.far)


@contextlib.contextmanager
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    try:
        yield made
    finally:
        made.close()
