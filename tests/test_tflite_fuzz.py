"""A damaged .tflite file is one message: never another exception, never a crash or a hang, whatever is in it."""

import hashlib
import resource
import struct
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from hilbench.catalog.core import CORES
from hilbench.errors import HilbenchError, ModelError, UnsupportedModel
from hilbench.frameworks import tflite
from hilbench.frameworks.base import Model, Request
from hilbench.frameworks.tflm import TFLM
from hilbench.frameworks.tvm import TVM, program
from tests.conftest import ROOT
from tests.mutations import mutations

pytest.importorskip("tflite")

from tests.tflite_builder import Op, T, model

DIGITS = ROOT / "suites" / "digits" / "digits.tflite"
SLOWEST_S = 2.0  # for one file; a good one takes some milliseconds
MOST_BYTES = 512 << 20


def small() -> bytes:
    """A model of a kilobyte or two: nearly every byte of it means something."""
    rng = np.random.default_rng(0)
    plain = {"stride_h": 1, "stride_w": 1, "padding": "SAME"}
    tensors = [
        T((1, 4, 4, 2), 0.1, 3),
        T((3, 3, 3, 2), [0.01, 0.02, 0.03], data=rng.integers(-127, 128, (3, 3, 3, 2))),
        T((3,), [0.001, 0.002, 0.003], dtype="int32", data=[5, -6, 7]),
        T((1, 4, 4, 3), 0.2, -4),
        T((2,), dtype="int32", data=[1, 2]),
        T((1, 3), 0.2, 5),
        T((1, 3), 0.3, 6),
        T((1, 6), 0.3, 6),
        T((1, 6), 1 / 256, -128),
        T((1, 4, 4, 3), 0.2, 1),
        T((1, 2, 4, 3), 0.2, 1),
        T((4,), dtype="int32", data=[0, 0, 0, 0]),
        T((4,), dtype="int32", data=[1, 4, 4, 3]),
        T((4,), dtype="int32", data=[1, 2, 1, 1]),
    ]
    masks = dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)
    operators = [
        Op("CONV_2D", [0, 1, 2], [3], {**plain, "dilation_h_factor": 1, "dilation_w_factor": 1}),
        Op("MEAN", [3, 4], [5], {"keep_dims": False}),
        Op("ADD", [5, 5], [6], {"fused_activation_function": "RELU6"}),
        Op("CONCATENATION", [6, 6], [7], {"axis": 1}),
        Op("SOFTMAX", [7], [8], {"beta": 1.0}),
        Op("AVERAGE_POOL_2D", [3], [9], {**plain, "filter_height": 2, "filter_width": 2}),
        Op("STRIDED_SLICE", [9, 11, 12, 13], [10], masks),
    ]
    tensors[9] = T((1, 4, 4, 3), 0.2, -4)
    return model(tensors, operators, [0], [8, 10])


def asked(path: Path) -> Request:
    model_file = Model(path.stem, path, hashlib.sha256(path.read_bytes()).hexdigest())
    return Request(model_file, CORES["cortex-m4f"], TVM().check_options({}))


def outcomes(copies: Iterable[bytes], path: Path) -> dict[str, int]:
    """Do with every copy what `TVM.supports` does; returns how often each outcome came. Raises what should not be."""
    counts = {"supported": 0, "refused": 0, "damaged": 0}
    for copy in copies:
        path.write_bytes(copy)
        begin = time.perf_counter()
        graph = _read(path)
        if graph is None:
            counts["damaged"] += 1
            continue
        assert graph.macs() >= 0
        assert len(graph.operator_names()) == len(graph.operators)
        reason = _obstacle(graph)
        assert "\n" not in reason
        counts["refused" if reason else "supported"] += 1
        assert time.perf_counter() - begin < SLOWEST_S, "this file takes too long to read"
    return counts


def _read(path: Path) -> tflite.Graph | None:
    try:
        return tflite.read(path)
    except ModelError as error:
        if str(path) not in str(error):
            raise AssertionError(f"a message that does not name the file: {error}") from error
        return None


def _obstacle(graph: tflite.Graph) -> str:
    try:
        program.build(graph)
    except UnsupportedModel as error:
        return error.what
    return ""


def check(original: bytes, count: int, seed: int, path: Path) -> None:
    path.write_bytes(original)
    assert TVM().supports(asked(path)).ok
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = outcomes(mutations(original, count, seed), path)
    assert all(counts.values()), counts  # each outcome is reached, or the mutations test nothing
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < MOST_BYTES, "reading damaged files took much memory"


@pytest.mark.parametrize(("name", "count"), [("digits", 500), ("small", 1500)])
def test_damage_ends_in_an_answer_or_a_message(name: str, count: int, tmp_path: Path) -> None:
    check(DIGITS.read_bytes() if name == "digits" else small(), count, 0, tmp_path / "model.tflite")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "small"])
def test_much_damage_ends_in_an_answer_or_a_message(name: str, tmp_path: Path) -> None:
    check(DIGITS.read_bytes() if name == "digits" else small(), 20_000, 1, tmp_path / "model.tflite")


@pytest.mark.slow
def test_every_single_number_of_a_model_may_be_extreme(tmp_path: Path) -> None:
    data, extremes = small(), (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
    places = range(8, len(data) - 4, 4)
    copies = (data[:p] + struct.pack("<I", value) + data[p + 4 :] for p in places for value in extremes)
    assert all(outcomes(copies, tmp_path / "model.tflite").values())


def test_vectors_that_overlap_do_not_multiply_the_work(tmp_path: Path) -> None:
    """All tensors share one long shape: 2,000 times 100,000 numbers in a file of 500 kB."""
    import flatbuffers
    import tflite as schema

    b = flatbuffers.Builder(1024)
    shape = b.CreateNumpyVector(np.ones(100_000, np.int32))
    tensors = []
    for _ in range(2000):
        schema.TensorStart(b)
        schema.TensorAddShape(b, shape)
        tensors.append(schema.TensorEnd(b))
    b.StartVector(4, len(tensors), 4)
    for tensor in reversed(tensors):
        b.PrependUOffsetTRelative(tensor)
    vector = b.EndVector()
    schema.BufferStart(b)
    buffer = schema.BufferEnd(b)
    b.StartVector(4, 1, 4)
    b.PrependUOffsetTRelative(buffer)
    buffers = b.EndVector()
    schema.SubGraphStart(b)
    schema.SubGraphAddTensors(b, vector)
    graph = schema.SubGraphEnd(b)
    b.StartVector(4, 1, 4)
    b.PrependUOffsetTRelative(graph)
    graphs = b.EndVector()
    schema.ModelStart(b)
    schema.ModelAddSubgraphs(b, graphs)
    schema.ModelAddBuffers(b, buffers)
    b.Finish(schema.ModelEnd(b), file_identifier=b"TFL3")
    path = tmp_path / "model.tflite"
    path.write_bytes(bytes(b.Output()))
    begin = time.perf_counter()
    with pytest.raises(ModelError, match="overlap"):
        tflite.read(path)
    assert time.perf_counter() - begin < SLOWEST_S


def test_tflite_micro_itself_may_crash_on_damage_but_not_this_process(tmp_path: Path) -> None:
    host = CORES["host"]
    if not TFLM().available(host, {}).ok:
        pytest.skip("tflite-micro is not installed")
    endings = set()
    for number, copy in enumerate(mutations(small(), 12, 3)):
        path = tmp_path / f"model{number}.tflite"
        path.write_bytes(copy)
        request = Request(Model("model", path, hashlib.sha256(copy).hexdigest()), host)
        try:
            support = TFLM().supports(request)
            assert support.ok or "\n" not in support.reason
            endings.add(support.ok)
        except ModelError:
            endings.add("damaged")
    assert len(endings) > 1


@pytest.mark.slow
def test_what_is_supported_after_damage_is_emitted_or_refused_with_a_message(tmp_path: Path) -> None:
    pytest.importorskip("tvm")
    path, emitted = tmp_path / "model.tflite", 0
    for number, copy in enumerate(mutations(small(), 400, 4)):
        path.write_bytes(copy)
        try:
            if not TVM().supports(asked(path)).ok or copy == small():
                continue
            into = tmp_path / str(number)
            into.mkdir()
            TVM().emit(asked(path), into)
            emitted += 1
        except HilbenchError:
            continue
    assert emitted > 10
