"""Cortex-M33: Arm publishes no table. A three-stage pipeline of one instruction a cycle whose loads take one cycle.

Nordic's nrfx (nrfx_coredep_delay_us) gives a taken branch 2 cycles on this core as on the M4; LLVM uses its Cortex-M4
description for it, in which a load's result is there a cycle later. Pairs of 16-bit instructions that this core can
issue together are not published and not modelled.
"""

from __future__ import annotations

from hilbench.measure.cycles.in_order import InOrder
from hilbench.measure.cycles.instruction import LOADS, Instruction, Kind
from hilbench.measure.cycles.model import DIRECT, DOUBLE, MULTIPLE, Branching

_LATENCY = {
    Kind.FP_ADD: 2,
    Kind.FP_MULTIPLY: 2,
    Kind.FP_MULTIPLY_ADD: 4,
    Kind.FP_FUSED: 4,
    Kind.FP_CONVERT: 2,
    Kind.FP_DIVIDE: 15,
    Kind.FP_ROOT: 15,
}
"""A cycle more than the costs of the Cortex-M4's FPU, whose results are used a cycle late."""
_ISSUE = {
    Kind.DIVIDE: 6,  # 2 to 11: the middle
    Kind.BRANCH_TABLE: 3,
    Kind.FP_MULTIPLY_ADD: 3,
    Kind.FP_FUSED: 3,
    Kind.FP_TRANSFER_DOUBLE: 2,
}


def _latency(one: Instruction) -> int:
    if one.kind in LOADS:
        return _issue(one, None) + 1
    return _LATENCY.get(one.kind, 1)


def _issue(one: Instruction, previous: Instruction | None) -> int:
    if one.kind in MULTIPLE:
        return 1 + one.words
    return one.words if one.kind in DOUBLE or (one.double and one.words) else _ISSUE.get(one.kind, 1)


def _advance(one: Instruction) -> int:
    return 1 if one.kind in (Kind.STORE, Kind.FP_STORE) else 0


def _never(first: Instruction, second: Instruction) -> bool:
    return False


def _refill(last: Instruction, went: Branching) -> float:
    """Return the refills, as on the Cortex-M4: 1 cycle, or 2 to a 32-bit instruction across two words."""
    if last.kind is Kind.LOOP:
        return 0
    if last.kind in DIRECT or last.kind is Kind.BRANCH_REGISTER:
        return went.left * (2 if went.split else 1)
    return went.left * 2


MODEL = InOrder(
    name="Cortex-M33: one instruction a cycle, taken branches 2 (nrfx), loads used a cycle late (LLVM)",
    bound=0.30,
    error="±30 %: Arm publishes no timing of this core; one published result lies within 4 %",
    latency=_latency,
    issue=_issue,
    advance=_advance,
    pairs=_never,
    refill=_refill,
    address_early=0,
)
