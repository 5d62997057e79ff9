"""Serial lines for tests, each with a device's end to play the board at: a pty, a TCP server, an RFC 2217 server."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import tty
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import serial
from serial.rfc2217 import PortManager

from hilbench.targets.base import Stream

from .conftest import ROOT

KINDS = ("pty", "socket", "rfc2217")


@dataclass
class ServedLine:
    """`url` is what hilbench opens, `far` the descriptor of the device's end. `dtr` is what DTR was set to."""

    url: str
    far: int
    dtr: list[bool] = field(default_factory=list)
    baud: list[int] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def receive(self, count: int, within_s: float = 10) -> bytes:
        """Return `count` bytes that reached the device, or fewer when they do not come."""
        data = b""
        while len(data) < count and select.select([self.far], [], [], within_s)[0]:
            data += os.read(self.far, 65536)
        return data

    def send(self, data: bytes) -> None:
        """Send all of `data` from the device."""
        view = memoryview(data)
        while len(view) and not self.ending.is_set():
            if select.select([], [self.far], [], 0.05)[1]:
                view = view[os.write(self.far, view[:2048]) :]


@contextlib.contextmanager
def served(kind: str) -> Iterator[ServedLine]:
    """Serve a line of `kind`; a server's line takes one client after the other."""
    with {"pty": _pty, "socket": _tcp, "rfc2217": _rfc2217}[kind]() as line:
        yield line


@contextlib.contextmanager
def wired(line: ServedLine, board: Stream) -> Iterator[None]:
    """Be the wire between a line and the board at its end."""

    def to_board() -> None:
        while not line.ending.is_set():
            if select.select([line.far], [], [], 0.05)[0]:
                board.write(os.read(line.far, 65536))

    def from_board() -> None:
        while not line.ending.is_set():
            if data := board.read(0.05):
                line.send(data)

    def run(copy) -> None:
        with contextlib.suppress(OSError, ValueError, EOFError):
            copy()

    threads = [threading.Thread(target=run, args=(copy,), daemon=True) for copy in (to_board, from_board)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        line.ending.set()
        for thread in threads:
            thread.join(5)


@contextlib.contextmanager
def _pty() -> Iterator[ServedLine]:
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    try:
        yield ServedLine(os.ttyname(slave), master)
    finally:
        os.close(slave)
        os.close(master)


@contextlib.contextmanager
def _tcp() -> Iterator[ServedLine]:
    near, far = socket.socketpair()
    with near, far, socket.create_server(("127.0.0.1", 0)) as server:
        line = ServedLine(f"socket://127.0.0.1:{server.getsockname()[1]}", far.fileno())
        with _serving(server, line, lambda connection: _bridge(connection, near, line.ending)):
            yield line


def _bridge(connection: socket.socket, near: socket.socket, ending: threading.Event) -> None:
    while not ending.is_set():
        for ready in select.select([connection, near], [], [], 0.05)[0]:
            data = ready.recv(65536)
            if not data:
                return
            (near if ready is connection else connection).sendall(data)


class _Modem(serial.Serial):
    """A pty with modem lines, which a PortManager asks for and sets."""

    line: ServedLine
    cts = dsr = cd = property(lambda self: True)
    ri = property(lambda self: False)

    def _update_dtr_state(self) -> None:
        if self.is_open:
            self.line.dtr.append(self._dtr_state)

    def _update_rts_state(self) -> None:
        pass

    def _reconfigure_port(self, force_update=False) -> None:
        super()._reconfigure_port(force_update)
        self.line.baud.append(self._baudrate)


class _Connection:
    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._lock = connection, threading.Lock()

    def write(self, data: bytes) -> None:
        with self._lock:
            self._connection.sendall(data)


@contextlib.contextmanager
def _rfc2217() -> Iterator[ServedLine]:
    with _pty() as line, socket.create_server(("127.0.0.1", 0)) as server:
        modem = _Modem()
        modem.line, modem.port, modem.timeout = line, line.url, 0
        modem.open()
        line.url = f"rfc2217://127.0.0.1:{server.getsockname()[1]}"
        with modem, _serving(server, line, lambda connection: _manage(connection, modem, line.ending)):
            yield line


def _manage(connection: socket.socket, modem: _Modem, ending: threading.Event) -> None:
    writer = _Connection(connection)
    manager = PortManager(modem, writer)
    gone = threading.Event()

    def from_device() -> None:
        with contextlib.suppress(OSError):
            while not gone.is_set():
                if select.select([modem], [], [], 0.05)[0]:
                    writer.write(b"".join(manager.escape(modem.read(modem.in_waiting))))

    thread = threading.Thread(target=from_device, daemon=True)
    thread.start()
    try:
        while not ending.is_set():
            if select.select([connection], [], [], 0.05)[0]:
                data = connection.recv(65536)
                if not data:
                    return
                modem.write(b"".join(manager.filter(data)))
    finally:
        gone.set()
        thread.join(5)


@contextlib.contextmanager
def _serving(server: socket.socket, line: ServedLine, serve) -> Iterator[None]:
    server.settimeout(0.05)

    def accept() -> None:
        while not line.ending.is_set():
            with contextlib.suppress(OSError):  # nobody came, or it went
                connection, _ = server.accept()
                with connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    serve(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        line.ending.set()
        thread.join(5)


def bench_board_file(folder: Path, target: str) -> Path:
    """Write a board file of QEMU's board as a lab would have it: `target` is its one line under `targets:`."""
    text = (ROOT / "boards" / "mps2-an386.yaml").read_text()
    for old, new in (
        ("id: mps2-an386", "id: mybench"),
        ("aliases: [qemu]\n", ""),
        ("counter: instructions", "counter: cycles"),
        ("  qemu:\n    machine: mps2-an386", target),
    ):
        assert old in text
        text = text.replace(old, new)
    path = folder / "mybench.yaml"
    path.write_text(text)
    return path
