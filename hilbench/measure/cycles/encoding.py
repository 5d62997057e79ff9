"""Rows of an instruction set, each written as the Arm architecture manual draws it: fixed bits, and letters for fields.

Letters with a meaning of their own: `d t u l h` registers written or moved, `n` the base or first operand, `m` the
second, `a` what is added to, `r` a list of registers, `c` a count of words, `x y z` floating-point registers, `W` base
write-back, `i` an amount to shift by (other constants are `.`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from hilbench.measure.cycles.instruction import BRANCHES, FIRST_FP, LR, NONE, PC, SP, Instruction, Kind, Registers

_FIXED = {"S": SP, "L": LR}
_CORE_REGISTERS = 16


@dataclass(frozen=True)
class Row:
    """One encoding. `reads`, `late`, `address` and `writes` name fields by letter, and `S` SP and `L` LR.

    `words` are words moved by one that has no list; of a list `r`, each register is one word, and `also` one more
    register that is in the list.
    """

    pattern: str
    kind: Kind
    writes: str = ""
    reads: str = ""
    late: str = ""
    address: str = ""
    words: int = 0
    also: int | None = None
    shifted: bool = False
    part: bool = False
    double: bool = False
    bits: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", self.pattern.replace(" ", ""))
        if len(self.bits) not in (16, 32):
            raise ValueError(f"{self.pattern!r} has {len(self.bits)} bits")

    @cached_property
    def mask(self) -> int:
        """The bits that are fixed."""
        return int("".join("1" if bit in "01" else "0" for bit in self.bits), 2)

    @cached_property
    def value(self) -> int:
        """What the fixed bits are."""
        return int("".join("1" if bit == "1" else "0" for bit in self.bits), 2)

    @cached_property
    def fields(self) -> dict[str, tuple[int, ...]]:
        """The places of each letter's bits, the most significant first."""
        top = len(self.bits) - 1
        letters = {bit for bit in self.bits if bit.isalpha()}
        return {one: tuple(top - at for at, bit in enumerate(self.bits) if bit == one) for one in letters}

    def number(self, letter: str, word: int) -> int:
        """Return the number in a field, 0 for one that the row does not have."""
        value = 0
        for place in self.fields.get(letter, ()):
            value = value << 1 | word >> place & 1
        return value

    def registers(self, letters: str, word: int) -> Registers:
        """Return the registers that these letters name in `word`, without the program counter."""
        found: set[int] = set()
        for letter in letters:
            if letter == "r":
                found.update(self.listed(word))
            elif letter in "xyz":
                found.update(self._floating(letter, word))
            else:
                found.add(_FIXED.get(letter) or self.number(letter, word))
        return frozenset(found - {PC})

    def listed(self, word: int) -> list[int]:
        """Return the core registers in the list `r`: its bit 0 is r0."""
        bits = self.number("r", word) | (0 if self.also is None else 1 << self.also)
        return [register for register in range(_CORE_REGISTERS) if bits >> register & 1]

    def _floating(self, letter: str, word: int) -> list[int]:
        """Return the singles of a floating-point register, whose extra bit is the last of a single, else the first."""
        places = self.fields[letter]
        # The extra bit (D, N, M of the manual) stands apart from the other four, which come in one piece.
        extra = next(one for one in places if (one + 1 not in places) and (one - 1 not in places))
        four = 0
        for place in places:
            if place != extra:
                four = four << 1 | word >> place & 1
        if self.double:
            first = FIRST_FP + 2 * four
            return [first, first + 1]
        return [FIRST_FP + (four << 1 | word >> extra & 1)]

    def decode(self, word: int) -> Instruction:
        """Return the instruction that `word`, which fits this row, encodes."""
        wide = len(self.bits) == 32
        writes = self.registers(self.writes, word)
        to_counter = any(self._is_counter(letter, word) for letter in self.writes)
        base = self.registers(self.address, word)
        steps = self.number("W", word) == 1
        return Instruction(
            kind=self.kind,
            size=4 if wide else 2,
            reads=self.registers(self.reads, word),
            late=self.registers(self.late, word),
            address=base,
            writes=writes,
            updates=self.registers("n" if "n" in self.fields else "S", word) if steps else NONE,
            words=self._words(word),
            branches=self.kind in BRANCHES or to_counter,
            target=_target(self.kind, word, wide),
            shifted=self.shifted and ("i" not in self.fields or self.number("i", word) != 0),
            indexed="m" in self.address,
            part=self.part,
            double=self.double,
        )

    def _words(self, word: int) -> int:
        if "r" in self.fields:
            return len(self.listed(word))
        return self.number("c", word) if "c" in self.fields else self.words

    def _is_counter(self, letter: str, word: int) -> bool:
        if letter == "r":
            return PC in self.listed(word)
        return letter in self.fields and letter not in "xyz" and self.number(letter, word) == PC


class Table:
    """Rows to look a word up in; the first that fits it counts."""

    def __init__(self, rows: Iterable[Row], width: int) -> None:
        self.rows = tuple(rows)
        self._shift = width - 8
        self._buckets = [
            tuple(
                row
                for row in self.rows
                if (row.value ^ top << self._shift) & row.mask >> self._shift << self._shift == 0
            )
            for top in range(256)
        ]

    def find(self, word: int) -> Row | None:
        """Return the row that `word` fits, None where there is none."""
        return next((row for row in self._buckets[word >> self._shift] if word & row.mask == row.value), None)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def _target(kind: Kind, word: int, wide: bool) -> int | None:
    """Return where an immediate branch goes, relative to its own address (Armv7-M ARM A7.7.12, .18, .21)."""
    if kind is Kind.BRANCH_ZERO:
        return 4 + ((word >> 9 & 1) << 6 | (word >> 3 & 31) << 1)
    if kind is Kind.BRANCH_IF and not wide:
        return 4 + _signed((word & 0xFF) << 1, 9)
    if kind is Kind.BRANCH and not wide:
        return 4 + _signed((word & 0x7FF) << 1, 12)
    sign, first, second = word >> 26 & 1, word >> 13 & 1, word >> 11 & 1
    if kind is Kind.BRANCH_IF:
        return 4 + _signed(
            sign << 20 | second << 19 | first << 18 | (word >> 16 & 0x3F) << 12 | (word & 0x7FF) << 1, 21
        )
    if kind in (Kind.BRANCH, Kind.CALL):
        upper = sign << 24 | (first ^ sign ^ 1) << 23 | (second ^ sign ^ 1) << 22
        return 4 + _signed(upper | (word >> 16 & 0x3FF) << 12 | (word & 0x7FF) << 1, 25)
    return None
