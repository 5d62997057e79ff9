"""Operators that gather many inputs into one output: pooling, MEAN and SUM, SOFTMAX; and how windows lie."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hilbench.frameworks.tflite import Operator
from hilbench.frameworks.tvm import fixedpoint, kernel
from hilbench.frameworks.tvm.builder import (
    QUANTISED,
    Builder,
    Obstacle,
    activations,
    axis_of,
    clamp_range,
    factor,
    merge,
    number,
)
from hilbench.frameworks.tvm.fixedpoint import Factor
from hilbench.frameworks.tvm.kernel import Pair

_POOL_SCALES = 1e-6  # how far scales may differ, as in TFLite Micro's pooling_common.cc
_SOFTMAX_DEPTH = 511  # beyond it, a row of equal values leaves the range of TFLite Micro's own arithmetic
_LARGEST_STEP = 1 << 15  # of windows, strides and dilations: what TVM computes with them stays within 32 bits


def pool(builder: Builder, operator: Operator) -> None:
    """Add AVERAGE_POOL_2D or MAX_POOL_2D."""
    source, output = activations(builder, operator)
    if len(source.shape) != 4 or len(output.shape) != 4 or source.shape[::3] != output.shape[::3]:
        raise Obstacle(f"pools shape {source.shape} to {output.shape}")
    if abs(source.scale - output.scale) > _POOL_SCALES or source.zero_point != output.zero_point:
        raise Obstacle("has an output that is quantised unlike its input")
    window, stride = pair(operator, "filter_height", "filter_width"), pair(operator, "stride_h", "stride_w")
    before, _ = border(operator, source.shape[1:3], output.shape[1:3], window, stride, (1, 1))
    low, high = clamp_range(operator, output)
    average = operator.name == "AVERAGE_POOL_2D"
    size = (output.shape[1], output.shape[2])
    what = kernel.Pool2D(average, source.shape, window, stride, before, size, low, high)
    builder.call(operator, what, builder.argument(operator.inputs[0]))


def softmax(builder: Builder, operator: Operator) -> None:
    """Add SOFTMAX over the last dimension."""
    source, output = activations(builder, operator)
    if source.shape != output.shape:
        raise Obstacle(f"makes shape {output.shape} of {source.shape}")
    if (output.scale, output.zero_point) != (1 / 256, -128):
        raise Obstacle("has an output that is not quantised with scale 1/256 and zero point -128")
    try:
        table = fixedpoint.softmax_table(source.scale, number(operator, "beta"))
    except ValueError as error:
        raise Obstacle(f"is out of range: {error}") from error
    depth = source.shape[-1] if source.shape else 1
    if depth > _SOFTMAX_DEPTH:
        raise Obstacle(f"has rows of {depth} (at most {_SOFTMAX_DEPTH})")
    what = kernel.Softmax(source.size // depth, depth)
    builder.call(operator, what, builder.argument(operator.inputs[0]), table)


def mean_or_sum(builder: Builder, operator: Operator) -> None:
    """Add MEAN or SUM: QuantizedMeanOrSum in reference/reduce.h."""
    source, output = activations(builder, operator, dtypes=QUANTISED)
    rank = len(source.shape)
    axes = {axis_of(axis, rank) for axis in builder.constant(operator, 1, "axes")}
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(source.shape))
    without = tuple(size for axis, size in enumerate(source.shape) if axis not in axes)
    if output.shape != (kept if operator.options.get("keep_dims") else without):
        raise Obstacle(f"reduces shape {source.shape} over {sorted(axes)} to {output.shape}")
    count = math.prod(source.shape[axis] for axis in axes)
    largest = count * (1 << 8 if source.dtype == "int8" else 1 << 15)
    if largest >= 1 << 31:
        raise Obstacle(f"sums up {count} values (they may leave 32 bits)")
    scaling = factor(source.scale / output.scale, largest)
    if operator.name == "MEAN":
        scaling = _shared_among(count, scaling)
    shape, (reduced,) = merge(source.shape, [[axis in axes for axis in range(rank)]])
    if not any(reduced):
        shape, reduced = (*shape, 1), [*reduced, True]
    low, high = fixedpoint.limits(output.dtype)
    offset = source.zero_point * count
    marks = tuple(map(bool, reduced))
    what = kernel.Reduce(source.dtype, shape, marks, offset, scaling, output.zero_point, low, high)
    builder.call(operator, what, builder.argument(operator.inputs[0]))


def _shared_among(count: int, scaling: Factor) -> Factor:
    """Return a factor divided by how many values were summed up, with the shifts of reduce.h."""
    shift = min(count.bit_length() - 1, 32, 31 + scaling.exponent)
    return Factor((scaling.multiplier << shift) // count, scaling.exponent - shift)


def pair(operator: Operator, *names: str) -> Pair:
    """Return two options that count rows and columns."""
    down, across = (int(number(operator, name)) for name in names)
    if not (1 <= down <= _LARGEST_STEP and 1 <= across <= _LARGEST_STEP):
        raise Obstacle(f"has {names[0]} {down} and {names[1]} {across}")
    return down, across


def border(
    operator: Operator, size: Sequence[int], output: Sequence[int], window: Pair, stride: Pair, dilation: Pair
) -> tuple[Pair, Pair]:
    """Return how many rows and columns the padding adds before and after: ComputePaddingHeightWidth in padding.h."""
    same = operator.options.get("padding") == "SAME"
    before, after = [], []
    for i in range(2):
        reach = (window[i] - 1) * dilation[i] + 1
        expected = -(-size[i] // stride[i]) if same else (size[i] - reach) // stride[i] + 1
        if expected != output[i] or expected < 1:
            raise Obstacle(f"makes {tuple(output)} of {tuple(size)} windows")
        missing = max(0, (expected - 1) * stride[i] + reach - size[i])
        before.append(missing // 2)
        after.append(missing - missing // 2)
    return (before[0], before[1]), (after[0], after[1])
