"""Turns a model's graph into a list of kernel calls with exact integer parameters. Needs no TVM.

Every condition under which an operator cannot run is found here, so what `supports` promises `emit` keeps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hilbench.errors import UnsupportedModel
from hilbench.frameworks.tflite import Graph, Operator, Tensor
from hilbench.frameworks.tvm import fixedpoint, kernel
from hilbench.frameworks.tvm.kernel import Pair, Shape

Array = npt.NDArray[Any]
_POOL_SCALES = 1e-6  # how far scales may differ, as in TFLite Micro's pooling_common.cc
_SOFTMAX_DEPTH = 512  # beyond it, a row of equal values leaves the range of TFLite Micro's own arithmetic
Argument = int | Array
"""What a kernel reads: the number of a value, or a constant."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a kernel by operator `operator` of the graph; writes the value `output`."""

    operator: int
    kernel: kernel.Kernel
    arguments: tuple[Argument, ...]
    output: int


@dataclass(frozen=True, eq=False)
class Program:
    """Calls in order, the size in bytes of each value they pass on, and which values are inputs and outputs."""

    calls: tuple[Call, ...]
    value_bytes: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Obstacle(Exception):
    """Why one operator cannot run."""


def build(graph: Graph) -> Program:
    """Return the program of `graph`. Raises `UnsupportedModel` that names the operators in the way."""
    builder, obstacles = _Builder(graph), []
    for index in graph.inputs:
        if graph.tensors[index].dtype != "int8":
            obstacles.append(f"input '{graph.tensors[index].name}' is {graph.tensors[index].dtype} (only int8)")
        builder.define(index)
    for operator in graph.operators:
        try:
            builder.add(operator)
        except Obstacle as obstacle:
            obstacles.append(f"{operator} {obstacle}")
    if not obstacles:
        obstacles = [
            f"output {i} is a constant" for i, index in enumerate(graph.outputs) if index not in builder.values
        ]
    if obstacles:
        more = f"; and {len(obstacles) - 3} more" if len(obstacles) > 3 else ""
        raise UnsupportedModel("; ".join(obstacles[:3]) + more)
    values = builder.values
    return Program(
        tuple(builder.calls),
        tuple(builder.value_bytes),
        tuple(values[index] for index in graph.inputs),
        tuple(values[index] for index in graph.outputs),
    )


@dataclass
class _Builder:
    """The program so far. `values` maps the graph's tensors to values; a reshape gives two tensors one value."""

    graph: Graph
    calls: list[Call] = field(default_factory=list)
    value_bytes: list[int] = field(default_factory=list)
    values: dict[int, int] = field(default_factory=dict)

    def add(self, operator: Operator) -> None:
        if operator.name not in _OPERATORS:
            self._forget(operator)
            raise Obstacle("is not supported")
        try:
            _OPERATORS[operator.name](self, operator)
        except Obstacle:
            self._forget(operator)
            raise

    def _forget(self, operator: Operator) -> None:
        """Let later operators use the outputs of one that cannot run, so that each is judged by itself."""
        for index in operator.outputs:
            self.define(index)

    def define(self, index: int) -> int:
        """Give tensor `index` a value of its own."""
        if index not in self.values:
            self.values[index] = self.reserve(self.graph.tensors[index].size)
        return self.values[index]

    def reserve(self, size: int) -> int:
        """Return a new value of `size` int8."""
        self.value_bytes.append(size)
        return len(self.value_bytes) - 1

    def argument(self, index: int) -> Argument:
        """Return what holds tensor `index` when it is read."""
        if index in self.values:
            return self.values[index]
        data = self.graph.tensors[index].data
        if data is None:
            raise Obstacle(f"reads tensor {index}, which nothing wrote")
        return data

    def call(self, operator: Operator, what: kernel.Kernel, *arguments: Argument) -> None:
        """Add a call that writes the operator's output."""
        self.calls.append(Call(operator.index, what, arguments, self.define(operator.outputs[0])))

    def padded(self, operator: Operator, shape: Shape, before: Pair, after: Pair, value: int) -> tuple[Argument, Shape]:
        """Return the operator's input with a border of `value`, and its shape; adds a call if there is a border."""
        source = self.argument(operator.inputs[0])
        if not any((*before, *after)):
            return source, shape
        pad = kernel.Pad(shape, (0, *before, 0), (0, *after, 0), value)
        wide = tuple(sum(sizes) for sizes in zip(pad.before, shape, pad.after, strict=True))
        target = self.reserve(math.prod(wide))
        self.calls.append(Call(operator.index, pad, (source,), target))
        return target, wide


# ---- one function an operator


def _convolution(builder: _Builder, operator: Operator) -> None:
    source, weights, bias, output = _weighted(builder.graph, operator, rank=4)
    depthwise = operator.name == "DEPTHWISE_CONV_2D"
    data = _data(weights)
    channels = data.shape[3] if depthwise else data.shape[0]
    inputs, outputs = source.shape, output.shape
    window = (data.shape[1], data.shape[2])
    stride, dilation = (
        _pair(operator, "stride_h", "stride_w"),
        _pair(operator, "dilation_h_factor", "dilation_w_factor"),
    )
    before, after = _border(operator, inputs[1:3], outputs[1:3], window, stride, dilation)
    fits = channels % inputs[3] == 0 and data.shape[0] == 1 if depthwise else data.shape[3] == inputs[3]
    if not fits or outputs[3] != channels or outputs[0] != inputs[0]:
        raise Obstacle(f"has weights {data.shape} for input {inputs} and output {outputs}")
    scales = _weight_scales(weights, channels, axis=3 if depthwise else 0)
    multipliers = _multipliers(source, scales, output)
    axes = (0, 1, 2) if depthwise else (1, 2, 3)
    sums = data.sum(axis=axes, dtype=np.int64), np.abs(data, dtype=np.int64).sum(axis=axes)
    argument, shape = builder.padded(operator, inputs, before, after, source.zero_point)
    requantize = _requantize(operator, output, multipliers)
    constants = _constants(sums, bias, source.zero_point, multipliers)
    if depthwise:
        what: kernel.Kernel = kernel.DepthwiseConv2D(shape, window, stride, dilation, channels // inputs[3], requantize)
        builder.call(operator, what, argument, data[0], *constants)
        return
    if window == stride == (1, 1):  # a matrix product: one row of pixels, so that equal sizes share a kernel
        shape = (1, 1, math.prod(shape[:3]), shape[3])
    what = kernel.Conv2D(shape, window, stride, dilation, channels, requantize)
    builder.call(operator, what, argument, data, *constants)


def _fully_connected(builder: _Builder, operator: Operator) -> None:
    source, weights, bias, output = _weighted(builder.graph, operator, rank=2)
    if operator.options.get("weights_format", "DEFAULT") != "DEFAULT":
        raise Obstacle(f"has weights in the format {operator.options['weights_format']}")
    data = _data(weights)
    channels, depth = data.shape
    if source.size % depth or output.size != source.size // depth * channels or output.shape[-1:] != (channels,):
        raise Obstacle(f"has weights {data.shape} for input {source.shape} and output {output.shape}")
    scales = _weight_scales(weights, channels, axis=0)
    multipliers = _multipliers(source, scales, output)
    sums = data.sum(axis=1, dtype=np.int64), np.abs(data, dtype=np.int64).sum(axis=1)
    constants = _constants(sums, bias, source.zero_point, multipliers)
    shape = (1, 1, source.size // depth, depth)
    what = kernel.Conv2D(shape, (1, 1), (1, 1), (1, 1), channels, _requantize(operator, output, multipliers))
    builder.call(operator, what, builder.argument(operator.inputs[0]), data.reshape(channels, 1, 1, depth), *constants)


def _add(builder: _Builder, operator: Operator) -> None:
    first, second, output = _activations(builder.graph, operator, operands=2)
    try:
        if np.broadcast_shapes(first.shape, second.shape) != output.shape:
            raise ValueError
    except ValueError:
        raise Obstacle(f"adds shapes {first.shape} and {second.shape} to {output.shape}") from None
    largest = 2.0 * max(first.scale, second.scale)
    total = largest / ((1 << kernel.ADD_FRACTION_BITS) * output.scale)
    if total >= 1.0:
        raise Obstacle(f"has an output scale of {output.scale:g}, too small for its inputs")

    def side(tensor: Tensor, real: float) -> kernel.AddSide:
        q, exponent = fixedpoint.quantize_multiplier(real)
        return kernel.AddSide(tensor.shape, tensor.zero_point, q, -exponent)

    low, high = _range(operator, output)
    what = kernel.Add(
        side(first, first.scale / largest), side(second, second.scale / largest), side(output, total), low, high
    )
    builder.call(operator, what, *(builder.argument(index) for index in operator.inputs[:2]))


def _pool(builder: _Builder, operator: Operator) -> None:
    source, output = _activations(builder.graph, operator)
    if len(source.shape) != 4 or len(output.shape) != 4:
        raise Obstacle(f"pools shape {source.shape}")
    if abs(source.scale - output.scale) > _POOL_SCALES or source.zero_point != output.zero_point:
        raise Obstacle("has an output that is quantised unlike its input")
    window, stride = _pair(operator, "filter_height", "filter_width"), _pair(operator, "stride_h", "stride_w")
    before, _ = _border(operator, source.shape[1:3], output.shape[1:3], window, stride, (1, 1))
    low, high = _range(operator, output)
    average = operator.name == "AVERAGE_POOL_2D"
    size = (output.shape[1], output.shape[2])
    what = kernel.Pool2D(average, source.shape, window, stride, before, size, low, high)
    builder.call(operator, what, builder.argument(operator.inputs[0]))


def _pad(builder: _Builder, operator: Operator) -> None:
    source, output = _activations(builder.graph, operator)
    paddings = builder.graph.tensors[operator.inputs[1]].data if len(operator.inputs) > 1 else None
    if paddings is None or paddings.shape != (len(source.shape), 2):
        raise Obstacle("has paddings that are no constant of two numbers a dimension")
    before, after = (tuple(int(number) for number in paddings[:, side]) for side in range(2))
    if min(*before, *after, 0) < 0 or output.shape != tuple(map(sum, zip(before, source.shape, after, strict=True))):
        raise Obstacle(f"pads shape {source.shape} to {output.shape}")
    if len(source.shape) > 4:
        raise Obstacle(f"pads {len(source.shape)} dimensions (at most 4)")
    what = kernel.Pad(source.shape, before, after, output.zero_point)
    builder.call(operator, what, builder.argument(operator.inputs[0]))


def _softmax(builder: _Builder, operator: Operator) -> None:
    source, output = _activations(builder.graph, operator)
    if (output.scale, output.zero_point) != (1 / 256, -128):
        raise Obstacle("has an output that is not quantised with scale 1/256 and zero point -128")
    try:
        table = fixedpoint.softmax_table(source.scale, _number(operator, "beta"))
    except ValueError as error:
        raise Obstacle(f"is out of range: {error}") from error
    depth = source.shape[-1] if source.shape else 1
    if depth > _SOFTMAX_DEPTH:
        raise Obstacle(f"has rows of {depth} (at most {_SOFTMAX_DEPTH})")
    what = kernel.Softmax(source.size // depth, depth)
    builder.call(operator, what, builder.argument(operator.inputs[0]), table)


def _reshape(builder: _Builder, operator: Operator) -> None:
    source, output = _activations(builder.graph, operator)
    if source.size != output.size:
        raise Obstacle(f"reshapes {source.shape} to {output.shape}")
    value = builder.argument(operator.inputs[0])
    if not isinstance(value, int):
        raise Obstacle("reshapes a constant")
    builder.values[operator.outputs[0]] = value


_OPERATORS: dict[str, Callable[[_Builder, Operator], None]] = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _pool,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": _pool,
    "PAD": _pad,
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
}


# ---- what the functions above share


def _activations(graph: Graph, operator: Operator, operands: int = 1) -> tuple[Tensor, ...]:
    """Return the operands and the output, all of them int8 and quantised as a whole."""
    if len(operator.inputs) < operands or min(operator.inputs[:operands], default=-1) < 0 or not operator.outputs:
        raise Obstacle("lacks an input or output")
    tensors = [graph.tensors[index] for index in (*operator.inputs[:operands], operator.outputs[0])]
    for tensor in tensors:
        if tensor.dtype != "int8":
            raise Obstacle(f"has {tensor.dtype} activations (only int8)")
        if not _good(tensor.scale):
            raise Obstacle(f"has an activation without one scale ('{tensor.name}')")
        if not tensor.size:
            raise Obstacle(f"has an empty activation ('{tensor.name}')")
    return tuple(tensors)


def _weighted(graph: Graph, operator: Operator, rank: int) -> tuple[Tensor, Tensor, Array | None, Tensor]:
    """Return input, weights, bias (int32, one a channel) and output of a convolution or fully connected layer."""
    source, output = _activations(graph, operator)
    weights = graph.tensors[operator.inputs[1]]
    if weights.dtype != "int8" or weights.data is None or len(weights.shape) != rank or not weights.size:
        raise Obstacle(f"has {weights.dtype} weights of shape {weights.shape} (only constant int8 of rank {rank})")
    if rank == 4 and not len(source.shape) == len(output.shape) == 4:
        raise Obstacle(f"has an input of shape {source.shape}")
    if any(weights.zero_points):
        raise Obstacle("has weights with a zero point")
    bias = graph.tensors[operator.inputs[2]] if len(operator.inputs) > 2 and operator.inputs[2] >= 0 else None
    if bias is None:
        return source, weights, None, output
    if bias.dtype != "int32" or bias.data is None:
        raise Obstacle(f"has a {bias.dtype} bias (only constant int32)")
    return source, weights, bias.data, output


def _data(tensor: Tensor) -> Array:
    assert tensor.data is not None
    return tensor.data


def _weight_scales(weights: Tensor, channels: int, axis: int) -> list[float]:
    """Return one scale a channel."""
    scales = weights.scales
    per_channel = len(scales) > 1
    if (per_channel and (len(scales) != channels or weights.axis != axis)) or not all(map(_good, scales)) or not scales:
        raise Obstacle(f"has {len(scales)} weight scales on axis {weights.axis} for {channels} channels")
    return list(scales) if per_channel else list(scales) * channels


def _multipliers(source: Tensor, scales: Sequence[float], output: Tensor) -> fixedpoint.Multipliers:
    """Return the factors from a channel's sums to the output. TFLite Micro takes all products in double."""
    return fixedpoint.channel_multipliers([source.scale * scale / output.scale for scale in scales])


def _good(scale: float) -> bool:
    return math.isfinite(scale) and scale > 0.0


def _constants(
    sums: tuple[Array, Array], bias: Array | None, zero_point: int, multipliers: fixedpoint.Multipliers
) -> tuple[Array, ...]:
    """Return a kernel's constants after the weights, whose sums and sums of absolute values `sums` gives by channel."""
    plain, absolute = sums
    total = np.zeros(plain.size, np.int64) if bias is None else bias.reshape(-1).astype(np.int64)
    if total.size != plain.size:
        raise Obstacle(f"has {total.size} biases for {plain.size} channels")
    folded = total - zero_point * plain
    if (np.abs(folded) + 128 * absolute).max() >= 1 << 31:
        raise Obstacle("has weights and biases whose sums may leave 32 bits")
    shifts = (multipliers.left, multipliers.right) if multipliers.left.any() else (multipliers.right,)
    return folded.astype(np.int32), multipliers.multiplier, *shifts


def _requantize(operator: Operator, output: Tensor, multipliers: fixedpoint.Multipliers) -> kernel.Requantize:
    low, high = _range(operator, output)
    if max(multipliers.left.max(), multipliers.right.max()) > 31:
        raise Obstacle("has scales too far apart")
    return kernel.Requantize(output.zero_point, low, high, bool(multipliers.left.any()))


def _range(operator: Operator, output: Tensor) -> Pair:
    activation = str(operator.options.get("fused_activation_function", "NONE"))
    try:
        return fixedpoint.activation_range(activation, output.scale, output.zero_point)
    except KeyError:
        raise Obstacle(f"has the fused activation {activation}") from None


def _number(operator: Operator, name: str) -> float:
    value = operator.options.get(name)
    if not isinstance(value, (int, float)):
        raise Obstacle(f"has no {name}")
    return value


def _pair(operator: Operator, *names: str) -> Pair:
    down, across = (int(_number(operator, name)) for name in names)
    if min(down, across) < 1:
        raise Obstacle(f"has {names[0]} {down} and {names[1]} {across}")
    return down, across


def _border(
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
