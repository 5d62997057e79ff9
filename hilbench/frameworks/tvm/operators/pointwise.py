"""Operators that compute each output element by itself: arithmetic on two tensors, activations, changes of scale.

Functions of one int8 become tables, which TFLite Micro's own arithmetic fills when the model is compiled. Where sources
of TFLite Micro before October 2026 divide scales in float32 (SUB, RELU, LEAKY_RELU), the package that results are
compared with does so in double, and so does this module.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hilbench.frameworks.tflite import Operator, Tensor
from hilbench.frameworks.tvm import fixedpoint, kernel, tables
from hilbench.frameworks.tvm.builder import (
    QUANTISED,
    Builder,
    Obstacle,
    activations,
    check,
    clamp_range,
    factor,
    merge,
    number,
)
from hilbench.frameworks.tvm.fixedpoint import Factor
from hilbench.frameworks.tvm.kernel import Shape

Array = npt.NDArray[Any]
_ONE = Factor(1 << 30, 1)


# ---- two operands


def add_or_subtract(builder: Builder, operator: Operator) -> None:
    """Add ADD or SUB: add_common.cc and sub_common.cc, with quotients of scales in double."""
    first, second, output = activations(builder, operator, 2, QUANTISED)
    shape, left_shape, right_shape = _broadcast(first, second, output)
    fraction_bits = 20 if output.dtype == "int8" else 15
    largest = 2.0 * max(first.scale, second.scale)
    step = (1 << fraction_bits) * output.scale
    sides, total = [tensor.scale / largest for tensor in (first, second)], largest / step
    if not 0.0 < total < 1.0 or min(sides) <= 0.0:
        raise Obstacle(f"has an output scale of {output.scale:g}, too far from its inputs'")
    low, high = clamp_range(operator, output)
    what = kernel.Sum(
        output.dtype,
        kernel.Operand(left_shape, first.zero_point, factor(sides[0], 1)),
        kernel.Operand(right_shape, second.zero_point, factor(sides[1], 1)),
        kernel.Operand(shape, output.zero_point, factor(total, 1)),
        fraction_bits,
        operator.name == "SUB",
        low,
        high,
    )
    builder.call(operator, what, *(builder.argument(index) for index in operator.inputs[:2]))


def multiply(builder: Builder, operator: Operator) -> None:
    """Add MUL: mul_common.cc."""
    first, second, output = activations(builder, operator, 2, QUANTISED)
    shape, left_shape, right_shape = _broadcast(first, second, output)
    largest = 1 << 16 if output.dtype == "int8" else 1 << 30
    scaling = factor(first.scale * second.scale / output.scale, largest)
    low, high = clamp_range(operator, output)
    what = kernel.Product(
        output.dtype,
        kernel.Operand(left_shape, first.zero_point, _ONE),
        kernel.Operand(right_shape, second.zero_point, _ONE),
        kernel.Operand(shape, output.zero_point, scaling),
        low,
        high,
    )
    builder.call(operator, what, *(builder.argument(index) for index in operator.inputs[:2]))


def extreme(builder: Builder, operator: Operator) -> None:
    """Add MAXIMUM or MINIMUM, which compare stored values whatever the scales: maximum_minimum.h."""
    first, second, output = activations(builder, operator, 2, QUANTISED, scaled=False)
    shape, left_shape, right_shape = _broadcast(first, second, output)
    what = kernel.Extreme(output.dtype, operator.name == "MAXIMUM", left_shape, right_shape, shape)
    builder.call(operator, what, *(builder.argument(index) for index in operator.inputs[:2]))


def _broadcast(first: Tensor, second: Tensor, output: Tensor) -> tuple[Shape, Shape, Shape]:
    """Return the shapes of the output and both operands with as few dimensions as possible, all of one rank."""
    rank = len(output.shape)
    try:
        if np.broadcast_shapes(first.shape, second.shape) != output.shape:
            raise ValueError
    except ValueError:
        raise Obstacle(f"brings shapes {first.shape} and {second.shape} to {output.shape}") from None
    full = [(1,) * (rank - len(tensor.shape)) + tensor.shape for tensor in (first, second)]
    repeats = [[side != size for side, size in zip(shape, output.shape, strict=True)] for shape in full]
    shape, marks = merge(output.shape, repeats)
    if not shape:
        return (1,), (1,), (1,)
    left, right = (tuple(1 if again else size for size, again in zip(shape, side, strict=True)) for side in marks)
    return shape, left, right


# ---- one operand


def quantize(builder: Builder, operator: Operator) -> None:
    """Add QUANTIZE between integer types: quantize_common.cc and reference/requantize.h."""
    source, output = _one(builder, operator)
    check(source, QUANTISED)
    check(output, QUANTISED)
    largest = 1 << 8 if source.dtype == "int8" else 1 << 16
    _rescale(builder, operator, source, output, factor(source.scale / output.scale, largest))


def dequantize(builder: Builder, operator: Operator) -> None:
    """Add DEQUANTIZE from int8 to float32: a table of 256 floats."""
    source, output = _one(builder, operator)
    check(source, ("int8",))
    if output.dtype != "float32" or operator.outputs[0] not in builder.graph.outputs:
        raise Obstacle(f"makes {output.dtype} inside the model (only float32 as an output of the model)")
    table = tables.dequantized(source.scale, source.zero_point)
    builder.call(operator, kernel.Lookup("int32", source.size), builder.argument(operator.inputs[0]), table)


def relu(builder: Builder, operator: Operator) -> None:
    """Add RELU: activations_common.cc, with the quotient of the scales in double."""
    source, output = _unary(builder, operator, QUANTISED)
    largest = 1 << 8 if source.dtype == "int8" else 1 << 15
    scaling = factor(source.scale / output.scale, largest)
    _rescale(builder, operator, source, output, scaling, low=output.zero_point)


def relu6(builder: Builder, operator: Operator) -> None:
    """Add RELU6, which clamps stored values by the input's scale: activations_common.cc."""
    source, _ = _unary(builder, operator)
    try:
        six = max(-128, min(127, fixedpoint.quantize(6, source.scale, source.zero_point)))
    except ValueError as error:
        raise Obstacle(f"is out of range: {error}") from error
    _lookup(builder, operator, source, tables.clamped(source.zero_point, six))


def leaky_relu(builder: Builder, operator: Operator) -> None:
    """Add LEAKY_RELU: leaky_relu_common.cc, with all quotients in double."""
    source, output = _unary(builder, operator, QUANTISED)
    largest = 1 << 8 if source.dtype == "int8" else 1 << 15
    slope = number(operator, "alpha")
    identity, below = (factor(source.scale * by / output.scale, largest) for by in (1.0, slope))
    _rescale(builder, operator, source, output, identity, below=below)


def hard_swish(builder: Builder, operator: Operator) -> None:
    """Add HARD_SWISH."""
    source, output = _unary(builder, operator)
    try:
        table = tables.hard_swish(source.scale, source.zero_point, output.scale, output.zero_point)
    except ValueError as error:
        raise Obstacle(f"is out of range: {error}") from error
    _lookup(builder, operator, source, table)


def logistic(builder: Builder, operator: Operator) -> None:
    """Add LOGISTIC."""
    source, output = _unary(builder, operator)
    if (output.scale, output.zero_point) != (1 / 256, -128):
        raise Obstacle("has an output that is not quantised with scale 1/256 and zero point -128")
    try:
        table = tables.logistic(source.scale, source.zero_point)
    except ValueError as error:
        raise Obstacle(f"is out of range: {error}") from error
    _lookup(builder, operator, source, table)


def tanh(builder: Builder, operator: Operator) -> None:
    """Add TANH."""
    source, output = _unary(builder, operator)
    if (output.scale, output.zero_point) != (1 / 128, 0):
        raise Obstacle("has an output that is not quantised with scale 1/128 and zero point 0")
    try:
        table = tables.tanh(source.scale, source.zero_point)
    except ValueError as error:
        raise Obstacle(f"is out of range: {error}") from error
    _lookup(builder, operator, source, table)


def _one(builder: Builder, operator: Operator) -> tuple[Tensor, Tensor]:
    """Return input and output of equal shape and any type."""
    if not operator.outputs:
        raise Obstacle("has no output")
    source, output = builder.tensor(operator, 0), builder.graph.tensors[operator.outputs[0]]
    if source.shape != output.shape:
        raise Obstacle(f"makes shape {output.shape} of {source.shape}")
    return source, output


def _unary(builder: Builder, operator: Operator, dtypes: tuple[str, ...] = ("int8",)) -> tuple[Tensor, Tensor]:
    activations(builder, operator, 1, dtypes)
    return _one(builder, operator)


def _rescale(
    builder: Builder,
    operator: Operator,
    source: Tensor,
    output: Tensor,
    scaling: Factor,
    *,
    below: Factor | None = None,
    low: int | None = None,
) -> None:
    """Add a change of scale: as a table from int8 to int8, else as a kernel of its own."""
    lowest, highest = fixedpoint.limits(output.dtype)
    what = kernel.Rescale(
        source.dtype,
        output.dtype,
        source.size,
        source.zero_point,
        scaling,
        below or scaling,
        output.zero_point,
        lowest if low is None else low,
        highest,
    )
    if source.dtype == "int8":
        _lookup(builder, operator, source, tables.rescaled(what))
    else:
        builder.call(operator, what, builder.argument(operator.inputs[0]))


def _lookup(builder: Builder, operator: Operator, source: Tensor, table: Array) -> None:
    what = kernel.Lookup(table.dtype.name, source.size)
    builder.call(operator, what, builder.argument(operator.inputs[0]), table)
