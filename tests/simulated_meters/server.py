"""A program at the master end of a pty, in a thread of its own: what all simulated serial meters share."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import tty
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Faults:
    """What goes wrong, by the number of the sample at which it does."""

    lost: dict[int, int] = field(default_factory=dict)  # sample -> how many from it on are never sent
    garbage: dict[int, bytes] = field(default_factory=dict)  # sample -> bytes sent before it
    overload: range = range(0)
    unplugged_at: int | None = None
    silent: bool = False
    speaks: bytes = b""  # another device: what it answers to anything


class Server:
    """Serves until the context is left. `port` is the device's name; `sent_all` is set when all samples are out."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.sent_all = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._lock = threading.Lock()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        deadline = time.monotonic() + 5
        with contextlib.suppress(OSError, ValueError):  # it was unplugged
            while select.select([self._master], [], [], 0.1)[0] and time.monotonic() < deadline:
                time.sleep(0.01)  # what was sent last is still to be obeyed
        self._ending.set()
        self._thread.join(5)
        self.unplug()

    def unplug(self) -> None:
        """Close both ends: whoever reads the port gets an error."""
        with self._lock:
            for end in (self._master, self._slave):
                if end >= 0:
                    os.close(end)
            self._master = self._slave = -1

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while len(view) and not self._ending.is_set() and self._master >= 0:
            if select.select([], [self._master], [], 0.05)[1]:
                view = view[os.write(self._master, view[:4096]) :]

    def receive(self, wait_s: float) -> bytes:
        if self._master < 0 or not select.select([self._master], [], [], wait_s)[0]:
            return b""
        return os.read(self._master, 4096)

    def serve(self) -> None:
        raise NotImplementedError

    def _serve(self) -> None:
        while not self._ending.is_set() and self._master >= 0:
            with contextlib.suppress(OSError, ValueError):
                self.serve()
