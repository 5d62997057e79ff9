"""In-order pipelines with forwarding, one or two instructions a cycle: when can each instruction of a block issue?

A core is described by latencies (cycles from issue until a result can be an ordinary operand), by how much earlier or
later than an ordinary one an operand is needed, and by which two instructions go together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hilbench.measure.cycles.instruction import Instruction
from hilbench.measure.cycles.model import Branching


@dataclass(frozen=True)
class InOrder:
    """A model of one such core.

    `issue(one, previous)` is for how many cycles an instruction keeps the next from issuing, `advance(one)` how many
    cycles later than its other operands those of `late` are needed. An address is needed `address_early` cycles before
    the others, a shifted operand one. `refill(last, went)` is what branches cost.
    """

    name: str
    bound: float
    error: str
    latency: Callable[[Instruction], int]
    issue: Callable[[Instruction, Instruction | None], int]
    advance: Callable[[Instruction], int]
    pairs: Callable[[Instruction, Instruction], bool]
    refill: Callable[[Instruction, Branching], float]
    address_early: int

    def block(self, code: Sequence[Instruction], address: int) -> float:
        """Return the cycles of a straight run of instructions from `address`; a branch at its end is not taken."""
        ready: dict[int, int] = {}
        clock = 0
        slot: int | None = None  # the cycle in which a second instruction may still issue
        previous: Instruction | None = None
        for one in code:
            possible = self._earliest(one, ready)
            if slot is not None and previous is not None and possible <= slot and self.pairs(previous, one):
                at, slot = slot, None
            else:
                at = max(clock, possible)
                slot = at
            for register in one.writes:
                ready[register] = at + self.latency(one)
            for register in one.updates:
                ready[register] = at  # stepped where addresses are made: there in time for the next one
            clock = max(clock, at + self.issue(one, previous))
            previous = one
        return clock

    def branch(self, last: Instruction, went: Branching) -> float:
        """Return the cycles that a branch at the end of a block took beyond those in `block`, in all its runs."""
        return self.refill(last, went)

    def _earliest(self, one: Instruction, ready: dict[int, int]) -> int:
        """Return the first cycle in which all operands are there when they are needed."""
        known = ready.keys()
        wanted = [ready[register] + int(one.shifted) for register in one.reads & known]
        wanted += [ready[register] - self.advance(one) for register in one.late & known]
        wanted += [ready[register] + self.address_early for register in one.address & known]
        return max(wanted, default=0)
