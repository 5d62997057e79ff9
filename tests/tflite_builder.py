"""Builds small .tflite files in memory, with the flatbuffer writers of the `tflite` package."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite


@dataclass
class T:
    """A tensor: an activation, or a constant if it has `data`."""

    shape: Sequence[int]
    scale: float | Sequence[float] = 0.0
    zero_point: int | Sequence[int] = 0
    axis: int = 0
    dtype: str = "int8"
    data: Any = None


@dataclass
class Op:
    """An operator: the schema's name, tensor indices, and options by their name in the schema in snake case."""

    name: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: Mapping[str, Any] = field(default_factory=dict)


# The schema's options table of each operator that takes options.
_TABLES = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "SUM": "ReducerOptions",
    "SOFTMAX": "SoftmaxOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "HARD_SWISH": "HardSwishOptions",
    "QUANTIZE": "QuantizeOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "RESHAPE": "ReshapeOptions",
    "EXPAND_DIMS": "ExpandDimsOptions",
    "SQUEEZE": "SqueezeOptions",
    "TRANSPOSE": "TransposeOptions",
    "SLICE": "SliceOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SPLIT": "SplitOptions",
    "UNPACK": "UnpackOptions",
    "PACK": "PackOptions",
    "CONCATENATION": "ConcatenationOptions",
    "PAD": "PadOptions",
    "PADV2": "PadV2Options",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
}
_ENUMS = {"padding": tflite.Padding, "fused_activation_function": tflite.ActivationFunctionType}


def model(tensors: Sequence[T], operators: Sequence[Op], inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
    """Return the file of a model with one graph."""
    b = flatbuffers.Builder(1024)
    buffers = [_buffer(b, b"")]
    written = []
    for index, tensor in enumerate(tensors):
        number = 0
        if tensor.data is not None:
            number = len(buffers)
            buffers.append(_buffer(b, np.ascontiguousarray(tensor.data, np.dtype(tensor.dtype)).tobytes()))
        written.append(_tensor(b, index, tensor, number))
    names = list(dict.fromkeys(operator.name for operator in operators))
    codes = [_table(b, "OperatorCode", deprecated_builtin_code=min(_code(n), 127), builtin_code=_code(n), version=1)
             for n in names]  # fmt: skip
    ops = [_operator(b, operator, names.index(operator.name)) for operator in operators]
    graph = _table(b, "SubGraph", tensors=_offsets(b, written), inputs=_ints(b, inputs), outputs=_ints(b, outputs),
                   operators=_offsets(b, ops))  # fmt: skip
    root = _table(b, "Model", version=3, operator_codes=_offsets(b, codes), subgraphs=_offsets(b, [graph]),
                  description=b.CreateString("test"), buffers=_offsets(b, buffers))  # fmt: skip
    b.Finish(root, file_identifier=b"TFL3")
    return bytes(b.Output())


def _code(name: str) -> int:
    return int(getattr(tflite.BuiltinOperator, name))


def _table(b: flatbuffers.Builder, table: str, **fields: int) -> int:
    getattr(tflite, f"{table}Start")(b)
    for name, value in fields.items():
        camel = re.sub(r"(?:^|_)(\w)", lambda match: match[1].upper(), name)
        getattr(tflite, f"{table}Add{camel}")(b, value)
    return int(getattr(tflite, f"{table}End")(b))


def _buffer(b: flatbuffers.Builder, data: bytes) -> int:
    if not data:
        return _table(b, "Buffer")
    return _table(b, "Buffer", data=b.CreateNumpyVector(np.frombuffer(data, np.uint8)))


def _tensor(b: flatbuffers.Builder, index: int, tensor: T, buffer: int) -> int:
    scales = np.atleast_1d(np.asarray(tensor.scale, np.float32))
    points = np.broadcast_to(np.atleast_1d(np.asarray(tensor.zero_point, np.int64)), scales.shape)
    name, shape = b.CreateString(f"tensor_{index}"), _ints(b, tensor.shape)
    kind = getattr(tflite.TensorType, tensor.dtype.upper())
    fields = {"shape": shape, "type": kind, "buffer": buffer, "name": name}
    if scales.any():
        vectors = b.CreateNumpyVector(scales), b.CreateNumpyVector(np.ascontiguousarray(points))
        fields["quantization"] = _table(b, "QuantizationParameters", scale=vectors[0], zero_point=vectors[1],
                                        quantized_dimension=tensor.axis)  # fmt: skip
    return _table(b, "Tensor", **fields)


def _operator(b: flatbuffers.Builder, operator: Op, code: int) -> int:
    fields = {"opcode_index": code, "inputs": _ints(b, operator.inputs), "outputs": _ints(b, operator.outputs)}
    if table := _TABLES.get(operator.name):
        values = {n: getattr(_ENUMS[n], v) if n in _ENUMS else v for n, v in operator.options.items()}
        values = {n: v if isinstance(v, (int, float)) else _ints(b, v) for n, v in values.items()}
        fields["builtin_options_type"] = getattr(tflite.BuiltinOptions, table)
        fields["builtin_options"] = _table(b, table, **values)
    return _table(b, "Operator", **fields)


def _ints(b: flatbuffers.Builder, values: Sequence[int]) -> int:
    return int(b.CreateNumpyVector(np.asarray(values, np.int32)))


def _offsets(b: flatbuffers.Builder, items: Sequence[int]) -> int:
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return int(b.EndVector())
