"""Cortex-M7: Arm publishes no table. The pipeline is the one that Arm's engineers gave LLVM, in ARMScheduleM7.td.

That is dual issue with its pairs, latencies by pipeline stage and the price of a branch that was not foreseen; loads
and stores of several words follow GCC's cortex-m7.md (two words a cycle). docs/timing.md says what this leaves out.
"""

from __future__ import annotations

from hilbench.measure.cycles.in_order import InOrder
from hilbench.measure.cycles.instruction import Instruction, Kind
from hilbench.measure.cycles.model import DIRECT, DOUBLE, DSP, FP_MEMORY, MULTIPLE, MULTIPLIES, Branching

_MISPREDICTED = 6
"""ARMScheduleM7.td, MispredictPenalty: "Mispredict cost for forward branches is 6"."""
_ALONE = MULTIPLE | DOUBLE | {
    Kind.DIVIDE, Kind.BRANCH_TABLE, Kind.STORE_EXCLUSIVE, Kind.FP_TRANSFER_DOUBLE, Kind.FP_STATUS, Kind.SYSTEM,
    Kind.BARRIER, Kind.NOTHING, Kind.COPROCESSOR, Kind.UNKNOWN,
}  # fmt: skip
_FIRST_ONLY = DSP | {Kind.LOAD_EXCLUSIVE}
_STORES = frozenset({Kind.STORE, Kind.FP_STORE})
_SHIFTER = frozenset({Kind.SHIFT, Kind.BITFIELD, Kind.SATURATE, Kind.REVERSE})
_FP_UNIT = frozenset(
    {
        Kind.FP_ADD, Kind.FP_MULTIPLY, Kind.FP_MULTIPLY_ADD, Kind.FP_FUSED, Kind.FP_DIVIDE, Kind.FP_ROOT,
        Kind.FP_COMPARE, Kind.FP_CONVERT,
    }
)  # fmt: skip
_BRANCHES = DIRECT | {Kind.BRANCH_REGISTER, Kind.CALL_REGISTER, Kind.LOOP}
_LATENCY = {
    Kind.SATURATE: 2,
    Kind.REVERSE: 0,  # "bypassable out of EX1"
    Kind.FP_ADD: 3,
    Kind.FP_MULTIPLY: 3,
    Kind.FP_MULTIPLY_ADD: 6,
    Kind.FP_FUSED: 5,
    Kind.FP_DIVIDE: 16,
    Kind.FP_ROOT: 16,
    Kind.FP_CONVERT: 3,
    Kind.FP_MOVE: 3,
    Kind.FP_TRANSFER: 3,
    Kind.FP_TRANSFER_DOUBLE: 3,
} | dict.fromkeys(MULTIPLIES, 2)
_LATENCY_OF_DOUBLE = {Kind.FP_DIVIDE: 30, Kind.FP_ROOT: 30}
_UNIT_BUSY_OF_DOUBLE = {Kind.FP_MULTIPLY: 3, Kind.FP_MULTIPLY_ADD: 4, Kind.FP_FUSED: 4, Kind.FP_DIVIDE: 4}
"""Cycles for which a double holds the floating-point unit: cortex-m7.md, cm7_fpu."""


def _latency(one: Instruction) -> int:
    if one.double and one.kind in _LATENCY_OF_DOUBLE:
        return _LATENCY_OF_DOUBLE[one.kind]
    if one.kind is Kind.LOAD:
        return 2 if one.part else 1  # bytes and halfwords are the "slow loads"
    if one.kind in MULTIPLE:
        return _issue(one, None)
    if one.kind is Kind.FP_LOAD:
        return one.words
    return _LATENCY.get(one.kind, 1)


def _issue(one: Instruction, previous: Instruction | None) -> int:
    if one.kind in MULTIPLE:
        return max(1, (one.words + 1) // 2)
    if one.kind is Kind.DIVIDE:
        return 7  # they "stall for their latency": 7, though operands decide
    if one.kind is Kind.BRANCH_TABLE:
        return 2
    return _UNIT_BUSY_OF_DOUBLE.get(one.kind, 1) if one.double else 1


def _advance(one: Instruction) -> int:
    """Return how much later than EX2 the last operand is read: the data of a store in EX3, a sum even later."""
    if one.kind is Kind.FP_MULTIPLY_ADD:
        return 3
    return 2 if one.kind in (Kind.FP_FUSED, Kind.FP_STORE) else 1


def _pairs(first: Instruction, second: Instruction) -> bool:
    kinds = {first.kind, second.kind}
    if kinds & _ALONE or second.kind in _FIRST_ONLY or first.kind in _BRANCHES:
        return False
    if first.double or (second.double and (second.kind in _FP_UNIT | FP_MEMORY | {Kind.FP_MOVE})):
        return False
    one_of_each = (_STORES, MULTIPLIES, _FP_UNIT)
    if any(first.kind in unit and second.kind in unit for unit in one_of_each):
        return False
    return not (_shifts(first) and _shifts(second))


def _shifts(one: Instruction) -> bool:
    return one.shifted or one.kind in _SHIFTER


def _refill(last: Instruction, went: Branching) -> float:
    """Return the cost of branches that were not foreseen: of a condition its rarer way, of a register every one."""
    if last.kind in (Kind.BRANCH_IF, Kind.BRANCH_ZERO):
        return _MISPREDICTED * min(went.left, went.executed - went.left)
    return 0 if last.kind in DIRECT else _MISPREDICTED * went.left


MODEL = InOrder(
    name="Cortex-M7: LLVM's ARMScheduleM7.td, GCC's cortex-m7.md",
    bound=0.30,
    error="±30 %: Arm publishes no timing of this core",
    latency=_latency,
    issue=_issue,
    advance=_advance,
    pairs=_pairs,
    refill=_refill,
    address_early=1,
)
