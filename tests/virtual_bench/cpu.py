"""The CPU of a chip as a debug unit sees it: stop, go, step, breakpoints that include BKPT, and special registers.

QEMU has no halting debug: it escalates BKPT to HardFault, and ends where silicon locks up. So two traps are set when a
debugger lets the CPU go: at the BKPT that LR points to (where a flash routine returns), and at the entry of the
HardFault handler, where a BKPT is told from a fault and undone. MSP, PRIMASK and the like take running one MRS or MSR.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from .qemu import Chip, Gone

CPUID, VTOR = 0xE000ED00, 0xE000ED08  # Armv7-M ARM DDI 0403E, B3.2.2
_MEMORY = ("ram", "rom", "romd")
_THUMB = 1 << 24  # of xPSR
_IT_STATE = 0x0600FC00  # of xPSR
_EXCEPTION = 0x1FF  # of xPSR
_HARD_FAULT = 3
_BKPT = 0xBE
_SEMIHOSTING = 0xBEAB
_STEPS = 5
_BX_LR = b"\x70\x47"
_NAMES = (*(f"r{number}" for number in range(13)), "sp", "lr", "pc", "xpsr")
_MSP, _PSP, _PRIMASK, _BASEPRI, _FAULTMASK, _CONTROL = 8, 9, 16, 17, 19, 20  # SYSm: DDI 0403E, B5.2.2


class Stop(Enum):
    """Why the CPU stopped by itself."""

    BREAKPOINT = "breakpoint"
    HARD_FAULT = "hard fault"


class Cpu:
    """Runs, or is stopped. To be used by one thread at a time.

    `routine` runs what a debugger starts in RAM with a BKPT to return to, where QEMU cannot: see `routine.run`.
    """

    def __init__(self, chip: Chip, routine: Callable[[Chip], bool] | None = None) -> None:
        self.chip = chip
        self.running = False
        self.v7m = chip.bus.read(CPUID, 4) >> 16 & 0xF == 0xF
        self.scratch = next(first for first, _, kind in chip.regions if kind == "ram" and first >= 0x2000_0000)
        self._routine = routine
        self._returned = False
        self._breakpoints: set[int] = set()
        self._hard_fault: int | None = None
        self._catches_faults = False

    def stop(self) -> None:
        """Stop wherever it is."""
        if self.running:
            self.chip.gdb.interrupt()
            self._stopped(self.chip.gdb.answer())
        self._returned = False

    def go(self, breakpoints: set[int], *, debugged: bool, catches_faults: bool = False) -> None:
        """Run until a breakpoint; with `debugged` also until BKPT, with `catches_faults` also until a HardFault."""
        chip = self.chip
        self._catches_faults = catches_faults
        self._hard_fault = self._handler() if debugged else None
        pc, end = chip.register("pc"), self._return_trap()
        if debugged and end and self._routine is not None and chip.kind(pc) == "ram":
            self._returned = self._routine(chip)
            return
        traps = breakpoints | end if debugged else set()
        if self._hard_fault is not None:
            traps = traps | {self._hard_fault}
        self._set_breakpoints(traps)
        chip.set_register("xpsr", chip.register("xpsr") | _THUMB)
        if pc == self._hard_fault:
            self.step()
        self._continue()

    def step(self, *, masks_interrupts: bool = False) -> None:
        """Run one instruction.

        On a busy computer QEMU 7.2 was seen to say that it had stepped where it had not, 47 times in 3,000. So a step
        that moved nothing is taken again; an instruction that jumps to itself does not mind.
        """
        self.chip.gdb.ask(f"Qqemu.sstep=0x{7 if masks_interrupts else 1:x}")
        before = self.chip.register("pc")
        for _ in range(_STEPS):
            self.chip.gdb.send("s")
            self._stopped(self.chip.gdb.answer())
            if self.chip.register("pc") != before:
                return

    def poll(self, timeout_s: float = 0.0) -> Stop | None:
        """Say why it has stopped by itself since it was let go, None if it runs."""
        if self._returned:
            self._returned = False
            return Stop.BREAKPOINT
        while self.running:
            packet = self.chip.gdb.poll(timeout_s)
            if packet is None:
                return None
            self._stopped(packet)
            if reason := self._reason():
                return reason
            self._continue()
        return None

    def write_flash(self, address: int, data: bytes) -> None:
        """Write memory that the guest cannot write, whether it runs or not."""
        was_running = self.running
        self.stop()
        self.chip.gdb.write_memory(address, data)
        if was_running:
            self._continue()

    def vectors(self) -> tuple[int, int]:
        """Return the initial stack pointer and the reset vector."""
        base = self._vector_table()
        return self.chip.bus.read(base, 4), self.chip.bus.read(base + 4, 4)

    def can_start(self) -> bool:
        """Say whether the vectors lead to code and a stack; blank flash locks a CPU up."""
        stack, entry = self.vectors()
        return bool(entry & 1) and self._is_memory(entry & ~1) and self.chip.kind((stack - 4) & 0xFFFFFFFF) == "ram"

    def read(self, selector: int) -> int:
        """Return the core register that DCRSR calls `selector` (DDI 0403E, C1.6.3); 0 if there is none."""
        chip = self.chip
        if selector < len(_NAMES):
            return chip.register(_NAMES[selector])
        if selector in (17, 18):
            return self._mrs(_MSP if selector == 17 else _PSP)
        if selector == 20:
            return sum((self._mrs(register) & 0xFF) << shift for register, shift in self._masks())
        if selector == 33 and "fpscr" in chip.registers:
            return chip.register("fpscr")
        if 64 <= selector < 96 and "d0" in chip.registers:
            pair, high = divmod(selector - 64, 2)
            return chip.register(f"d{pair}") >> 32 * high & 0xFFFFFFFF
        return 0

    def write(self, selector: int, value: int) -> None:
        """Write a core register."""
        chip = self.chip
        if selector < len(_NAMES):
            chip.set_register(_NAMES[selector], value & ~1 if selector == 15 else value)
        elif selector in (17, 18):
            self._msr(_MSP if selector == 17 else _PSP, value)
        elif selector == 20:
            for register, shift in self._masks():
                self._msr(register, value >> shift & 0xFF)
        elif selector == 33 and "fpscr" in chip.registers:
            chip.set_register("fpscr", value)
        elif 64 <= selector < 96 and "d0" in chip.registers:
            pair, high = divmod(selector - 64, 2)
            kept = chip.register(f"d{pair}") & ~(0xFFFFFFFF << 32 * high)
            chip.set_register(f"d{pair}", kept | value << 32 * high)

    def _masks(self) -> tuple[tuple[int, int], ...]:
        both = ((_PRIMASK, 0), (_CONTROL, 24))
        return (*both, (_BASEPRI, 8), (_FAULTMASK, 16)) if self.v7m else both

    def _continue(self) -> None:
        self.chip.gdb.send("c")
        self.running = True

    def _stopped(self, packet: str) -> None:
        if packet[0] not in "TS":
            raise Gone(f"QEMU has ended ({packet})")
        self.running = False

    def _reason(self) -> Stop | None:
        """Say why it stopped, None if that is nobody's business."""
        pc = self.chip.register("pc")
        if pc != self._hard_fault or self.chip.register("xpsr") & _EXCEPTION != _HARD_FAULT:
            return Stop.BREAKPOINT
        if self._undo_bkpt():
            return Stop.BREAKPOINT
        if self._catches_faults:
            return Stop.HARD_FAULT
        self.step()
        return None

    def _undo_bkpt(self) -> bool:
        """At the entry of the HardFault handler: if a BKPT led here, return to it."""
        lr = self.chip.register("lr")
        stack = self._mrs(_PSP) if lr & 4 else self.chip.register("sp")
        pc = self.chip.bus.read(stack + 24, 4)  # of the frame that an exception stacks: DDI 0403E, B1.5.6
        if not self._is_memory(pc) or self.chip.bus.read(pc & ~1, 2) >> 8 != _BKPT:
            return False
        self._run_one(_BX_LR * 2)
        return True

    def _handler(self) -> int | None:
        vector = self.chip.bus.read(self._vector_table() + 4 * _HARD_FAULT, 4)
        return vector & ~1 if vector & 1 and self._is_memory(vector & ~1) else None

    def _return_trap(self) -> set[int]:
        address = self.chip.register("lr") & ~1
        instruction = self.chip.bus.read(address, 2) if self._is_memory(address) else 0
        return {address} if instruction >> 8 == _BKPT and instruction != _SEMIHOSTING else set()

    def _set_breakpoints(self, wanted: set[int]) -> None:
        for address in self._breakpoints - wanted:
            self.chip.gdb.ask(f"z1,{address:x},2")
        for address in wanted - self._breakpoints:
            self.chip.gdb.ask(f"Z1,{address:x},2")
        self._breakpoints = wanted

    def _vector_table(self) -> int:
        return self.chip.bus.read(VTOR, 4) if self.v7m else 0

    def _is_memory(self, address: int) -> bool:
        return self.chip.kind(address) in _MEMORY

    def _mrs(self, register: int) -> int:
        return self._inject(0xF3EF_8000 | register)  # MRS r0, <register>: DDI 0403E, B5.2.2

    def _msr(self, register: int, value: int) -> None:
        self._inject(0xF380_8800 | register, value)  # MSR <register>, r0: DDI 0403E, B5.2.3

    def _inject(self, instruction: int, r0: int = 0) -> int:
        """Run one 32-bit instruction on r0, and return r0; all registers but the one it is about stay as they are."""
        saved = {name: self.chip.register(name) for name in ("r0", "xpsr", "pc")}
        self.chip.set_register("r0", r0)
        self.chip.set_register("xpsr", saved["xpsr"] & ~_IT_STATE | _THUMB)
        self._run_one((instruction >> 16).to_bytes(2, "little") + (instruction & 0xFFFF).to_bytes(2, "little"))
        result = self.chip.register("r0")
        for name, value in saved.items():
            self.chip.set_register(name, value)
        return result

    def _run_one(self, instruction: bytes) -> None:
        """Run one instruction from RAM, which gets its contents back."""
        kept = self.chip.bus.read_block(self.scratch, len(instruction))
        self.chip.bus.write_block(self.scratch, instruction)
        self.chip.set_register("pc", self.scratch)
        self.step(masks_interrupts=True)
        self.chip.bus.write_block(self.scratch, kept)
