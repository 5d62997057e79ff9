"""TFLite Micro's fixed-point arithmetic as TVM expressions; `fixedpoint` has the same functions for plain numbers.

All of it stays in int32 and int64. Shifts by what TVM cannot see must come from uint8 buffers: TVM 0.27 draws wrong
bounds from `>>` by an int32.
"""

from __future__ import annotations

from typing import Any

from tvm import tirx

from hilbench.frameworks.tvm.fixedpoint import Factor

Expr = Any


def i32(value: int) -> Expr:
    """Return a constant."""
    return tirx.const(value, "int32")


def i64(value: int) -> Expr:
    """Return a constant of 64 bits."""
    return tirx.const(value, "int64")


def high_multiply(value: Expr, multiplier: Expr) -> Expr:
    """value * multiplier / 2**31, rounded: SaturatingRoundingDoublingHighMul."""
    product = value.astype("int64") * multiplier.astype("int64")
    return ((product + i64(1 << 30)) >> i64(31)).astype("int32")


def round_shift(value: Expr, bits: Expr | int) -> Expr:
    """value / 2**bits, rounded half away from zero: RoundingDivideByPOT."""
    if isinstance(bits, int):
        if bits == 0:
            return value
        mask, bits = i32((1 << bits) - 1), i32(bits)
    else:
        mask = (i32(1) << bits) - i32(1)
    threshold = (mask >> i32(1)) - (value >> i32(31))
    return (value >> bits) + ((value & mask) > threshold).astype("int32")


def scale(value: Expr, by: Factor) -> Expr:
    """Value (int32) times a factor, rounded twice: MultiplyByQuantizedMultiplier."""
    left, right = max(by.exponent, 0), max(-by.exponent, 0)
    shifted = value * i32(1 << left) if left else value
    product = round_shift(high_multiply(shifted, i32(abs(by.multiplier))), right)
    return i32(0) - product if by.multiplier < 0 else product


def clamp(value: Expr, low: int, high: int, dtype: str = "int8") -> Expr:
    """Value within `low` and `high`, as `dtype`."""
    return tirx.max(tirx.min(value, i32(high)), i32(low)).astype(dtype)
