"""Runs a debugger's flash routine, unmodified, on a CPU (Unicorn's) that sees the flash controller that QEMU lacks.

It works on the chip's own RAM and registers, and whatever else it touches is the chip's too.
"""

from __future__ import annotations

from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, Uc, UcError
from unicorn.arm_const import (
    UC_ARM_REG_LR,
    UC_ARM_REG_PC,
    UC_ARM_REG_R0,
    UC_ARM_REG_R9,
    UC_ARM_REG_R10,
    UC_ARM_REG_R11,
    UC_ARM_REG_R12,
    UC_ARM_REG_SP,
)

from .flash_controllers import Controller
from .qemu import Chip

_NUMBERS = {
    **{f"r{number}": UC_ARM_REG_R0 + number for number in range(9)},
    **{"r9": UC_ARM_REG_R9, "r10": UC_ARM_REG_R10, "r11": UC_ARM_REG_R11, "r12": UC_ARM_REG_R12},
    **{"sp": UC_ARM_REG_SP, "lr": UC_ARM_REG_LR},
}
_PERIPHERALS = (0x4000_0000, 0x1000_0000)
_PAGE = 0x1000
_RAM_BYTES = 256 << 10
"""How much of the chip's RAM a routine may need."""
_TIMEOUT_US = 10_000_000


def run(chip: Chip, controller: Controller) -> bool:
    """Run from the chip's pc to where its lr points; return whether it got there."""
    pc, end = chip.register("pc"), chip.register("lr") & ~1
    first, last, _ = next(region for region in chip.regions if region[0] <= pc <= region[1])
    size = min(last - first + 1, _RAM_BYTES)
    before = chip.bus.read_block(first, size)
    cpu = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
    cpu.mem_map(first, size)
    cpu.mem_write(first, before)
    _map(cpu, chip, controller, *_PERIPHERALS)
    for bank in controller.banks:
        _map(cpu, chip, controller, bank.base, len(bank.content))
    for name, number in _NUMBERS.items():
        cpu.reg_write(number, chip.register(name))
    try:
        cpu.emu_start(pc | 1, end, timeout=_TIMEOUT_US)
    except UcError:
        return False
    _write_changes(chip, first, before, bytes(cpu.mem_read(first, size)))
    for bank in controller.banks:
        for address, data in bank.changes():
            chip.gdb.write_memory(address, data)
    for name, number in _NUMBERS.items():
        chip.set_register(name, cpu.reg_read(number))
    chip.set_register("pc", cpu.reg_read(UC_ARM_REG_PC) & ~1)
    return cpu.reg_read(UC_ARM_REG_PC) & ~1 == end


def _map(cpu: Uc, chip: Chip, controller: Controller, base: int, size: int) -> None:
    """Let the controller, or the chip, serve a range."""

    def read(_cpu: Uc, offset: int, size: int, _data: object) -> int:
        address = base + offset
        return controller.load(address, size) if controller.serves(address) else chip.bus.read(address, size)

    def write(_cpu: Uc, offset: int, size: int, value: int, _data: object) -> None:
        address = base + offset
        if controller.serves(address):
            controller.store(address, size, value)
        else:
            chip.bus.write(address, value, size)

    cpu.mmio_map(base, -(-size // _PAGE) * _PAGE, read, None, write, None)


def _write_changes(chip: Chip, first: int, before: bytes, after: bytes) -> None:
    for start in range(0, len(before), _PAGE):
        if before[start : start + _PAGE] != after[start : start + _PAGE]:
            chip.bus.write_block(first + start, after[start : start + _PAGE])
