"""The three-stage pipeline of the Cortex-M3 and M4: a cost for each class, and what its neighbour changes in it.

The rules are those of the TRMs (Arm DDI0337, 100166: table 3-1 and 3.3.3 "Load/store timings"), for floating point of
7.2.3 and of GCC's cortex-m4-fpu.md. docs/timing.md says which copies were read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hilbench.measure.cycles.instruction import LR, NONE, Instruction, Kind
from hilbench.measure.cycles.model import DIRECT, DOUBLE, FP_MEMORY, MULTIPLE, Branching

_STORES = frozenset({Kind.STORE, Kind.STORE_EXCLUSIVE})
_PER_WORD = frozenset({Kind.LOAD, Kind.LOAD_EXCLUSIVE}) | MULTIPLE | DOUBLE | FP_MEMORY
_MEMORY = _PER_WORD | _STORES
_FP_BESIDE = frozenset({Kind.FP_DIVIDE, Kind.FP_ROOT, Kind.FP_MULTIPLY_ADD, Kind.FP_FUSED})
_FP_LATE = _FP_BESIDE | {Kind.FP_ADD, Kind.FP_MULTIPLY, Kind.FP_CONVERT}
_RUN = 3


@dataclass(frozen=True)
class ThreeStage:
    """A model of one such core. `costs` has the cycles of the classes that take more than one and move no words.

    `updates_pipelined` says whether a load that steps its base goes beside its neighbours; it does not on the M3.
    """

    name: str
    bound: float
    error: str
    costs: Mapping[Kind, int]
    updates_pipelined: bool = True

    def block(self, code: Sequence[Instruction], address: int) -> float:
        """Return the cycles of a straight run of instructions from `address`; a branch at its end is not taken."""
        cycles = fp_free_at = 0
        previous: Instruction | None = None
        for one in code:
            if one.kind.value.startswith("fp"):
                cycles = max(cycles, fp_free_at)
            cost = self._cost(one, previous)
            if one.kind in _FP_BESIDE:
                # Integer instructions that follow go on beside it; the next floating-point one waits for the unit.
                fp_free_at, cost = cycles + cost, 1
            cycles += cost
            previous = one
        return cycles + _split_runs(code, address)

    def branch(self, last: Instruction, went: Branching) -> float:
        """Return the refills of the pipeline: P in "1 + P" of the TRM, 1 to 3 cycles each time it is taken.

        1 where the target is known early (from the instruction or LR), one more if a 32-bit instruction across two
        words is there; 2 where another register holds it; 3 where it comes from memory.
        """
        if last.kind in DIRECT or (last.kind is Kind.BRANCH_REGISTER and last.reads == {LR}):
            return went.left * (2 if went.split else 1)
        return went.left * (3 if last.words else 2)

    def _cost(self, one: Instruction, previous: Instruction | None) -> int:
        cost = 1 + one.words if one.kind in _PER_WORD else self.costs.get(one.kind, 1)
        if one.kind is Kind.FP_STORE and one.words == 1:
            cost = 1  # as STR with a constant offset
        if one.kind in _STORES and one.indexed:
            cost += 1
        if previous is None:
            return cost
        if one.kind is Kind.IF_THEN and previous.narrow:
            return 0  # folded into the 16-bit instruction before it
        if self._beside(one, previous):
            cost -= 1  # its address phase is beside the data phase of the load before it
        return cost + _waits(one, previous)

    def _beside(self, one: Instruction, previous: Instruction) -> bool:
        follows = _loads_one(one) or (one.kind in _STORES and one.indexed)
        if not (follows and _loads_one(previous)) or one.address & previous.writes:
            return False
        return self.updates_pipelined or not (one.updates or previous.updates)


def _loads_one(one: Instruction) -> bool:
    return one.words == 1 and one.kind in (Kind.LOAD, Kind.LOAD_EXCLUSIVE, Kind.FP_LOAD)


def _waits(one: Instruction, previous: Instruction) -> int:
    """Return the cycles until what the instruction before it makes can be used.

    An address waits for a result of data processing; an operand, but not what a multiply adds to, for floating point.
    """
    if previous.kind in _FP_LATE:
        late = one.late if one.kind is Kind.FP_STORE else NONE
        return int(bool(previous.writes & (one.reads | late)))
    made = NONE if previous.kind in _MEMORY else previous.writes
    return int(bool(made & one.address))


def _split_runs(code: Sequence[Instruction], address: int) -> int:
    """Return a cycle for each run of three or more 32-bit instructions that lie across words.

    Measured on a Cortex-M4: compendium.i-0.nl, "Alignment rules".
    """
    found = length = 0
    for one in code:
        length = length + 1 if not one.narrow and address % 4 else 0
        found += length == _RUN
        address += one.size
    return found
