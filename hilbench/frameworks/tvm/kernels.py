"""Kernels as TVM tensor expressions with a schedule: each `kernel` record becomes one PrimFunc.

The arithmetic is TFLite Micro's, in int32 and int64 alone. Schedules here are for a scalar core with no more than 16
registers: they keep a few sums in registers and leave the rest to the C compiler. What they sample (`_tile`) has a
decision of ours, and is what `tuning` may decide otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import singledispatch
from typing import Any

from tvm import s_tir, te, tirx

from hilbench.frameworks.tvm import kernel

Expr = Any
PrimFunc = Any

# The largest tile of one loop that tuning tries.
LARGEST_TILE = 8
# Neighbouring output channels computed at once: their sums, the input and the pointers fit a Cortex-M's registers.
_CHANNELS_AT_ONCE = (4, 3, 2, 1)
# Steps of the innermost loop written out, to thin out its counting.
_STEPS_AT_ONCE = (4, 3, 2, 1)
# The blocks that make int8 of sums, in order, and all blocks of a convolution.
_OUTPUT_BLOCKS = ("total", "high", "out")
_BLOCKS = ("sums_init", "sums_update", *_OUTPUT_BLOCKS)
# A depthwise window of up to so many taps is written out.
_MOST_TAPS = 32


@singledispatch
def prim_func(what: kernel.Kernel) -> PrimFunc:
    """Return the scheduled PrimFunc of a kernel record. Buffers are inputs, constants, then the output."""
    raise TypeError(f"{type(what).__name__} is not a TVM kernel")


@singledispatch
def unscheduled(what: kernel.Kernel) -> PrimFunc:
    """Return the PrimFunc of a kernel that can be tuned, as tensor expressions alone make it."""
    raise TypeError(f"{type(what).__name__} is not a kernel that can be tuned")


@singledispatch
def tile(what: kernel.Kernel, schedule: Any) -> None:
    """Tile the loops of `schedule`, which is of `unscheduled(what)`: all that there is to decide."""
    raise TypeError(f"{type(what).__name__} is not a kernel that can be tuned")


@singledispatch
def finish(what: kernel.Kernel, schedule: Any) -> None:
    """Do to a tiled `schedule` what follows from the tiles."""
    raise TypeError(f"{type(what).__name__} is not a kernel that can be tuned")


@prim_func.register(kernel.Conv2D)
@prim_func.register(kernel.DepthwiseConv2D)
def _(what: kernel.Conv2D | kernel.DepthwiseConv2D) -> PrimFunc:
    schedule = s_tir.Schedule(unscheduled(what))
    tile(what, schedule)
    schedule.enter_postproc()
    finish(what, schedule)
    return schedule.mod["main"]


@unscheduled.register
def _(what: kernel.Conv2D) -> PrimFunc:
    n, height, width, depth = what.shape
    rows, columns = kernel.windows((height, width), what.window, what.stride, what.dilation)
    x = te.placeholder(what.shape, "int8", "x")
    weights = te.placeholder((what.channels, *what.window, depth), "int8", "weights")
    ky, kx = (te.reduce_axis((0, size), name) for size, name in zip(what.window, ("ky", "kx"), strict=True))
    kc = te.reduce_axis((0, depth), "kc")

    def product(b: Expr, y: Expr, xx: Expr, o: Expr) -> Expr:
        pixel = x[b, y * what.stride[0] + ky * what.dilation[0], xx * what.stride[1] + kx * what.dilation[1], kc]
        return te.sum(pixel.astype("int32") * weights[o, ky, kx, kc].astype("int32"), axis=[ky, kx, kc])

    return _with_output(te.compute((n, rows, columns, what.channels), product, "sums"), what.requantize, [x, weights])


@tile.register
def _(what: kernel.Conv2D, schedule: Any) -> None:
    b, y, x, o, ky, kx, kc = schedule.get_loops(schedule.get_sblock("sums"))
    pixels = [schedule.fuse(y, x)] if _flat(what) else [y, x]
    tiles = [_tile(schedule, loop, 1) for loop in pixels]
    tiles.append(_tile(schedule, o, _divisor(what.channels, _CHANNELS_AT_ONCE)))
    # Without dilation a row of the window is one run of memory in input and weights alike.
    run, between = (schedule.fuse(kx, kc), []) if what.dilation[1] == 1 else (kc, [kx])
    length = what.shape[3] * (what.window[1] if what.dilation[1] == 1 else 1)
    run, step = _tile(schedule, run, _divisor(length, _STEPS_AT_ONCE))
    outer, inner = zip(*tiles, strict=True)
    schedule.reorder(b, *outer, ky, *between, run, step, *inner)


@finish.register
def _(what: kernel.Conv2D, schedule: Any) -> None:
    outer = 2 if _flat(what) else 3
    _finish(schedule, 1 + outer, unrolled=1 + outer)


def _flat(what: kernel.Conv2D) -> bool:
    """Say whether windows are pixels one after another, so that tiles of them may cross rows."""
    size = what.shape[1], what.shape[2]
    return kernel.windows(size, what.window, what.stride, what.dilation) == size


@unscheduled.register
def _(what: kernel.DepthwiseConv2D) -> PrimFunc:
    n, height, width, depth = what.shape
    rows, columns = kernel.windows((height, width), what.window, what.stride, what.dilation)
    channels = depth * what.multiplier
    x = te.placeholder(what.shape, "int8", "x")
    weights = te.placeholder((*what.window, channels), "int8", "weights")
    ky, kx = (te.reduce_axis((0, size), name) for size, name in zip(what.window, ("ky", "kx"), strict=True))

    def product(b: Expr, y: Expr, xx: Expr, o: Expr) -> Expr:
        place = y * what.stride[0] + ky * what.dilation[0], xx * what.stride[1] + kx * what.dilation[1]
        pixel = x[b, *place, o // what.multiplier]
        return te.sum(pixel.astype("int32") * weights[ky, kx, o].astype("int32"), axis=[ky, kx])

    return _with_output(te.compute((n, rows, columns, channels), product, "sums"), what.requantize, [x, weights])


@tile.register
def _(what: kernel.DepthwiseConv2D, schedule: Any) -> None:
    b, *places, ky, kx = schedule.get_loops(schedule.get_sblock("sums"))
    outer, inner = zip(*(_tile(schedule, loop, 1) for loop in places), strict=True)
    schedule.reorder(b, *outer, ky, kx, *inner)


@finish.register
def _(what: kernel.DepthwiseConv2D, schedule: Any) -> None:
    taps = 2 if math.prod(what.window) <= _MOST_TAPS else 0
    _finish(schedule, 4, unrolled=taps + 3)


@prim_func.register
def _(what: kernel.Pool2D) -> PrimFunc:
    n, height, width, depth = what.shape
    x = te.placeholder(what.shape, "int8", "x")
    ky, kx = (te.reduce_axis((0, size), name) for size, name in zip(what.window, ("ky", "kx"), strict=True))
    reduce, outside = (te.sum, 0) if what.average else (te.max, -128)

    def start(y: Expr, xx: Expr) -> tuple[Expr, Expr]:
        return y * what.stride[0] - what.before[0], xx * what.stride[1] - what.before[1]

    def window(b: Expr, y: Expr, xx: Expr, c: Expr) -> Expr:
        row, column = (first + k for first, k in zip(start(y, xx), (ky, kx), strict=True))
        inside = tirx.all(row >= 0, row < height, column >= 0, column < width)
        pixel = tirx.if_then_else(inside, x[b, row, column, c].astype("int32"), _i32(outside))
        return reduce(pixel, axis=[ky, kx])

    def output(b: Expr, y: Expr, xx: Expr, c: Expr) -> Expr:
        value = pooled[b, y, xx, c]
        if what.average:
            top, left = start(y, xx)
            count = _inside(top, what.window[0], height) * _inside(left, what.window[1], width)
            half = tirx.truncdiv(count, _i32(2))
            value = tirx.truncdiv(value + tirx.Select(value > 0, half, -half), count)
        return _clamp(value, what.low, what.high)

    shape = (n, *what.output, depth)
    pooled = te.compute(shape, window, "sums")
    out = te.compute(shape, output, "out")
    schedule = s_tir.Schedule(te.create_prim_func([x, out]))
    *_, c, ky_loop, _ = schedule.get_loops(schedule.get_sblock("sums"))
    schedule.reverse_compute_at(schedule.get_sblock("out"), c)
    schedule.decompose_reduction(schedule.get_sblock("sums"), ky_loop)
    return schedule.mod["main"]


# ---- from sums to int8


def _with_output(sums: Any, how: kernel.Requantize, inputs: list[Any]) -> PrimFunc:
    """Return the PrimFunc of `sums` and `_OUTPUT_BLOCKS`: bias, multiplier, shifts, zero point and clamp."""
    shape, channels = sums.shape, (sums.shape[3],)
    bias, multiplier = (te.placeholder(channels, "int32", name) for name in ("bias", "multiplier"))
    # Shifts are uint8: TVM 0.27 draws wrong bounds from `>>` by an int32 that it cannot see.
    left, right = (te.placeholder(channels, "uint8", name) for name in ("left", "right"))

    def biased(*i: Expr) -> Expr:
        total = sums(*i) + bias[i[3]]
        return total * (_i32(1) << left[i[3]].astype("int32")) if how.left_shift else total

    # Blocks of their own keep each value in an int32 of its own: the simplifier would widen the addition to int64.
    total = te.compute(shape, biased, "total")
    high = te.compute(shape, lambda *i: _high_multiply(total(*i), multiplier[i[3]]), "high")

    def output(*i: Expr) -> Expr:
        return _clamp(_round_shift(high(*i), right[i[3]].astype("int32")) + how.zero_point, how.low, how.high)

    out = te.compute(shape, output, "out")
    shifts = [left, right] if how.left_shift else [right]
    return te.create_prim_func([*inputs, bias, multiplier, *shifts, out])


def _tile(schedule: Any, loop: Any, size: int) -> tuple[Any, Any]:
    """Split `loop` into tiles, of `size` unless tuning says otherwise. Returns the loops over tiles and inside one."""
    count = int(schedule.get(loop).extent) // size
    outer, inner = schedule.split(loop, schedule.sample_perfect_tile(loop, 2, LARGEST_TILE, [count, size]))
    return outer, inner


def _finish(schedule: Any, outer: int, *, unrolled: int) -> None:
    """Compute the output's blocks inside the `outer` loops over tiles, and set sums to 0 before what they add up.

    Writes out the loops inside a tile: the `unrolled` innermost ones of the sums, and all of the other blocks.
    """
    loops = schedule.get_loops(schedule.get_sblock("sums"))
    for name in _OUTPUT_BLOCKS:
        schedule.reverse_compute_at(schedule.get_sblock(name), loops[outer - 1])
    schedule.decompose_reduction(schedule.get_sblock("sums"), loops[outer])
    for name in _BLOCKS:
        loops = schedule.get_loops(schedule.get_sblock(name))
        for loop in loops[len(loops) - unrolled if name == "sums_update" else outer :]:
            schedule.unroll(loop)


def _high_multiply(value: Expr, multiplier: Expr) -> Expr:
    """value * multiplier / 2**31, rounded: SaturatingRoundingDoublingHighMul."""
    product = value.astype("int64") * multiplier.astype("int64")
    return ((product + tirx.const(1 << 30, "int64")) >> tirx.const(31, "int64")).astype("int32")


def _round_shift(value: Expr, bits: Expr | int) -> Expr:
    """value / 2**bits, rounded half away from zero: RoundingDivideByPOT."""
    if isinstance(bits, int):
        if bits == 0:
            return value
        mask, bits = _i32((1 << bits) - 1), _i32(bits)
    else:
        mask = (_i32(1) << bits) - _i32(1)
    threshold = (mask >> _i32(1)) - (value >> _i32(31))
    return (value >> bits) + ((value & mask) > threshold).astype("int32")


def _clamp(value: Expr, low: int, high: int) -> Expr:
    return tirx.max(tirx.min(value, _i32(high)), _i32(low)).astype("int8")


def _inside(start: Expr, length: int, size: int) -> Expr:
    """Return how many of `length` places from `start` on are within 0 ... size-1."""
    return tirx.min(start + length, _i32(size)) - tirx.max(start, _i32(0))


def _i32(value: int) -> Expr:
    return tirx.const(value, "int32")


def _divisor(number: int, candidates: Sequence[int]) -> int:
    return next(candidate for candidate in candidates if number % candidate == 0)
