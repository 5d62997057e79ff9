"""Cortex-M0 and M0+: tables 3-1 of their TRMs, Arm DDI0432 and DDI0484, with the one-cycle multiplier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from hilbench.measure.cycles.instruction import LOADS, Instruction, Kind
from hilbench.measure.cycles.model import MULTIPLE, Branching


@dataclass(frozen=True)
class InTurn:
    """A core on which nothing overlaps, so that every class has one cost; a class that is not in `costs` has 1.

    `refill` is what a taken branch takes more, in cycles; POP of the program counter takes one more than that.
    """

    name: str
    costs: Mapping[Kind, int]
    refill: int
    bound: float = 0.15
    error: str = "±15 %: from documents alone, not compared with silicon"

    def block(self, code: Sequence[Instruction], address: int) -> float:
        """Return the cycles of a straight run of instructions from `address`; a branch at its end is not taken."""
        return sum(1 + one.words if one.kind in MULTIPLE else self.costs.get(one.kind, 1) for one in code)

    def branch(self, last: Instruction, went: Branching) -> float:
        """Return the cycles of the refills; none for BL, whose cost has its own in it."""
        if last.kind is Kind.CALL:
            return 0
        return went.left * (self.refill + (last.kind in LOADS))


def _costs(call: int, system: int) -> Mapping[Kind, int]:
    """Return the costs of BL (two of 16 bits, and the refill), and of barriers, MRS and MSR; LDR and STR take 2."""
    own = {Kind.CALL: call, Kind.BARRIER: system, Kind.SYSTEM: system}
    return MappingProxyType({Kind.LOAD: 2, Kind.STORE: 2, **own})


M0 = InTurn("Cortex-M0: Arm's TRM DDI0432, table 3-1", _costs(call=4, system=4), refill=2)
M0_PLUS = InTurn("Cortex-M0+: Arm's TRM DDI0484, table 3-1", _costs(call=3, system=3), refill=1)
