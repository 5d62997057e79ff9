"""The 32-bit Thumb instructions for the core registers, Armv6-M to Armv8.1-M (Arm ARMs DDI0403 A5.3, DDI0553 C2)."""

from __future__ import annotations

from hilbench.measure.cycles.encoding import Row, Table
from hilbench.measure.cycles.instruction import Kind
from hilbench.measure.cycles.vector import ROWS as VECTOR
from hilbench.measure.cycles.vfp import ROWS as VFP

# The operation codes of data processing; those of _TESTS only set flags where the result would go to r15.
_OPERATIONS = ("0000", "0001", "0010", "0011", "0100", "1000", "1010", "1011", "1101", "1110")
_TESTS = ("0000", "0100", "1000", "1101")

_IMMEDIATE = [
    *(Row(f"11110 . 0 {code} 1 nnnn 0 ... 1111 ........", Kind.ALU, "", "n") for code in _TESTS),
    Row("11110 . 0 001. . 1111 0 ... dddd ........", Kind.MOVE, "d"),  # MOV, MVN
    *(Row(f"11110 . 0 {code} . nnnn 0 ... dddd ........", Kind.ALU, "d", "n") for code in _OPERATIONS),
    Row("11110 . 1 0.0.0 1111 0 ... dddd ........", Kind.ALU, "d"),  # ADR
    Row("11110 . 1 00000 nnnn 0 ... dddd ........", Kind.ALU, "d", "n"),  # ADDW
    Row("11110 . 1 01010 nnnn 0 ... dddd ........", Kind.ALU, "d", "n"),  # SUBW
    Row("11110 . 1 00100 .... 0 ... dddd ........", Kind.MOVE, "d"),  # MOVW
    Row("11110 . 1 01100 .... 0 ... dddd ........", Kind.MOVE, "d", "d"),  # MOVT
    Row("11110 0 1 1.0.0 nnnn 0 ... dddd .. 0 .....", Kind.SATURATE, "d", "n"),  # SSAT, USAT, SSAT16, USAT16
    Row("11110 0 1 1.100 nnnn 0 ... dddd .. 0 .....", Kind.BITFIELD, "d", "n"),  # SBFX, UBFX
    Row("11110 0 1 10110 1111 0 ... dddd .. 0 .....", Kind.BITFIELD, "d", "d"),  # BFC
    Row("11110 0 1 10110 nnnn 0 ... dddd .. 0 .....", Kind.BITFIELD, "d", "dn"),  # BFI
]
_SHIFTED = [
    Row("111010100101 .... 0 ... .... .... 1111", Kind.SHIFT),  # of Armv8.1-M: LSLL, ASRL, SQSHL, ... by an immediate
    Row("111010100101 .... .... ...1 .0.0 1101", Kind.SHIFT),  # and ASRL, SQRSHRL, ... by a register
    Row("111010100101 nnnn 10 .. dddd .... mmmm", Kind.ALU, "d", "nm"),  # CSEL, CSINC, CSINV, CSNEG
    *(Row(f"1110101 {code} 1 nnnn 0 iii 1111 ii .. mmmm", Kind.ALU, "", "nm", shifted=True) for code in _TESTS),
    Row("1110101 0010 . 1111 0 000 dddd 0000 mmmm", Kind.MOVE, "d", "m"),
    Row("1110101 0010 . 1111 0 ... dddd .. .. mmmm", Kind.SHIFT, "d", "m"),
    Row("1110101 0011 . 1111 0 iii dddd ii .. mmmm", Kind.MOVE, "d", "m", shifted=True),  # MVN
    Row("1110101 0110 0 nnnn 0 iii dddd ii .0 mmmm", Kind.PARALLEL, "d", "nm", shifted=True),  # PKHBT, PKHTB
    *(Row(f"1110101 {code} . nnnn 0 iii dddd ii .. mmmm", Kind.ALU, "d", "nm", shifted=True) for code in _OPERATIONS),
]

_CONTROL = [
    Row("111100111010 1111 1000 0000 ........", Kind.NOTHING),  # NOP.W and the hints
    Row("111100111011 1111 1000 1111 0010 ....", Kind.BARRIER),  # CLREX
    Row("111100111011 1111 1000 1111 01 .. ....", Kind.BARRIER),  # DSB, DMB, ISB
    Row("11110011100 . nnnn 1000 .... ........", Kind.SYSTEM, "", "n"),  # MSR
    Row("111100111110 1111 1000 dddd ........", Kind.SYSTEM, "d"),  # MRS
    Row("111101111111 .... 1010 .... ........", Kind.SYSTEM),  # UDF.W
    Row("11110 . 0 ... ...... 10 . 0 . ...........", Kind.BRANCH_IF),
    Row("11110 . 10 .. ...... 10 . 0 . ...........", Kind.BRANCH_IF),
    Row("11110 . 110 . ...... 10 . 0 . ...........", Kind.BRANCH_IF),
    Row("11110 . .... ...... 10 . 1 . ...........", Kind.BRANCH),
    Row("11110 . .... ...... 11 . 1 . ...........", Kind.CALL, "L"),
    Row("11110 0000 00 . 1111 11 00 . .......... 1", Kind.LOOP),  # LE, LETP
    Row("11110 0000 10 . 1111 11 00 . .......... 1", Kind.LOOP),  # LE without a counter
    Row("11110 0000 .. . nnnn 11 00 . .......... 1", Kind.LOOP, "L", "n"),  # WLS, WLSTP
    Row("11110 0000 .. . nnnn 11 10 0000 0000 0001", Kind.MOVE, "L", "n"),  # DLS, DLSTP, LCTP: they fall through
    Row("11110 .... .. . .... 11 . 0 . .......... 1", Kind.LOOP),  # BF and its kin, which GCC does not use
]

_MULTIPLE = [
    Row("1110100 010 0 1 1111 rrrr rrrrrrrr rrrr", Kind.MOVE, "r"),  # CLRM
    Row("1110100 010 W 1 nnnn rrrr rrrrrrrr rrrr", Kind.LOAD_MULTIPLE, "r", address="n"),
    Row("1110100 100 W 1 nnnn rrrr rrrrrrrr rrrr", Kind.LOAD_MULTIPLE, "r", address="n"),
    Row("1110100 010 W 0 nnnn rrrr rrrrrrrr rrrr", Kind.STORE_MULTIPLE, late="r", address="n"),
    Row("1110100 100 W 0 nnnn rrrr rrrrrrrr rrrr", Kind.STORE_MULTIPLE, late="r", address="n"),
]

_DUAL = [
    Row("1110100101111111 1110100101111111", Kind.NOTHING),  # SG
    Row("111010000100 nnnn 1111 dddd .. 000000", Kind.SYSTEM, "d", "n"),  # TT, TTA, TTT, TTAT
    Row("111010000100 nnnn tttt dddd ........", Kind.STORE_EXCLUSIVE, "d", "t", address="n", words=1),
    Row("111010000101 nnnn tttt 1111 ........", Kind.LOAD_EXCLUSIVE, "t", address="n", words=1),
    Row("111010001101 nnnn 1111 0000 000 . mmmm", Kind.BRANCH_TABLE, "", "", address="nm", words=1),
    Row("111010001100 nnnn tttt 1111 010 . dddd", Kind.STORE_EXCLUSIVE, "d", "t", address="n", words=1, part=True),
    Row("111010001101 nnnn tttt 1111 010 . 1111", Kind.LOAD_EXCLUSIVE, "t", address="n", words=1, part=True),
    # Store-release and load-acquire, with and without a monitor.
    Row("111010001100 nnnn tttt 1111 10 .. 1111", Kind.STORE_EXCLUSIVE, "", "t", address="n", words=1),
    Row("111010001100 nnnn tttt 1111 11 .. dddd", Kind.STORE_EXCLUSIVE, "d", "t", address="n", words=1),
    Row("111010001101 nnnn tttt 1111 1 ... 1111", Kind.LOAD_EXCLUSIVE, "t", address="n", words=1),
    *(
        row
        for mode in ("0.1W", "1.1W")
        for row in (
            Row(f"1110100 {mode} 1 nnnn tttt uuuu ........", Kind.LOAD_DOUBLE, "tu", address="n", words=2),
            Row(f"1110100 {mode} 0 nnnn tttt uuuu ........", Kind.STORE_DOUBLE, late="tu", address="n", words=2),
        )
    ),
]


def _single() -> list[Row]:
    """Return the loads and stores of one register (A5.3.7 to A5.3.10)."""
    rows = [
        # A byte or halfword to r15 is a preload or, for the signed ones, a hint.
        Row("1111100 . . 00 1 1111 1111 .... ........", Kind.PRELOAD),
        Row("1111100 . . 01 1 1111 1111 .... ........", Kind.PRELOAD),
        Row("1111100 . 1 0 . 1 nnnn 1111 .... ........", Kind.PRELOAD, address="n"),
        Row("1111100 . 0 0 . 1 nnnn 1111 000000 .. mmmm", Kind.PRELOAD, address="nm"),
        Row("1111100 . 0 0 . 1 nnnn 1111 1100 ........", Kind.PRELOAD, address="n"),
    ]
    for sign, size, part in (
        ("0", "00", True), ("0", "01", True), ("0", "10", False), ("1", "00", True), ("1", "01", True)
    ):  # fmt: skip
        rows += [
            Row(f"1111100 {sign} . {size} 1 1111 tttt ............", Kind.LOAD, "t", words=1, part=part),
            *(
                Row(f"1111100 {sign} {form}", Kind.LOAD, "t", address=address, words=1, part=part)
                for form, address in _forms(f"{size} 1")
            ),
        ]
        if sign == "0":
            rows += [
                Row(f"1111100 0 {form}", Kind.STORE, late="t", address=address, words=1, part=part)
                for form, address in _forms(f"{size} 0")
            ]
    return rows


def _forms(size: str) -> list[tuple[str, str]]:
    """Return the ways to say an address: a 12-bit offset, a register, an 8-bit offset (indexed, or unprivileged)."""
    return [
        (f"1 {size} nnnn tttt ............", "n"),
        (f"0 {size} nnnn tttt 000000 .. mmmm", "nm"),
        (f"0 {size} nnnn tttt 1 1.W ........", "n"),
        (f"0 {size} nnnn tttt 1 0.W ........", "n"),
    ]


_REGISTER = [
    Row("11111010 0 .. . nnnn 1111 dddd 0000 mmmm", Kind.SHIFT, "d", "nm"),
    Row("11111010 0 ... 1111 1111 dddd 1 0 .. mmmm", Kind.EXTEND, "d", "m"),
    Row("11111010 0 ... nnnn 1111 dddd 1 0 .. mmmm", Kind.EXTEND, "d", "nm"),
    Row("11111010 1 000 nnnn 1111 dddd 10 .. mmmm", Kind.SATURATE, "d", "nm"),  # QADD, QDADD, QSUB, QDSUB
    Row("11111010 1 001 .... 1111 dddd 10 .. mmmm", Kind.REVERSE, "d", "m"),
    Row("11111010 1 010 nnnn 1111 dddd 1000 mmmm", Kind.PARALLEL, "d", "nm"),  # SEL
    Row("11111010 1 011 .... 1111 dddd 1000 mmmm", Kind.COUNT_ZEROS, "d", "m"),
    Row("11111010 1 ... nnnn 1111 dddd 0 . 00 mmmm", Kind.PARALLEL, "d", "nm"),
    Row("11111010 1 ... nnnn 1111 dddd 0 . 01 mmmm", Kind.PARALLEL, "d", "nm"),
    Row("11111010 1 ... nnnn 1111 dddd 0 . 10 mmmm", Kind.PARALLEL, "d", "nm"),
    Row("111110110 000 nnnn 1111 dddd 0000 mmmm", Kind.MULTIPLY, "d", "nm"),
    Row("111110110 000 nnnn aaaa dddd 000 . mmmm", Kind.MULTIPLY_ADD, "d", "nm", "a"),
    Row("111110110 111 nnnn 1111 dddd 0000 mmmm", Kind.PARALLEL, "d", "nm"),  # USAD8
    Row("111110110 111 nnnn aaaa dddd 0000 mmmm", Kind.PARALLEL, "d", "nm", "a"),  # USADA8
    Row("111110110 001 nnnn 1111 dddd 00 .. mmmm", Kind.DSP_MULTIPLY, "d", "nm"),  # SMULxy
    Row("111110110 001 nnnn aaaa dddd 00 .. mmmm", Kind.DSP_MULTIPLY, "d", "nm", "a"),  # SMLAxy
    *(
        row
        for code in ("010", "011", "100", "101")  # SMUAD/SMLAD, SMULW/SMLAW, SMUSD/SMLSD, SMMUL/SMMLA
        for row in (
            Row(f"111110110 {code} nnnn 1111 dddd 000 . mmmm", Kind.DSP_MULTIPLY, "d", "nm"),
            Row(f"111110110 {code} nnnn aaaa dddd 000 . mmmm", Kind.DSP_MULTIPLY, "d", "nm", "a"),
        )
    ),
    Row("111110110 110 nnnn aaaa dddd 000 . mmmm", Kind.DSP_MULTIPLY, "d", "nm", "a"),  # SMMLS
    Row("111110111 0.0 nnnn llll hhhh 0000 mmmm", Kind.LONG_MULTIPLY, "lh", "nm"),  # SMULL, UMULL
    Row("111110111 0.1 nnnn 1111 dddd 1111 mmmm", Kind.DIVIDE, "d", "nm"),  # SDIV, UDIV
    Row("111110111 100 nnnn llll hhhh 0000 mmmm", Kind.LONG_MULTIPLY_ADD, "lh", "nm", "lh"),  # SMLAL
    Row("111110111 110 nnnn llll hhhh 0000 mmmm", Kind.LONG_MULTIPLY_ADD, "lh", "nm", "lh"),  # UMLAL
    Row("111110111 110 nnnn llll hhhh 0110 mmmm", Kind.LONG_MULTIPLY_ADD, "lh", "nm", "lh"),  # UMAAL
    Row("111110111 100 nnnn llll hhhh 10 .. mmmm", Kind.LONG_MULTIPLY_ADD, "lh", "nm", "lh"),  # SMLALxy
    Row("111110111 10. nnnn llll hhhh 110 . mmmm", Kind.LONG_MULTIPLY_ADD, "lh", "nm", "lh"),  # SMLALD, SMLSLD
]

_COPROCESSORS = [
    Row("111.110 ..... .... .... 0... ........", Kind.COPROCESSOR),  # LDC, STC, MCRR, MRRC
    Row("111.1110 .... .... .... 0... ........", Kind.COPROCESSOR),  # CDP, MCR, MRC
]

TABLE = Table(
    [*_IMMEDIATE, *_SHIFTED, *_CONTROL, *_MULTIPLE, *_DUAL, *_single(), *_REGISTER, *VFP, *VECTOR, *_COPROCESSORS], 32
)
