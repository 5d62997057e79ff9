"""Chooses kernels for cores with the DSP extension, whose SMLAD adds two products of int16 to a sum. Needs no TVM.

A word of four int8 weights w0 ... w3 would cost two SXTB16 to become two words of int16. One is enough: with

    W = (256 * w1 + w0, 256 * w3 + w2)        which is the word itself, but for w1 and w3 less 1 where w0 or w2 < 0
    A = (w0, w2)                              SXTB16 of it
    H = (x1, x3)                              SXTB16 of the word of inputs, rotated by 8
    Z = (256 * x0 - x1 + 127, 256 * x2 - x3 + 127)      its bytes swapped in each half, exclusive or 0x007f007f

W * H + A * Z is 256 * (w0 * x0 + ... + w3 * x3) + 127 * (w0 + w2). The last term is known and goes into the start of
the sum with 256 * bias; sums are kept modulo 2**32 and hold 256 times a total that 24 bits suffice for. H and Z are
made once for all channels, so that four products cost each channel a load, an SXTB16 and two SMLAD.

The total t is made an int8 with one SMMULR, as (2 * t * multiplier + 2**31) >> 32 is TFLite's rounded high product.
Records whose numbers do not allow all this keep their plain kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hilbench.frameworks.tvm import fixedpoint, kernel
from hilbench.frameworks.tvm.program import Argument, Call, Program

Array = npt.NDArray[Any]

# Totals below 2**23 keep 256 times their value in an int32.
_TOTAL_BITS = 23
# Pixels and channels of a block, and the instructions that four products of every output in it take: a load of each
# pair of words of weights, SXTB16, a load of H and Z, SMLAD. The largest fills a Cortex-M's registers.
_BLOCKS = {(4, 2): 1 + 2 + 4 + 16, (3, 2): 1 + 2 + 3 + 12, (2, 2): 1 + 2 + 2 + 8, (1, 4): 2 + 4 + 1 + 8, (1, 2): 8}
# A depthwise window of more taps would be too much code.
_MOST_TAPS = 32


def rewrite(program: Program) -> Program:
    """Return `program` with packed kernels wherever they compute the same; for cores with the DSP extension."""
    return replace(program, calls=tuple(_rewritten(call) for call in program.calls))


def _rewritten(call: Call) -> Call:
    if isinstance(call.kernel, kernel.Conv2D):
        return _convolution(call, call.kernel) or call
    if isinstance(call.kernel, kernel.DepthwiseConv2D):
        return _depthwise(call, call.kernel) or call
    return call


# ---- convolutions


def runs(plain: kernel.Conv2D) -> tuple[int, int]:
    """Return how many runs of neighbouring input bytes make a window, and the bytes of each."""
    rows, columns = plain.window
    depth = plain.shape[3]
    return (rows, columns * depth) if plain.dilation[1] == 1 else (rows * columns, depth)


def _convolution(call: Call, plain: kernel.Conv2D) -> Call | None:
    source, weights, *constants = call.arguments
    count, length = runs(plain)
    blocks = [block for block in _BLOCKS if block[1] <= plain.channels and block[0] <= _pixels(plain)]
    if plain.requantize.left_shift or length < 4 or not blocks:
        return None
    channels = _channels(weights, 0, constants, plain.requantize)
    if channels is None:
        return None
    words = _words(channels.weights.reshape(plain.channels, count, length))
    evens = words[..., 0::2].sum(axis=(1, 2))
    words[..., 1::2] -= words[..., 0::2] < 0
    if words.min() < -128:
        return None
    start = (256 * channels.bias - 127 * evens).astype(np.int32)
    pixels, group = min(blocks, key=lambda block: -(-_pixels(plain) // block[0]) * _BLOCKS[block] / block[1])
    weights = _interleaved(_as_words(words), group)
    what = kernel.PackedConv2D(plain, pixels, group)
    return replace(call, kernel=what, arguments=(source, weights, start, *channels.requantization()))


def _pixels(plain: kernel.Conv2D) -> int:
    batch, height, width, _ = plain.shape
    return batch * math.prod(kernel.windows((height, width), plain.window, plain.stride, plain.dilation))


def _words(rows: Array) -> Array:
    """Split runs (channels, count, length) into words (channels, words, 4).

    The last word of a run ends with it; what it repeats of the word before is 0.
    """
    channels, count, length = rows.shape
    whole, rest = divmod(length, 4)
    words = np.zeros((channels, count, whole + (rest > 0), 4), rows.dtype)
    words[:, :, :whole] = rows[:, :, : 4 * whole].reshape(channels, count, whole, 4)
    if rest:
        words[:, :, -1, 4 - rest :] = rows[:, :, 4 * whole :]
    return words.reshape(channels, -1, 4)


def _interleaved(words: Array, group: int) -> Array:
    """Return the words (channels, words) of each group of channels side by side; the last group ends with the last."""
    starts = (min(start, len(words) - group) for start in range(0, len(words), group))
    return np.concatenate([words[start : start + group].T.reshape(-1) for start in starts]).astype(np.int32)


# ---- depthwise convolutions


def _depthwise(call: Call, plain: kernel.DepthwiseConv2D) -> Call | None:
    source, weights, *constants = call.arguments
    if plain.shape[2] == 1:  # one column: in memory the same as one row
        plain = _transposed(plain)
    stride = plain.stride[1]
    if plain.requantize.left_shift or plain.dilation[1] != 1 or math.prod(plain.window) > _MOST_TAPS:
        return None
    if stride != 1 and stride % 2:  # windows would not begin with a word
        return None
    channels = _channels(weights, 2, constants, plain.requantize)
    if channels is None:
        return None
    taps = channels.weights.reshape(-1, *plain.window)
    taps = np.pad(taps, ((0, 0), (0, 0), (0, 2)))
    words = [taps[..., [2 * j, 2 * j + 1, 2 * j + 1, 2 * j + 2]] for j in range(row_words(plain.window[1]))]
    weights = _as_words(np.stack(words, axis=2))
    arguments = (source, weights, (2 * channels.bias).astype(np.int32), *channels.requantization())
    return replace(call, kernel=kernel.PackedDepthwiseConv2D(plain), arguments=arguments)


def _transposed(plain: kernel.DepthwiseConv2D) -> kernel.DepthwiseConv2D:
    batch, height, width, depth = plain.shape
    pairs = {name: getattr(plain, name)[::-1] for name in ("window", "stride", "dilation")}
    return replace(plain, shape=(batch, width, height, depth), **pairs)


def row_words(taps: int) -> int:
    """Return how many words of weights a row of `taps` takes: see `_depthwise`."""
    return max(1, taps // 2)


def _as_words(numbers: Array) -> Array:
    """Return (..., 4) numbers of 8 bits as (...) int32, the first in the lowest bits."""
    return np.ascontiguousarray(numbers.astype(np.int8)).view("<i4")[..., 0].astype(np.int32)


# ---- what both need to know of their channels


@dataclass(frozen=True, eq=False)
class _Channels:
    """Weights (channels, taps), bias, multiplier and right shift of each channel, all int64."""

    weights: Array
    bias: Array
    multiplier: Array
    right: Array

    def requantization(self) -> tuple[Array, Array]:
        """Return the constants multiplier and right shift - 1."""
        return self.multiplier.astype(np.int32), (self.right - 1).astype(np.uint8)


def _channels(weights: Argument, axis: int, constants: Sequence[Argument], how: kernel.Requantize) -> _Channels | None:
    """Return what equals the given constants and fits the short requantisation; None if there is no such thing.

    That needs totals of `_TOTAL_BITS`, and shifts by at least 1. Training leaves channels whose output is the same for
    any input, with a huge bias or factor: those become weights of 0.
    """
    assert isinstance(weights, np.ndarray)
    rows = np.moveaxis(weights.astype(np.int64), axis, 0).reshape(weights.shape[axis], -1).copy()
    bias, multiplier, right = (np.array(constant, np.int64) for constant in constants)
    least = bias + np.minimum(-128 * rows, 127 * rows).sum(axis=1)
    most = bias + np.maximum(-128 * rows, 127 * rows).sum(axis=1)
    for i in range(len(rows)):
        if max(-least[i], most[i]) < 1 << _TOTAL_BITS and 1 <= right[i] <= _TOTAL_BITS:
            continue
        ends = {_requantized(int(total), int(multiplier[i]), int(right[i]), how) for total in (least[i], most[i])}
        if len(ends) > 1:
            return None
        # A quarter, by 2**30 as the multiplier and a shift by 1, of four times the output.
        rows[i], bias[i], multiplier[i], right[i] = 0, 4 * (ends.pop() - how.zero_point), 1 << 30, 1
    return _Channels(rows, bias, multiplier, right)


def _requantized(total: int, multiplier: int, right: int, how: kernel.Requantize) -> int:
    value = fixedpoint.rounding_shift(fixedpoint.high_multiply(total, multiplier), right)
    return max(how.low, min(how.high, value + how.zero_point))
