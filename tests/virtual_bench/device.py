"""A board with its power supply: the chip, what a debugger sees of it, and the faults of both."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from elftools.elf.elffile import ELFFile

from .access_ports import AccessPort, AhbAp, CtrlAp, MemoryFaults, Security
from .core_debug import CoreDebug
from .cpu import Cpu
from .flash_controllers import Controller
from .parts import Part
from .qemu import Chip, Gone, started
from .wire import Ack, DebugPort, Operation, Reply, Request

_ERASED = b"\xff"
_LOST_RAM = 0xA5
"""What RAM holds after power-on, for firmware must not count on zeros."""
_REVIVAL_S = 2.0
_LOOK_S = 0.005


@dataclass
class WireFaults:
    """What is wrong with the wire or the probe."""

    no_ack: bool = False
    latency_s: float = 0.0
    idr: int | None = None


class Device:
    """A chip that has power or has not. A method may be called from any thread, but for those that say otherwise."""

    def __init__(self, part: Part, uart: socket.socket, qemu: Sequence[str] = ()) -> None:
        self.lock = threading.RLock()
        self.part = part
        self.security = Security()
        self.memory_faults = MemoryFaults(overlay=dict(part.overlay))
        self.wire_faults = WireFaults()
        self._resets = 0
        self._lockups = 0
        self._protected = False
        self._uart = uart
        self._qemu = qemu
        self._content = _ERASED * part.flash_bytes
        self._stack = contextlib.ExitStack()
        self._core: CoreDebug | None = None
        self._ahb: AhbAp | None = None
        self._controller: Controller | None = None
        self._port = DebugPort(part.dpidr, {})

    def power_on(self, *, locked_up: bool = False) -> None:
        """Start the chip from its flash; only from the main thread, with which QEMU ends."""
        with self.lock:
            if self._core is not None:
                return
            chip = self._stack.enter_context(started(self.part.machine, self._qemu, self._uart))
            for first, last, kind in chip.regions:
                if kind == "ram" and first >= 0x2000_0000:
                    chip.bus.fill(first, last - first + 1, _LOST_RAM)
            chip.gdb.write_memory(self.part.flash_base, self._content.rstrip(_ERASED))
            chip.system_reset()
            self._controller = controller = self.part.controller(self._content) if self.part.controller else None
            self.protect_flash(self._protected)
            core = CoreDebug(Cpu(chip, partial(_routine, controller) if controller else None))
            self._core, self._ahb = core, AhbAp(core, self.security, self.memory_faults, controller)
            self._port.ports = self._ports(core, self._ahb)
            core.locked_up = locked_up
            core.start()

    def _ports(self, core: CoreDebug, ahb: AhbAp) -> dict[int, AccessPort]:
        ctrl = CtrlAp(self.security, self.erase, core.reset)
        return {0: ahb, 1: ctrl} if self.part.ctrl_ap else {0: ahb}

    def power_off(self) -> None:
        """Take its power away; flash stays. Only from the main thread."""
        with self.lock:
            with contextlib.suppress(Gone):
                self._keep_flash()
            self._drop_core()
            self._stack.close()

    def kill(self) -> None:
        """Let the chip die at once."""
        with self.lock:
            if self._core is not None:
                with contextlib.suppress(Gone):
                    self._keep_flash()
                os.kill(self._chip().process.pid, signal.SIGKILL)
                self._chip().process.wait(_REVIVAL_S)
                self._drop_core()

    def reset(self) -> None:
        """Do what a brown-out does."""
        with self.lock:
            if self._core is not None:
                self._keep_flash()
                self._core.reset()

    def heal(self) -> None:
        """Take all faults back."""
        with self.lock:
            self.wire_faults = WireFaults()
            self.memory_faults.faulting.clear()
            self.memory_faults.stuck.clear()
            self.memory_faults.overlay.update(self.part.overlay)
            for address in self.memory_faults.overlay.keys() - self.part.overlay.keys():
                del self.memory_faults.overlay[address]
            self.security.locked = False
            self.protect_flash(False)

    def protect_flash(self, protected: bool) -> None:
        """Let flash routines fail."""
        self._protected = protected
        if self._controller is not None:
            self._controller.protected = protected

    def tick(self) -> None:
        """Look after the chip; to be called often, from the main thread."""
        with self.lock:
            if self._core is None:
                return
            try:
                self._core.tick()
            except Gone:
                if self._chip().process.poll() is not None:
                    self._revive()

    def transfer(self, request: Request) -> Reply:
        """Serve a probe."""
        time.sleep(self.wire_faults.latency_s)
        deadline = time.monotonic() + _REVIVAL_S
        while True:
            with self.lock, contextlib.suppress(Gone):
                return self._transfer(request)
            if time.monotonic() > deadline:
                return Reply(Ack.NONE)
            time.sleep(_LOOK_S)  # a chip that locks up takes QEMU with it: the main thread brings it back

    def program(self, image: Path) -> None:
        """Put the segments of an ELF into flash, as a factory does, and start it."""
        with self.lock, image.open("rb") as file:
            self._keep_flash()
            content = bytearray(self._content)
            for segment in ELFFile(file).iter_segments():
                if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                    start = segment["p_paddr"] - self.part.flash_base
                    content[start : start + segment["p_filesz"]] = segment.data()
            self._set_flash(bytes(content))
            if self._core is not None:
                self._core.reset()

    def erase(self) -> None:
        """Erase all flash."""
        with self.lock:
            self._set_flash(_ERASED * self.part.flash_bytes)

    def read(self, address: int, size: int) -> bytes:
        """Return what is in memory, whatever a debugger may see."""
        with self.lock:
            if self._core is not None:
                return self._chip().bus.read_block(address, size)
            start = address - self.part.flash_base
            return self._content[start : start + size]

    def status(self) -> dict[str, object]:
        """Say how it is."""
        with self.lock:
            core = self._core
            return {
                "powered": core is not None,
                "running": core is not None and core.cpu.running,
                "halted": core is not None and core.halted,
                "locked_up": core is not None and core.locked_up,
                "resets": self._resets + (core.resets if core else 0),
                "lockups": self._lockups,
                "security": dataclasses.asdict(self.security),
                "pid": core.cpu.chip.process.pid if core else None,
            }

    def _chip(self) -> Chip:
        assert self._core is not None
        return self._core.cpu.chip

    def _transfer(self, request: Request) -> Reply:
        if self._core is None or self.wire_faults.no_ack:
            return Reply(Ack.NONE)
        self._port.idr = self.part.dpidr if self.wire_faults.idr is None else self.wire_faults.idr
        if request.operation is Operation.ASSERT_RESET:
            self._core.cpu.stop()
        elif request.operation in (Operation.RESET, Operation.RELEASE_RESET):
            self.reset()
        elif request.operation is not Operation.OPEN:
            return self._port.transfer(request)
        return Reply(Ack.OK)

    def _set_flash(self, content: bytes) -> None:
        self._content = content
        if self._core is not None:
            self._core.cpu.stop()
            self._chip().gdb.write_memory(self.part.flash_base, content)
            if self._controller is not None:
                self._controller.banks[0].content[:] = content

    def _keep_flash(self) -> None:
        """Remember what is in flash, if a debugger may have changed it."""
        if self._core is not None and self._ahb is not None and self._ahb.written:
            self._content = self._chip().bus.read_block(self.part.flash_base, self.part.flash_bytes)
            self._ahb.written = False

    def _revive(self) -> None:
        """Bring QEMU back, which ends when the core locks up; RAM is lost, and the core stays locked up."""
        self._drop_core()
        self._stack.close()
        self._lockups += 1
        self.power_on(locked_up=True)

    def _drop_core(self) -> None:
        self._resets += self._core.resets if self._core else 0
        self._core = None


def _routine(controller: Controller, chip: Chip) -> bool:
    from .routine import run  # needs Unicorn, which boards without such a controller do without

    return run(chip, controller)
