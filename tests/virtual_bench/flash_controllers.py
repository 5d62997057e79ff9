"""Flash controllers that QEMU's machines lack: their registers, as the flash routines of debuggers use them.

Flash only clears bits; setting them takes an erase of a whole sector. What is wrong in a controller's eyes is flagged
in its registers, as on silicon, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

_ERASED = 0xFF


class Bank:
    """Some flash: what is in it, and which part of it has changed since `changes` was asked last."""

    def __init__(self, base: int, content: bytes) -> None:
        self.base = base
        self.content = bytearray(content)
        self._changed: list[tuple[int, int]] = []

    @property
    def range(self) -> range:
        return range(self.base, self.base + len(self.content))

    def read(self, address: int, size: int) -> int:
        offset = address - self.base
        return int.from_bytes(self.content[offset : offset + size], "little")

    def program(self, address: int, size: int, value: int) -> None:
        """Clear the bits that are 0 in `value`."""
        old = self.read(address, size)
        self._put(address, (old & value).to_bytes(size, "little"))

    def erase(self, address: int, size: int) -> None:
        """Set all bits."""
        self._put(address, bytes([_ERASED]) * size)

    def changes(self) -> list[tuple[int, bytes]]:
        """Return (address, new content) of what has changed."""
        merged: list[tuple[int, int]] = []
        for first, last in self._changed:
            if merged and merged[-1][1] == first:
                merged[-1] = (merged[-1][0], last)
            else:
                merged.append((first, last))
        self._changed.clear()
        return [(first, bytes(self.content[first - self.base : last - self.base])) for first, last in merged]

    def _put(self, address: int, data: bytes) -> None:
        offset = address - self.base
        self.content[offset : offset + len(data)] = data
        self._changed.append((address, address + len(data)))


class Controller:
    """What flash controllers share: banks, the page with the registers, and whether writes fail (an injected fault)."""

    def __init__(self, registers: int, banks: Sequence[Bank]) -> None:
        self.registers = range(registers, registers + 0x1000)
        self.banks = banks
        self.protected = False

    def bank(self, address: int) -> Bank | None:
        """Return the bank at an address."""
        return next((bank for bank in self.banks if address in bank.range), None)

    def serves(self, address: int) -> bool:
        """Say whether an access is the controller's business."""
        return address in self.registers or self.bank(address) is not None

    def load(self, address: int, size: int) -> int:
        """Serve a read."""
        bank = self.bank(address)
        if bank is not None:
            return bank.read(address, size)
        return self.read_register(address - self.registers.start)

    def store(self, address: int, size: int, value: int) -> None:
        """Serve a write."""
        bank = self.bank(address)
        if bank is None:
            self.write_register(address - self.registers.start, value)
        else:
            self.program(bank, address, size, value)

    def read_register(self, offset: int) -> int:
        raise NotImplementedError

    def write_register(self, offset: int, value: int) -> None:
        raise NotImplementedError

    def program(self, bank: Bank, address: int, size: int, value: int) -> None:
        """Serve a write to flash."""
        raise NotImplementedError


class Stm32F4(Controller):
    """FLASH of the STM32F405: RM0090 rev 19, 3.9. It is never busy."""

    _KEYS = (0x4567_0123, 0xCDEF_89AB)
    _KEYR, _SR, _CR, _OPTCR = 0x04, 0x0C, 0x10, 0x14
    _PG, _SER, _MER, _STRT, _LOCK = 1, 2, 4, 1 << 16, 1 << 31
    _WRPERR, _PGAERR, _PGPERR, _PGSERR, _ERRORS = 1 << 4, 1 << 5, 1 << 6, 1 << 7, 0xF0
    _WATCHDOG_BY_SOFTWARE = 0x0FFF_AAED  # OPTCR after reset
    _SECTORS = (*[16 << 10] * 4, 64 << 10, *[128 << 10] * 7)

    def __init__(self, content: bytes) -> None:
        super().__init__(0x4002_3C00 & ~0xFFF, [Bank(0x0800_0000, content)])
        self._base = 0xC00
        self._sr, self._cr = 0, self._LOCK
        self._keys: list[int] = []

    def read_register(self, offset: int) -> int:
        values = {self._SR: self._sr, self._CR: self._cr, self._OPTCR: self._WATCHDOG_BY_SOFTWARE}
        return values.get(offset - self._base, 0)

    def write_register(self, offset: int, value: int) -> None:
        register = offset - self._base
        if register == self._KEYR:
            self._keys = [*self._keys, value][-2:]
            if tuple(self._keys) == self._KEYS:
                self._cr &= ~self._LOCK
        elif register == self._SR:
            self._sr &= ~(value & self._ERRORS)
        elif register == self._CR and not self._cr & self._LOCK:
            self._cr = value & ~self._STRT
            if value & self._STRT:
                self._erase(value)

    def program(self, bank: Bank, address: int, size: int, value: int) -> None:
        if not self._cr & self._PG or self._cr & self._LOCK:
            self._sr |= self._PGSERR
        elif size != 1 << (self._cr >> 8 & 3):
            self._sr |= self._PGPERR
        elif address % size:
            self._sr |= self._PGAERR
        elif self.protected:
            self._sr |= self._WRPERR
        else:
            bank.program(address, size, value)

    def _erase(self, control: int) -> None:
        bank = self.banks[0]
        sector = control >> 3 & 0x1F
        if self.protected:
            self._sr |= self._WRPERR
        elif control & self._MER:
            bank.erase(bank.base, len(bank.content))
        elif control & self._SER and sector < len(self._SECTORS):
            bank.erase(bank.base + sum(self._SECTORS[:sector]), self._SECTORS[sector])


class Nvmc(Controller):
    """NVMC of the nRF52840: Product Specification v1.8, 4.3. It is never busy. Its second bank is UICR."""

    _READY, _CONFIG, _ERASEPAGE, _ERASEALL, _ERASEUICR = 0x400, 0x504, 0x508, 0x50C, 0x514
    _WRITES, _ERASES = 1, 2
    _PAGE = 4096

    def __init__(self, content: bytes) -> None:
        super().__init__(0x4001_E000, [Bank(0, content), Bank(0x1000_1000, bytes([_ERASED]) * 0x1000)])
        self._config = 0

    def read_register(self, offset: int) -> int:
        return {self._READY: 1, self._CONFIG: self._config}.get(offset, 0)

    def write_register(self, offset: int, value: int) -> None:
        if offset == self._CONFIG:
            self._config = value & 3
        elif self._config != self._ERASES or self.protected:
            return
        elif offset == self._ERASEPAGE and value in self.banks[0].range:
            self.banks[0].erase(value & -self._PAGE, self._PAGE)
        elif offset == self._ERASEALL and value & 1:
            for bank in self.banks:
                bank.erase(bank.base, len(bank.content))
        elif offset == self._ERASEUICR and value & 1:
            self.banks[1].erase(self.banks[1].base, len(self.banks[1].content))

    def program(self, bank: Bank, address: int, size: int, value: int) -> None:
        if self._config == self._WRITES and not self.protected:
            bank.program(address, size, value)
