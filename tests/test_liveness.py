"""Peak live tensors: the most bytes that are alive at one operator of a graph."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.frameworks import tflite
from hilbench.frameworks.base import Model
from hilbench.frameworks.liveness import Peak, peak, peak_of
from hilbench.frameworks.tflite import Graph, Operator, Tensor

from .conftest import ROOT
from .tflite_builder import Op, T, model


def tensor(size: int, dtype: str = "int8") -> Tensor:
    return Tensor("t", dtype, (size,))


def graph(
    sizes: list[int], operators: list[tuple[list[int], list[int]]], inputs: list[int], outputs: list[int]
) -> Graph:
    ops = tuple(Operator(i, "ADD", tuple(a), tuple(b)) for i, (a, b) in enumerate(operators))
    return Graph(tuple(tensor(size) for size in sizes), ops, tuple(inputs), tuple(outputs))


def test_a_tensor_lives_from_its_operator_to_its_last_use():
    # 0 -> 1 -> 2 -> 3, and 1 is used again by the last operator: 1, 2 and 3 are alive there.
    chain = graph([7, 100, 20, 3], [([0], [1]), ([1], [2]), ([2, 1], [3])], [0], [3])
    assert peak(chain) == Peak(123, "2 ADD")
    assert peak(graph([7, 100, 20, 3], [([0], [1]), ([1], [2]), ([2], [3])], [0], [3])) == Peak(120, "1 ADD")


def test_outputs_stay_to_the_end_and_inputs_are_there_from_the_start():
    two_inputs = graph([10, 50, 10, 10], [([0], [2]), ([2], [3]), ([3, 1], [3])], [0, 1], [3])
    assert peak(two_inputs) == Peak(70, "0 ADD"), "input 1 is there though it is used last"
    early_output = graph([10, 50, 10, 30], [([0], [1]), ([0], [2]), ([2], [3])], [0], [1, 3])
    assert peak(early_output) == Peak(90, "2 ADD")


def test_a_variable_is_alive_all_the_time():
    variable = graph([10, 10, 400], [([0], [1]), ([1, 2], [1])], [0], [1])
    assert peak(variable) == Peak(420, "0 ADD")


def test_constants_take_no_ram_and_only_tflite_has_a_graph(tmp_path: Path):
    built = model(
        [T((1, 8)), T((4, 8), data=[[1] * 8] * 4), T((4,), dtype="int32", data=[0] * 4), T((1, 4))],
        [Op("FULLY_CONNECTED", [0, 1, 2], [3])], [0], [3],
    )  # fmt: skip
    path = tmp_path / "dense.tflite"
    path.write_bytes(built)
    assert peak_of(Model("dense", path, "0" * 64)) == Peak(8 + 4, "0 FULLY_CONNECTED")
    assert peak_of(Model("trees", ROOT / "suites/vibration/fault.skops", "0" * 64)) is None


@pytest.mark.parametrize(("dtype", "size"), [("float32", 28), ("int16", 14), ("bool", 7), ("int4", 4), ("int64", 56)])
def test_types_take_the_bytes_that_they_take(dtype: str, size: int):
    one = Graph((tensor(7, dtype), tensor(0)), (Operator(0, "X", (0, -1), (1,)),), (0,), (1,))
    assert peak(one) == Peak(size, "0 X")


def test_what_has_no_size_and_what_does_nothing_has_no_peak():
    assert peak(Graph((tensor(7, "string"), tensor(1)), (Operator(0, "X", (0,), (1,)),), (0,), (1,))) is None
    assert peak(Graph((tensor(7),), (), (0,), (0,))) is None


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A graph whose operators use inputs and what was made before."""
    sizes = draw(st.lists(st.integers(0, 50), min_size=2, max_size=12))
    made, operators = [0], []
    for new in range(1, len(sizes)):
        used = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3))
        operators.append((used, [new]))
        made.append(new)
    return graph(sizes, operators, [0], [made[-1], draw(st.sampled_from(made))])


@given(graphs())
def test_it_is_what_counting_tensor_by_tensor_gives(graph: Graph):
    steps = range(len(graph.operators))
    alive = []
    for step in steps:
        before = {t for op in graph.operators[: step + 1] for t in op.outputs} | set(graph.inputs)
        after = {t for op in graph.operators[step:] for t in op.inputs} | set(graph.outputs)
        here = (before & after) | set(graph.operators[step].outputs) | (set(graph.inputs) if step == 0 else set())
        alive.append(sum(graph.tensors[t].size for t in here))
    found = peak(graph)
    assert found is not None
    assert found.bytes == max(alive)
    assert found.operator == f"{alive.index(max(alive))} ADD"


@pytest.mark.parametrize(
    ("file", "expected"),
    [("digits/digits.tflite", Peak(3072, "2 CONV_2D")), ("gestures/gestures.tflite", Peak(2304, "2 CONV_2D"))],
)
def test_of_models_of_ours_it_is_input_and_output_of_the_worst_operator(file: str, expected: Peak):
    path = Path(ROOT, "suites", file)
    read = tflite.read(path)
    worst = read.operators[int(expected.operator.split()[0])]
    assert (
        sum(read.tensors[t].size for t in {*worst.inputs, *worst.outputs} if read.tensors[t].data is None)
        == expected.bytes
    )
    assert peak_of(Model("m", path, "0" * 64)) == expected
