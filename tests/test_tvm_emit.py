"""The C that the tvm framework emits, compiled for this computer, against TFLite Micro's own interpreter."""

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench import resources
from hilbench.catalog.core import CORES
from hilbench.errors import ModelError, UnsupportedModel
from hilbench.frameworks.base import Emitted, Model, Request
from hilbench.frameworks.tvm import TVM
from tests.conftest import ROOT, run_python

pytest.importorskip("tvm")
pytest.importorskip("tflite")
runtime = pytest.importorskip("tflite_micro").runtime
if shutil.which("gcc") is None:
    pytest.skip("no gcc on this computer", allow_module_level=True)

from tests.tflite_builder import Op, T, model  # noqa: E402  (needs the tflite package)

CORE = CORES["cortex-m4f"]
MLPERF = Path(os.environ.get("HILBENCH_MODELS", ROOT.parent / "shared" / "models" / "mlperf_tiny"))
ARENAS = {"kws": 20_096, "ad": 2_048, "ic": 52_416, "ic02": 131_040, "vww": 75_280, "sww": 7_168}


class _Tensor(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("bytes", ctypes.c_uint32))


# TVM declares a variable more than it uses in some kernels.
WARNINGS = ("-Wall", "-Werror", "-Wno-unused-but-set-variable")


class Native:
    """A model's emitted C as a shared library on this computer."""

    def __init__(self, emitted: Emitted, folder: Path) -> None:
        library = folder / "model.so"
        # -fsanitize=undefined with trap: a shift or sum that C leaves undefined would end the test run.
        flags = [
            "-O0",
            *WARNINGS,
            "-fsanitize=undefined",
            "-fsanitize-undefined-trap-on-error",
        ]
        includes = [f"-I{path}" for path in (*emitted.include_dirs, resources.FIRMWARE / "agent")]
        subprocess.run(
            ["gcc", "-std=c11", "-shared", "-fPIC", *flags, *includes, *map(str, emitted.sources), "-o", str(library)],
            check=True,
        )
        self.library = ctypes.CDLL(str(library))
        self.library.hb_model_input.restype = self.library.hb_model_output.restype = _Tensor
        self.emitted = emitted
        assert self.library.hb_model_init() == 0
        assert self.library.hb_model_arena_used() == emitted.arena_bytes
        assert self.library.hb_model_input_count() == len(emitted.inputs)
        assert self.library.hb_model_output_count() == len(emitted.outputs)

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        for index, array in enumerate(inputs):
            place = self.library.hb_model_input(index)
            assert place.bytes == array.nbytes
            ctypes.memmove(place.data, array.tobytes(), array.nbytes)
        assert self.library.hb_model_invoke() == 0
        places = [self.library.hb_model_output(index) for index in range(len(self.emitted.outputs))]
        return [
            np.frombuffer(ctypes.string_at(place.data, place.bytes), info.dtype).reshape(info.shape)
            for place, info in zip(places, self.emitted.outputs, strict=True)
        ]


def asked(path: Path) -> Request:
    model = Model(path.stem, path, hashlib.sha256(path.read_bytes()).hexdigest())
    return Request(model, CORE, TVM().check_options({}))


def emit(path: Path, into: Path) -> Emitted:
    into.mkdir()
    return TVM().emit(asked(path), into)


def random_inputs(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Evenly spread values, or values around one level, or an extreme: each reaches other corners of the arithmetic."""
    kind = rng.integers(4)
    if kind == 0:
        return np.full(shape, rng.choice([-128, 127]), np.int8)
    if kind == 1:
        return np.clip(rng.normal(rng.integers(-128, 128), 20, shape), -128, 127).astype(np.int8)
    return rng.integers(-128, 128, shape, dtype=np.int8)


def assert_equals_tflm(path: Path, folder: Path, count: int = 20, seed: int = 0) -> Emitted:
    emitted = emit(path, folder / "c")
    native, rng = Native(emitted, folder), np.random.default_rng(seed)
    reference = runtime.Interpreter.from_file(str(path), arena_size=1 << 20)
    for _ in range(count):
        inputs = [random_inputs(info.shape, rng) for info in emitted.inputs]
        for index, array in enumerate(inputs):
            reference.set_input(array, index)
        reference.invoke()
        for index, output in enumerate(native(*inputs)):
            np.testing.assert_array_equal(output, reference.get_output(index))
    return emitted


# ---- one operator at a time, with quantisation that is drawn anew for each case


PLAIN = {"padding": "VALID", "stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}


def conv(rng, *, shape, channels, window, output, scales="channel", bias=True, **options):
    weights = rng.integers(-127, 128, (channels, *window, shape[3]))
    scale = rng.uniform(0.002, 0.02, channels if scales == "channel" else 1)
    input_scale = rng.uniform(0.01, 0.1)
    tensors = [
        T(shape, input_scale, int(rng.integers(-128, 128))),
        T(weights.shape, scale, data=weights),
        T((channels,), scale * input_scale, dtype="int32", data=rng.integers(-5000, 5000, channels)),
        T((shape[0], *output, channels), rng.uniform(0.05, 0.5), int(rng.integers(-128, 128))),
    ]
    return model(tensors, [Op("CONV_2D", [0, 1, 2 if bias else -1], [3], {**PLAIN, **options})], [0], [3])


def depthwise(rng, *, shape, multiplier, window, output, **options):
    channels = shape[3] * multiplier
    weights, scale = rng.integers(-127, 128, (1, *window, channels)), rng.uniform(0.002, 0.02, channels)
    input_scale = rng.uniform(0.01, 0.1)
    tensors = [
        T(shape, input_scale, int(rng.integers(-128, 128))),
        T(weights.shape, scale, axis=3, data=weights),
        T((channels,), scale * input_scale, dtype="int32", data=rng.integers(-500, 500, channels)),
        T((shape[0], *output, channels), rng.uniform(0.02, 0.2), int(rng.integers(-128, 128))),
    ]
    options = {**PLAIN, "depth_multiplier": multiplier, **options}
    return model(tensors, [Op("DEPTHWISE_CONV_2D", [0, 1, 2], [3], options)], [0], [3])


def dense(rng, *, rows=1, depth=20, channels=10, bias=True, per_channel=False, out_scale=None, **options):
    weights = rng.integers(-127, 128, (channels, depth))
    scale = rng.uniform(0.002, 0.02, channels if per_channel else 1)
    input_scale = rng.uniform(0.01, 0.1)
    tensors = [
        T((rows, depth), input_scale, int(rng.integers(-128, 128))),
        T(weights.shape, scale, data=weights),
        T((channels,), scale * input_scale, dtype="int32", data=rng.integers(-5000, 5000, channels)),
        T((rows, channels), out_scale or rng.uniform(0.02, 0.4), int(rng.integers(-128, 128))),
    ]
    return model(tensors, [Op("FULLY_CONNECTED", [0, 1, 2 if bias else -1], [3], options)], [0], [3])


def at_ties(rng, *, name):
    """Sums so near to a tie that it shows whether scales are multiplied in float32 or in double."""
    scales = np.float32([rng.uniform(0.01, 0.1), rng.uniform(0.002, 0.02)])
    in_double, in_float = float(scales[0]) * float(scales[1]), float(scales[0] * scales[1])
    out_scale, ties = float(np.float32(in_double * 2**23)), np.arange(-100, 100) + 0.5
    biases, count = np.round(ties * out_scale * 2 / (in_double + in_float)), len(ties)
    weights = {"FULLY_CONNECTED": (count, 1), "CONV_2D": (count, 1, 1, 1), "DEPTHWISE_CONV_2D": (1, 1, 1, count)}[name]
    batch = (1,) * (len(weights) - 1)
    tensors = [
        T((*batch, 1), scales[0], 0),
        T(weights, scales[1], data=np.zeros(weights)),
        T((count,), scales[0] * scales[1], dtype="int32", data=biases),
        T((*batch, count), out_scale, 0),
    ]
    options = {} if name == "FULLY_CONNECTED" else {**PLAIN}
    if name == "DEPTHWISE_CONV_2D":
        options["depth_multiplier"] = count
    return model(tensors, [Op(name, [0, 1, 2], [3], options)], [0], [3])


def add(rng, *, left=(1, 4, 5, 3), right=(1, 4, 5, 3), **options):
    tensors = [
        *(T(shape, 10 ** rng.uniform(-3, 0), int(rng.integers(-128, 128))) for shape in (left, right)),
        T(np.broadcast_shapes(left, right), 10 ** rng.uniform(-2, 0), int(rng.integers(-128, 128))),
    ]
    return model(tensors, [Op("ADD", [0, 1], [2], options)], [0, 1], [2])


def pool(rng, *, name, shape=(1, 7, 6, 5), window, stride, padding, output, **options):
    scale, zero_point = rng.uniform(0.01, 0.1), int(rng.integers(-128, 128))
    tensors = [T(shape, scale, zero_point), T((shape[0], *output, shape[3]), scale, zero_point)]
    options = {"padding": padding, "filter_height": window[0], "filter_width": window[1], "stride_h": stride[0],
               "stride_w": stride[1], **options}  # fmt: skip
    return model(tensors, [Op(name, [0], [1], options)], [0], [1])


def pad(rng, *, shape, paddings):
    zero_point = int(rng.integers(-128, 128))
    output = [size + sum(sides) for size, sides in zip(shape, paddings, strict=True)]
    tensors = [
        T(shape, 0.5, zero_point),
        T((len(shape), 2), dtype="int32", data=paddings),
        T(output, 0.5, zero_point),
    ]
    return model(tensors, [Op("PAD", [0, 1], [2])], [0], [2])


def softmax(rng, *, rows, depth, beta=1.0, scale=None):
    tensors = [
        T((rows, depth), scale or 10 ** rng.uniform(-3, 0.5), int(rng.integers(-128, 128))),
        T((rows, depth), 1 / 256, -128),
    ]
    return model(tensors, [Op("SOFTMAX", [0], [1], {"beta": beta})], [0], [1])


def several(rng):
    """Two inputs and two outputs, one of them read by another operator, and a reshape between."""
    weights = rng.integers(-127, 128, (8, 16))
    tensors = [
        T((1, 4, 4), 0.1, 3),
        T((1, 4, 4), 0.07, -5),
        T((1, 4, 4), 0.2, 1),
        T((1, 16), 0.2, 1),
        T((2,), dtype="int32", data=[1, 16]),
        T(weights.shape, 0.01, data=weights),
        T((1, 8), 0.3, 4),
    ]
    operators = [
        Op("ADD", [0, 1], [2], {}),
        Op("RESHAPE", [2, 4], [3]),
        Op("FULLY_CONNECTED", [3, 5, -1], [6], {}),
    ]
    return model(tensors, operators, [0, 1], [6, 2])


SAME2 = {"padding": "SAME", "stride_h": 2, "stride_w": 2}
CASES = {
    "conv valid": lambda r: conv(r, shape=(1, 6, 7, 3), channels=8, window=(3, 3), output=(4, 5)),
    "conv same": lambda r: conv(r, shape=(1, 6, 7, 3), channels=5, window=(3, 2), output=(6, 7), padding="SAME"),
    "conv same stride 2": lambda r: conv(r, shape=(1, 7, 8, 4), channels=6, window=(3, 3), output=(4, 4), **SAME2),
    "conv dilated": lambda r: conv(r, shape=(1, 9, 9, 2), channels=4, window=(3, 3), output=(5, 3),
                                   dilation_h_factor=2, dilation_w_factor=3),
    "conv same dilated": lambda r: conv(r, shape=(1, 9, 9, 2), channels=4, window=(3, 3), output=(9, 9),
                                        padding="SAME", dilation_h_factor=2, dilation_w_factor=2),
    "conv 1x1 batch 2": lambda r: conv(r, shape=(2, 3, 4, 7), channels=3, window=(1, 1), output=(3, 4)),
    "conv one scale, no bias, relu6": lambda r: conv(r, shape=(1, 5, 5, 2), channels=4, window=(2, 2), output=(4, 4),
                                                     scales="one", bias=False, fused_activation_function="RELU6"),
    "conv relu": lambda r: conv(r, shape=(1, 5, 5, 4), channels=7, window=(5, 5), output=(1, 1),
                                fused_activation_function="RELU"),
    "depthwise": lambda r: depthwise(r, shape=(1, 6, 6, 8), multiplier=1, window=(3, 3), output=(4, 4)),
    "depthwise multiplier 2 same stride 2": lambda r: depthwise(r, shape=(1, 7, 6, 3), multiplier=2, window=(3, 3),
                                                                output=(4, 3), **SAME2),
    "depthwise dilated relu": lambda r: depthwise(r, shape=(1, 9, 8, 2), multiplier=1, window=(3, 2), output=(5, 6),
                                                  dilation_h_factor=2, dilation_w_factor=2,
                                                  fused_activation_function="RELU"),
    "depthwise large window": lambda r: depthwise(r, shape=(1, 9, 9, 2), multiplier=3, window=(7, 7), output=(3, 3)),
    "dense": lambda r: dense(r),
    "dense rows, no bias": lambda r: dense(r, rows=3, depth=7, channels=5, bias=False),
    "dense per channel, relu": lambda r: dense(r, per_channel=True, fused_activation_function="RELU"),
    "dense factor above 1": lambda r: dense(r, depth=6, out_scale=0.0001),
    "dense at ties": lambda r: at_ties(r, name="FULLY_CONNECTED"),
    "conv at ties": lambda r: at_ties(r, name="CONV_2D"),
    "depthwise at ties": lambda r: at_ties(r, name="DEPTHWISE_CONV_2D"),
    "dense tiny factor": lambda r: dense(r, out_scale=1e4),
    "add": lambda r: add(r),
    "add relu6": lambda r: add(r, fused_activation_function="RELU6"),
    "add channels": lambda r: add(r, left=(1, 3, 3, 4), right=(1, 1, 1, 4)),
    "max pool": lambda r: pool(r, name="MAX_POOL_2D", window=(2, 2), stride=(2, 2), padding="VALID", output=(3, 3)),
    "max pool same": lambda r: pool(r, name="MAX_POOL_2D", window=(3, 3), stride=(2, 2), padding="SAME",
                                    output=(4, 3), fused_activation_function="RELU"),
    "average pool": lambda r: pool(r, name="AVERAGE_POOL_2D", window=(7, 6), stride=(1, 1), padding="VALID",
                                   output=(1, 1)),
    "average pool same": lambda r: pool(r, name="AVERAGE_POOL_2D", window=(3, 3), stride=(2, 2), padding="SAME",
                                        output=(4, 3)),
    "average pool relu6": lambda r: pool(r, name="AVERAGE_POOL_2D", window=(2, 3), stride=(1, 1), padding="SAME",
                                         output=(7, 6), fused_activation_function="RELU6"),
    "pad": lambda r: pad(r, shape=(1, 3, 4, 2), paddings=[[0, 0], [1, 2], [0, 3], [0, 0]]),
    "pad everywhere": lambda r: pad(r, shape=(2, 3, 2, 3), paddings=[[1, 0], [2, 1], [1, 1], [0, 2]]),
    "pad vector": lambda r: pad(r, shape=(5,), paddings=[[2, 1]]),
    "softmax": lambda r: softmax(r, rows=300, depth=12),
    "softmax narrow": lambda r: softmax(r, rows=1, depth=2, scale=0.4),
    "softmax wide": lambda r: softmax(r, rows=1, depth=300, scale=0.002),
    "softmax beta": lambda r: softmax(r, rows=2, depth=5, beta=0.3),
    "several inputs and outputs": several,
}  # fmt: skip


def check(case: str, seed: int, folder: Path, count: int) -> None:
    path = folder / "model.tflite"
    path.write_bytes(CASES[case](np.random.default_rng(seed)))
    assert_equals_tflm(path, folder, count, seed)


@pytest.mark.parametrize("case", CASES)
def test_every_operator_equals_tflite_micro(case: str, tmp_path: Path) -> None:
    check(case, seed=1, folder=tmp_path, count=10)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(case=st.sampled_from(sorted(CASES)), seed=st.integers(2, 2**32))
def test_any_quantisation_equals_tflite_micro(tmp_path_factory: pytest.TempPathFactory, case: str, seed: int) -> None:
    check(case, seed, tmp_path_factory.mktemp("case"), count=10)


def mlperf(name: str) -> Path:
    path = MLPERF / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"no {path.name} in {MLPERF} (HILBENCH_MODELS names the folder)")
    return path


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "name", ["kws", "ad", "sww", *(pytest.param(name, marks=SLOW) for name in ("ic", "vww", "ic02"))]
)
def test_mlperf_tiny_models_equal_tflite_micro_and_fit_their_arena(name: str, tmp_path: Path) -> None:
    emitted = assert_equals_tflm(mlperf(name), tmp_path, count=20)
    assert emitted.arena_bytes == ARENAS[name]  # each is the most bytes that one operator needs: no plan takes less


# ---- what is written


def test_the_same_model_gives_the_same_bytes_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(several(np.random.default_rng(0)))
    emit(path, tmp_path / "first")
    code = (
        "import sys; from pathlib import Path; from hilbench.catalog.core import CORES;"
        "from hilbench.frameworks.base import Model, Request; from hilbench.frameworks.tvm import TVM; f = TVM();"
        "r = Request(Model('model', Path(sys.argv[1]), ''), CORES['cortex-m4f'], f.check_options({}));"
        "f.emit(r, Path(sys.argv[2]))"
    )
    elsewhere = tmp_path / "some" / "other place"
    elsewhere.mkdir(parents=True)
    environment = {**os.environ, "PYTHONHASHSEED": "123"}
    subprocess.run([sys.executable, "-c", code, str(path), str(elsewhere)], check=True, env=environment)
    written = sorted(file.name for file in elsewhere.iterdir())
    assert written == ["constants.c", "constants.h", "kernels.c", "model.c"]
    for name in written:
        text = (elsewhere / name).read_bytes()
        assert text == (tmp_path / "first" / name).read_bytes()
        assert str(tmp_path).encode() not in text


def test_equal_operators_share_one_kernel(tmp_path: Path) -> None:
    emit(mlperf("kws"), tmp_path / "c")
    text = (tmp_path / "c" / "model.c").read_text()
    assert text.count("    hb_packed_depthwise_conv2d_0(") == 4
    assert "hb_packed_depthwise_conv2d_1" not in text


def test_kernels_use_no_floats_and_no_runtime(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(several(np.random.default_rng(0)))
    emit(path, tmp_path / "c")
    text = (tmp_path / "c" / "kernels.c").read_text()
    assert not any(word in text for word in ("float", "double", "TVMFFI", "TVMBackend"))


def test_a_kernel_gets_the_workspace_that_it_asks_for() -> None:
    from tvm import te

    from hilbench.frameworks.tvm import lower

    x = te.placeholder((50, 50), "int8", "x")
    wide = te.compute((50, 50), lambda i, j: x[i, j].astype("int32") * 3, "wide")
    k = te.reduce_axis((0, 50), "k")
    out = te.compute((50, 50), lambda i, j: te.sum(wide[k, j] + wide[i, k], axis=k), "out")
    lowered = lower.lower({"hb_test": te.create_prim_func([x, out])}, lower.c_target())
    assert lowered.workspace_bytes == {"hb_test": 50 * 50 * 4}  # a multiple of 16
    pointers = "const int8_t *restrict x, int32_t *restrict out, int8_t *restrict workspace"
    assert lowered.prototypes["hb_test"] == f"void hb_test({pointers})"
    assert lower.source(lowered).count(lowered.prototypes["hb_test"]) == 2


@pytest.mark.parametrize(("name", "most_bytes"), [("kws", 45_000), ("ad", 300_000)])
def test_flash_on_a_cortex_m4_stays_small(name: str, most_bytes: int, tmp_path: Path) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("no arm-none-eabi-gcc")
    emitted = emit(mlperf(name), tmp_path / "c")
    includes = [f"-I{path}" for path in (*emitted.include_dirs, resources.FIRMWARE / "agent")]
    sources = [str(path) for path in emitted.sources]
    flags = ["-std=c11", *WARNINGS, *CORE.gcc_flags, *emitted.flags]
    subprocess.run(["arm-none-eabi-gcc", *flags, *includes, "-c", *sources], check=True, cwd=tmp_path)
    objects = sorted(str(path) for path in tmp_path.glob("*.o"))
    table = subprocess.run(["arm-none-eabi-size", *objects], check=True, capture_output=True, text=True).stdout
    text_and_data = sum(int(line.split()[0]) + int(line.split()[1]) for line in table.splitlines()[1:])
    assert text_and_data <= most_bytes


# ---- what cannot run


def test_operators_in_the_way_are_named_with_their_index(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    tensors = [T((1, 4), 0.1, 0), T((1, 4), 0.1, 0), T((1, 4), 0.1, 0), T((1, 4), 0.1, 0)]
    operators = [Op("ELU", [0], [1]), Op("ADD", [0, 1], [2], {}), Op("FLOOR", [2], [3])]
    path.write_bytes(model(tensors, operators, [0], [3]))
    support = TVM().supports(asked(path))
    assert not support.ok
    assert support.reason == "operator 0 (ELU) is not supported; operator 2 (FLOOR) is not supported"
    with pytest.raises(UnsupportedModel, match="ELU"):
        emit(path, tmp_path / "c")


def test_a_float_model_is_refused_by_its_dtype(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    tensors = [T((1, 4), dtype="float32"), T((1, 4), dtype="float32"), T((1, 4), dtype="float32")]
    path.write_bytes(model(tensors, [Op("ADD", [0, 1], [2], {})], [0, 1], [2]))
    support = TVM().supports(asked(path))
    assert support.reason == "input 'tensor_0' is float32; input 'tensor_1' is float32 (only int8 or int16)"
    assert "full integer quantisation" in support.remedy


def test_an_option_of_an_operator_that_has_no_kernel_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(dense(np.random.default_rng(0), fused_activation_function="TANH"))
    assert "operator 0 (FULLY_CONNECTED) has the fused activation TANH" in TVM().supports(asked(path)).reason


def test_a_model_that_is_cut_short_is_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(dense(np.random.default_rng(0))[:200])
    with pytest.raises(ModelError):
        TVM().supports(asked(path))


def test_asking_what_is_supported_does_not_load_tvm(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(dense(np.random.default_rng(0)))
    done = run_python(
        "import sys; from pathlib import Path; from hilbench.catalog.core import CORES;"
        "from hilbench.frameworks.base import Model, Request; from hilbench.frameworks.tvm import TVM; f = TVM();"
        f"r = Request(Model('m', Path({str(path)!r}), ''), CORES['cortex-m4f'], f.check_options({{}}));"
        "assert f.available(r.core, {}).ok; assert f.supports(r).ok;"
        "assert f.versions(r)['apache-tvm']; assert 'tvm' not in sys.modules"
    )
    assert done.returncode == 0, done.stderr


def test_the_host_is_not_a_core_for_tvm() -> None:
    assert not TVM().available(CORES["host"], {}).ok


@pytest.mark.parametrize(
    ("tensors", "operators", "inputs", "reason"),
    [
        (
            [T((1, 4), 0.1), T((1, 4), 0.1), T((2,), 0.0, dtype="float32")],
            [Op("ADD", [0, 0], [1])],
            [0, 2],
            "is float32",
        ),
        (
            [T((1, 4, 4, 1), 0.1), T((1, 4, 4, 1), 0.2)],
            [Op("MAX_POOL_2D", [0], [1], {"stride_w": 1, "stride_h": 1, "filter_width": 1, "filter_height": 1})],
            [0],
            "quantised unlike its input",
        ),
        ([T((1, 600), 0.1), T((1, 600), 1 / 256, -128)], [Op("SOFTMAX", [0], [1], {"beta": 1.0})], [0], "rows of 600"),
        (
            [T((1, 2), 0.1), T((1, 2), 0.1, data=np.ones((1, 2), np.int8)),
             T((1,), 0.01, dtype="int32", data=np.full(1, 2**31 - 1, np.int32)), T((1, 1), 0.1)],
            [Op("FULLY_CONNECTED", [0, 1, 2], [3])],
            [0],
            "may leave 32 bits",
        ),
    ],
    ids=["float input", "pool that rescales", "long softmax", "sums that overflow"],
)  # fmt: skip
def test_what_could_not_be_exact_is_refused(
    tensors: list[T], operators: list[Op], inputs: list[int], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(model(tensors, operators, inputs, [operators[-1].outputs[0]]))
    support = TVM().supports(asked(path))
    assert not support.ok
    assert reason in support.reason


def test_ties_of_the_first_rounding_go_up_as_in_tflite_micro(tmp_path: Path) -> None:
    """A factor of 1/2 is the multiplier 2**30: every odd sum is a tie."""
    rng = np.random.default_rng(3)
    weights = rng.integers(-1, 2, (6, 8), dtype=np.int8)
    tensors = [T((1, 8), 0.5), T((6, 8), 0.5, data=weights), T((1, 6), 0.5)]
    path = tmp_path / "model.tflite"
    path.write_bytes(model(tensors, [Op("FULLY_CONNECTED", [0, 1, -1], [2])], [0], [2]))
    assert_equals_tflm(path, tmp_path, count=40)


def test_an_early_output_is_still_there_at_the_end(tmp_path: Path) -> None:
    """Output 1 is written first, and much memory is needed after it."""
    tensors = [T((1, 64), 0.1), *(T((1, 64), 0.1 + 0.05 * i) for i in range(6))]
    chain = [Op("ADD", [0, 0], [1], {}), *(Op("ADD", [max(i - 1, 0) if i > 2 else 0, 0], [i], {}) for i in range(2, 7))]
    path = tmp_path / "model.tflite"
    path.write_bytes(model(tensors, chain, [0], [1, 6]))
    assert_equals_tflm(path, tmp_path, count=10)
