"""The serial line of a board: a relay between QEMU's UART and a pty; it keeps what nobody has read, and plays faults.

What the board sends while no program has the port open waits for the next that opens it. (It is handed over a moment
after that, because pyserial empties its input when it opens a port.)
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import threading
import time
import tty
from dataclasses import dataclass

_READ_BYTES = 4096
_KEEP_BYTES = 1 << 20
"""What the relay keeps for either end; then that end's writer has to wait, as with flow control."""
_OPENING_S = 0.03
_LOOK_S = 0.01


@dataclass(frozen=True)
class LineFault:
    """What is wrong with the line: `silent` loses all, `drop` and `flip` are the share of bytes lost or damaged."""

    silent: bool = False
    drop: float = 0.0
    flip: float = 0.0
    garbage: bytes = b""  # sent to the host once, when the fault begins
    seed: int = 1


class Uart:
    """Relays in a thread of its own from `start` to `close`. `chip_end` is what QEMU's chardev gets."""

    def __init__(self) -> None:
        self._ours, self.chip_end = socket.socketpair()
        self._ours.setblocking(False)
        self._lock = threading.Lock()
        self._master: int | None = None
        self._retired: list[int] = []
        self._retirement = threading.Condition(self._lock)
        self._opened_at: float | None = None
        self._to_host, self._to_chip = bytearray(), bytearray()
        self._fault = LineFault()
        self._random = random.Random(1)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._last_name: str | None = None

    def start(self) -> None:
        """Begin to relay."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self.disconnect()
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        self._ours.close()
        self.chip_end.close()

    def connect(self) -> str:
        """Make a pty, whose name is never that of the last one, and return its name."""
        spare = []
        while True:
            master, slave = os.openpty()
            name = os.ttyname(slave)
            if name != self._last_name:
                break
            spare.append((master, slave))
        for pair in spare:
            for end in pair:
                os.close(end)
        tty.setraw(slave)
        os.close(slave)  # from now on the master's POLLHUP says whether a program has the port open
        os.set_blocking(master, False)
        with self._lock:
            self._master, self._opened_at, self._last_name = master, None, name
        return name

    def disconnect(self) -> None:
        """Take the pty away, and what was on its way: who has it open reads the end of the line."""
        with self._lock:
            if self._master is not None:
                self._retired.append(self._master)
                self._master = None
            for end in (self._ours, self.chip_end):
                with contextlib.suppress(BlockingIOError):
                    while end.recv(_READ_BYTES, socket.MSG_DONTWAIT):
                        pass
            self._to_host.clear()
            self._to_chip.clear()
            while self._retired and self._thread.is_alive():
                self._retirement.wait(1.0)
            self._retire()

    def set_fault(self, fault: LineFault) -> None:
        """Let the line be faulty from now on; `LineFault()` mends it."""
        with self._lock:
            self._fault = fault
            self._random.seed(fault.seed)
            self._to_host += fault.garbage

    def _run(self) -> None:
        while not self._ending.is_set():
            with self._lock:
                self._retire()
                opened = self._is_open()
                readers, writers = [], []
                if len(self._to_host) < _KEEP_BYTES:
                    readers.append(self._ours)
                if self._to_chip:
                    writers.append(self._ours)
                if opened and self._master is not None:
                    if len(self._to_chip) < _KEEP_BYTES:
                        readers.append(self._master)
                    if self._to_host:
                        writers.append(self._master)
            with contextlib.suppress(OSError):  # who had the pty open has just closed it
                ready, writable, _ = select.select(readers, writers, [], _LOOK_S)
                with self._lock:
                    self._relay(ready, writable)

    def _retire(self) -> None:
        """Close the ptys that are gone; only while nobody waits for them, for their numbers are used again."""
        for master in self._retired:
            os.close(master)
        self._retired.clear()
        self._retirement.notify_all()

    def _is_open(self) -> bool:
        """Say whether a program has had the port open long enough to be done with opening it."""
        if self._master is None:
            return False
        poll = select.poll()
        poll.register(self._master, 0)
        if poll.poll(0):  # POLLHUP
            self._opened_at = None
            return False
        if self._opened_at is None:
            self._opened_at = time.monotonic()
        return time.monotonic() - self._opened_at >= _OPENING_S

    def _relay(self, ready: list, writable: list) -> None:
        if self._ours in ready:
            self._to_host += self._damaged(self._ours.recv(_READ_BYTES))
        if self._master is not None and self._master in ready:
            self._to_chip += self._damaged(os.read(self._master, _READ_BYTES))
        if self._ours in writable:
            del self._to_chip[: self._ours.send(self._to_chip[:_READ_BYTES])]
        if self._master is not None and self._master in writable:
            del self._to_host[: os.write(self._master, self._to_host[:_READ_BYTES])]

    def _damaged(self, data: bytes) -> bytes:
        fault = self._fault
        if fault.silent:
            return b""
        if not fault.drop and not fault.flip:
            return data
        kept = bytearray()
        for byte in data:
            if self._random.random() >= fault.drop:
                kept.append(byte ^ 1 << self._random.randrange(8) if self._random.random() < fault.flip else byte)
        return bytes(kept)
