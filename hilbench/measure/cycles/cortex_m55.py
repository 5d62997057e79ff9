"""Cortex-M55: the description that LLVM has of it, ARMScheduleM55.td; vectors in two beats on two pipes.

One of the two pipes moves data to and from memory, the other computes: an instruction's second beat is beside the
first beat of the next one on the other pipe. The order of the four real pipes within that is not modelled.
"""

from __future__ import annotations

from hilbench.measure.cycles.in_order import InOrder
from hilbench.measure.cycles.instruction import LOADS, Instruction, Kind
from hilbench.measure.cycles.model import DOUBLE, MULTIPLE, MULTIPLIES, Branching

_REFILL = 3
"""ARMScheduleM55.td, MispredictPenalty."""
_TWO = MULTIPLIES | {Kind.SATURATE, Kind.PARALLEL, Kind.BITFIELD, Kind.DIVIDE}
"""Classes of the "CX" instructions, whose result is there in the second cycle."""
_LATENCY = {
    Kind.FP_ADD: 2,
    Kind.FP_MULTIPLY: 2,
    Kind.FP_MULTIPLY_ADD: 4,
    Kind.FP_FUSED: 2,
    Kind.FP_CONVERT: 2,
    Kind.FP_DIVIDE: 16,
    Kind.FP_ROOT: 16,
    Kind.FP_TRANSFER: 2,
    Kind.FP_TRANSFER_DOUBLE: 2,
} | dict.fromkeys(_TWO, 2)
_LATENCY_OF_DOUBLE = {
    Kind.FP_ADD: 15, Kind.FP_MULTIPLY: 21, Kind.FP_MULTIPLY_ADD: 36, Kind.FP_FUSED: 24, Kind.FP_DIVIDE: 30,
    Kind.FP_ROOT: 30,
}  # fmt: skip
_MEMORY_PIPE = frozenset({Kind.VECTOR_LOAD, Kind.VECTOR_STORE})
_VECTORS = _MEMORY_PIPE | {Kind.VECTOR}


def _latency(one: Instruction) -> int:
    if one.double:
        return _LATENCY_OF_DOUBLE.get(one.kind, 2)
    if one.kind in LOADS:
        return _issue(one, None) + 1
    return 2 if one.shifted else _LATENCY.get(one.kind, 1)


def _issue(one: Instruction, previous: Instruction | None) -> int:
    if one.kind in _VECTORS:
        # Its second beat is paid for by the next instruction on the same pipe: the first of a row pays for one.
        same = (
            previous is not None
            and previous.kind in _VECTORS
            and (one.kind in _MEMORY_PIPE) == (previous.kind in _MEMORY_PIPE)
        )
        return 2 if same else 1
    if one.kind in MULTIPLE | DOUBLE:
        return max(1, (one.words + 1) // 2)  # 64 bits a cycle to the tightly coupled memories
    return {Kind.DIVIDE: 6, Kind.BRANCH_TABLE: 3}.get(one.kind, 1)


def _advance(one: Instruction) -> int:
    return 1 if one.kind in (Kind.STORE, Kind.FP_STORE) else 0


def _pairs(first: Instruction, second: Instruction) -> bool:
    """Two 16-bit instructions go together if one is a branch, IT, NOP, extension, move, or adds a constant."""
    return first.narrow and second.narrow and (_simple(first) or _simple(second))


def _simple(one: Instruction) -> bool:
    if one.kind is Kind.ALU:
        return len(one.reads) <= 1 and bool(one.writes)
    return one.kind in (Kind.NOTHING, Kind.IF_THEN, Kind.EXTEND, Kind.MOVE, Kind.BRANCH, Kind.BRANCH_IF)


def _refill(last: Instruction, went: Branching) -> float:
    """Return the refills; the end of a low-overhead loop (LE) has none once it is known."""
    return 0 if last.kind is Kind.LOOP else _REFILL * went.left


MODEL = InOrder(
    name="Cortex-M55: LLVM's ARMScheduleM55.td",
    bound=0.40,
    error="±40 %: from LLVM's description alone, not compared with silicon",
    latency=_latency,
    issue=_issue,
    advance=_advance,
    pairs=_pairs,
    refill=_refill,
    address_early=0,
)
