"""Arduino's boot loader of the nRF52840 on USB: SAM-BA with the extensions IKXYZ, as Arduino's bossac speaks to it."""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field

from .terminal import Silence, Terminal

APPLICATION = 0x10000
PAGE_BYTES = 4096


@dataclass
class SamBa:
    """The boot loader in a flash of 1 MB, of which the first 64 kB are its own. `fault`: None or "verify"."""

    terminal: Terminal
    fault: str | None = None
    chip: bytes = b"nRF52840-QIAA"
    flash: bytearray = field(default_factory=lambda: bytearray(b"\xaa" * (1 << 20)))
    ram: bytearray = field(default_factory=lambda: bytearray(0x8000))
    _source: int = 0

    def serve(self) -> bool:
        """Answer until the host resets the board (True), or says nothing for a second (False)."""
        try:
            while True:
                command = b""
                while not command.endswith(b"#"):
                    command += self.terminal.read(1, 1.0)
                if command == b"K#":
                    return True
                self._answer(chr(command[0]), [int(word, 16) for word in command[1:-1].split(b",") if word])
        except Silence:
            return False

    def _answer(self, code: str, numbers: list[int]) -> None:
        first, second = (*numbers, 0, 0)[:2]
        if code == "N":
            self.terminal.write(b"\n\r")
        elif code == "V":
            self.terminal.write(b"Arduino Bootloader (SAM-BA extended) 2.0 [Arduino:IKXYZ]\n\r")
        elif code == "I":
            self.terminal.write(self.chip + b"\n\r")
        elif code == "S":
            self.ram[first : first + second] = self.terminal.read(second)
        elif code == "w":
            self.terminal.write(bytes(4))
        elif code == "R":
            at = APPLICATION + first
            self.terminal.write(bytes(byte ^ (self.fault == "verify") for byte in self.flash[at : at + second]))
        elif code == "X":
            self.flash[APPLICATION:] = b"\xff" * (len(self.flash) - APPLICATION)
            self.terminal.write(b"X\n\r")
        elif code == "Y":
            self._copy(first, second)
            self.terminal.write(b"Y\n\r")
        elif code == "Z":
            at = APPLICATION + first
            crc = binascii.crc_hqx(bytes(self.flash[at : at + second]), 0) ^ (self.fault == "verify")
            self.terminal.write(b"Z%08X#\n\r" % crc)

    def _copy(self, first: int, size: int) -> None:
        if size == 0:
            self._source = first
            return
        at = APPLICATION + first
        assert self.flash[at : at + size] == b"\xff" * size, "flash is erased before it is written"
        self.flash[at : at + size] = self.ram[self._source : self._source + size]
