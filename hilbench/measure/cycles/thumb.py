"""Decodes Thumb code: bytes to instructions. Any bytes decode; what is no instruction is of kind `UNKNOWN`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from hilbench.measure.cycles import thumb16, thumb32
from hilbench.measure.cycles.instruction import Instruction, Kind

_FIRST_WIDE = 0xE800
"""The first halfword of a 32-bit instruction is at least this (DDI0403 A5.1)."""


def instructions(code: bytes) -> Iterator[Instruction]:
    """Yield the instructions of a stretch of code in their order. A last one that is cut off is `UNKNOWN`."""
    at = 0
    while at < len(code):
        one = decode(code[at : at + 4])
        yield one
        at += one.size


def decode(code: bytes) -> Instruction:
    """Return the first instruction in `code`, little-endian; of kind `UNKNOWN` for what is none."""
    first = int.from_bytes(code[:2], "little")
    if len(code) < 2:
        return Instruction(Kind.UNKNOWN, 2)
    if first < _FIRST_WIDE:
        return _narrow(first)
    if len(code) < 4:
        return Instruction(Kind.UNKNOWN, 4)
    return _wide(first << 16 | int.from_bytes(code[2:4], "little"))


@lru_cache(maxsize=1 << 16)
def _narrow(word: int) -> Instruction:
    row = thumb16.TABLE.find(word)
    return row.decode(word) if row else Instruction(Kind.UNKNOWN, 2)


@lru_cache(maxsize=1 << 16)
def _wide(word: int) -> Instruction:
    row = thumb32.TABLE.find(word)
    return row.decode(word) if row else Instruction(Kind.UNKNOWN, 4)
