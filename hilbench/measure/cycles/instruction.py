"""What one machine instruction is to a cycle model: its class, the registers it needs and makes, the words it moves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The classes that the cycle models tell apart; the value is the name in a record's instruction mix."""

    ALU = "alu"
    MOVE = "move"
    SHIFT = "shift"
    BITFIELD = "bitfield"
    EXTEND = "extend"
    REVERSE = "reverse"
    COUNT_ZEROS = "clz"
    SATURATE = "saturate"
    PARALLEL = "dsp"
    MULTIPLY = "mul"
    MULTIPLY_ADD = "mac"
    DSP_MULTIPLY = "dsp mul"
    LONG_MULTIPLY = "long mul"
    LONG_MULTIPLY_ADD = "long mac"
    DIVIDE = "divide"
    LOAD = "load"
    LOAD_DOUBLE = "load double"
    LOAD_MULTIPLE = "load multiple"
    LOAD_EXCLUSIVE = "load exclusive"
    STORE = "store"
    STORE_DOUBLE = "store double"
    STORE_MULTIPLE = "store multiple"
    STORE_EXCLUSIVE = "store exclusive"
    PRELOAD = "preload"
    BRANCH = "branch"
    BRANCH_IF = "branch if"
    BRANCH_ZERO = "branch if zero"
    BRANCH_REGISTER = "branch register"
    BRANCH_TABLE = "branch table"
    CALL = "call"
    CALL_REGISTER = "call register"
    LOOP = "loop"
    IF_THEN = "it"
    NOTHING = "nop"
    SYSTEM = "system"
    BARRIER = "barrier"
    FP_ADD = "fp add"
    FP_MULTIPLY = "fp mul"
    FP_MULTIPLY_ADD = "fp mac"
    FP_FUSED = "fp fused"
    FP_DIVIDE = "fp divide"
    FP_ROOT = "fp root"
    FP_COMPARE = "fp compare"
    FP_CONVERT = "fp convert"
    FP_MOVE = "fp move"
    FP_TRANSFER = "fp transfer"
    FP_TRANSFER_DOUBLE = "fp transfer double"
    FP_STATUS = "fp status"
    FP_LOAD = "fp load"
    FP_LOAD_MULTIPLE = "fp load multiple"
    FP_STORE = "fp store"
    FP_STORE_MULTIPLE = "fp store multiple"
    VECTOR = "mve"
    VECTOR_LOAD = "mve load"
    VECTOR_STORE = "mve store"
    VECTOR_PREDICATE = "mve predicate"
    COPROCESSOR = "coprocessor"
    UNKNOWN = "unknown"


BRANCHES = frozenset(
    {
        Kind.BRANCH,
        Kind.BRANCH_IF,
        Kind.BRANCH_ZERO,
        Kind.BRANCH_REGISTER,
        Kind.BRANCH_TABLE,
        Kind.CALL,
        Kind.CALL_REGISTER,
        Kind.LOOP,
    }
)
LOADS = frozenset(
    {Kind.LOAD, Kind.LOAD_DOUBLE, Kind.LOAD_MULTIPLE, Kind.LOAD_EXCLUSIVE, Kind.FP_LOAD, Kind.FP_LOAD_MULTIPLE}
)

SP, LR, PC = 13, 14, 15
FIRST_FP = 32
"""Registers are numbered 0 to 15; s0 to s31 follow from 32 on, and a double is the two singles that it overlaps."""

Registers = frozenset[int]
NONE: Registers = frozenset()


@dataclass(frozen=True)
class Instruction:
    """One decoded instruction.

    `writes` are its results, `updates` the base register that it steps. `reads` holds all registers that it needs
    except those of `address`, which make the address of a load or store, and those of `late`: the data of a store and
    what a multiply adds to. `words` counts the 32-bit words that it moves to or from memory. `branches` says whether it
    can write the program counter, `target` where to, relative to its own address, if the instruction itself says so.
    `shifted` marks a second operand that passes the shifter, `indexed` an address with a register for its offset,
    `part` a load or store of a byte or halfword, `double` double-precision arithmetic.
    """

    kind: Kind
    size: int
    reads: Registers = NONE
    late: Registers = NONE
    address: Registers = NONE
    writes: Registers = NONE
    updates: Registers = NONE
    words: int = 0
    branches: bool = False
    target: int | None = None
    shifted: bool = False
    indexed: bool = False
    part: bool = False
    double: bool = False

    @property
    def narrow(self) -> bool:
        """True for a 16-bit encoding."""
        return self.size == 2
