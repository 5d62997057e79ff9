"""Turns a look at a chip that stopped answering into words: fault, lock-up, hang, or that it only waits."""

from __future__ import annotations

from hilbench.images.elf import Elf
from hilbench.targets import crash
from hilbench.targets.base import IDLE, CrashReport
from hilbench.targets.debug.client import Look

_WAITS = (0xBF30, 0xBF20)  # WFI and WFE, Thumb encoding T1: Armv7-M ARM DDI 0403E, A7.7.261 and A7.7.260
_EXCEPTION_NUMBER = 0x1FF  # of XPSR: DDI 0403E, B1.4.2
_FAULTS = {2: "NMI", 3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault"}  # DDI 0403E, B1.5.2


def report(look: Look, elf: Elf, line: str) -> CrashReport:
    """Return what `look` tells of the firmware `elf`, whose serial line `line` is."""
    last = look.looks[-1]
    number = last["xpsr"] & _EXCEPTION_NUMBER
    handler = _FAULTS.get(number, f"the handler of exception {number}")
    if look.state == "lockup":
        return _fault(look, elf, "lock-up", f"a fault that nothing could handle{f', in {handler}' if number else ''}")
    if number in _FAULTS:
        return _fault(look, elf, "fault", f"it stays in {handler}")
    places = crash.places(elf, last)
    if look.state == "halted":
        by = f" ({look.halted_by.replace('_', ' ')})" if look.halted_by else ""
        return CrashReport("hang", f"the chip stands still{by}", last, places)
    at = sorted({registers["pc"] for registers in look.looks})
    if len(at) == 1 and (look.before_pc in _WAITS or look.state == "sleeping"):
        if number:
            return CrashReport("hang", f"the firmware sleeps in {handler}", last, places)
        reason = f"the firmware sleeps, waiting for input: what is sent to {line} does not reach it"
        return CrashReport(IDLE, reason, last, places)
    also = tuple(f"also 0x{pc:08x} {elf.locate(pc)}" for pc in at if pc != last["pc"])
    return CrashReport("hang", "the firmware runs but does not answer", last, places + also)


def _fault(look: Look, elf: Elf, kind: str, how: str) -> CrashReport:
    """Return the report of a fault: what was stacked, where that is known, else where the chip is now."""
    stacked = crash.fault_report({**look.frame, **look.fault}, elf)
    why = stacked.reason if look.fault else "no cause given: this core has no fault status"
    if look.frame:
        return CrashReport(kind, f"{how}: {why}", stacked.registers, stacked.places)
    last = look.looks[-1]
    return CrashReport(kind, f"{how}: {why}", {**last, **look.fault}, crash.places(elf, last))
