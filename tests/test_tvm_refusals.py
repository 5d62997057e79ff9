"""What the tvm framework cannot compute exactly it refuses by the operator's name and index, and says why."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from hilbench.catalog.core import CORES
from hilbench.frameworks.base import Model, Request, Support
from hilbench.frameworks.tvm import TVM

pytest.importorskip("tflite")

from tests.tflite_builder import Op, T, model

X = T((1, 4), 0.1, 3)
WIDE = T((1, 4), 0.1, 0, dtype="int16")
MASKS = dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)


def number(*values: int) -> T:
    return T((len(values),), dtype="int32", data=list(values))


def supports(path: Path, tensors: list[T], operator: Op) -> Support:
    """Ask about a model of one operator, whose first input and outputs are the model's."""
    first = next(i for i in operator.inputs if tensors[i].data is None)
    path.write_bytes(model(tensors, [operator], [first], operator.outputs))
    request = Request(Model("m", path, hashlib.sha256(path.read_bytes()).hexdigest()), CORES["cortex-m4f"])
    return TVM().supports(request)


REFUSED = {
    "concatenation that rescales": (
        [X, T((1, 8), 0.2, 3)], Op("CONCATENATION", [0, 0], [1], {"axis": 1}), "quantised unlike its output"),
    "concatenation that does not fit": (
        [X, T((1, 9), 0.1, 3)], Op("CONCATENATION", [0, 0], [1], {"axis": 1}), "joins 2 inputs to (1, 9)"),
    "axis beyond the rank": (
        [X, T((1, 8), 0.1, 3)], Op("CONCATENATION", [0, 0], [1], {"axis": 2}), "axis 2 of 2"),
    "mean over no such axis": (
        [X, number(5), T((1,), 0.1)], Op("MEAN", [0, 1], [2], {"keep_dims": False}), "axis 5 of 2"),
    "mean to another shape": (
        [X, number(1), T((1, 4), 0.1)], Op("MEAN", [0, 1], [2], {"keep_dims": False}), "reduces shape (1, 4)"),
    "mean over axes that are computed": (
        [X, T((1,), dtype="int32"), T((1,), 0.1)], Op("MEAN", [0, 1], [2], {"keep_dims": False}), "no constant"),
    "transpose by no permutation": (
        [X, number(0, 0), T((1, 4), 0.1)], Op("TRANSPOSE", [0, 1], [2]), "in the order (0, 0)"),
    "logistic of another scale": ([X, T((1, 4), 0.1, -128)], Op("LOGISTIC", [0], [1]), "scale 1/256"),
    "tanh of another scale": ([X, T((1, 4), 0.1, 0)], Op("TANH", [0], [1]), "scale 1/128"),
    "tanh of int16": ([WIDE, T((1, 4), 1 / 128, 0, dtype="int16")], Op("TANH", [0], [1]), "only int8"),
    "mixed types": ([X, WIDE], Op("LEAKY_RELU", [0], [1], {"alpha": 0.1}), "mixes int8 and int16"),
    "zero point of int16": ([T((1, 4), 0.1, 5, dtype="int16"), WIDE], Op("RELU", [0], [1]), "zero point 5"),
    "zero point beyond int8": ([T((1, 4), 0.1, 300), X], Op("RELU", [0], [1]), "zero point 300"),
    "scales too far apart": ([T((1, 4), 1e6, 0), T((1, 4), 1e-6, 0)], Op("RELU", [0], [1]), "too far apart"),
    "product beyond 32 bits": ([T((1, 4), 50.0), T((1, 4), 1e-6)], Op("MUL", [0, 0], [1], {}), "too far apart"),
    "sum of another shape": ([X, T((1, 5), 0.1)], Op("ADD", [0, 0], [1], {}), "to (1, 5)"),
    "slice beyond the end": (
        [X, number(0, 2), number(1, 4), X], Op("SLICE", [0, 1, 2], [3]), "cuts (0, 2) to (1, 6)"),
    "strided slice in steps of 0": (
        [X, number(0, 0), number(1, 4), number(1, 0), X], Op("STRIDED_SLICE", [0, 1, 2, 3], [4], MASKS), "steps of"),
    "strided slice with an ellipsis": (
        [X, number(0, 0), number(1, 4), number(1, 1), X],
        Op("STRIDED_SLICE", [0, 1, 2, 3], [4], {**MASKS, "ellipsis_mask": 1}), "ellipsis"),
    "split into unequal parts": (
        [X, number(1), T((1, 1), 0.1), T((1, 1), 0.1), T((1, 1), 0.1)],
        Op("SPLIT", [1, 0], [2, 3, 4], {"num_splits": 3}), "splits dimension 1 of (1, 4) into 3"),
    "dequantise inside the model": ([X, T((1, 4), dtype="float32"), X], None, "float32 inside the model"),
    "quantise to int32": ([X, T((1, 4), 0.1, dtype="int32")], Op("QUANTIZE", [0], [1]), "int32 activations"),
    "resize by other sizes": (
        [T((1, 2, 2, 1), 0.1), number(4, 4), T((1, 5, 4, 1), 0.1)],
        Op("RESIZE_NEAREST_NEIGHBOR", [0, 1], [2]), "resizes (1, 2, 2, 1)"),
    "border of another quantisation": (
        [X, T((2, 2), dtype="int32", data=[[0, 0], [1, 1]]), T((1,), 0.3, data=[1]), T((1, 6), 0.1, 3)],
        Op("PADV2", [0, 1, 2], [3]), "quantised unlike"),
    "int16 with a bias of 32 bits": (
        [WIDE, T((2, 4), 0.1, data=np.ones((2, 4))), T((2,), 0.01, dtype="int32", data=[1, 2]),
         T((1, 2), 0.1, dtype="int16")],
        Op("FULLY_CONNECTED", [0, 1, 2], [3]), "int32 bias for int16"),
    "depth multiplier that the shapes belie": (
        [T((1, 1, 1, 2), 0.1), T((1, 1, 1, 4), 0.1, data=np.ones((1, 1, 1, 4))), T((1, 1, 1, 4), 0.1)],
        Op("DEPTHWISE_CONV_2D", [0, 1], [2],
           {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1, "depth_multiplier": 1}),
        "depth multiplier 1"),
    "sums that a shift of 31 does not make 0": (
        [T((1, 4), 1.5 * 2.0**-16), T((1, 4), 2.0**-16, data=np.ones((1, 4))),
         T((1,), 2.0**-32, dtype="int32", data=[(1 << 31) - 5000]), T((1, 1), 1.0)],
        Op("FULLY_CONNECTED", [0, 1, 2], [3]), "sums and scales too far apart"),
    "sums that a left shift takes out of 32 bits": (
        [T((1, 4), 1.0), T((1, 4), 1.0, data=np.ones((1, 4))), T((1,), 1.0, dtype="int32", data=[1 << 20]),
         T((1, 1), 2.0**-12)],
        Op("FULLY_CONNECTED", [0, 1, 2], [3]), "may leave 32 bits"),
    "softmax of rows whose sum TFLite Micro aborts on": (
        [T((1, 512), 0.1), T((1, 512), 1 / 256, -128)], Op("SOFTMAX", [0], [1], {"beta": 1.0}), "rows of 512"),
    "transpose by int64, which TFLite Micro reads as int32": (
        [X, T((2,), dtype="int64", data=[1, 0]), T((4, 1), 0.1, 3)], Op("TRANSPOSE", [0, 1], [2]), "constant int32"),
    "transpose of six dimensions": (
        [T((1,) * 6, 0.1), number(*range(6)), T((1,) * 6, 0.1)], Op("TRANSPOSE", [0, 1], [2]), "at most 5"),
    "strided slice of five dimensions": (
        [T((1,) * 5, 0.1), number(*[0] * 5), number(*[1] * 5), number(*[1] * 5), T((1,) * 5, 0.1)],
        Op("STRIDED_SLICE", [0, 1, 2, 3], [4], MASKS), "at most 4"),
    "strided slice that drops a dimension backwards": (
        [X, number(0, 3), number(1, 4), number(1, -1), T((1,), 0.1, 3)],
        Op("STRIDED_SLICE", [0, 1, 2, 3], [4], {**MASKS, "shrink_axis_mask": 2}), "steps backwards"),
    "pack of fewer inputs than it has": (
        [X, T((2, 1, 4), 0.1, 3)], Op("PACK", [0, 0], [1], {"axis": 0, "values_count": 1}), "packs 2 inputs"),
    "output that is its input": ([X], Op("RELU", [0], [0]), "which has a value already"),
    "tensor beyond all memory": (
        [X, T((2, 2), dtype="int32", data=[[0, 0], [0, 1 << 29]]), T((1, (1 << 29) + 4), 0.1, 3)],
        Op("PAD", [0, 1], [2]), "at most"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_name_and_index(name: str, tmp_path: Path) -> None:
    tensors, operator, reason = REFUSED[name]
    if operator is None:  # two operators: the first result is inside the model
        path = tmp_path / "model.tflite"
        path.write_bytes(model(tensors, [Op("DEQUANTIZE", [0], [1]), Op("RELU", [0], [2])], [0], [2]))
        support, operator = TVM().supports(Request(Model("m", path, ""), CORES["cortex-m4f"])), Op("DEQUANTIZE", [], [])
    else:
        support = supports(tmp_path / "model.tflite", tensors, operator)
    assert not support.ok
    assert support.reason.startswith(f"operator 0 ({operator.name}) ")
    assert reason in support.reason


def test_a_float_model_is_told_how_to_convert(tmp_path: Path) -> None:
    real = T((1, 4), dtype="float32")
    support = supports(tmp_path / "model.tflite", [real, real], Op("RELU", [0], [1]))
    assert support.reason == "input 'tensor_0' is float32 (only int8 or int16)"
    assert "full integer quantisation" in support.remedy
