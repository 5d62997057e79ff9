"""What is behind the debug port: the AHB-AP that reads and writes memory, and Nordic's CTRL-AP.

Registers: Arm Debug Interface v5.2, IHI 0031F, C2; nRF52840 Product Specification v1.8, 4.8.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .core_debug import ROM_TABLE, CoreDebug
from .flash_controllers import Controller

_CSW, _TAR, _DRW, _BASE, _IDR = 0x00, 0x04, 0x0C, 0xF8, 0xFC
_DEVICE_ENABLED, _AUTO_INCREMENT, _SIZE = 0x40, 0x10, 0x07
_PPB = range(0xE000_0000, 0xE010_0000)
_MEMORY = ("ram", "rom", "romd")


class BusFault(Exception):
    """Nothing answers at an address, or it may not."""


class AccessPort(Protocol):
    """Registers behind the debug port."""

    def read(self, register: int, count: int) -> list[int]:
        """Read one register `count` times."""

    def write(self, register: int, values: Sequence[int]) -> None:
        """Write one register again and again."""


@dataclass
class Security:
    """Whether a chip lets debuggers in. `erase_all` is what its owner does when one asks for that."""

    locked: bool = False
    mass_erases: int = 0


@dataclass
class MemoryFaults:
    """Words that fault, cells that keep their own value, and words that only debuggers see."""

    faulting: set[int] = field(default_factory=set)
    stuck: dict[int, int] = field(default_factory=dict)
    overlay: dict[int, int] = field(default_factory=dict)


class AhbAp:
    """The memory access port of a core."""

    def __init__(
        self, core: CoreDebug, security: Security, faults: MemoryFaults, controller: Controller | None = None
    ) -> None:
        self._core, self._chip = core, core.cpu.chip
        self._controller = controller
        self._security, self._faults = security, faults
        self._csw, self._tar = 0x2300_0042, 0
        self._idr = 0x2477_0011 if core.cpu.v7m else 0x0477_0021
        self._page = 0x1000 if core.cpu.v7m else 0x400  # of the address's auto-increment
        self.written = False

    def read(self, register: int, count: int) -> list[int]:
        if register == _DRW:
            return self._read_memory(count)
        enabled = 0 if self._security.locked else _DEVICE_ENABLED
        values = {_CSW: self._csw | enabled, _TAR: self._tar, _BASE: ROM_TABLE | 3, _IDR: self._idr}
        return [values.get(register, 0)] * count

    def write(self, register: int, values: Sequence[int]) -> None:
        if register == _DRW:
            self._write_memory(values)
        elif register == _CSW:
            self._csw = values[-1] & 0x7F00_0037
        elif register == _TAR:
            self._tar = values[-1]

    def _read_memory(self, count: int) -> list[int]:
        if self._is_plain(count):
            data = bytearray(self._chip.bus.read_block(self._tar, 4 * count))
            for address, value in self._faults.stuck.items():
                if 0 <= address - self._tar < len(data):
                    data[address - self._tar] = value
            self._advance(len(data))
            return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]
        return [self._one(self._load) for _ in range(count)]

    def _write_memory(self, values: Sequence[int]) -> None:
        self.written = True
        if self._is_plain(len(values)) and not (self._controller and self._controller.serves(self._tar)):
            self._chip.bus.write_block(self._tar, b"".join(value.to_bytes(4, "little") for value in values))
            self._advance(4 * len(values))
            return
        for value in values:
            self._one(lambda address, size, value=value: self._store(address, size, value))

    def _one(self, access: Callable[[int, int], int]) -> int:
        address, size = self._tar, 1 << (self._csw & _SIZE)
        in_ppb = address in _PPB
        if self._security.locked or address & ~3 in self._faults.faulting:
            raise BusFault(f"0x{address:08x}")
        if not in_ppb and self._chip.kind(address) is None and address & ~3 not in self._faults.overlay:
            raise BusFault(f"0x{address:08x}")
        result = access(address, size)
        self._advance(size)
        return result

    def _load(self, address: int, size: int) -> int:
        word = address & ~3
        lane = 8 * (address & 3)  # data are on the byte lanes of their address
        if word in self._faults.overlay:
            return self._faults.overlay[word]
        if address in _PPB and size == 4 and (known := self._core.read(address)) is not None:
            return known
        if self._controller is not None and self._controller.serves(address):
            value = self._controller.load(address, size)
        else:
            value = self._chip.bus.read(address, size)
        for offset in range(size):
            if address + offset in self._faults.stuck:
                value = value & ~(0xFF << 8 * offset) | self._faults.stuck[address + offset] << 8 * offset
        return value << lane

    def _store(self, address: int, size: int, value: int) -> int:
        lane = value >> 8 * (address & 3) & ((1 << 8 * size) - 1)
        if address & ~3 in self._faults.overlay:
            self._faults.overlay[address & ~3] = value
        elif self._controller is not None and self._controller.serves(address):
            self._controller.store(address, size, lane)
            for bank in self._controller.banks:
                for changed, data in bank.changes():
                    self._core.cpu.write_flash(changed, data)
        elif not (address in _PPB and size == 4 and self._core.write(address, value)):
            self._chip.bus.write(address, lane, size)
        return 0

    def _is_plain(self, count: int) -> bool:
        """Say whether a burst is words of memory with nothing special about them, which QEMU can serve at once."""
        first, last = self._tar, self._tar + 4 * count - 1
        kinds = {self._chip.kind(first), self._chip.kind(last)}
        special = any(first <= word <= last for word in (*self._faults.faulting, *self._faults.overlay))
        words = self._csw & (_AUTO_INCREMENT | _SIZE) == _AUTO_INCREMENT | 2
        return words and len(kinds) == 1 and kinds <= set(_MEMORY) and not special and not self._security.locked

    def _advance(self, size: int) -> None:
        if self._csw & _AUTO_INCREMENT:
            self._tar = self._tar & -self._page | self._tar + size & self._page - 1


class CtrlAp:
    """The access port by which a locked nRF52 can be erased and so unlocked; `erase` erases all of its flash."""

    RESET, ERASE_ALL, ERASE_ALL_STATUS, APPROTECT_STATUS = 0x00, 0x04, 0x08, 0x0C

    def __init__(self, security: Security, erase: Callable[[], None], reset: Callable[[], None]) -> None:
        self._security, self._erase, self._reset = security, erase, reset

    def read(self, register: int, count: int) -> list[int]:
        values = {self.APPROTECT_STATUS: 0 if self._security.locked else 1, _IDR: 0x1288_0000}
        return [values.get(register, 0)] * count

    def write(self, register: int, values: Sequence[int]) -> None:
        if register == self.ERASE_ALL and values[-1] & 1:
            self._erase()
            self._security.mass_erases += 1
            self._security.locked = False
        elif register == self.RESET and values[-1] & 1:
            self._reset()
