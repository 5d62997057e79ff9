"""Turns the registers of a dead Cortex-M into words: which fault, and where in the source."""

from __future__ import annotations

from collections.abc import Mapping

from hilbench.images.elf import Elf
from hilbench.targets.base import CrashReport

_MMFAR_VALID = 1 << 7
_BFAR_VALID = 1 << 15

# Configurable Fault Status Register: Armv7-M ARM DDI 0403E, B3.2.15. STKOF: Armv8-M ARM DDI 0553, UFSR.
_CFSR = {
    0: "MemManage: IACCVIOL: instruction fetch from a forbidden address",
    1: "MemManage: DACCVIOL: data access to a forbidden address",
    3: "MemManage: MUNSTKERR: forbidden address while leaving an exception: is the stack pointer right?",
    4: "MemManage: MSTKERR: forbidden address while entering an exception: stack overflow?",
    5: "MemManage: MLSPERR: forbidden address while saving FPU registers",
    8: "BusFault: IBUSERR: instruction fetch where there is no memory",
    9: "BusFault: PRECISERR: data access where there is no memory",
    10: "BusFault: IMPRECISERR: a write failed, some instructions before pc",
    11: "BusFault: UNSTKERR: no memory at the stack while leaving an exception: is the stack pointer right?",
    12: "BusFault: STKERR: no memory at the stack while entering an exception: stack overflow?",
    13: "BusFault: LSPERR: no memory while saving FPU registers",
    16: "UsageFault: UNDEFINSTR: undefined instruction",
    17: "UsageFault: INVSTATE: not in Thumb state: a call through a bad function pointer?",
    18: "UsageFault: INVPC: bad exception return",
    19: "UsageFault: NOCP: coprocessor instruction: FPU not enabled?",
    20: "UsageFault: STKOF: stack overflow",
    24: "UsageFault: UNALIGNED: unaligned access",
    25: "UsageFault: DIVBYZERO: division by zero",
}

# MSTKERR, STKERR, STKOF: the processor found no room for its registers, so what was read in their place is nothing.
_NOT_STACKED = 1 << 4 | 1 << 12 | 1 << 20
_STACKED = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr")

# HardFault Status Register: DDI 0403E, B3.2.16. Bit 30, FORCED, only repeats that there is a cause above.
_HFSR = {
    1: "HardFault: VECTTBL: the vector table could not be read",
    31: "HardFault: DEBUGEVT: a breakpoint with no debugger",
}

# EXC_RETURN and FNC_RETURN values in lr, which are no addresses: DDI 0403E, B1.5.8; DDI 0553, R_FXRQ.
_FIRST_MAGIC_LR = 0xFE00_0000


def places(elf: Elf, registers: Mapping[str, int]) -> tuple[str, ...]:
    """Return where `pc` and `lr` are, such as `pc 0x00001234 hb_model_invoke at model/kernels.c:321`.

    `lr` is where a call returns to, so its place is that of the call. Values that are in no function are left out,
    but for `pc`, of which it is worth knowing.
    """
    found = []
    if "pc" in registers:
        pc = registers["pc"]
        place = elf.locate(pc)
        found.append(f"pc 0x{pc:08x} {place if place.function else 'outside of all functions'}")
    lr = registers.get("lr", _FIRST_MAGIC_LR)
    if lr < _FIRST_MAGIC_LR:
        place = elf.locate((lr & ~1) - 2)  # within the call: the shortest one (BLX register) is 2 bytes long
        if place.function:
            found.append(f"lr 0x{lr:08x} {place}")
    return tuple(found)


def fault_report(registers: Mapping[str, int], elf: Elf | None) -> CrashReport:
    """Return the report of a FAULT frame. `registers` has the fields of `hilbench.link.protocol.Fault` by name."""
    if registers.get("cfsr", 0) & _NOT_STACKED:
        registers = {name: value for name, value in registers.items() if name not in _STACKED}
    return CrashReport(
        kind="fault",
        reason=fault_reason(registers),
        registers=dict(registers),
        places=places(elf, registers) if elf else (),
    )


def fault_reason(registers: Mapping[str, int]) -> str:
    """Say in words what CFSR and HFSR in `registers` (`cfsr`, `hfsr`, `mmfar`, `bfar`) mean."""
    cfsr, hfsr = registers.get("cfsr", 0), registers.get("hfsr", 0)
    causes = [_with_address(text, cfsr, registers) for bit, text in _CFSR.items() if cfsr >> bit & 1]
    causes += [text for bit, text in _HFSR.items() if hfsr >> bit & 1]
    if not causes:
        return f"a fault with no cause given (CFSR 0x{cfsr:08x}, HFSR 0x{hfsr:08x})"
    return "; ".join(causes)


def _with_address(text: str, cfsr: int, registers: Mapping[str, int]) -> str:
    """Add the address that was accessed, where MMFAR (DDI 0403E, B3.2.17) or BFAR (B3.2.18) holds it."""
    if "DACCVIOL" in text and cfsr & _MMFAR_VALID:
        return f"{text}: 0x{registers.get('mmfar', 0):08x}"
    if "PRECISERR" in text and "IMPRECISERR" not in text and cfsr & _BFAR_VALID:
        return f"{text}: 0x{registers.get('bfar', 0):08x}"
    return text
