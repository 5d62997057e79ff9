"""Cortex-M3: its TRM, Arm DDI0337 (r2p1: 100165), table 3-1 and 3.3.3."""

from hilbench.measure.cycles.instruction import Kind
from hilbench.measure.cycles.three_stage import ThreeStage

MODEL = ThreeStage(
    name="Cortex-M3: Arm's TRM 100165, table 3-1",
    bound=0.20,
    error="±20 %: from documents alone, not compared with silicon",
    costs={
        Kind.MULTIPLY_ADD: 2,
        # 3 to 5 and 4 to 7, early when an operand is small; those of a requantisation are not.
        Kind.LONG_MULTIPLY: 5,
        Kind.LONG_MULTIPLY_ADD: 7,
        Kind.DIVIDE: 7,  # 2 to 12 by the operands' leading zeros: the middle
        Kind.BRANCH_TABLE: 3,  # 2 for the load and 1 for the add; 3 more to refill
    },
    updates_pipelined=False,  # "Any load with a base update is not normally pipelined" (r2p1; not in the M4's TRM)
)
