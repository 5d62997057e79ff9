"""The 16-bit Thumb instructions of Armv6-M to Armv8.1-M (Armv7-M ARM DDI0403, A5.2)."""

from __future__ import annotations

from hilbench.measure.cycles.encoding import Row, Table
from hilbench.measure.cycles.instruction import LR, PC, Kind

_ALU = [
    ("0000", Kind.ALU, "d", "dm"),  # AND
    ("0001", Kind.ALU, "d", "dm"),  # EOR
    ("0010", Kind.SHIFT, "d", "dm"),  # LSL
    ("0011", Kind.SHIFT, "d", "dm"),  # LSR
    ("0100", Kind.SHIFT, "d", "dm"),  # ASR
    ("0101", Kind.ALU, "d", "dm"),  # ADC
    ("0110", Kind.ALU, "d", "dm"),  # SBC
    ("0111", Kind.SHIFT, "d", "dm"),  # ROR
    ("1000", Kind.ALU, "", "dm"),  # TST
    ("1001", Kind.ALU, "d", "m"),  # RSB
    ("1010", Kind.ALU, "", "dm"),  # CMP
    ("1011", Kind.ALU, "", "dm"),  # CMN
    ("1100", Kind.ALU, "d", "dm"),  # ORR
    ("1101", Kind.MULTIPLY, "d", "dm"),
    ("1110", Kind.ALU, "d", "dm"),  # BIC
    ("1111", Kind.MOVE, "d", "m"),  # MVN
]
_INDEXED = [
    ("000", Kind.STORE, False),
    ("001", Kind.STORE, True),
    ("010", Kind.STORE, True),
    ("011", Kind.LOAD, True),
    ("100", Kind.LOAD, False),
    ("101", Kind.LOAD, True),
    ("110", Kind.LOAD, True),
    ("111", Kind.LOAD, True),
]
_OFFSET = [
    ("01100", Kind.STORE, False),
    ("01101", Kind.LOAD, False),
    ("01110", Kind.STORE, True),
    ("01111", Kind.LOAD, True),
    ("10000", Kind.STORE, True),
    ("10001", Kind.LOAD, True),
]


def _single(pattern: str, kind: Kind, address: str, part: bool) -> Row:
    load = kind is Kind.LOAD
    return Row(pattern, kind, "t" if load else "", late="" if load else "t", address=address, words=1, part=part)


TABLE = Table(
    [
        Row("0000000000 mmm ddd", Kind.MOVE, "d", "m"),
        Row("000 0. ..... mmm ddd", Kind.SHIFT, "d", "m"),
        Row("00010 ..... mmm ddd", Kind.SHIFT, "d", "m"),
        Row("000110 . mmm nnn ddd", Kind.ALU, "d", "nm"),
        Row("000111 . ... nnn ddd", Kind.ALU, "d", "n"),
        Row("00100 ddd ........", Kind.MOVE, "d"),
        Row("00101 nnn ........", Kind.ALU, "", "n"),
        Row("0011. ddd ........", Kind.ALU, "d", "d"),
        *(Row(f"010000 {code} mmm ddd", kind, writes, reads) for code, kind, writes, reads in _ALU),
        Row("01000100 d mmmm ddd", Kind.ALU, "d", "dm"),
        Row("01000101 n mmmm nnn", Kind.ALU, "", "nm"),
        Row("0100011011000000", Kind.NOTHING),  # MOV r8, r8: NOP before Armv6T2
        Row("01000110 d mmmm ddd", Kind.MOVE, "d", "m"),
        Row("01000111 0 mmmm .00", Kind.BRANCH_REGISTER, "", "m"),
        Row("01000111 1 mmmm .00", Kind.CALL_REGISTER, "L", "m"),
        Row("01001 ttt ........", Kind.LOAD, "t", words=1),
        *(_single(f"0101 {code} mmm nnn ttt", kind, "nm", part) for code, kind, part in _INDEXED),
        *(_single(f"{code} ..... nnn ttt", kind, "n", part) for code, kind, part in _OFFSET),
        Row("10010 ttt ........", Kind.STORE, late="t", address="S", words=1),
        Row("10011 ttt ........", Kind.LOAD, "t", address="S", words=1),
        Row("10100 ddd ........", Kind.ALU, "d"),  # ADR
        Row("10101 ddd ........", Kind.ALU, "d", "S"),
        Row("10110000 . .......", Kind.ALU, "S", "S"),
        Row("10110010 .. mmm ddd", Kind.EXTEND, "d", "m"),
        Row("1011 . 0 . 1 ..... nnn", Kind.BRANCH_ZERO, "", "n"),
        Row("1011010 0 rrrrrrrr", Kind.STORE_MULTIPLE, late="r", address="S"),
        Row("1011010 1 rrrrrrrr", Kind.STORE_MULTIPLE, late="r", address="S", also=LR),
        Row("10110110011 . 0 . . .", Kind.SYSTEM),  # CPS
        Row("10111010 10 ......", Kind.SYSTEM),  # HLT
        Row("10111010 .. mmm ddd", Kind.REVERSE, "d", "m"),
        Row("1011110 0 rrrrrrrr", Kind.LOAD_MULTIPLE, "r", address="S"),
        Row("1011110 1 rrrrrrrr", Kind.LOAD_MULTIPLE, "r", address="S", also=PC),
        Row("10111110 ........", Kind.SYSTEM),  # BKPT
        Row("10111111 .... 0000", Kind.NOTHING),
        Row("10111111 .... ....", Kind.IF_THEN),
        Row("11000 nnn rrrrrrrr", Kind.STORE_MULTIPLE, late="r", address="n"),
        Row("11001 nnn rrrrrrrr", Kind.LOAD_MULTIPLE, "r", address="n"),
        Row("1101111. ........", Kind.SYSTEM),  # UDF, SVC
        Row("1101 .... ........", Kind.BRANCH_IF),
        Row("11100 ...........", Kind.BRANCH),
    ],
    16,
)
