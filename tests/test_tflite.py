"""The reader of .tflite files: all of a good file, and a ModelError for any other."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.errors import ModelError, Unavailable
from hilbench.frameworks import tflite
from hilbench.tensors import TensorInfo

pytest.importorskip("tflite")

from tests.tflite_builder import Op, T, model

WEIGHTS = np.arange(-18, 18).reshape(2, 3, 3, 2)
TENSORS = [
    T((1, 5, 5, 2), 0.5, -3),
    T(WEIGHTS.shape, [0.25, 0.125], 0, data=WEIGHTS),
    T((2,), [0.125, 0.0625], 0, dtype="int32", data=[7, -9]),
    T((1, 2, 3, 2), 0.75, 11),
    T((2,), dtype="int32", data=[1, 12]),
    T((1, 12), 0.75, 11),
    T((4, 12), 0.1, 0, data=np.ones((4, 12))),
    T((1, 4), 2.0, 1),
]
OPERATORS = [
    Op("CONV_2D", [0, 1, 2], [3], {"padding": "VALID", "stride_h": 2, "stride_w": 1, "dilation_h_factor": 1,
                                   "dilation_w_factor": 1, "fused_activation_function": "RELU6"}),
    Op("RESHAPE", [3, 4], [5]),
    Op("FULLY_CONNECTED", [5, 6, -1], [7], {}),
]  # fmt: skip
FILE = model(TENSORS, OPERATORS, [0], [7, 3])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.tflite"


def test_everything_in_a_file_is_read(path: Path) -> None:
    path.write_bytes(FILE)
    graph = tflite.read(path)
    assert graph.input_infos() == (TensorInfo("tensor_0", "int8", (1, 5, 5, 2), 0.5, -3),)
    assert graph.output_infos() == (
        TensorInfo("tensor_7", "int8", (1, 4), 2.0, 1),
        TensorInfo("tensor_3", "int8", (1, 2, 3, 2), 0.75, 11),
    )
    assert graph.operator_names() == ("0 CONV_2D", "1 RESHAPE", "2 FULLY_CONNECTED")
    assert graph.macs() == 2 * 3 * 2 * (3 * 3 * 2) + 4 * 12
    conv, _, dense = graph.operators
    assert (conv.inputs, conv.outputs, dense.inputs) == ((0, 1, 2), (3,), (5, 6, -1))
    assert dict(conv.options) == {
        "padding": "VALID",
        "stride_h": 2,
        "stride_w": 1,
        "dilation_h_factor": 1,
        "dilation_w_factor": 1,
        "fused_activation_function": "RELU6",
        "quantized_bias_type": "FLOAT32",
    }
    weights, bias = graph.tensors[1], graph.tensors[2]
    assert (weights.scales, weights.zero_points, weights.axis) == ((0.25, 0.125), (0, 0), 0)
    np.testing.assert_array_equal(weights.data, WEIGHTS)
    assert bias.data is not None
    assert bias.data.tolist() == [7, -9]
    assert graph.tensors[0].data is None


def test_a_missing_file_is_a_model_error(path: Path) -> None:
    with pytest.raises(ModelError, match="No such file") as caught:
        tflite.read(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(1000)])
def test_a_file_of_another_kind_is_a_model_error(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(ModelError, match="not a TFLite model"):
        tflite.read(path)


@settings(deadline=None)
@given(st.integers(0, len(FILE) - 1))
def test_a_file_cut_short_is_a_model_error(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.tflite"
    path.write_bytes(FILE[:length])
    with pytest.raises(ModelError):
        tflite.read(path)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(8, len(FILE) - 1), st.integers(0, 255)), min_size=1, max_size=30))
def test_damage_is_a_model_error_or_a_graph_but_no_other_exception(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]]
) -> None:
    data = bytearray(FILE)
    for place, value in damage:
        data[place] = value
    path = tmp_path_factory.getbasetemp() / "damaged.tflite"
    path.write_bytes(data)
    try:
        graph = tflite.read(path)
    except ModelError:
        return
    assert graph.macs() >= 0
    assert graph.input_infos()
    assert len(graph.operator_names()) == len(graph.operators)


def test_without_the_package_the_user_learns_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(FILE)
    monkeypatch.setitem(sys.modules, "tflite", None)
    with pytest.raises(Unavailable, match="'tflite'") as caught:
        tflite.read(path)
    assert caught.value.hint == "pip install 'hilbench[tvm]'"
