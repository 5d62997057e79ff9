"""Cortex-M4 with or without FPU: its TRM, Arm 100166 (r0p1), table 3-1, 3.3.3 and 7.2.3; GCC's cortex-m4-fpu.md."""

from hilbench.measure.cycles.instruction import Kind
from hilbench.measure.cycles.three_stage import ThreeStage

MODEL = ThreeStage(
    name="Cortex-M4: Arm's TRM 100166, GCC's cortex-m4-fpu.md",
    bound=0.15,
    error="±15 %: compared with one board only, a NUCLEO-L4R5ZI, of which six published results lie within 9 %",
    costs={
        Kind.DIVIDE: 7,  # 2 to 12 by the operands' leading zeros: the middle
        Kind.BRANCH_TABLE: 3,  # 2 for the load and 1 for the add; 3 more to refill
        Kind.FP_MULTIPLY_ADD: 3,
        Kind.FP_FUSED: 3,
        Kind.FP_DIVIDE: 14,
        Kind.FP_ROOT: 14,
        Kind.FP_TRANSFER_DOUBLE: 2,
    },
)
