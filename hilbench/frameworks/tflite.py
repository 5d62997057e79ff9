"""Reads a .tflite file into plain data: tensors, operators, inputs and outputs of its main graph. Runs nothing.

The `tflite` package is the only reader of the file format; whatever the file holds, the outcome is a `Graph` or a
`ModelError` that names the file, in time and memory that its size bounds.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from hilbench.errors import ModelError, Unavailable, UnsupportedModel
from hilbench.tensors import TensorInfo

Array = npt.NDArray[Any]
Options = Mapping[str, int | float | bool | str | tuple[int, ...]]

# TensorType -> numpy's name. A type that numpy lacks keeps its own name, and its data are raw bytes.
_NUMPY = {"BOOL": "bool"} | {
    name.upper(): name
    for name in (
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    )
}
# The options that are read, by the table's name in TensorFlow's schema.fbs. Other tables give no options.
_FIELDS: dict[str, tuple[str, ...]] = {
    "Conv2DOptions": (
        *("Padding", "StrideW", "StrideH", "DilationWFactor", "DilationHFactor"),
        *("FusedActivationFunction", "QuantizedBiasType"),
    ),
    "DepthwiseConv2DOptions": (
        *("Padding", "StrideW", "StrideH", "DilationWFactor", "DilationHFactor"),
        *("DepthMultiplier", "FusedActivationFunction"),
    ),
    "Pool2DOptions": ("Padding", "StrideW", "StrideH", "FilterWidth", "FilterHeight", "FusedActivationFunction"),
    "FullyConnectedOptions": ("FusedActivationFunction", "WeightsFormat", "KeepNumDims", "QuantizedBiasType"),
    "AddOptions": ("FusedActivationFunction",),
    "SubOptions": ("FusedActivationFunction",),
    "MulOptions": ("FusedActivationFunction",),
    "ConcatenationOptions": ("Axis", "FusedActivationFunction"),
    "LeakyReluOptions": ("Alpha",),
    "PackOptions": ("Axis", "ValuesCount"),
    "ReducerOptions": ("KeepDims",),
    "ResizeNearestNeighborOptions": ("AlignCorners", "HalfPixelCenters"),
    "SoftmaxOptions": ("Beta",),
    "StridedSliceOptions": ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask", "Offset"),
    "UnpackOptions": ("Num", "Axis"),
}
# Fields that hold a number of an enumeration: told by its name ("SAME", "RELU6").
_ENUMS = {
    "Padding": "Padding",
    "FusedActivationFunction": "ActivationFunctionType",
    "WeightsFormat": "FullyConnectedOptionsWeightsFormat",
    "QuantizedBiasType": "TensorType",
}
_WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# A file may be read over this many times: true vectors do not overlap, but small files are mostly tables.
_READS = 8
# What reading offsets out of a broken file ends in.
_BROKEN = (struct.error, IndexError, ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError)


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor. `dtype` is numpy's name; real = (q - zero_point) * scale, one pair, or one per index of `axis`.

    `scales` is empty for a tensor without quantisation; `data` is None for one that is computed.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    data: Array | None = None

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def scale(self) -> float:
        """The scale of a tensor quantised as a whole, else 0."""
        return self.scales[0] if len(self.scales) == 1 else 0.0

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor quantised as a whole, else 0."""
        return self.zero_points[0] if len(self.zero_points) == 1 else 0

    def info(self) -> TensorInfo:
        """Return what a host needs to feed or read this tensor."""
        return TensorInfo(self.name, self.dtype, self.shape, self.scale, self.zero_point)


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator by its name in the schema, such as "CONV_2D". A missing optional input has index -1."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options = field(default_factory=dict)

    def __str__(self) -> str:
        """Return how messages name it: `operator 3 (LSTM)`."""
        return f"operator {self.index} ({self.name})"


@dataclass(frozen=True, eq=False)
class Graph:
    """The main graph: operators in the order they run, and the indices of its input and output tensors."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def input_infos(self) -> tuple[TensorInfo, ...]:
        """Return what each input is."""
        return tuple(self.tensors[index].info() for index in self.inputs)

    def output_infos(self) -> tuple[TensorInfo, ...]:
        """Return what each output is."""
        return tuple(self.tensors[index].info() for index in self.outputs)

    def operator_names(self) -> tuple[str, ...]:
        """Return index and name of every operator, such as "0 CONV_2D"."""
        return tuple(f"{operator.index} {operator.name}" for operator in self.operators)

    def macs(self) -> int:
        """Return the multiply-accumulates of one inference in convolutions and fully connected layers."""
        return sum(self._macs(operator) for operator in self.operators)

    def _macs(self, operator: Operator) -> int:
        if operator.name not in _WITH_WEIGHTS:
            return 0
        weights = self.tensors[operator.inputs[1]].shape  # OHWI; 1HWO for depthwise; OI
        per_output = math.prod(weights[1:3]) if operator.name == "DEPTHWISE_CONV_2D" else math.prod(weights[1:])
        return self.tensors[operator.outputs[0]].size * per_output


def read(path: Path) -> Graph:
    """Read the main graph of the .tflite file `path`.

    Raises `ModelError` for a file that is missing or is no TFLite model, `UnsupportedModel` for one that this reader
    does not know, `Unavailable` without the `tflite` package.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the model: {error.strerror}", where=str(path)) from error
    # The flatbuffer's file identifier, schema.fbs: file_identifier "TFL3".
    if data[4:8] != b"TFL3":
        raise ModelError("this is not a TFLite model", where=str(path), hint="a file that TensorFlow Lite converted")
    try:
        return _Reader(_package(), data).graph()
    except UnsupportedModel as error:
        raise UnsupportedModel(error.what, where=str(path), hint=error.hint) from error
    except (*_BROKEN, ModelError) as error:
        detail = f": {error.what}" if isinstance(error, ModelError) else ""
        raise ModelError(
            f"the TFLite model is damaged or cut short{detail}", where=str(path), hint="fetch or convert it again"
        ) from error


def _package() -> ModuleType:
    try:
        import tflite
    except ImportError as error:
        raise Unavailable(
            "the package 'tflite', which reads models, is not installed", hint="pip install 'hilbench[tvm]'"
        ) from error
    return tflite  # type: ignore[no-any-return]


class _Reader:
    """Walks one file's flatbuffer. A count or index that the file cannot hold is a `ModelError`."""

    def __init__(self, package: ModuleType, data: bytes) -> None:
        self.package, self.data = package, data
        self.left = _READS * len(data)
        self.enumerations: dict[str, Mapping[int, str]] = {}
        self.model = package.Model.GetRootAsModel(data, 0)

    def graph(self) -> Graph:
        if self.model.SubgraphsLength() < 1:
            raise ModelError("it holds no graph")
        graph = self.model.Subgraphs(0)
        tensors = tuple(
            self._tensor(index, graph.Tensors(index)) for index in self._range(graph.TensorsLength(), "tensors")
        )
        operators = tuple(
            self._operator(index, graph.Operators(index), len(tensors))
            for index in self._range(graph.OperatorsLength(), "operators")
        )
        inputs = self._indices(graph.InputsAsNumpy(), len(tensors), 0)
        outputs = self._indices(graph.OutputsAsNumpy(), len(tensors), 0)
        if not inputs or not outputs:
            raise ModelError("its graph has no input or no output")
        return Graph(tensors, operators, inputs, outputs)

    def _named(self, enumeration: str, value: int) -> str:
        """Return a value's name; one that is newer than the package goes by its number."""
        if enumeration not in self.enumerations:
            values = vars(getattr(self.package, enumeration))
            self.enumerations[enumeration] = {v: name for name, v in values.items() if isinstance(v, int)}
        return self.enumerations[enumeration].get(value, f"{enumeration} {value}")

    def _spend(self, count: int) -> None:
        """Count what is read: only a file whose vectors overlap holds more than it has bytes."""
        self.left -= count
        if self.left < 0:
            raise ModelError("its parts overlap")

    def _range(self, count: int, what: str) -> range:
        if count > len(self.data):
            raise ModelError(f"{count} {what}")
        return range(count)

    def _integers(self, vector: Any) -> tuple[int, ...]:
        """Return a vector of numbers; the package gives 0 in place of one that is absent."""
        if isinstance(vector, int):
            return ()
        self._spend(vector.nbytes)
        return tuple(vector.tolist())

    def _indices(self, vector: Any, count: int, lowest: int) -> tuple[int, ...]:
        indices = self._integers(vector)
        for index in indices:
            if not lowest <= index < count:
                raise ModelError(f"there is no tensor {index}")
        return indices

    def _text(self, raw: bytes | None, otherwise: str) -> str:
        """Return a name that a terminal can show."""
        self._spend(len(raw or b""))
        text = (raw or b"").decode("utf-8", "replace") or otherwise
        return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)

    def _tensor(self, index: int, tensor: Any) -> Tensor:
        kind = self._named("TensorType", tensor.Type())
        shape = self._integers(tensor.ShapeAsNumpy())
        if min(shape, default=0) < 0:
            raise ModelError(f"tensor {index} has the shape {shape}")
        if tensor.Sparsity() is not None:
            raise UnsupportedModel(f"tensor {index} is sparse; only dense tensors can be read")
        quantization = tensor.Quantization()
        scales: tuple[float, ...] = ()
        zero_points: tuple[int, ...] = ()
        axis = 0
        if quantization is not None and quantization.ScaleLength():
            vector = quantization.ScaleAsNumpy()
            self._spend(vector.nbytes)
            scales = tuple(vector.tolist())
            zero_points = self._integers(quantization.ZeroPointAsNumpy()) or (0,)
            if len(zero_points) not in (1, len(scales)):
                raise ModelError(f"tensor {index} has {len(scales)} scales and {len(zero_points)} zero points")
            zero_points = zero_points if len(zero_points) == len(scales) else zero_points * len(scales)
            axis = quantization.QuantizedDimension()
        dtype = _NUMPY.get(kind, kind.lower())
        data = self._data(index, self._buffer(tensor.Buffer()), kind, shape)
        return Tensor(self._text(tensor.Name(), ""), dtype, shape, scales, zero_points, axis, data)

    def _buffer(self, index: int) -> Array:
        """Return a view of a buffer's bytes."""
        if not 0 <= index < self.model.BuffersLength():
            raise ModelError(f"there is no buffer {index}")
        buffer = self.model.Buffers(index)
        if buffer.Offset() > 1:  # 0 and 1 mean "inside": schema.fbs, table Buffer
            start, end = buffer.Offset(), buffer.Offset() + buffer.Size()
            if end > len(self.data):
                raise ModelError(f"buffer {index} ends behind the file")
            return np.frombuffer(self.data, np.uint8)[start:end]
        return np.asarray(buffer.DataAsNumpy() if buffer.DataLength() else [], np.uint8)

    def _data(self, index: int, raw: Array, kind: str, shape: tuple[int, ...]) -> Array | None:
        if not raw.size:
            return None
        if kind not in _NUMPY:
            return raw
        dtype = np.dtype(_NUMPY[kind]).newbyteorder("<")
        if raw.size != math.prod(shape) * dtype.itemsize:
            raise ModelError(f"tensor {index} of shape {shape} has {raw.size} bytes")
        return np.frombuffer(raw, dtype).reshape(shape)

    def _operator(self, index: int, operator: Any, tensors: int) -> Operator:
        if not operator.OpcodeIndex() < self.model.OperatorCodesLength():
            raise ModelError(f"operator {index} has no code")
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        # Codes above 127 are in the newer field alone: schema.fbs, table OperatorCode.
        name = self._named("BuiltinOperator", max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
        if name == "CUSTOM":
            name = self._text(code.CustomCode(), name)
        inputs = self._indices(operator.InputsAsNumpy(), tensors, -1)
        outputs = self._indices(operator.OutputsAsNumpy(), tensors, 0)
        if name in _WITH_WEIGHTS and (len(inputs) < 2 or min(inputs[:2]) < 0 or not outputs):
            raise ModelError(f"operator {index} ({name}) lacks an input, weights or an output")
        return Operator(index, name, inputs, outputs, dict(self._options(operator)))

    def _options(self, operator: Any) -> Iterator[tuple[str, int | float | bool | str]]:
        table = self._named("BuiltinOptions", operator.BuiltinOptionsType())
        union = operator.BuiltinOptions()
        if table not in _FIELDS or union is None:
            return
        options = getattr(self.package, table)()
        options.Init(union.Bytes, union.Pos)
        for name in _FIELDS[table]:
            value = getattr(options, name)()
            if name in _ENUMS:
                value = self._named(_ENUMS[name], value)
            yield re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), value
