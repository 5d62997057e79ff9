"""TFLite Micro's fixed-point arithmetic on the host: multipliers, activation ranges and the softmax table.

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
# Softmax: differences to the row's largest value have 5 integer bits (softmax.h, kScaledDiffIntegerBits).
_DIFF_INTEGER_BITS = 5


@dataclass(frozen=True, eq=False)
class Multipliers:
    """One real factor a channel as value * 2**31 (int32), and how far to shift left before and right after it."""

    multiplier: Int32Array
    left: ShiftArray
    right: ShiftArray


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Return (q, e) with real = q * 2**(e - 31) and q in [2**30, 2**31), as TFLite's QuantizeMultiplier does."""
    if real == 0.0:
        return 0, 0
    fraction, exponent = math.frexp(real)
    q = math.floor(fraction * (1 << 31) + 0.5)
    if q == 1 << 31:
        q, exponent = q // 2, exponent + 1
    return (0, 0) if exponent < -31 else (q, exponent)


def channel_multipliers(reals: Sequence[float]) -> Multipliers:
    """Return the multipliers of `reals`, one real factor a channel."""
    pairs = [quantize_multiplier(real) for real in reals]
    # A shift by 31 leaves 0 of any sum below 2**30, so 0 it is: no kernel has to form 1 << 31.
    pairs = [(0, 0) if exponent == -31 else (q, exponent) for q, exponent in pairs]
    exponents = np.array([exponent for _, exponent in pairs])
    return Multipliers(
        np.array([q for q, _ in pairs], np.int32),
        np.maximum(exponents, 0).astype(np.uint8),
        np.maximum(-exponents, 0).astype(np.uint8),
    )


def activation_range(activation: str, scale: float, zero_point: int) -> tuple[int, int]:
    """Return the smallest and largest int8 that a fused activation lets through (NONE, RELU, RELU6, RELU_N1_TO_1).

    Raises `KeyError` for any other activation.
    """
    low, high = {"NONE": (None, None), "RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}[activation]
    return (
        -128 if low is None else max(-128, _quantize(low, scale, zero_point)),
        127 if high is None else min(127, _quantize(high, scale, zero_point)),
    )


def _quantize(real: int, scale: float, zero_point: int) -> int:
    """Quantise in float32 and round half away from zero, as CalculateActivationRangeQuantized does."""
    quotient = float(np.float32(real) / np.float32(scale))
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
    if real <= 1.0:
        raise ValueError(f"scale {scale} times beta {beta} is too small")
    q, shift = quantize_multiplier(real)
    # softmax.h drops differences that leave the 5 integer bits: CalculateInputRadius in quantization_util.cc.
    radius = math.floor(((1 << _DIFF_INTEGER_BITS) - 1) * (1 << fraction_bits) / (1 << shift))
    return np.array([_exp(high_multiply(-d << shift, q)) if d <= radius else 0 for d in range(256)], np.int32)


# exp(-2**k) with 31 fraction bits for k = -2 ... 4: gemmlowp's exp_on_negative_values.
_EXP_BARREL = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_MINUS_EIGHTH = 1895147668
_ONE_THIRD = 715827883


def _exp(a: int) -> int:
    """Return e**a with 31 fraction bits for a <= 0 with 26 fraction bits: gemmlowp's exp_on_negative_values."""
    if a == 0:
        return INT32_MAX
    quarter = 1 << 24
    remainder = (a & (quarter - 1)) - quarter  # in [-1/4, 0)
    # A Taylor series of degree 4 around -1/8: exp_on_interval_between_negative_one_quarter_and_0_excl.
    x = (remainder << 5) + (1 << 28)
    x2 = high_multiply(x, x)
    x3, x4 = high_multiply(x2, x), high_multiply(x2, x2)
    tail = rounding_shift(high_multiply(rounding_shift(x4, 2) + x3, _ONE_THIRD) + x2, 1)
    result = _EXP_MINUS_EIGHTH + high_multiply(_EXP_MINUS_EIGHTH, x + tail)
    for bit, factor in enumerate(_EXP_BARREL, start=24):
        if (remainder - a) & (1 << bit):
            result = high_multiply(result, factor)
    return result
