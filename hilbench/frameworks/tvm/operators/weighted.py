"""Operators with weights: CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED, for int8 and int16 activations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hilbench.frameworks.tflite import Operator, Tensor
from hilbench.frameworks.tvm import fixedpoint, kernel
from hilbench.frameworks.tvm.builder import QUANTISED, Argument, Builder, Obstacle, activations, clamp_range, good
from hilbench.frameworks.tvm.kernel import Pair, Shape
from hilbench.frameworks.tvm.operators.windows import border, pair

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class _Layer:
    """What an operator reads and writes, checked; `weights` and `bias` are constants, `channels` those of the output.

    `axis` is that of the channels in the weights, `reals` their factors from sums to outputs.
    """

    source: Tensor
    output: Tensor
    weights: Array
    bias: Array
    channels: int
    axis: int
    reals: list[float]
    range: Pair

    def sums(self) -> tuple[Array, Array]:
        """Return the sum of each channel's weights, and of their absolute values."""
        axes = tuple(axis for axis in range(self.weights.ndim) if axis != self.axis)
        return self.weights.sum(axis=axes, dtype=np.int64), np.abs(self.weights, dtype=np.int64).sum(axis=axes)


def convolution(builder: Builder, operator: Operator) -> None:
    """Add a convolution; a 1x1 one without strides is a matrix product."""
    depthwise = operator.name == "DEPTHWISE_CONV_2D"
    layer = _layer(builder, operator, rank=4, axis=3 if depthwise else 0)
    inputs, outputs, data = layer.source.shape, layer.output.shape, layer.weights
    if not len(inputs) == len(outputs) == 4:
        raise Obstacle(f"has an input of shape {inputs} and an output of shape {outputs}")
    window = (data.shape[1], data.shape[2])
    stride = pair(operator, "stride_h", "stride_w")
    dilation = pair(operator, "dilation_h_factor", "dilation_w_factor")
    before, after = border(operator, inputs[1:3], outputs[1:3], window, stride, dilation)
    fits = layer.channels % inputs[3] == 0 and data.shape[0] == 1 if depthwise else data.shape[3] == inputs[3]
    if not fits or outputs[3] != layer.channels or outputs[0] != inputs[0]:
        raise Obstacle(f"has weights {data.shape} for input {inputs} and output {outputs}")
    # TFLite Micro takes the multiplier from the operator, and never from the shapes.
    if depthwise and operator.options.get("depth_multiplier") != layer.channels // inputs[3]:
        raise Obstacle(f"has the depth multiplier {operator.options.get('depth_multiplier')} for {inputs} to {outputs}")
    finish = _finish(operator, layer)
    argument, shape = _padded(builder, operator, layer.source, before, after)
    if not depthwise and window == stride == (1, 1):  # one row of pixels, so that equal sizes share a kernel
        shape = (1, 1, math.prod(shape[:3]), shape[3])
    what: kernel.Kernel
    if layer.source.dtype == "int16":
        what = kernel.WideConv2D(shape, window, stride, dilation, layer.channels, depthwise, *layer.range)
    elif depthwise:
        requantize = finish.requantize
        what = kernel.DepthwiseConv2D(shape, window, stride, dilation, layer.channels // inputs[3], requantize)
    else:
        what = kernel.Conv2D(shape, window, stride, dilation, layer.channels, finish.requantize)
    builder.call(operator, what, argument, data[0] if depthwise else data, *finish.constants)


def fully_connected(builder: Builder, operator: Operator) -> None:
    """Add a matrix product: a 1x1 convolution over one row of pixels."""
    layer = _layer(builder, operator, rank=2, axis=0)
    if operator.options.get("weights_format", "DEFAULT") != "DEFAULT":
        raise Obstacle(f"has weights in the format {operator.options['weights_format']}")
    channels, depth = layer.weights.shape
    rows, rest = divmod(layer.source.size, depth)
    if rest or layer.output.size != rows * channels or layer.output.shape[-1:] != (channels,):
        shapes = f"input {layer.source.shape} and output {layer.output.shape}"
        raise Obstacle(f"has weights {layer.weights.shape} for {shapes}")
    finish, shape, one = _finish(operator, layer), (1, 1, rows, depth), (1, 1)
    what: kernel.Kernel
    if layer.source.dtype == "int16":
        what = kernel.WideConv2D(shape, one, one, one, channels, False, *layer.range)
    else:
        what = kernel.Conv2D(shape, one, one, one, channels, finish.requantize)
    weights = layer.weights.reshape(channels, 1, 1, depth)
    builder.call(operator, what, builder.argument(operator.inputs[0]), weights, *finish.constants)


def _layer(builder: Builder, operator: Operator, rank: int, axis: int) -> _Layer:
    source, output = activations(builder, operator, dtypes=QUANTISED)
    weights = builder.tensor(operator, 1)
    fixed = weights.data is not None and operator.inputs[1] not in builder.values
    if weights.data is None or not fixed or weights.dtype != "int8" or len(weights.shape) != rank or not weights.size:
        raise Obstacle(f"has {weights.dtype} weights of shape {weights.shape} (only constant int8 of rank {rank})")
    if any(weights.zero_points):
        raise Obstacle("has weights with a zero point")
    channels = weights.shape[axis]
    bias = _bias(builder, operator, source, channels)
    reals = [source.scale * scale / output.scale for scale in _weight_scales(weights, channels, axis)]
    return _Layer(source, output, weights.data, bias, channels, axis, reals, clamp_range(operator, output))


def _bias(builder: Builder, operator: Operator, source: Tensor, channels: int) -> Array:
    """Return one bias a channel as int64; it has 32 bits for int8 activations, 64 bits for int16."""
    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        if source.dtype == "int16" and operator.options.get("quantized_bias_type", "FLOAT32") == "INT32":
            raise Obstacle("sums up int16 in 32 bits")
        return np.zeros(channels, np.int64)
    bias, dtype = builder.tensor(operator, 2), "int32" if source.dtype == "int8" else "int64"
    if bias.dtype != dtype or bias.data is None or operator.inputs[2] in builder.values:
        raise Obstacle(f"has a {bias.dtype} bias for {source.dtype} activations (only constant {dtype})")
    if bias.size != channels:
        raise Obstacle(f"has {bias.size} biases for {channels} channels")
    return bias.data.reshape(-1).astype(np.int64)


def _weight_scales(weights: Tensor, channels: int, axis: int) -> Sequence[float]:
    """Return one scale a channel. TFLite Micro takes all products with them in double."""
    scales = weights.scales
    per_channel = len(scales) > 1
    if (per_channel and (len(scales) != channels or weights.axis != axis)) or not all(map(good, scales)) or not scales:
        raise Obstacle(f"has {len(scales)} weight scales on axis {weights.axis} for {channels} channels")
    return scales if per_channel else scales * channels


@dataclass(frozen=True, eq=False)
class _Finish:
    """How sums become outputs: the record, and the kernel's constants after the weights."""

    requantize: kernel.Requantize
    constants: tuple[Array, ...]


def _finish(operator: Operator, layer: _Layer) -> _Finish:
    try:
        multipliers = fixedpoint.channel_multipliers(layer.reals)
    except ValueError as error:
        raise Obstacle(f"has scales too far apart: {error}") from error
    low, high = layer.range
    if layer.source.dtype == "int16":
        return _Finish(kernel.Requantize(0, low, high, False), _wide_constants(layer, multipliers))
    plain, absolute = layer.sums()
    folded = layer.bias - layer.source.zero_point * plain
    largest = np.abs(folded) + 128 * absolute
    if np.ldexp(largest, multipliers.left).max() >= 1 << 31:
        raise Obstacle("has weights and biases whose sums may leave 32 bits")
    # A shift by 31 leaves 0 of any product below 2**30, so 0 it is: no kernel has to form 1 << 31.
    tiny = multipliers.right == fixedpoint.LARGEST_SHIFT
    products = largest[tiny].astype(np.float64) * multipliers.multiplier[tiny] / (1 << 31)
    if products.max(initial=0.0) >= (1 << 30) - 1:
        raise Obstacle("has sums and scales too far apart")
    multipliers = replace(
        multipliers, multiplier=np.where(tiny, 0, multipliers.multiplier), right=np.where(tiny, 0, multipliers.right)
    )
    shifts = (multipliers.left, multipliers.right) if multipliers.left.any() else (multipliers.right,)
    requantize = kernel.Requantize(layer.output.zero_point, low, high, bool(multipliers.left.any()))
    return _Finish(requantize, (folded.astype(np.int32), multipliers.multiplier, *shifts))


def _wide_constants(layer: _Layer, multipliers: fixedpoint.Multipliers) -> tuple[Array, ...]:
    """Return bias, multiplier and right shift for 64-bit sums: MultiplyByQuantizedMultiplier in common.cc."""
    reduced = np.minimum((multipliers.multiplier.astype(np.int64) + (1 << 15)) >> 16, (1 << 15) - 1)
    right = 15 - multipliers.left.astype(np.int64) + multipliers.right.astype(np.int64)
    _, absolute = layer.sums()
    for channel in range(layer.channels):
        largest = abs(int(layer.bias[channel])) + (int(absolute[channel]) << 15)
        if (
            largest >= 1 << 47
            or right[channel] <= 7
            or largest * int(reduced[channel]) >> int(right[channel]) >= 1 << 30
        ):
            raise Obstacle("has weights, biases and scales whose sums may leave TFLite Micro's arithmetic")
    return layer.bias, reduced.astype(np.int32), right.astype(np.uint8)


def _padded(builder: Builder, operator: Operator, source: Tensor, before: Pair, after: Pair) -> tuple[Argument, Shape]:
    """Return the operator's input with a border of zero points, and its shape; adds a call if there is a border."""
    argument, shape = builder.argument(operator.inputs[0]), source.shape
    if not any((*before, *after)):
        return argument, shape
    wide = (shape[0], *(b + size + a for b, size, a in zip(before, shape[1:3], after, strict=True)), shape[3])
    target = builder.reserve(math.prod(wide), source.dtype)
    bytes_each = np.dtype(source.dtype).itemsize  # `Pad` works on bytes; the zero point of int16 is 0
    flat = (*shape[:3], shape[3] * bytes_each)
    builder.write(
        operator, kernel.Pad(flat, (0, *before, 0), (0, *after, 0), source.zero_point), argument, target=target
    )
    return target, wide
