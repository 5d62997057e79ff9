"""The kernels of `packed` in TIR, written out by hand: which instruction does what is the point of them.

Loops in Python unroll; loops in TIR (`script.serial`) run on the device.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as script

from hilbench.frameworks.tvm import kernel, packed
from hilbench.frameworks.tvm.instructions import (
    i32,
    load4,
    load_pair,
    lsl,
    pkhbt,
    rev16,
    smlabb,
    smlabt,
    smlad,
    smlatb,
    smmulr,
    smuad,
    ssat8,
    sxtb16,
    sxtb16_ror8,
)
from hilbench.frameworks.tvm.kernels import PrimFunc, prim_func

Expr = Any
Buffer = Any

# Words of the innermost loop written out, to thin out its counting.
_WORDS_AT_ONCE = (9, 8, 7, 6, 5, 4, 3, 2, 1)


@prim_func.register
def _(what: kernel.PackedConv2D) -> PrimFunc:
    """For each block of pixels: expand their windows into a panel, then multiply it with each group of channels."""
    plain, pixels, channels = what.plain, what.pixels, what.channels
    count, length = packed.runs(plain)
    words, groups = count * -(-length // 4), -(-plain.channels // channels)
    size = plain.shape[0] * math.prod(_output(plain))
    with IRBuilder() as builder, script.prim_func(s_tir=True):
        script.func_name("main")
        x = script.arg("x", script.buffer((math.prod(plain.shape),), "int8"))
        weights = script.arg("weights", script.buffer((groups, words, channels), "int32"))
        constants = _Constants.arguments(plain.channels)
        out = script.arg("out", script.buffer((size, plain.channels), "int8"))
        panel = script.alloc_buffer((words, 2 * pixels), "int32")
        sums = script.alloc_buffer((pixels, channels), "int32")
        with script.serial(0, -(-size // pixels)) as block:
            first = tirx.min(block * pixels, size - pixels)
            _fill(panel, x, plain, [_window(plain, first + i) for i in range(pixels)])
            with script.serial(0, groups) as group:
                channel = tirx.min(group * channels, plain.channels - channels)
                _multiply(sums, panel, weights, group, constants.start, channel)
                for j in range(channels):
                    requantized = constants.requantizer(channel + j, plain.requantize)
                    for i in range(pixels):  # sums are 256 times the total
                        script.buffer_store(out, requantized(sums[i, j] >> i32(7)), [first + i, channel + j])
    return builder.get()


@prim_func.register
def _(what: kernel.PackedDepthwiseConv2D) -> PrimFunc:
    """For each channel: copy its input to a plane of int16, two a word, then slide the window over the plane."""
    plain, how = what.plain, what.plain.requantize
    batch, height, width, depth = plain.shape
    rows, columns = _output(plain)
    channels = depth * plain.multiplier
    row_words = packed.row_words(plain.window[1])
    together = 2 if plain.stride[1] == 1 else 1
    with IRBuilder() as builder, script.prim_func(s_tir=True):
        script.func_name("main")
        x = script.arg("x", script.buffer(plain.shape, "int8"))
        weights = script.arg("weights", script.buffer((channels, plain.window[0], row_words), "int32"))
        constants = _Constants.arguments(channels)
        out = script.arg("out", script.buffer((batch, rows, columns, channels), "int8"))
        # One word more than a row needs: the last window of a row is read in whole words.
        plane = script.alloc_buffer((height, width // 2 + 2), "int32")
        taps = script.alloc_buffer((plain.window[0], row_words, 2), "int32")
        with script.serial(0, batch) as b, script.serial(0, depth) as c:
            _fill_plane(plane, x, b, c)
            with script.serial(0, plain.multiplier) as m:
                channel = c * plain.multiplier + m
                for ky, j in itertools.product(range(plain.window[0]), range(row_words)):
                    word = script.bind(weights[channel, ky, j])
                    script.buffer_store(taps, sxtb16(word), [ky, j, 0])
                    script.buffer_store(taps, sxtb16_ror8(word), [ky, j, 1])
                start = script.bind(constants.start[channel])
                requantized = constants.requantizer(channel, how)
                with script.serial(0, rows) as y:

                    def write(column: Expr, count: int, y: Expr = y) -> None:
                        for i, total in enumerate(_slide(plane, taps, plain, y, column, count)):
                            value = requantized(start + total * 2)
                            script.buffer_store(out, value, [b, y, column + i, channel])

                    if columns >= together:
                        with script.serial(0, columns // together) as some:
                            write(some * together, together)
                    if columns % together:
                        write(columns - 1, 1)
    return builder.get()


def _output(plain: kernel.Conv2D | kernel.DepthwiseConv2D) -> kernel.Pair:
    return kernel.windows((plain.shape[1], plain.shape[2]), plain.window, plain.stride, plain.dilation)


def _window(plain: kernel.Conv2D, pixel: Expr) -> Expr:
    """Return where in the input the window of output pixel number `pixel` begins."""
    rows, columns = _output(plain)
    _, height, width, depth = plain.shape
    if (rows, columns) == (height, width):  # 1x1 windows without strides
        return pixel * depth
    row, batch = pixel // columns, pixel // (rows * columns)
    line = batch * height + (row - batch * rows) * plain.stride[0]
    return (line * width + (pixel - row * columns) * plain.stride[1]) * depth


def _fill(panel: Buffer, x: Buffer, plain: kernel.Conv2D, windows: Sequence[Expr]) -> None:
    """Write H of all pixels, then Z of all pixels, for each word of their windows."""
    _, _, width, depth = plain.shape
    count, length = packed.runs(plain)
    words = -(-length // 4)

    def expand(run: Expr, word: Expr, place: Expr) -> None:
        for i, window in enumerate(windows):
            bytes_ = script.bind(load4(x, window + place))
            script.buffer_store(panel, sxtb16_ror8(bytes_), [run * words + word, i])
            script.buffer_store(panel, rev16(bytes_) ^ i32(0x007F007F), [run * words + word, len(windows) + i])

    with script.serial(0, count) as run:
        down, across = (run, 0) if count == plain.window[0] else (run // plain.window[1], run % plain.window[1])
        start = (down * plain.dilation[0] * width + across * plain.dilation[1]) * depth
        with script.serial(0, length // 4) as word:
            expand(run, word, start + 4 * word)
        if length % 4:
            expand(run, words - 1, start + length - 4)


def _multiply(sums: Buffer, panel: Buffer, weights: Buffer, group: Expr, start: Buffer, channel: Expr) -> None:
    """Sum up the products of the whole panel with one group of channels."""
    words, channels = _sizes(weights)[1:]
    pixels = _sizes(sums)[0]
    inputs, w = script.alloc_buffer((2,), "int32"), script.alloc_buffer((channels,), "int32")
    for i in range(pixels):
        for j in range(channels):
            script.buffer_store(sums, start[channel + j], [i, j])
    step = _step(words)
    with script.serial(0, words // step) as some:
        for word in (some * step + i for i in range(step)):
            for j in range(0, channels, 2):
                load_pair(w, j, weights, [group, word, j])
            for part in range(2 * pixels):
                if part == pixels:  # all H are multiplied with W, now come Z with A
                    for j in range(channels):
                        script.buffer_store(w, sxtb16(w[j]), [j])
                if part % 2 == 0:
                    load_pair(inputs, 0, panel, [word, part])
                for j in range(channels):
                    i = part % pixels
                    script.buffer_store(sums, smlad(w[j], inputs[part % 2], sums[i, j]), [i, j])


# ---- depthwise convolutions


def _fill_plane(plane: Buffer, x: Buffer, b: Expr, c: Expr) -> None:
    """Copy channel `c` of the input to `plane`: neighbours in a row become the halves of a word."""
    _, height, width, _ = _sizes(x)
    step = _step(width // 2)
    with script.serial(0, height) as y:
        with script.serial(0, width // 2 // step) as some:
            for column in (some * step + i for i in range(step)):
                low, high = (x[b, y, 2 * column + i, c].astype("int32") for i in range(2))
                script.buffer_store(plane, pkhbt(low, high), [y, column])
        if width % 2:
            script.buffer_store(plane, x[b, y, width - 1, c].astype("int32"), [y, width // 2])


def _slide(
    plane: Buffer, taps: Buffer, plain: kernel.DepthwiseConv2D, y: Expr, column: Expr, together: int
) -> list[Expr]:
    """Return the sums of the window at output `column`, an even number of inputs, and of its right neighbour.

    A row of taps w0 w1 w2 ... comes as words (w0, w1) (w2, w3) ... and (w1, w2) (w3, w4) ...: the first window takes
    pairs of inputs times the former, the second those times the latter; what is left over is a product of halves.
    """
    rows, width = plain.window
    words = width // 2 + 1 if together == 2 else (width + 1) // 2
    inputs, sums = script.alloc_buffer((words,), "int32"), script.alloc_buffer((together,), "int32")
    for ky in range(rows):
        place = [y * plain.stride[0] + ky * plain.dilation[0], column * plain.stride[1] // 2]
        for j in range(0, words - 1, 2):
            load_pair(inputs, j, plane, [place[0], place[1] + j])
        if words % 2:
            script.buffer_store(inputs, plane[place[0], place[1] + words - 1], [words - 1])
        last = width // 2
        for j in range(last):
            total = smuad(inputs[j], taps[ky, j, 0]) if ky == j == 0 else smlad(inputs[j], taps[ky, j, 0], sums[0])
            script.buffer_store(sums, total, [0])
        if width == 1:
            script.buffer_store(sums, smlabb(inputs[0], taps[ky, 0, 0], sums[0] if ky else i32(0)), [0])
        elif width % 2:
            script.buffer_store(sums, smlabt(inputs[last], taps[ky, last - 1, 1], sums[0]), [0])
        if together == 1:
            continue
        script.buffer_store(sums, smlatb(inputs[0], taps[ky, 0, 0], sums[1] if ky else i32(0)), [1])
        for j in range((width - 1) // 2):
            script.buffer_store(sums, smlad(inputs[j + 1], taps[ky, j, 1], sums[1]), [1])
        if width % 2 == 0:
            script.buffer_store(sums, smlabt(inputs[last], taps[ky, last - 1, 0], sums[1]), [1])
    return [sums[i] for i in range(together)]


# ---- from sums to int8


@dataclass(frozen=True)
class _Constants:
    """What a kernel knows of each channel: see `packed`."""

    start: Buffer
    multiplier: Buffer
    shift: Buffer

    @classmethod
    def arguments(cls, channels: int) -> _Constants:
        """Declare them as the function's next parameters."""
        types = {"start": "int32", "multiplier": "int32", "shift": "uint8"}
        return cls(*(script.arg(name, script.buffer((channels,), dtype)) for name, dtype in types.items()))

    def requantizer(self, channel: Expr, how: kernel.Requantize) -> Callable[[Expr], Expr]:
        """Load the constants of one channel, and return what makes int8 of its doubled totals.

        With s = right shift - 1, half of 2**right and the zero point join as (2 * zero_point + 1) << s.
        RoundingDivideByPOT rounds half away from zero: half up for the value less 1 where that is negative.
        """
        multiplier = script.bind(self.multiplier[channel])
        shift = script.bind(self.shift[channel].astype("int32"))
        offset = lsl(i32(2 * how.zero_point + 1), shift)

        def requantized(doubled: Expr) -> Expr:
            high = script.bind(smmulr(doubled, multiplier))
            return _clamp((high + (high >> i32(31)) + offset) >> (shift + 1), how).astype("int8")

        return requantized


def _clamp(value: Expr, how: kernel.Requantize) -> Expr:
    if (how.low, how.high) == (-128, 127):
        return ssat8(value)
    return tirx.max(tirx.min(value, i32(how.high)), i32(how.low))


def _step(count: int) -> int:
    """Return how many of `count` steps of a loop to write out."""
    return next((step for step in _WORDS_AT_ONCE if count % step == 0), 1)


def _sizes(buffer: Buffer) -> tuple[int, ...]:
    return tuple(int(size) for size in buffer.shape)
