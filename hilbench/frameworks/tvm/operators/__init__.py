"""The operators that have kernels, by their name in TensorFlow's schema: one function and one line each.

A function takes the `Builder` and the operator, and either adds calls to it or raises `Obstacle`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hilbench.frameworks.tflite import Operator
from hilbench.frameworks.tvm.builder import Builder
from hilbench.frameworks.tvm.operators import pointwise, shapes, weighted, windows


@dataclass(frozen=True)
class Entry:
    """How an operator becomes calls, for which activations, and what of it is refused."""

    add: Callable[[Builder, Operator], None]
    dtypes: tuple[str, ...]
    limits: str = ""


_INT8 = ("int8",)
_BOTH = ("int8", "int16")
_WEIGHTS = "constant int8 weights, one scale or one a channel, zero point 0"

OPERATORS: Mapping[str, Entry] = {
    "ADD": Entry(pointwise.add_or_subtract, _BOTH, "any broadcast"),
    "AVERAGE_POOL_2D": Entry(windows.pool, _INT8, "output quantised as the input"),
    "CONCATENATION": Entry(shapes.concatenate, _BOTH, "int8: inputs quantised as the output"),
    "CONV_2D": Entry(weighted.convolution, _BOTH, f"{_WEIGHTS}; no groups"),
    "DEPTHWISE_CONV_2D": Entry(weighted.convolution, _BOTH, _WEIGHTS),
    "DEQUANTIZE": Entry(pointwise.dequantize, _INT8, "int8 to float32, as an output of the model"),
    "EXPAND_DIMS": Entry(shapes.reshape, _BOTH),
    "FULLY_CONNECTED": Entry(weighted.fully_connected, _BOTH, _WEIGHTS),
    "HARD_SWISH": Entry(pointwise.hard_swish, _INT8, "as a table"),
    "LEAKY_RELU": Entry(pointwise.leaky_relu, _BOTH, "int8 as a table"),
    "LOGISTIC": Entry(pointwise.logistic, _INT8, "as a table; output scale 1/256, zero point -128"),
    "MAXIMUM": Entry(pointwise.extreme, _BOTH, "any broadcast; compares stored values, as TFLite Micro does"),
    "MAX_POOL_2D": Entry(windows.pool, _INT8, "output quantised as the input"),
    "MEAN": Entry(windows.mean_or_sum, _BOTH, "constant axes"),
    "MINIMUM": Entry(pointwise.extreme, _BOTH, "any broadcast; compares stored values, as TFLite Micro does"),
    "MUL": Entry(pointwise.multiply, _BOTH, "any broadcast"),
    "PACK": Entry(shapes.pack, _BOTH),
    "PAD": Entry(shapes.pad, _BOTH, "constant paddings, at most four padded dimensions"),
    "PADV2": Entry(shapes.pad, _BOTH, "constant paddings and value; int16: the value is 0"),
    "QUANTIZE": Entry(pointwise.quantize, _BOTH, "from int8 or int16 to int8 or int16; int8 to int8 as a table"),
    "RELU": Entry(pointwise.relu, _BOTH, "int8 as a table"),
    "RELU6": Entry(pointwise.relu6, _INT8, "as a table"),
    "RESHAPE": Entry(shapes.reshape, _BOTH),
    "RESIZE_NEAREST_NEIGHBOR": Entry(shapes.resize_nearest, _BOTH, "constant size"),
    "SLICE": Entry(shapes.slice_, _BOTH, "constant begin and size"),
    "SOFTMAX": Entry(windows.softmax, _INT8, "rows of at most 511; output scale 1/256, zero point -128"),
    "SPLIT": Entry(shapes.split, _BOTH, "constant axis"),
    "SQUEEZE": Entry(shapes.reshape, _BOTH),
    "STRIDED_SLICE": Entry(
        shapes.strided_slice, _BOTH, "at most 4 dimensions; constant bounds; no new axes, no ellipsis"
    ),
    "SUB": Entry(pointwise.add_or_subtract, _BOTH, "any broadcast"),
    "SUM": Entry(windows.mean_or_sum, _BOTH, "constant axes"),
    "TANH": Entry(pointwise.tanh, _INT8, "as a table; output scale 1/128, zero point 0"),
    "TRANSPOSE": Entry(shapes.transpose, _BOTH, "at most 5 dimensions; constant permutation"),
    "UNPACK": Entry(shapes.unpack, _BOTH),
}
