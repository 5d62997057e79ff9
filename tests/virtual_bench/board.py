"""A board of the virtual bench, as a process: `python -m tests.virtual_bench.board FD FOLDER PLUGGED PART …`.

It owns QEMU, the pty of the UART and the socket of the debug probe, and stays powered between debug sessions. The bench
tells it what to do, one JSON object a line, over the socket FD; it ends when that closes, or at SIGTERM.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import select
import signal
import socket
import sys
import threading
from pathlib import Path

from .device import Device
from .parts import PARTS
from .plugged import Plugged
from .uart import LineFault, Uart
from .wire import Ack, Reply, receive, send

_TICK_S = 0.02
_RELEASE_S = 0.5
"""How long it may take until a probe is known to be closed."""


class Board:
    """A device, its probe and its serial line, plugged in or not."""

    def __init__(self, folder: Path, plugged: Plugged, device: Device, uart: Uart) -> None:
        self._folder, self._plugged = folder, plugged
        self._device, self._uart = device, uart
        self._lock = threading.RLock()
        self._listener: socket.socket | None = None
        self._clients: list[socket.socket] = []
        self._claim = threading.Lock()
        self._ending = threading.Event()
        self._transfers = 0
        self._due: list[tuple[int, str, dict]] = []

    # What the bench can ask for: `do_<name>`, with its details as keyword arguments.

    def do_plug_in(self) -> dict:
        """Attach it to the computer; it has power from there."""
        with self._lock:
            if self._listener is None:
                self._device.power_off()
                self._device.power_on()
                port = self._uart.connect() if self._plugged.port is not None else None
                self._plugged = dataclasses.replace(self._plugged, port=port)
                self._listener = socket.socket(socket.AF_UNIX)
                self._listener.bind("\0" + self._plugged.address)
                self._listener.listen()
                threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()
                self._plugged.write(self._folder)
            return self.do_status()

    def do_unplug(self) -> dict:
        """Take it away from the computer, and so its power."""
        with self._lock:
            self._plugged.remove(self._folder)
            self._device.kill()
            self._uart.disconnect()
            if self._listener is not None:
                self._listener.shutdown(socket.SHUT_RDWR)
                self._listener.close()
                self._listener = None
            for client in self._clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            return self.do_status()

    def do_power(self, on: bool) -> dict:
        """Switch the chip off or on; probe and serial port stay."""
        if on:
            self._device.power_off()
            self._device.power_on()
        else:
            self._device.power_off()
        return self.do_status()

    def do_reset(self) -> dict:
        self._device.reset()
        return self.do_status()

    def do_program(self, image: str) -> dict:
        self._device.program(Path(image))
        return self.do_status()

    def do_read(self, address: int, size: int) -> dict:
        return {"data": base64.b64encode(self._device.read(address, size)).decode()}

    def do_status(self) -> dict:
        plugged = self._listener is not None
        return {"port": self._plugged.port if plugged else None, "plugged": plugged, "transfers": self._transfers,
                **self._device.status()}  # fmt: skip

    def do_fault(self, name: str, after: int, details: dict) -> dict:
        """Let a fault happen, now or when that many more transfers are through."""
        if not hasattr(self, f"_fault_{name}"):
            raise ValueError(f"there is no fault '{name}'")
        with self._lock, self._device.lock:
            if after:
                self._due.append((self._transfers + after, name, details))
            else:
                getattr(self, f"_fault_{name}")(**details)
        return self.do_status()

    def do_heal(self) -> dict:
        """Take all faults back."""
        with self._lock:
            self._due.clear()
            self._device.heal()
            self._uart.set_fault(LineFault())
        return self.do_status()

    def _fault_no_ack(self) -> None:
        self._device.wire_faults.no_ack = True

    def _fault_slow(self, latency_s: float) -> None:
        self._device.wire_faults.latency_s = latency_s

    def _fault_wrong_part(self, idr: int) -> None:
        self._device.wire_faults.idr = idr

    def _fault_bus_fault(self, address: int) -> None:
        self._device.memory_faults.faulting.add(address & ~3)

    def _fault_stuck(self, address: int, value: int) -> None:
        self._device.memory_faults.stuck[address] = value

    def _fault_word(self, address: int, value: int) -> None:
        self._device.memory_faults.overlay[address & ~3] = value

    def _fault_locked(self) -> None:
        self._device.security.locked = True

    def _fault_flash_fails(self) -> None:
        self._device.protect_flash(True)

    def _fault_unplug(self) -> None:
        self.do_unplug()

    def _fault_dead(self) -> None:
        self._device.kill()

    def _fault_line(self, garbage: str = "", **shares: float) -> None:
        self._uart.set_fault(LineFault(garbage=base64.b64decode(garbage), **shares))

    def serve(self, control: socket.socket) -> None:
        """Do what the bench asks for until it goes."""
        signal.signal(signal.SIGTERM, lambda *_: self._ending.set())
        received = b""
        while not self._ending.is_set():
            self._device.tick()
            if not select.select([control], [], [], _TICK_S)[0]:
                continue
            data = control.recv(1 << 16)
            if not data:
                return
            received += data
            while b"\n" in received:
                line, received = received.split(b"\n", 1)
                control.sendall(json.dumps(self._answer(json.loads(line))).encode() + b"\n")

    def _answer(self, request: dict) -> dict:
        try:
            return getattr(self, "do_" + request.pop("do"))(**request)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve_probe, args=[client], daemon=True).start()

    def _serve_probe(self, client: socket.socket) -> None:
        """Serve one debugger; a second one is told that the probe is in use."""
        mine = self._claim.acquire(timeout=_RELEASE_S)
        self._clients.append(client)
        try:
            with client, contextlib.suppress(OSError):
                while True:
                    request = receive(client)
                    if not mine:
                        send(client, Reply(Ack.BUSY))
                        return
                    self._count()
                    send(client, self._device.transfer(request))
        finally:
            self._clients.remove(client)
            if mine:
                self._claim.release()

    def _count(self) -> None:
        """Count a transfer, and let the faults happen that are due with it."""
        with self._lock:
            self._transfers += 1
            due = [fault for fault in self._due if fault[0] <= self._transfers]
            self._due = [fault for fault in self._due if fault not in due]
            for _, name, details in due:
                getattr(self, f"_fault_{name}")(**details)


def main(descriptor: str, folder: str, plugged: str, part: str, *qemu: str) -> None:
    """Be a board until the bench goes."""
    uart = Uart()
    device = Device(PARTS[part], uart.chip_end, qemu)
    board = Board(Path(folder), Plugged(**json.loads(plugged)), device, uart)
    with socket.socket(fileno=int(descriptor)) as control:
        uart.start()
        try:
            board.serve(control)
        finally:
            board.do_unplug()
            device.power_off()
            uart.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
