"""Tables of 256 values for functions of one int8, each computed as TFLite Micro computes the function.

Every function returns the outputs for the stored values -128 ... 127 in order, or raises `ValueError` with the reason
why TFLite Micro's arithmetic does not hold for these scales.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from hilbench.frameworks.tvm import fixedpoint
from hilbench.frameworks.tvm.fixedpoint import INT32_MAX, Factor, exp_on_negative, high_multiply, rounding_shift
from hilbench.frameworks.tvm.kernel import Rescale

Table = npt.NDArray[np.int8]

_INPUTS = range(-128, 128)
# LOGISTIC and TANH bring their input to 4 integer bits: logistic_common.cc and tanh.cc, kInputIntegerBits.
_INTEGER_BITS = 4
_INT16_MIN, _INT16_MAX = -(1 << 15), (1 << 15) - 1


def rescaled(how: Rescale) -> Table:
    """Return what `how` makes of each int8."""
    values = (x - how.source_zero_point for x in _INPUTS)
    scaled = (fixedpoint.scale(x, how.factor if x >= 0 else how.below) + how.zero_point for x in values)
    return np.array([max(how.low, min(how.high, y)) for y in scaled], how.dtype)


def clamped(low: int, high: int) -> Table:
    """Return each int8, but at least `low` and at most `high`."""
    return np.array([high if x > high else max(x, low) for x in _INPUTS], np.int8)


def dequantized(scale: float, zero_point: int) -> npt.NDArray[np.int32]:
    """Return the bits of the float32 that each int8 stands for: reference/dequantize.h multiplies in double."""
    reals = (np.arange(-128, 128) - zero_point) * scale
    with np.errstate(over="ignore"):
        return reals.astype(np.float32).view(np.int32)


def logistic(scale: float, zero_point: int) -> Table:
    """Return 1 / (1 + exp(-x)) with scale 1/256 and zero point -128: integer_ops/logistic.h."""
    radius, factor = _input_to_fixed(scale)
    return np.array([_logistic(x - zero_point, radius, factor) for x in _INPUTS], np.int8)


def tanh(scale: float, zero_point: int) -> Table:
    """Return tanh(x) with scale 1/128 and zero point 0: integer_ops/tanh.h."""
    radius, factor = _input_to_fixed(scale)
    return np.array([_tanh(x - zero_point, radius, factor) for x in _INPUTS], np.int8)


def hard_swish(scale: float, zero_point: int, output_scale: float, output_zero_point: int) -> Table:
    """Return x * min(max(x + 3, 0), 6) / 6: hard_swish_common.cc and reference/hard_swish.h, in 16-bit steps."""
    hires = np.float32(1.0 / 128.0) * np.float32(scale)
    with np.errstate(over="ignore", under="ignore"):
        to_output = fixedpoint.factor(float(hires / np.float32(output_scale)))
        to_reluish = fixedpoint.factor(float(hires / np.float32(3.0 / 32768.0)))
    if not -15 <= to_output.exponent <= 0 or not -15 <= to_reluish.exponent <= 15:
        raise ValueError(f"the scales {scale:g} and {output_scale:g} are out of range")
    values = (_hard_swish((x - zero_point) * 128, to_output, to_reluish) for x in _INPUTS)
    return np.array([max(-128, min(127, _wrapped(y + output_zero_point))) for y in values], np.int8)


def _hard_swish(x: int, to_output: Factor, to_reluish: Factor) -> int:
    """Return the output before its zero point, for x with 7 bits more than the input."""
    reluish = x
    if to_reluish.exponent > 0:
        reluish = _saturated(reluish << (to_reluish.exponent - 1))
    reluish = _high_multiply_16(reluish, _upper_half(to_reluish))
    if to_reluish.exponent > 0:
        reluish = _saturated(reluish << 1)
    if to_reluish.exponent < 0:
        reluish = rounding_shift(reluish, -to_reluish.exponent)
    reluish = (reluish + (1 << 15)) >> 1
    product = reluish * _high_multiply_16(x, _upper_half(to_output))
    truncated = int(math.copysign(abs(product) >> 15, product))
    return rounding_shift(truncated, -to_output.exponent)


def _upper_half(factor: Factor) -> int:
    """Return a multiplier with 15 bits: DownScaleInt32ToInt16Multiplier."""
    return min(_INT16_MAX, (factor.multiplier + (1 << 15)) >> 16)


def _high_multiply_16(a: int, b: int) -> int:
    """Return a * b / 2**15, rounded: gemmlowp's SaturatingRoundingDoublingHighMul of int16, -2**15 squared apart."""
    return (a * b + (1 << 14)) >> 15


def _saturated(x: int) -> int:
    return max(_INT16_MIN, min(_INT16_MAX, x))


def _wrapped(x: int) -> int:
    """Return what is left of x in an int16, as TFLite Micro adds the zero point."""
    return (x - _INT16_MIN) % (1 << 16) + _INT16_MIN


def _input_to_fixed(scale: float) -> tuple[int, Factor]:
    """Return from which size on an input is out of range, and the factor to 4 integer bits: CalculateInputRadius."""
    fraction_bits = 31 - _INTEGER_BITS
    factor = fixedpoint.factor(scale * (1 << fraction_bits))
    if not 0 <= factor.exponent < 63:
        raise ValueError(f"the scale {scale:g} is out of range")
    return math.floor(((1 << _INTEGER_BITS) - 1) * (1 << fraction_bits) / (1 << factor.exponent)), factor


def _logistic(x: int, radius: int, factor: Factor) -> int:
    if x <= -radius:
        return -128
    if x >= radius:
        return 127
    fixed = fixedpoint.scale(x, factor)
    positive = _one_over_one_plus(exp_on_negative(-abs(fixed), _INTEGER_BITS))
    real = 1 << 30 if fixed == 0 else positive if fixed > 0 else INT32_MAX - positive
    return max(-128, min(127, rounding_shift(real, 31 - 8) - 128))


def _tanh(x: int, radius: int, factor: Factor) -> int:
    if x <= -radius:
        return -128
    if x >= radius:
        return 127
    fixed = fixedpoint.scale(x, factor)
    # Read with one integer bit more, the same bits stand for twice the value.
    size = _one_minus_over_one_plus(exp_on_negative(-abs(fixed), _INTEGER_BITS + 1))
    real = 0 if fixed == 0 else size if fixed > 0 else -size
    return max(-128, min(127, rounding_shift(real, 31 - 7)))


def _newton(x: int) -> int:
    """Return 2 / (1 + x) with 2 integer bits for x in [0, 1): gemmlowp's Newton-Raphson division."""
    half_denominator = (x + INT32_MAX + 1) >> 1
    estimate = 1515870810 + high_multiply(half_denominator, -1010580540)  # 48/17 and -32/17
    for _ in range(3):
        error = (1 << 29) - high_multiply(half_denominator, estimate)
        estimate += _times_power_of_two(high_multiply(estimate, error), 2)
    return estimate


def _one_over_one_plus(x: int) -> int:
    return _times_power_of_two(_newton(x), 1)


def _one_minus_over_one_plus(x: int) -> int:
    return _times_power_of_two(_newton(x) - (1 << 29), 2)


def _times_power_of_two(x: int, bits: int) -> int:
    """Return x * 2**bits within 32 bits: SaturatingRoundingMultiplyByPOT."""
    return max(-INT32_MAX - 1, min(INT32_MAX, x << bits))
