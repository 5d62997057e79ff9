"""ST's boot loader on a UART, by AN3155: what stm32flash asks for, and faults that a test injects."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass, field

from .terminal import Silence, Terminal

ACK, NACK = b"\x79", b"\x1f"
GET, GET_VERSION, GET_ID, READ, GO, WRITE, EXTENDED_ERASE = 0x00, 0x01, 0x02, 0x11, 0x21, 0x31, 0x44
COMMANDS = bytes([GET, GET_VERSION, GET_ID, READ, GO, WRITE, EXTENDED_ERASE])
RAM = 0x20000000
PAGE_BYTES = 2048


@dataclass
class SystemMemory:
    """The boot loader of an STM32 whose device id is `chip`. `fault`: None, "nack" (of writes) or "verify"."""

    terminal: Terminal
    base: int = 0x08000000
    chip: int = 0x415
    fault: str | None = None
    flash: bytearray = field(default_factory=lambda: bytearray(b"\xaa" * (128 * 1024)))
    ram: dict[int, int] = field(default_factory=dict)
    synchronised: bool = False
    erased: list[int] = field(default_factory=list)

    def serve(self) -> bool:
        """Answer until the host resets the chip (True), or says nothing for a second (False)."""
        try:
            while True:
                if not self.synchronised:
                    while self.terminal.read(1, 1.0) != b"\x7f":
                        pass
                    self.synchronised = True
                    self.terminal.write(ACK)
                elif self._command():
                    return True
        except Silence:
            return False

    def _command(self) -> bool:
        code, inverse = self.terminal.read(2, 1.0)
        if code ^ inverse != 0xFF or code not in COMMANDS:
            self.terminal.write(NACK)
            return False
        self.terminal.write(ACK)
        if code == GET:
            self.terminal.write(bytes([len(COMMANDS), 0x31]) + COMMANDS + ACK)
        elif code == GET_VERSION:
            self.terminal.write(b"\x31\0\0" + ACK)
        elif code == GET_ID:
            self.terminal.write(bytes([1]) + self.chip.to_bytes(2, "big") + ACK)
        elif code == READ:
            self._read()
        elif code == WRITE:
            self._write()
        elif code == EXTENDED_ERASE:
            self._erase()
        else:
            return self._go()
        return False

    def _address(self) -> int:
        data = self.terminal.read(5)
        assert functools.reduce(operator.xor, data) == 0
        self.terminal.write(ACK)
        return int.from_bytes(data[:4], "big")

    def _read(self) -> None:
        at = self._address() - self.base
        count = self.terminal.read(2)[0] + 1
        data = bytes(self.flash[at : at + count])
        if self.fault == "verify":
            data = bytes([data[0] ^ 1]) + data[1:]
        self.terminal.write(ACK + data)

    def _write(self) -> None:
        address = self._address()
        count = self.terminal.read(1)[0] + 1
        data = self.terminal.read(count + 1)
        assert functools.reduce(operator.xor, data, count - 1) == 0
        if self.fault == "nack":
            self.terminal.write(NACK)
            return
        if address >= RAM:
            self.ram |= {address + i: byte for i, byte in enumerate(data[:-1])}
        else:
            at = address - self.base
            for i, byte in enumerate(data[:-1]):  # only erasing gives ones
                self.flash[at + i] &= byte
        self.terminal.write(ACK)

    def _erase(self) -> None:
        count = int.from_bytes(self.terminal.read(2), "big")
        pages = (
            [0xFFFF] if count >= 0xFFFD else [int.from_bytes(self.terminal.read(2), "big") for _ in range(count + 1)]
        )
        self.terminal.read(1)
        self.erased += pages
        for page in pages:
            whole = page == 0xFFFF
            at, size = (0, len(self.flash)) if whole else (page * PAGE_BYTES, PAGE_BYTES)
            self.flash[at : at + size] = b"\xff" * size
        self.terminal.write(ACK)

    def _go(self) -> bool:
        """Start what is in RAM: stm32flash puts a few instructions there that reset the chip."""
        address = self._address()
        assert address in self.ram
        self.synchronised = False
        return True
