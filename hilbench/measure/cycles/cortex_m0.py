"""Cortex-M0: its TRM, Arm DDI0432, table 3-1, with the one-cycle multiplier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hilbench.measure.cycles.instruction import LOADS, Instruction, Kind
from hilbench.measure.cycles.model import MULTIPLE, Branching

_COSTS = {
    Kind.LOAD: 2,
    Kind.STORE: 2,
    Kind.CALL: 4,  # two of 16 bits; the refill is in it
    Kind.BARRIER: 4,
    Kind.SYSTEM: 4,  # MRS, MSR
}


@dataclass(frozen=True)
class CortexM0:
    """Three stages, of which none overlaps another's wait: every class has one cost, and a refill takes two cycles."""

    name: str = "Cortex-M0: Arm's TRM DDI0432, table 3-1"
    bound: float = 0.15
    error: str = "±15 %: from documents alone, not compared with silicon"

    def block(self, code: Sequence[Instruction], address: int) -> float:
        """Return the cycles of a straight run of instructions from `address`; a branch at its end is not taken."""
        return sum(1 + one.words if one.kind in MULTIPLE else _COSTS.get(one.kind, 1) for one in code)

    def branch(self, last: Instruction, went: Branching) -> float:
        """Return 2 cycles for each refill; 3 where POP loads the program counter (4 + N in all), none for BL."""
        if last.kind is Kind.CALL:
            return 0
        return went.left * (3 if last.kind in LOADS else 2)


MODEL = CortexM0()
