"""Kernels for cores with the DSP extension: where they are taken, and that their instructions give TFLite Micro's bits.

tests/test_tvm_emit.py compares every operator on this computer; here the instructions themselves run, in QEMU.
"""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench import catalog
from hilbench.catalog.core import CORES
from hilbench.errors import UsageError
from hilbench.frameworks import tflite
from hilbench.frameworks.base import Model, Request
from hilbench.frameworks.tvm import TVM, fixedpoint, kernel, packed, program
from hilbench.images.build import build
from tests.firmware_images import MACHINES, needs_qemu, running

pytest.importorskip("tvm")
pytest.importorskip("tflite")
runtime = pytest.importorskip("tflite_micro").runtime

from tests import test_tvm_emit as emitting  # noqa: E402  (needs the tflite package)
from tests.tflite_builder import Op, T, model  # noqa: E402

BYTES = st.lists(st.integers(-128, 127), min_size=4, max_size=4)


def as_words(numbers: list[int]) -> tuple[int, int]:
    """Return bytes 0, 1 and bytes 2, 3 as int16."""
    return tuple(np.array(numbers, np.int8).view("<i2").tolist())


@given(BYTES, BYTES)
def test_one_sign_extension_is_enough_for_four_products(weights: list[int], inputs: list[int]) -> None:
    """The identity at the top of `packed`, with every value as the instructions make it."""
    w0, w1, w2, w3 = weights
    stored = [w0, w1 - (w0 < 0), w2, w3 - (w2 < 0)]
    if min(stored) < -128:
        return
    whole, even = as_words(stored), (w0, w2)
    odd = (inputs[1], inputs[3])
    swapped = np.array(inputs, np.int8)[[1, 0, 3, 2]] ^ np.array([0x7F, 0, 0x7F, 0], np.int8)
    total = sum(a * b for a, b in zip((*whole, *even), (*odd, *as_words(swapped.tolist())), strict=True))
    assert total == 256 * sum(a * b for a, b in zip(weights, inputs, strict=True)) + 127 * (w0 + w2)


@settings(max_examples=300)
@given(
    st.integers(-(1 << 23) + 1, (1 << 23) - 1),
    st.integers(1 << 30, (1 << 31) - 1),
    st.integers(1, 23),
    st.integers(-128, 127),
)
def test_the_short_requantisation_is_exact(total: int, multiplier: int, right: int, zero_point: int) -> None:
    """The arithmetic of `packed_kernels`, and that none of it leaves an int32."""
    exact = fixedpoint.rounding_shift(fixedpoint.high_multiply(total, multiplier), right) + zero_point
    high = (2 * total * multiplier + (1 << 31)) >> 32
    value = high + (high >> 31) + ((2 * zero_point + 1) << (right - 1))
    assert max(abs(256 * total), abs(value)) < 1 << 31
    assert value >> right == exact


# ---- where they are taken


def kernels(data: bytes, folder: Path) -> list[type]:
    path = folder / "model.tflite"
    path.write_bytes(data)
    return [type(call.kernel) for call in packed.rewrite(program.build(tflite.read(path))).calls]


def one_convolution(weights: np.ndarray, bias: list[int], out_scale: float = 8.0) -> bytes:
    """A 1x1 convolution of scale 1 from weights (channels, depth)."""
    channels, depth = weights.shape
    tensors = [
        T((1, 2, 2, depth), 1.0),
        T((channels, 1, 1, depth), np.ones(channels), data=weights),
        T((channels,), np.ones(channels), dtype="int32", data=bias),
        T((1, 2, 2, channels), out_scale),
    ]
    return model(tensors, [Op("CONV_2D", [0, 1, 2], [3], emitting.PLAIN)], [0], [3])


@pytest.mark.parametrize("name", ["kws", "ad", "sww", "vww", "ic"])
def test_nearly_all_layers_of_the_mlperf_tiny_models_are_packed(name: str) -> None:
    calls = packed.rewrite(program.build(tflite.read(emitting.mlperf(name)))).calls
    plain = [call for call in calls if isinstance(call.kernel, (kernel.Conv2D, kernel.DepthwiseConv2D))]
    assert len(plain) <= (1 if name == "vww" else 0)


def test_weights_that_do_not_fit_keep_the_plain_kernel(tmp_path: Path) -> None:
    weights = np.full((4, 8), -127)
    assert kernels(one_convolution(weights, [0] * 4), tmp_path) == [kernel.PackedConv2D]
    weights[2, 3] = -128  # an odd place after a negative weight: stored as one less
    assert kernels(one_convolution(weights, [0] * 4), tmp_path) == [kernel.Conv2D]


@pytest.mark.parametrize(
    ("bias", "out_scale", "what"),
    [
        (100, 8.0, kernel.PackedConv2D),
        (1 << 24, 8.0, kernel.PackedConv2D),  # always 127
        (1 << 24, float(1 << 24), kernel.PackedConv2D),  # always 1
        (3 << 23, float(1 << 24), kernel.Conv2D),  # 1 or 2
        (100, 1.5, kernel.Conv2D),  # a factor without a shift
    ],
)
def test_a_total_out_of_range_is_packed_only_if_the_output_is_constant(
    bias: int, out_scale: float, what: type, tmp_path: Path
) -> None:
    data = one_convolution(np.arange(32).reshape(4, 8) - 16, [bias] * 4, out_scale)
    assert kernels(data, tmp_path) == [what]
    emitting.assert_equals_tflm(tmp_path / "model.tflite", tmp_path, count=5)


@pytest.mark.parametrize("case", ["conv same stride 2", "conv dilated", "depthwise dilated relu", "dense"])
def test_other_cores_have_plain_kernels(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emitting, "CORE", CORES["cortex-m3"])
    emitting.check(case, seed=5, folder=tmp_path, count=5)
    assert "packed" not in (tmp_path / "c" / "kernels.c").read_text()


# ---- on the device


def branches(rng: np.random.Generator) -> bytes:
    """One input, and an output for each shape of loop that the kernels have."""
    shape, tensors, operators = (2, 9, 8, 5), [T((2, 9, 8, 5), 0.05, 3)], []
    plain = {**emitting.PLAIN, "fused_activation_function": "NONE"}
    convolutions = [  # channels, window, output, options
        (1, (3, 3), (7, 6), {}),
        (3, (1, 1), (9, 8), {}),
        (7, (3, 3), (9, 8), {"padding": "SAME"}),
        (2, (3, 2), (5, 4), {"padding": "SAME", "stride_h": 2, "stride_w": 2, "fused_activation_function": "RELU6"}),
        (4, (2, 3), (7, 4), {"dilation_h_factor": 2, "dilation_w_factor": 2}),
        (6, (9, 8), (1, 1), {}),
    ]
    depthwise = [  # multiplier, window, output, options
        (1, (3, 3), (7, 6), {}),
        (1, (3, 3), (9, 8), {"padding": "SAME", "fused_activation_function": "RELU"}),
        (2, (3, 3), (5, 4), {"padding": "SAME", "stride_h": 2, "stride_w": 2}),
        (1, (2, 4), (8, 5), {}),
        (1, (3, 1), (7, 8), {}),
        (3, (1, 5), (9, 4), {}),
        (1, (2, 2), (3, 3), {"stride_h": 3, "stride_w": 3, "padding": "VALID"}),
    ]
    for channelwise, cases in ((False, convolutions), (True, depthwise)):
        for count, window, output, options in cases:
            channels = count * shape[3] if channelwise else count
            weights = rng.integers(-127, 128, (1, *window, channels) if channelwise else (channels, *window, shape[3]))
            weights.flat[: weights.size // 3] = rng.choice([-127, 127])
            scale, first = rng.uniform(0.002, 0.02, channels), len(tensors)
            tensors += [
                T(weights.shape, scale, axis=3 if channelwise else 0, data=weights),
                T((channels,), scale * 0.05, dtype="int32", data=rng.integers(-5000, 5000, channels)),
                T((shape[0], *output, channels), 0.3, int(rng.integers(-128, 128))),
            ]
            name, more = ("DEPTHWISE_CONV_2D", {"depth_multiplier": count}) if channelwise else ("CONV_2D", {})
            operators.append(Op(name, [0, first, first + 1], [first + 2], {**plain, **more, **options}))
    return model(tensors, operators, [0], [operator.outputs[0] for operator in operators])


SLOW = pytest.mark.slow
VARIANTS = [
    pytest.param(machine, codegen, marks=[] if machine == "mps2-an386" else SLOW)
    for machine in MACHINES
    for codegen in ("c", "llvm")
]


@needs_qemu
@pytest.mark.parametrize(("machine", "codegen"), VARIANTS)
def test_every_shape_of_loop_gives_the_bits_of_tflite_micro(machine: str, codegen: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    path = tmp_path / "branches.tflite"
    path.write_bytes(branches(rng))
    board, framework = catalog.board(machine), TVM()
    named = Model("branches", path, hashlib.sha256(path.read_bytes()).hexdigest())
    request = Request(named, board.core_info, framework.check_options({"codegen": codegen}))
    image = build(board, framework, request, tmp_path / "cache")
    inputs = [np.full((2, 9, 8, 5), value, np.int8) for value in (-128, 127)]
    inputs += [rng.integers(-128, 128, (2, 9, 8, 5), dtype=np.int8) for _ in range(4)]
    reference = runtime.Interpreter.from_file(str(path), arena_size=1 << 20)
    with running(image) as bench:
        answers = [inference.output for inference in bench.client.infer([array.tobytes() for array in inputs])]
    for array, answer in zip(inputs, answers, strict=True):
        reference.set_input(array, 0)
        reference.invoke()
        expected = [reference.get_output(i).tobytes() for i in range(len(image.manifest.model.outputs))]
        assert answer == b"".join(expected)


# ---- options


def test_options_have_defaults_and_a_mistyped_one_is_corrected() -> None:
    assert TVM().check_options({}) == {"codegen": "c"}
    with pytest.raises(UsageError, match="no option 'codgen'") as unknown:
        TVM().check_options({"codgen": "llvm"})
    assert "codegen" in str(unknown.value.hint)
    with pytest.raises(UsageError, match="codegen cannot be 'lvm'") as wrong:
        TVM().check_options({"codegen": "lvm"})
    assert "llvm" in str(wrong.value.hint)


def test_an_object_depends_on_model_and_core_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(emitting.several(np.random.default_rng(0)))
    objects = {}
    for core in ("cortex-m3", "cortex-m4f"):
        for folder in ("first", "another place"):
            into = tmp_path / core / folder
            into.mkdir(parents=True)
            request = Request(Model("model", path, ""), CORES[core], TVM().check_options({"codegen": "llvm"}))
            (made,) = TVM().emit(request, into).objects
            objects[core, folder] = made.read_bytes()
            assert str(tmp_path).encode() not in objects[core, folder]
        assert objects[core, "first"] == objects[core, "another place"]
    assert objects["cortex-m3", "first"] != objects["cortex-m4f", "first"]
