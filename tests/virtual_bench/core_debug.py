"""The debug unit of a Cortex-M core: DHCSR and its family, breakpoint and watchpoint units, identification registers.

What of the private peripheral bus is not here, QEMU's own model answers. Registers: Armv7-M ARM DDI 0403E, C1; Armv6-M
ARM DDI 0419E, C1.
"""

from __future__ import annotations

from .cpu import Cpu, Stop

ITM, DWT, FPB, SCS, ROM_TABLE = 0xE000_0000, 0xE000_1000, 0xE000_2000, 0xE000_E000, 0xE00F_F000
AIRCR, DFSR = 0xE000_ED0C, 0xE000_ED30
DHCSR, DCRSR, DCRDR, DEMCR = 0xE000_EDF0, 0xE000_EDF4, 0xE000_EDF8, 0xE000_EDFC
C_DEBUGEN, C_HALT, C_STEP, C_MASKINTS = 1, 2, 4, 8
S_REGRDY, S_HALT, S_LOCKUP, S_RETIRE_ST, S_RESET_ST = 1 << 16, 1 << 17, 1 << 19, 1 << 24, 1 << 25
VC_CORERESET, VC_HARDERR = 1, 1 << 10  # of DEMCR
DFSR_HALTED, DFSR_BKPT, DFSR_VCATCH = 1, 2, 8
_DHCSR_KEY, _AIRCR_KEY = 0xA05F, 0x05FA
_SYSRESETREQ, _VECTRESET = 4, 1
_IDENTIFICATION = 0xFD0
_ARM = 0x23B  # JEP106: continuation 4, code 0x3B
_STOP_WAIT_S = 0.002
"""How long a read of DHCSR waits for a running flash routine to end, which saves debuggers many polls."""


class CoreDebug:
    """One core's debug unit. To be used by one thread at a time, together with its CPU."""

    def __init__(self, cpu: Cpu) -> None:
        self.cpu = cpu
        self.halted = False
        self.locked_up = False
        self.resets = 0
        self._control = 0  # of DHCSR
        self._reset_seen = False
        self._fresh = True  # nobody has set pc since reset: the vectors decide
        self._demcr = self._dcrdr = self._dfsr = 0
        v7m = cpu.v7m
        self._comparators = [0] * (8 if v7m else 4)
        self._fp_ctrl = 6 << 4 | 2 << 8 if v7m else 4 << 4
        self._dwt = {0: 4 << 28 if v7m else 2 << 28 | 1 << 25}
        parts = {ROM_TABLE: (0x4C4, 1), SCS: (0x00C, 14), DWT: (0x002, 14), FPB: (0x003, 14), ITM: (0x001, 14)}
        if not v7m:
            parts = {ROM_TABLE: (0x471, 1), SCS: (0x008, 14), DWT: (0x00A, 14), FPB: (0x00B, 14)}
        self._ids = {base: _identification(*part) for base, part in parts.items()}
        self._rom_table = [(base - ROM_TABLE) & 0xFFFF_F000 | 3 for base in (SCS, DWT, FPB, ITM) if base in parts]

    def start(self) -> None:
        """Let the CPU go, as at power-on."""
        if not self.cpu.running and not self.halted:
            self._go()

    def reset(self) -> None:
        """Reset the chip; it stays halted where the debugger asked for that."""
        self.cpu.stop()
        self.cpu.chip.system_reset()
        self.resets += 1
        self.locked_up, self._reset_seen, self._fresh = False, True, True
        if self._control & C_DEBUGEN and self._demcr & VC_CORERESET:
            self._halt(DFSR_VCATCH)
        else:
            self.halted = False
            self._control &= C_DEBUGEN | C_MASKINTS
            self._go()

    def tick(self) -> None:
        """Take note of what the running core has come to; to be called often, for a trap that is none must go on."""
        self._poll(0.0)
        if resets := self.cpu.chip.guest_resets():
            self.resets += resets
            self._reset_seen = True

    def read(self, address: int) -> int | None:
        """Return a word, None where QEMU's own model is to be asked."""
        base, offset = address & ~0xFFF, address & 0xFFF
        if base in self._ids and offset >= _IDENTIFICATION:
            return self._ids[base][(offset - _IDENTIFICATION) // 4]
        if base == FPB:
            index = (offset - 8) // 4
            return self._fp_ctrl if offset == 0 else self._comparators[index] if 0 <= index < self._count() else 0
        if base == DWT:
            return self._dwt.get(offset, 0)
        if base == ROM_TABLE:
            return self._rom_table[offset // 4] if offset // 4 < len(self._rom_table) else 0
        if base == ITM:
            return 0
        registers = {DCRSR: 0, DCRDR: self._dcrdr, DEMCR: self._demcr}
        if address in registers:
            return registers[address]
        if address == DHCSR:
            return self._status()
        if address == DFSR:
            self._poll(0.0)
            return self._dfsr
        return None

    def write(self, address: int, value: int) -> bool:
        """Write a word; False where QEMU's own model is to take it."""
        base, offset = address & ~0xFFF, address & 0xFFF
        if address == DHCSR:
            self._control_core(value)
        elif address == DCRSR:
            self._transfer(value)
        elif address == DCRDR:
            self._dcrdr = value
        elif address == DEMCR:
            self._demcr = value & 0x010F_07F1
        elif address == DFSR:
            self._dfsr &= ~value
        elif address == AIRCR and value >> 16 == _AIRCR_KEY and value & (_SYSRESETREQ | _VECTRESET):
            self.reset()
        elif base == FPB:
            self._set_breakpoint_unit(offset, value)
        elif base == DWT:
            self._dwt[offset] = value if offset else self._dwt[0] & 0xFE00_0000 | value & 0x01FF_FFFF
        else:
            return base in (ITM, ROM_TABLE)
        return True

    def _count(self) -> int:
        return len(self._comparators)

    def _set_breakpoint_unit(self, offset: int, value: int) -> None:
        index = (offset - 8) // 4
        if offset == 0 and value & 2:  # KEY
            self._fp_ctrl = self._fp_ctrl & ~1 | value & 1
        elif 0 <= index < self._count():
            self._comparators[index] = value

    def _breakpoints(self) -> set[int]:
        if not self._fp_ctrl & 1:
            return set()
        enabled = [value for value in self._comparators[: self._fp_ctrl >> 4 & 0xF] if value & 1 and value >> 30]
        # REPLACE says which halfword: DDI 0403E, C1.11.5.
        return {(value & 0x1FFF_FFFC) + half for value in enabled for half in (0, 2) if value >> 30 & (1 << half // 2)}

    def _transfer(self, value: int) -> None:
        """Serve DCRSR."""
        if not self.halted:
            return
        selector = value & 0x7F
        if value & 1 << 16:
            self._fresh = self._fresh and selector != 15
            self.cpu.write(selector, self._dcrdr)
        else:
            self._dcrdr = self.cpu.read(selector)

    def _control_core(self, value: int) -> None:
        """Serve a write to DHCSR."""
        if value >> 16 != _DHCSR_KEY:
            return
        self._poll(0.0)
        wanted = value & 0xF if value & C_DEBUGEN else 0
        changed = (wanted ^ self._control) & C_DEBUGEN
        self._control = wanted
        if wanted & C_HALT:
            if not self.halted:
                self.cpu.stop()
                self.locked_up = False
                self._halt(DFSR_HALTED)
        elif wanted & C_STEP and self.halted:
            self.cpu.step(masks_interrupts=bool(wanted & C_MASKINTS))
            self._fresh = False
            self._halt(DFSR_HALTED)
        elif self.halted:
            self._go()
        elif changed and self.cpu.running:  # breakpoints come and go with C_DEBUGEN
            self.cpu.stop()
            self._go()

    def _status(self) -> int:
        self._poll(_STOP_WAIT_S if self._control & C_DEBUGEN else 0.0)
        value = self._control | S_REGRDY
        value |= S_HALT | C_HALT if self.halted else 0
        value |= S_LOCKUP if self.locked_up else 0
        value |= S_RETIRE_ST if self.cpu.running else 0
        value |= S_RESET_ST if self._reset_seen else 0
        self._reset_seen = False
        return value

    def _go(self) -> None:
        self.halted = False
        if self.locked_up or (self._fresh and not self.cpu.can_start()):
            self.locked_up = True  # blank flash: silicon locks up, where QEMU would end
            return
        self._fresh = False
        debugged = bool(self._control & C_DEBUGEN)
        self.cpu.go(self._breakpoints(), debugged=debugged, catches_faults=bool(self._demcr & VC_HARDERR))

    def _halt(self, why: int) -> None:
        self.halted = True
        self._dfsr |= why
        self._control |= C_HALT

    def _poll(self, timeout_s: float) -> None:
        stopped = self.cpu.poll(timeout_s)
        if stopped is not None:
            self._halt(DFSR_VCATCH if stopped is Stop.HARD_FAULT else DFSR_BKPT)


def _identification(part: int, component_class: int) -> list[int]:
    """Return PIDR4 to 7, PIDR0 to 3 and CIDR0 to 3 of a component by Arm: DDI 0403E, D1."""
    peripheral = [_ARM >> 7 & 0xF, 0, 0, 0, part & 0xFF, part >> 8 & 0xF | (_ARM & 0xF) << 4, 8 | _ARM >> 4 & 7, 0]
    return [*peripheral, 0x0D, component_class << 4, 0x05, 0xB1]
