"""Operators that move values and compute nothing: reshaping, slicing, joining, padding, resizing.

They move what is stored, whatever the scales, as TFLite Micro does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hilbench.frameworks.tflite import Operator, Tensor
from hilbench.frameworks.tvm import kernel
from hilbench.frameworks.tvm.builder import (
    BYTES,
    QUANTISED,
    Argument,
    Builder,
    Obstacle,
    activations,
    axis_of,
    check,
    number,
)
from hilbench.frameworks.tvm.kernel import Shape

_PADDED = 4  # dimensions that hb_pad_s8 knows
# Dimensions that TFLite Micro takes: transpose.cc, kTransposeMaxDimensions, and strided_slice_common.cc, kMaxDim.
_TRANSPOSED, _STRIDED = 5, 4
_WIDE = ("int32", "int64")


def reshape(builder: Builder, operator: Operator) -> None:
    """Let RESHAPE, EXPAND_DIMS or SQUEEZE give its input another shape; nothing runs."""
    source, output = activations(builder, operator, 1, QUANTISED, scaled=False)
    if source.size != output.size:
        raise Obstacle(f"reshapes {source.shape} to {output.shape}")
    builder.alias(operator)


def transpose(builder: Builder, operator: Operator) -> None:
    """Add TRANSPOSE."""
    source, output = activations(builder, operator, 1, QUANTISED, scaled=False)
    order = builder.constant(operator, 1, "dimensions")
    if len(order) > _TRANSPOSED:
        raise Obstacle(f"has {len(order)} dimensions (at most {_TRANSPOSED})")
    if sorted(order) != list(range(len(source.shape))) or output.shape != tuple(source.shape[i] for i in order):
        raise Obstacle(f"takes {source.shape} in the order {order} to {output.shape}")
    strides = _strides(source.shape)
    _move(builder, operator, 0, source, 0, output.shape, [strides[i] for i in order])


def slice_(builder: Builder, operator: Operator) -> None:
    """Add SLICE."""
    source, output = activations(builder, operator, 1, QUANTISED, scaled=False)
    begin, size = (builder.constant(operator, position, "bounds", _WIDE) for position in (1, 2))
    if not len(begin) == len(size) == len(source.shape):
        raise Obstacle(f"cuts {len(begin)} dimensions of shape {source.shape}")
    ends = [whole if s == -1 else b + s for b, s, whole in zip(begin, size, source.shape, strict=True)]
    shape = tuple(end - b for b, end in zip(begin, ends, strict=True))
    inside = all(0 <= b < end <= whole for b, end, whole in zip(begin, ends, source.shape, strict=True))
    if not inside or shape != output.shape:
        raise Obstacle(f"cuts {begin} to {tuple(ends)} of {source.shape} for {output.shape}")
    strides = _strides(source.shape)
    _move(builder, operator, 0, source, _dot(begin, strides), shape, strides)


def strided_slice(builder: Builder, operator: Operator) -> None:
    """Add STRIDED_SLICE: strided_slice_logic.h."""
    source, output = activations(builder, operator, 1, QUANTISED, scaled=False)
    rank = len(source.shape)
    begin, end, steps = (builder.constant(operator, position, "bounds") for position in (1, 2, 3))
    if not len(begin) == len(end) == len(steps) == rank or 0 in steps:
        raise Obstacle(f"cuts {len(begin)} dimensions of shape {source.shape} in steps of {steps}")
    if rank > _STRIDED:
        raise Obstacle(f"has {rank} dimensions (at most {_STRIDED})")
    if number(operator, "ellipsis_mask") or number(operator, "new_axis_mask") or operator.options.get("offset"):
        raise Obstacle("has an ellipsis, a new axis or relative ends")
    masks = [int(number(operator, f"{name}_mask")) for name in ("begin", "end", "shrink_axis")]
    starts, shape, kept = [], [], []
    for axis, size in enumerate(source.shape):
        from_edge, to_edge, shrink = (bool(mask >> axis & 1) for mask in masks)
        if shrink and steps[axis] < 0:  # TFLite Micro writes nothing then
            raise Obstacle(f"drops dimension {axis} and steps backwards along it")
        edges = slice(None if from_edge else begin[axis], None if to_edge else end[axis], steps[axis])
        start, stop, step = edges.indices(size)
        count = 1 if shrink else len(range(start, stop, step))
        if not count or not 0 <= start < size:
            raise Obstacle(f"cuts nothing of dimension {axis} of {source.shape}")
        starts.append(start)
        shape.append(count)
        kept.extend([] if shrink else [count])
    if tuple(kept) != output.shape:
        raise Obstacle(f"cuts {tuple(kept)} of {source.shape} for {output.shape}")
    strides = _strides(source.shape)
    moved = [stride * step for stride, step in zip(strides, steps, strict=True)]
    _move(builder, operator, 0, source, _dot(starts, strides), shape, moved)


def split(builder: Builder, operator: Operator) -> None:
    """Add SPLIT into equal parts. The axis is the first input."""
    axes = builder.constant(operator, 0, "axes", _WIDE)
    source = builder.tensor(operator, 1)
    check(source, QUANTISED, scaled=False)
    if len(axes) != 1 or not operator.outputs:
        raise Obstacle(f"splits along {len(axes)} axes into {len(operator.outputs)}")
    axis, parts = axis_of(axes[0], len(source.shape)), len(operator.outputs)
    size, rest = divmod(source.shape[axis], parts)
    shape = (*source.shape[:axis], size, *source.shape[axis + 1 :])
    if rest:
        raise Obstacle(f"splits dimension {axis} of {source.shape} into {parts}")
    _parts(builder, operator, 1, source, axis, shape, size)


def unpack(builder: Builder, operator: Operator) -> None:
    """Add UNPACK: a split into parts of one, without that dimension."""
    source = builder.tensor(operator, 0)
    check(source, QUANTISED, scaled=False)
    axis = axis_of(number(operator, "axis"), len(source.shape))
    if not source.shape[axis] == len(operator.outputs) == number(operator, "num"):
        raise Obstacle(f"unpacks dimension {axis} of {source.shape} into {len(operator.outputs)}")
    _parts(builder, operator, 0, source, axis, (*source.shape[:axis], *source.shape[axis + 1 :]), 1)


def concatenate(builder: Builder, operator: Operator) -> None:
    """Add CONCATENATION: concatenation.cc refuses int8 inputs that are quantised unlike the output."""
    sources, output = _several(builder, operator)
    if operator.options.get("fused_activation_function", "NONE") != "NONE":
        raise Obstacle(f"has the fused activation {operator.options['fused_activation_function']}")
    rank = len(output.shape)
    axis = axis_of(number(operator, "axis"), rank)
    for source in sources:
        if len(source.shape) != rank or _without(source.shape, axis) != _without(output.shape, axis):
            raise Obstacle(f"joins shape {source.shape} to {output.shape} along axis {axis}")
        if output.dtype == "int8" and (source.scale, source.zero_point) != (output.scale, output.zero_point):
            raise Obstacle(f"has an input that is quantised unlike its output ('{source.name}')")
    if sum(source.shape[axis] for source in sources) != output.shape[axis]:
        raise Obstacle(f"joins {len(sources)} inputs to {output.shape} along axis {axis}")
    runs = tuple(math.prod(source.shape[axis:]) for source in sources)
    _join(builder, operator, output, math.prod(output.shape[:axis]), runs)


def pack(builder: Builder, operator: Operator) -> None:
    """Add PACK: a concatenation along a new dimension."""
    sources, output = _several(builder, operator)
    axis = axis_of(number(operator, "axis"), len(output.shape))
    count = number(operator, "values_count")
    if not output.shape[axis] == len(sources) == count or any(s.shape != _without(output.shape, axis) for s in sources):
        raise Obstacle(f"packs {len(sources)} inputs of shape {sources[0].shape} to {output.shape}")
    run = math.prod(output.shape[axis + 1 :])
    _join(builder, operator, output, math.prod(output.shape[:axis]), (run,) * len(sources))


def pad(builder: Builder, operator: Operator) -> None:
    """Add PAD, whose border is the zero point, or PADV2, whose border is a constant: pad_common.cc."""
    source, output = activations(builder, operator, 1, QUANTISED)
    rank = len(source.shape)
    numbers = builder.constant(operator, 1, "paddings")
    if len(numbers) != 2 * rank:
        raise Obstacle(f"has {len(numbers)} paddings for shape {source.shape}")
    before, after = numbers[::2], numbers[1::2]
    if min(*numbers, 0) < 0 or output.shape != tuple(map(sum, zip(before, source.shape, after, strict=True))):
        raise Obstacle(f"pads shape {source.shape} to {output.shape}")
    value = output.zero_point if len(operator.inputs) < 3 else _border_value(builder, operator, output)
    shape, before, after = _in_bytes(source.shape, before, after, BYTES[source.dtype])
    builder.call(operator, kernel.Pad(shape, before, after, value), builder.argument(operator.inputs[0]))


def resize_nearest(builder: Builder, operator: Operator) -> None:
    """Add RESIZE_NEAREST_NEIGHBOR: reference/resize_nearest_neighbor.h."""
    source, output = activations(builder, operator, 1, QUANTISED, scaled=False)
    size = builder.constant(operator, 1, "sizes")
    if len(source.shape) != 4 or output.shape != (source.shape[0], *size, source.shape[3]):
        raise Obstacle(f"resizes {source.shape} to {output.shape} by sizes {size}")
    corners, centres = bool(operator.options.get("align_corners")), bool(operator.options.get("half_pixel_centers"))
    rows, columns = (_nearest(source.shape[i], output.shape[i], corners, centres) for i in (1, 2))
    what = kernel.Resize(source.dtype, source.shape, (output.shape[1], output.shape[2]))
    builder.call(operator, what, builder.argument(operator.inputs[0]), rows, columns)


# ---- what the functions above share


def _strides(shape: Shape) -> list[int]:
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _dot(numbers: Sequence[int], strides: Sequence[int]) -> int:
    return sum(number * stride for number, stride in zip(numbers, strides, strict=True))


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])


def _move(
    builder: Builder,
    operator: Operator,
    position: int,
    source: Tensor,
    start: int,
    shape: Sequence[int],
    strides: Sequence[int],
    output: int = 0,
) -> None:
    """Add a `Move` of input `position`, with neighbouring dimensions joined where the input is one run."""
    sizes, steps = [1], [1]
    for size, stride in zip(shape, strides, strict=True):
        if size == 1:
            continue
        if steps[-1] == size * stride or sizes[-1] == 1:
            sizes[-1], steps[-1] = sizes[-1] * size, stride
        else:
            sizes.append(size)
            steps.append(stride)
    what = kernel.Move(source.dtype, source.size, tuple(sizes), tuple(steps), start)
    builder.call(operator, what, builder.argument(operator.inputs[position]), output=output)


def _parts(
    builder: Builder, operator: Operator, position: int, source: Tensor, axis: int, shape: Shape, size: int
) -> None:
    """Add a `Move` for each output: `size` places along `axis`, one output after another."""
    strides = _strides(source.shape)
    cut = (*source.shape[:axis], size, *source.shape[axis + 1 :])
    for place, index in enumerate(operator.outputs):
        output = builder.graph.tensors[index]
        if output.shape != shape or output.dtype != source.dtype:
            raise Obstacle(f"makes {output.dtype} of shape {output.shape} from {source.dtype} of shape {source.shape}")
        _move(builder, operator, position, source, place * size * strides[axis], cut, strides, place)


def _several(builder: Builder, operator: Operator) -> tuple[tuple[Tensor, ...], Tensor]:
    """Return the inputs, of any number, and the output, all of one type."""
    *sources, output = activations(builder, operator, max(1, len(operator.inputs)), QUANTISED, scaled=False)
    return tuple(sources), output


def _join(builder: Builder, operator: Operator, output: Tensor, rows: int, runs: Shape) -> None:
    arguments: list[Argument] = [builder.argument(index) for index in operator.inputs]
    builder.call(operator, kernel.Join(output.dtype, rows, runs), *arguments)


def _border_value(builder: Builder, operator: Operator, output: Tensor) -> int:
    """Return the constant of PADV2 as one byte."""
    tensor = builder.tensor(operator, 2)
    if tensor.data is None or tensor.data.size != 1 or tensor.dtype != output.dtype:
        raise Obstacle(f"has a border that is no constant {output.dtype}")
    if output.dtype == "int8" and (tensor.scale, tensor.zero_point) != (output.scale, output.zero_point):
        raise Obstacle("has a border that is quantised unlike its output")
    value = int(tensor.data.reshape(-1)[0])
    if output.dtype == "int16" and value not in (0, -1):  # the kernel writes bytes
        raise Obstacle(f"has a border of {value} (for int16 only 0)")
    return value


def _in_bytes(shape: Shape, before: Shape, after: Shape, bytes_each: int) -> tuple[Shape, Shape, Shape]:
    """Return a padding in bytes, with dimensions that have no border joined to those before them."""
    sizes: list[list[int]] = []
    for each in zip(shape, before, after, strict=True):
        if sizes and not any(each[1:]):
            sizes[-1] = [number * each[0] for number in sizes[-1]]
        else:
            sizes.append(list(each))
    if len(sizes) > _PADDED:
        raise Obstacle(f"pads {len(sizes)} dimensions (at most {_PADDED})")
    if not sizes:
        sizes = [[1, 0, 0]]
    sizes[-1] = [number * bytes_each for number in sizes[-1]]
    columns = [tuple(column) for column in zip(*sizes, strict=True)]
    return columns[0], columns[1], columns[2]


def _nearest(size: int, wanted: int, corners: bool, centres: bool) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Return which row or column each of `wanted` places shows, in TFLite Micro's float32: GetNearestNeighbor."""
    between = corners and wanted > 1
    scale = np.float32(size - between) / np.float32(wanted - between)
    places = (np.arange(wanted, dtype=np.float32) + np.float32(0.5 if centres else 0.0)) * scale
    # All places are 0 or more: adding a half and cutting off rounds as std::round does.
    picked = np.floor(places.astype(np.float64) + 0.5) if corners else np.floor(places)
    return np.clip(picked, 0, size - 1).astype(np.int32)
