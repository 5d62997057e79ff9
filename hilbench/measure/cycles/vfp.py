"""The floating-point instructions, FPv4 and FPv5, half, single and double (Arm ARMs DDI0403 A6, DDI0553 C2.4)."""

from __future__ import annotations

from hilbench.measure.cycles.encoding import Row
from hilbench.measure.cycles.instruction import Kind

# Coprocessor 9 holds half precision, 10 single, 11 double.
_SIZES = (("1001", False), ("1010", False), ("1011", True))


def _arithmetic(size: str, double: bool) -> list[Row]:
    rows = []
    for code, op, kind in (
        ("0x00", ".", Kind.FP_MULTIPLY_ADD),  # VMLA, VMLS
        ("0x01", ".", Kind.FP_MULTIPLY_ADD),  # VNMLA, VNMLS
        ("0x10", ".", Kind.FP_MULTIPLY),  # VMUL, VNMUL
        ("0x11", ".", Kind.FP_ADD),  # VADD, VSUB
        ("1x00", "0", Kind.FP_DIVIDE),
        ("1x01", ".", Kind.FP_FUSED),  # VFNMA, VFNMS
        ("1x10", ".", Kind.FP_FUSED),  # VFMA, VFMS
    ):
        adds = "x" if kind in (Kind.FP_MULTIPLY_ADD, Kind.FP_FUSED) else ""
        pattern = f"11101110 {code} yyyy xxxx {size} y {op} z 0 zzzz"
        rows.append(Row(pattern, kind, "x", "yz", adds, double=double))
    unary = f"11101110 1x11 {{}} xxxx {size} {{}} 1 z 0 zzzz"
    rows += [
        Row(f"11101110 1x11 .... xxxx {size} 0000 ....", Kind.FP_MOVE, "x", double=double),  # VMOV of a constant
        *(
            Row(unary.format(code, more), kind, "" if kind is Kind.FP_COMPARE else "x", reads, double=double)
            for code, more, kind, reads in (
                ("0000", ".", Kind.FP_MOVE, "z"),  # VMOV, VABS
                ("0001", "0", Kind.FP_MOVE, "z"),  # VNEG
                ("0001", "1", Kind.FP_ROOT, "z"),
                ("001.", ".", Kind.FP_CONVERT, "z"),  # VCVTB, VCVTT
                ("0100", ".", Kind.FP_COMPARE, "xz"),
                ("0101", ".", Kind.FP_COMPARE, "x"),
                ("0110", ".", Kind.FP_CONVERT, "z"),  # VRINTR, VRINTZ
                ("0111", ".", Kind.FP_CONVERT, "z"),  # VRINTX, VCVT between sizes
                ("1000", ".", Kind.FP_CONVERT, "z"),  # VCVT from an integer
                ("101.", ".", Kind.FP_CONVERT, "x"),  # VCVT of fixed point
                ("11..", ".", Kind.FP_CONVERT, "z"),  # VCVT to an integer, to fixed point
            )
        ),
        Row(f"11111110 0x.. yyyy xxxx {size} y 0 z 0 zzzz", Kind.FP_MOVE, "x", "yz", double=double),  # VSEL
        Row(f"11111110 1x00 yyyy xxxx {size} y . z 0 zzzz", Kind.FP_MOVE, "x", "yz", double=double),  # VMAXNM, VMINNM
        Row(f"11111110 1x11 10.. xxxx {size} 0 1 z 0 zzzz", Kind.FP_CONVERT, "x", "z", double=double),  # VRINTA, ...
        Row(f"11111110 1x11 11.. xxxx {size} . 1 z 0 zzzz", Kind.FP_CONVERT, "x", "z", double=double),  # VCVTA, ...
    ]
    return rows


def _memory(size: str, double: bool) -> list[Row]:
    words = 2 if double else 1
    return [
        Row(f"1110110 1.x0 1 nnnn xxxx {size} ........", Kind.FP_LOAD, "x", address="n", words=words, double=double),
        Row(
            f"1110110 1.x0 0 nnnn xxxx {size} ........",
            Kind.FP_STORE,
            late="x",
            address="n",
            words=words,
            double=double,
        ),
    ]


_MULTIPLE = [
    row
    for mode in ("01.W", "10.1")  # increment after; decrement before, which always steps its base
    for row in (
        Row(f"1110110 {mode} 1 nnnn .... 101 . cccccccc", Kind.FP_LOAD_MULTIPLE, address="n"),
        Row(f"1110110 {mode} 0 nnnn .... 101 . cccccccc", Kind.FP_STORE_MULTIPLE, address="n"),
    )
]

_TRANSFERS = [
    Row("11101110 000 0 yyyy tttt 10.. y 00 1 0000", Kind.FP_TRANSFER, "y", "t"),
    Row("11101110 000 1 yyyy tttt 1001 y 00 1 0000", Kind.FP_TRANSFER, "t", "y"),
    Row("11101110 000 1 yyyy tttt 1010 y 00 1 0000", Kind.FP_TRANSFER, "t", "y"),
    Row("11101110 ..0 0 .... tttt 1011 . .. 1 0000", Kind.FP_TRANSFER, "", "t"),  # to a lane
    Row("11101110 ... 1 .... tttt 1011 . .. 1 0000", Kind.FP_TRANSFER, "t"),  # from a lane
    Row("11101110 1.. 0 .... tttt 1011 . 0. 1 0000", Kind.VECTOR, "", "t"),  # VDUP
    Row("11101110 111 . .... tttt 1010 0001 0000", Kind.FP_STATUS),  # VMRS, VMSR
    Row("11101100 0101 uuuu tttt 1010 00 z 1 zzzz", Kind.FP_TRANSFER_DOUBLE, "tu", "z"),
    Row("11101100 0100 uuuu tttt 1010 00 z 1 zzzz", Kind.FP_TRANSFER_DOUBLE, "z", "tu"),
    Row("11101100 0101 uuuu tttt 1011 00 z 1 zzzz", Kind.FP_TRANSFER_DOUBLE, "tu", "z", double=True),
    Row("11101100 0100 uuuu tttt 1011 00 z 1 zzzz", Kind.FP_TRANSFER_DOUBLE, "z", "tu", double=True),
    Row("11111110 1x11 0000 xxxx 1010 . 1 z 0 zzzz", Kind.FP_MOVE, "x", "z"),  # VMOVX, VINS
    Row("11101100 0010 nnnn 0000 1010 . 0000000", Kind.FP_STORE_MULTIPLE, address="n"),  # VLSTM
    Row("11101100 0011 nnnn 0000 1010 . 0000000", Kind.FP_LOAD_MULTIPLE, address="n"),  # VLLDM
    Row("11101100 1.01 1111 .... 101 . ........", Kind.FP_MOVE),  # VSCCLRM
    *(
        row
        for mode in ("1..W", "0..1")  # of a system register: with an offset, or stepping its base
        for row in (
            Row(f"1110110 {mode} 1 nnnn ... 0 11111 .......", Kind.FP_LOAD, address="n", words=1),
            Row(f"1110110 {mode} 0 nnnn ... 0 11111 .......", Kind.FP_STORE, address="n", words=1),
        )
    ),
]

ROWS = [
    *(row for size, double in _SIZES for row in (*_arithmetic(size, double), *_memory(size, double))),
    *_TRANSFERS,
    *_MULTIPLE,
]
