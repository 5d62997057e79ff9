"""TFLite Micro's fixed-point arithmetic on the host: multipliers, activation ranges and exponentials.

Sources are TensorFlow's `lite/kernels/internal/quantization_util.cc`, `lite/kernels/kernel_util.cc` and gemmlowp's
`fixedpoint/fixedpoint.h`. TFLite Micro rounds twice (high multiply, then shift), so everything here does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int32Array = npt.NDArray[np.int32]
ShiftArray = npt.NDArray[np.uint8]

INT32_MAX = (1 << 31) - 1
LARGEST_SHIFT = 31
"""TFLite makes a factor that would need more a factor of 0: QuantizeMultiplier."""
# Softmax: differences to the row's largest value have 5 integer bits (softmax.h, kScaledDiffIntegerBits).
_DIFF_INTEGER_BITS = 5


@dataclass(frozen=True)
class Factor:
    """A real factor as `multiplier` * 2**(`exponent` - 31). A negative multiplier scales by its size, then negates."""

    multiplier: int
    exponent: int


@dataclass(frozen=True, eq=False)
class Multipliers:
    """One real factor a channel as value * 2**31 (int32), and how far to shift left before and right after it."""

    multiplier: Int32Array
    left: ShiftArray
    right: ShiftArray


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Return (q, e) with real = q * 2**(e - 31) and q in [2**30, 2**31), as TFLite's QuantizeMultiplier does.

    Raises `ValueError` if `real` is negative or not finite.
    """
    if not 0.0 <= real < math.inf:
        raise ValueError(f"{real} is no factor")
    if real == 0.0:
        return 0, 0
    fraction, exponent = math.frexp(real)
    q = math.floor(fraction * (1 << 31) + 0.5)
    if q == 1 << 31:
        q, exponent = q // 2, exponent + 1
    return (0, 0) if exponent < -31 else (q, exponent)


def factor(real: float) -> Factor:
    """Return `real`, which may be negative, as a factor. Raises `ValueError` if it is not finite."""
    q, exponent = quantize_multiplier(abs(real))
    return Factor(-q if real < 0.0 else q, exponent)


def scale(x: int, by: Factor) -> int:
    """Return x times a factor, rounded twice: MultiplyByQuantizedMultiplier, for x * 2**exponent within 32 bits."""
    left, right = max(by.exponent, 0), max(-by.exponent, 0)
    product = rounding_shift(high_multiply(x << left, abs(by.multiplier)), right)
    return -product if by.multiplier < 0 else product


def channel_multipliers(reals: Sequence[float]) -> Multipliers:
    """Return the multipliers of `reals`, one real factor a channel: right shifts are at most `LARGEST_SHIFT`.

    Raises `ValueError` for a factor beyond 2**31.
    """
    pairs = [quantize_multiplier(real) for real in reals]
    exponents = np.array([exponent for _, exponent in pairs])
    if exponents.max(initial=0) > 31:
        raise ValueError(f"the factor {max(reals):g} is beyond 2**31")
    return Multipliers(
        np.array([q for q, _ in pairs], np.int32),
        np.maximum(exponents, 0).astype(np.uint8),
        np.maximum(-exponents, 0).astype(np.uint8),
    )


def activation_range(activation: str, scale: float, zero_point: int, dtype: str = "int8") -> tuple[int, int]:
    """Return the smallest and largest `dtype` that a fused activation lets through (NONE, RELU, RELU6, RELU_N1_TO_1).

    Raises `KeyError` for any other activation, `ValueError` for a scale so small that a bound leaves 32 bits.
    """
    lowest, highest = limits(dtype)
    low, high = {"NONE": (None, None), "RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}[activation]
    return (
        lowest if low is None else max(lowest, quantize(low, scale, zero_point)),
        highest if high is None else min(highest, quantize(high, scale, zero_point)),
    )


def limits(dtype: str) -> tuple[int, int]:
    """Return the smallest and largest value of an integer type."""
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def quantize(real: int, scale: float, zero_point: int) -> int:
    """Quantise in float32 and round half away from zero, as CalculateActivationRangeQuantized does.

    Raises `ValueError` where that leaves 32 bits.
    """
    with np.errstate(over="ignore"):
        quotient = float(np.float32(real) / np.float32(scale))
    if not abs(quotient) <= INT32_MAX:
        raise ValueError(f"{real} in steps of {scale:g} leaves 32 bits")
    return zero_point + int(math.copysign(math.floor(abs(quotient) + 0.5), quotient))


def high_multiply(a: int, b: int) -> int:
    """Return a * b / 2**31, rounded to nearest: gemmlowp's SaturatingRoundingDoublingHighMul, -2**31 squared apart."""
    return (a * b + (1 << 30)) >> 31


def rounding_shift(x: int, bits: int) -> int:
    """Return x / 2**bits, rounded half away from zero: gemmlowp's RoundingDivideByPOT."""
    mask = (1 << bits) - 1
    return (x >> bits) + ((x & mask) > (mask >> 1) + (x < 0))


def softmax_table(scale: float, beta: float) -> Int32Array:
    """Return exp(-d * scale * beta) as int32 with 31 fraction bits for d = 0 ... 255; 0 where TFLite drops the term.

    Raises `ValueError` for a `scale` too small for TFLite Micro's arithmetic.
    """
    fraction_bits = 31 - _DIFF_INTEGER_BITS
    real = min(beta * scale * (1 << fraction_bits), float(INT32_MAX))
    if not real > 1.0:
        raise ValueError(f"scale {scale} times beta {beta} is too small")
    q, shift = quantize_multiplier(real)
    # softmax.h drops differences that leave the 5 integer bits: CalculateInputRadius in quantization_util.cc.
    radius = math.floor(((1 << _DIFF_INTEGER_BITS) - 1) * (1 << fraction_bits) / (1 << shift))
    terms = (exp_on_negative(high_multiply(-d << shift, q)) if d <= radius else 0 for d in range(256))
    return np.array(list(terms), np.int32)


# exp(-2**k) with 31 fraction bits for k = -2 ... 4: gemmlowp's exp_on_negative_values.
_EXP_BARREL = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_MINUS_EIGHTH = 1895147668
_ONE_THIRD = 715827883


def exp_on_negative(a: int, integer_bits: int = _DIFF_INTEGER_BITS) -> int:
    """Return e**a with 31 fraction bits for a <= 0 with up to 5 integer bits: gemmlowp's exp_on_negative_values."""
    if a == 0:
        return INT32_MAX
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    remainder = (a & (quarter - 1)) - quarter  # in [-1/4, 0)
    # A Taylor series of degree 4 around -1/8: exp_on_interval_between_negative_one_quarter_and_0_excl.
    x = (remainder << integer_bits) + (1 << 28)
    x2 = high_multiply(x, x)
    x3, x4 = high_multiply(x2, x), high_multiply(x2, x2)
    tail = rounding_shift(high_multiply(rounding_shift(x4, 2) + x3, _ONE_THIRD) + x2, 1)
    result = _EXP_MINUS_EIGHTH + high_multiply(_EXP_MINUS_EIGHTH, x + tail)
    for bit, multiplier in enumerate(_EXP_BARREL[: integer_bits + 2], start=fraction_bits - 2):
        if (remainder - a) & (1 << bit):
            result = high_multiply(result, multiplier)
    return result
