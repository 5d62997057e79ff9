"""The seam between counted blocks and a core: what a cycle model is asked, and what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hilbench.measure.cycles.instruction import Instruction, Kind


@dataclass(frozen=True)
class Branching:
    """How the branch at the end of a block went: in `left` of `executed` runs it was taken.

    `split` says that it goes to a 32-bit instruction that lies across two words; False where that is not known.
    """

    executed: int
    left: int
    split: bool = False


class CycleModel(Protocol):
    """A core's timing with memories that never make it wait; what it says of its error includes the memories."""

    @property
    def name(self) -> str:
        """The model and the documents that it is from, in a few words."""

    @property
    def bound(self) -> float:
        """The relative error that it is good for: 0.15 is ±15 %."""

    @property
    def error(self) -> str:
        """What is known of the error, in words."""

    def block(self, code: Sequence[Instruction], address: int) -> float:
        """Return the cycles of a straight run of instructions from `address`; a branch at its end is not taken."""

    def branch(self, last: Instruction, went: Branching) -> float:
        """Return the cycles that a branch at the end of a block took beyond those in `block`, in all its runs."""


MULTIPLE = frozenset({Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE, Kind.FP_LOAD_MULTIPLE, Kind.FP_STORE_MULTIPLE})
DOUBLE = frozenset({Kind.LOAD_DOUBLE, Kind.STORE_DOUBLE})
FP_MEMORY = frozenset({Kind.FP_LOAD, Kind.FP_STORE})
"""Kinds whose cost grows with the words that they move."""
DSP = frozenset({Kind.PARALLEL, Kind.SATURATE, Kind.EXTEND, Kind.REVERSE, Kind.COUNT_ZEROS, Kind.BITFIELD})
MULTIPLIES = frozenset(
    {Kind.MULTIPLY, Kind.MULTIPLY_ADD, Kind.DSP_MULTIPLY, Kind.LONG_MULTIPLY, Kind.LONG_MULTIPLY_ADD}
)
DIRECT = frozenset({Kind.BRANCH, Kind.BRANCH_IF, Kind.BRANCH_ZERO, Kind.CALL})
"""Branches whose target is in the instruction."""
