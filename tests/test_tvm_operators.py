"""Every operator of the tvm framework against TFLite Micro's interpreter, bit for bit, over random models and inputs.

All cases of one seed are parallel branches of one model, so that TVM and the compiler run once for all of them.
"""

import functools
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tvm")
pytest.importorskip("tflite")
runtime = pytest.importorskip("tflite_micro").runtime
if shutil.which("gcc") is None:
    pytest.skip("no gcc on this computer", allow_module_level=True)

from hilbench.frameworks.tvm import plan  # noqa: E402  (nothing here runs without TVM)
from hilbench.frameworks.tvm.operators import OPERATORS  # noqa: E402
from tests.test_tvm_emit import CASES as INT8_CASES  # noqa: E402
from tests.test_tvm_emit import Native, emit  # noqa: E402
from tests.tflite_builder import Op, T, model  # noqa: E402

RUNS = 6
EVERY_INT8 = np.arange(-128, 128, dtype=np.int8)


@dataclass
class Net:
    """A model under construction: its methods return the index of the tensor that they add."""

    rng: np.random.Generator
    tensors: list[T] = field(default_factory=list)
    operators: list[Op] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def scale(self, low: float = 0.01, high: float = 0.1) -> float:
        return float(self.rng.uniform(low, high))

    def zero_point(self, dtype: str) -> int:
        return int(self.rng.integers(-128, 128)) if dtype == "int8" else 0

    def tensor(self, shape, dtype="int8", scale=None, zero_point=None, **more) -> int:
        zero_point = self.zero_point(dtype) if zero_point is None else zero_point
        self.tensors.append(T(shape, scale or self.scale(), zero_point, dtype=dtype, **more))
        return len(self.tensors) - 1

    def input(self, shape, dtype="int8", **more) -> int:
        self.inputs.append(self.tensor(shape, dtype, **more))
        return self.inputs[-1]

    def constant(self, data, dtype="int32", **more) -> int:
        data = np.asarray(data)
        self.tensors.append(T(data.shape, dtype=dtype, data=data, **more))
        return len(self.tensors) - 1

    def op(self, name: str, inputs: list[int], *outputs: int, **options) -> None:
        self.operators.append(Op(name, inputs, list(outputs), options))
        self.outputs.extend(outputs)

    def bytes(self) -> bytes:
        return model(self.tensors, self.operators, self.inputs, self.outputs)


Case = Callable[[Net], None]
CASES: dict[str, Case] = {}


def case(operator: str, dtype: str, variant: str = "") -> Callable[[Case], Case]:
    def keep(function: Case) -> Case:
        CASES[" ".join(filter(None, (operator, dtype, variant)))] = function
        return function

    return keep


# ---- two operands

SHAPES = {
    "": ((1, 4, 5, 3), (1, 4, 5, 3)),
    "channels": ((2, 3, 1, 4), (1, 1, 5, 4)),
    "one": ((3, 4), (1,)),
    "five dimensions": ((2, 1, 3, 1, 2), (1, 4, 3, 5, 1)),
    "scalars": ((), ()),
}


def two_operands(net: Net, name: str, dtype: str, left, right, constant: bool = False, **options) -> None:
    first = net.input(left, dtype)
    if constant:
        low, high = (-128, 128) if dtype == "int8" else (-32768, 32768)
        values, point = net.rng.integers(low, high, right), net.zero_point(dtype)
        second = net.constant(values, dtype, scale=net.scale(), zero_point=point)
    else:
        second = net.input(right, dtype)
    smallest = {"MUL": 0.001 if dtype == "int8" else 0.06}.get(name, 0.02)
    output = net.tensor(np.broadcast_shapes(left, right), dtype, scale=net.scale(smallest, 0.2))
    net.op(name, [first, second], output, **options)


for _name in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"):
    for _dtype in ("int8", "int16"):
        for _variant, (_left, _right) in SHAPES.items():
            case(_name, _dtype, _variant)(
                functools.partial(two_operands, name=_name, dtype=_dtype, left=_left, right=_right)
            )
        case(_name, _dtype, "constant")(
            functools.partial(two_operands, name=_name, dtype=_dtype, left=(3, 7), right=(7,), constant=True)
        )
        if _name in ("ADD", "SUB", "MUL"):
            case(_name, _dtype, "relu6")(
                functools.partial(two_operands, name=_name, dtype=_dtype, left=(40,), right=(40,),
                                  fused_activation_function="RELU6")
            )  # fmt: skip


@case("ADD", "int8", "same scales")
def add_at_ties(net: Net) -> None:
    scales = [net.input((100,), scale=0.25, zero_point=0) for _ in range(2)]
    net.op("ADD", scales, net.tensor((100,), scale=0.5, zero_point=0))


@case("SUB", "int8", "same scales")
def sub_at_ties(net: Net) -> None:
    scales = [net.input((100,), scale=0.25, zero_point=0) for _ in range(2)]
    net.op("SUB", scales, net.tensor((100,), scale=0.5, zero_point=0))


# ---- one operand: every int8 value with many quantisations

TABLES = 12


def table(net: Net, name: str, low: float, high: float, output=None, **options) -> None:
    for _ in range(TABLES):
        scale = float(10 ** net.rng.uniform(np.log10(low), np.log10(high)))
        source = net.input((1, 256), scale=scale)
        if output is None:
            result = net.tensor((1, 256), scale=scale * float(10 ** net.rng.uniform(-1, 1)))
        else:
            result = net.tensor((1, 256), scale=output[0], zero_point=output[1])
        net.op(name, [source], result, **options)


case("LOGISTIC", "int8")(functools.partial(table, name="LOGISTIC", low=1e-4, high=2.0, output=(1 / 256, -128)))
case("TANH", "int8")(functools.partial(table, name="TANH", low=1e-4, high=2.0, output=(1 / 128, 0)))
case("RELU", "int8")(functools.partial(table, name="RELU", low=1e-3, high=1.0))
case("RELU6", "int8")(functools.partial(table, name="RELU6", low=1e-3, high=1.0))
case("LEAKY_RELU", "int8")(functools.partial(table, name="LEAKY_RELU", low=1e-3, high=1.0, alpha=0.3))
case("LEAKY_RELU", "int8", "falling")(functools.partial(table, name="LEAKY_RELU", low=1e-3, high=1.0, alpha=-0.7))
case("LEAKY_RELU", "int8", "flat")(functools.partial(table, name="LEAKY_RELU", low=1e-3, high=1.0, alpha=0.0))
case("QUANTIZE", "int8")(functools.partial(table, name="QUANTIZE", low=1e-3, high=1.0))


@case("HARD_SWISH", "int8")
def hard_swish(net: Net) -> None:
    for _ in range(TABLES):
        scale = net.scale(0.005, 0.3)
        net.op(
            "HARD_SWISH", [net.input((1, 256), scale=scale)], net.tensor((1, 256), scale=net.scale(scale / 3, scale))
        )


@case("HARD_SWISH", "int8", "extremes")
def hard_swish_extremes(net: Net) -> None:
    for scale, output in ((1e-3, 1e-4), (10.0, 10.0), (0.0117, 0.0117), (0.0234375, 0.0234375), (2.0, 0.1), (0.3, 4.0)):
        net.op("HARD_SWISH", [net.input((1, 256), scale=scale)], net.tensor((1, 256), scale=output))


@case("DEQUANTIZE", "int8")
def dequantize(net: Net) -> None:
    for _ in range(TABLES):
        source = net.input((1, 256), scale=float(10 ** net.rng.uniform(-5, 3)))
        net.tensors.append(T((1, 256), dtype="float32"))
        net.op("DEQUANTIZE", [source], len(net.tensors) - 1)


@case("RELU", "int16")
def wide_relu(net: Net) -> None:
    for factor in (0.03, 1.0, 0.999):
        scale = net.scale()
        net.op("RELU", [net.input((300,), "int16", scale=scale)], net.tensor((300,), "int16", scale=scale / factor))


@case("LEAKY_RELU", "int16")
def wide_leaky_relu(net: Net) -> None:
    for alpha in (0.2, -0.4):
        scale = net.scale()
        result = net.tensor((300,), "int16", scale=scale * 1.3)
        net.op("LEAKY_RELU", [net.input((300,), "int16", scale=scale)], result, alpha=alpha)


@case("QUANTIZE", "int16")
def wide_quantize(net: Net) -> None:
    for source, result, factor in (("int16", "int16", 1.7), ("int16", "int8", 200.0), ("int8", "int16", 0.004)):
        scale = net.scale()
        net.op("QUANTIZE", [net.input((300,), source, scale=scale)], net.tensor((300,), result, scale=scale * factor))


# ---- reductions


def reduce(net: Net, name: str, dtype: str, shape, axes, keep: bool) -> None:
    rank, scale = len(shape), net.scale()
    reduced = {axis % rank for axis in np.atleast_1d(axes)}
    kept = [1 if i in reduced else size for i, size in enumerate(shape) if keep or i not in reduced]
    count = int(np.prod([shape[axis] for axis in reduced])) if name == "SUM" else 1
    wider = scale * float(net.rng.uniform(0.3, 2.0)) * count
    # Zero points far apart would saturate every mean.
    points = net.rng.integers(-30, 31, 2) if dtype == "int8" else (0, 0)
    result = net.tensor(kept, dtype, scale=wider, zero_point=int(points[0]))
    source = net.input(shape, dtype, scale=scale, zero_point=int(points[1]))
    net.op(name, [source, net.constant(axes)], result, keep_dims=keep)


for _dtype in ("int8", "int16"):
    for _variant, _shape, _axes, _keep in (
        ("image", (1, 7, 7, 5), [1, 2], True),
        ("flat image", (2, 4, 6, 3), [1, 2], False),
        ("last", (3, 11), [-1], False),
        ("scalar axis", (3, 13, 2), 1, True),
        ("first and last", (4, 3, 5), [0, 2], False),
        ("twice the same", (4, 3, 5), [1, -2], False),
        ("all", (2, 3, 4), [0, 1, 2], True),
        ("nothing", (1, 9), [0], False),
    ):
        for _name in ("MEAN", "SUM"):
            case(_name, _dtype, _variant)(
                functools.partial(reduce, name=_name, dtype=_dtype, shape=_shape, axes=_axes, keep=_keep)
            )  # fmt: skip


# ---- moving


def move(net: Net, name: str, dtype: str, shape, result, *constants, **options) -> None:
    source = net.input(shape, dtype, scale=0.5, zero_point=0)
    more = [net.constant(constant) for constant in constants]
    net.op(name, [source, *more], net.tensor(result, dtype, scale=0.5, zero_point=0), **options)


MASKS = {"begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 0}
MOVES = {
    "RESHAPE": [("", (2, 3, 4), (4, 6), [4, 6])],
    "EXPAND_DIMS": [("", (2, 3), (2, 1, 3), 1), ("from the end", (2, 3), (2, 3, 1), -1)],
    "TRANSPOSE": [
        ("", (1, 4, 5, 3), (1, 3, 4, 5), [0, 3, 1, 2]),
        ("matrix", (4, 7), (7, 4), [1, 0]),
        ("five dimensions", (2, 3, 2, 4, 3), (3, 2, 3, 2, 4), [4, 0, 1, 2, 3]),
        ("nothing", (2, 3), (2, 3), [0, 1]),
    ],
    "SLICE": [
        ("", (1, 6, 5, 3), (1, 2, 3, 2), [0, 3, 1, 1], [1, 2, 3, 2]),
        ("to the end", (4, 5), (2, 5), [2, 0], [-1, -1]),
    ],
    "RESIZE_NEAREST_NEIGHBOR": [
        ("twice", (1, 3, 4, 3), (1, 6, 8, 3), [6, 8]),
        ("odd", (2, 5, 7, 2), (2, 8, 3, 2), [8, 3]),
    ],
}
for _dtype in ("int8", "int16"):
    for _name, _moves in MOVES.items():
        for _variant, _shape, _result, *_constants in _moves:
            case(_name, _dtype, _variant)(
                lambda net, n=_name, d=_dtype, s=_shape, r=_result, c=_constants: move(net, n, d, s, r, *c)
            )
    case("SQUEEZE", _dtype)(lambda net, d=_dtype: move(net, "SQUEEZE", d, (1, 3, 1, 2), (3, 2)))
    case("SQUEEZE", _dtype, "one")(
        lambda net, d=_dtype: move(net, "SQUEEZE", d, (1, 3, 1, 2), (1, 3, 2), squeeze_dims=[2])
    )
    for _variant, _shape, _result, _bounds, _options in (
        ("", (1, 8, 7, 3), (1, 3, 3, 2), ([0, 1, 0, 1], [1, 7, 6, 3], [1, 2, 2, 1]), {}),
        ("backwards", (6, 5), (3, 5), ([5, 4], [0, -6], [-2, -1]), {}),
        ("masks", (6, 5), (5, 2), ([1, 9], [0, 4], [1, 3]), {"begin_mask": 2, "end_mask": 1}),
        ("one row", (4, 6), (6,), ([-2, 0], [0, 6], [1, 1]), {"shrink_axis_mask": 1}),
    ):
        case("STRIDED_SLICE", _dtype, _variant)(
            lambda net, d=_dtype, s=_shape, r=_result, b=_bounds, o=_options: move(
                net, "STRIDED_SLICE", d, s, r, *b, **{**MASKS, **o}
            )
        )
    for _corners in (False, True):
        for _centres in (False, True):
            if _corners and _centres:
                continue
            case("RESIZE_NEAREST_NEIGHBOR", _dtype, f"corners {_corners}, centres {_centres}")(
                lambda net, d=_dtype, a=_corners, h=_centres: move(
                    net, "RESIZE_NEAREST_NEIGHBOR", d, (1, 5, 3, 2), (1, 13, 7, 2), [13, 7],
                    align_corners=a, half_pixel_centers=h,
                )
            )  # fmt: skip


def parts(net: Net, name: str, dtype: str, shape, result, count: int, axis: int) -> None:
    source = net.input(shape, dtype, scale=0.5, zero_point=0)
    results = [net.tensor(result, dtype, scale=0.5, zero_point=0) for _ in range(count)]
    if name == "SPLIT":
        net.op(name, [net.constant(axis), source], *results, num_splits=count)
    else:
        net.op(name, [source], *results, num=count, axis=axis)


def whole(net: Net, name: str, dtype: str, shapes, result, axis: int) -> None:
    scale, point = net.scale(), net.zero_point(dtype)
    sources = [net.input(shape, dtype, scale=scale, zero_point=point) for shape in shapes]
    options = {"values_count": len(shapes)} if name == "PACK" else {}
    net.op(name, sources, net.tensor(result, dtype, scale=scale, zero_point=point), axis=axis, **options)


for _dtype in ("int8", "int16"):
    case("SPLIT", _dtype)(functools.partial(parts, name="SPLIT", dtype=_dtype, shape=(2, 3, 6), result=(2, 3, 2),
                                            count=3, axis=-1))  # fmt: skip
    case("SPLIT", _dtype, "rows")(functools.partial(parts, name="SPLIT", dtype=_dtype, shape=(4, 5), result=(2, 5),
                                                    count=2, axis=0))  # fmt: skip
    case("UNPACK", _dtype)(functools.partial(parts, name="UNPACK", dtype=_dtype, shape=(2, 3, 4), result=(2, 4),
                                             count=3, axis=1))  # fmt: skip
    case("UNPACK", _dtype, "last")(functools.partial(parts, name="UNPACK", dtype=_dtype, shape=(2, 3), result=(2,),
                                                     count=3, axis=-1))  # fmt: skip
    case("PACK", _dtype)(functools.partial(whole, name="PACK", dtype=_dtype, shapes=[(2, 4)] * 3, result=(2, 3, 4),
                                           axis=1))  # fmt: skip
    case("PACK", _dtype, "last")(functools.partial(whole, name="PACK", dtype=_dtype, shapes=[(5,)] * 2, result=(5, 2),
                                                   axis=-1))  # fmt: skip
    case("CONCATENATION", _dtype)(functools.partial(whole, name="CONCATENATION", dtype=_dtype, axis=-1,
                                                    shapes=[(1, 3, 2, 4), (1, 3, 2, 1), (1, 3, 2, 7)],
                                                    result=(1, 3, 2, 12)))  # fmt: skip
    case("CONCATENATION", _dtype, "rows")(functools.partial(whole, name="CONCATENATION", dtype=_dtype, axis=1,
                                                            shapes=[(2, 3, 5), (2, 1, 5)],
                                                            result=(2, 4, 5)))  # fmt: skip
    case("CONCATENATION", _dtype, "one")(functools.partial(whole, name="CONCATENATION", dtype=_dtype, axis=0,
                                                           shapes=[(3, 5)], result=(3, 5)))  # fmt: skip


def pad(net: Net, dtype: str, shape, paddings, value: int | None = None) -> None:
    scale, point = net.scale(), net.zero_point(dtype)
    source = net.input(shape, dtype, scale=scale, zero_point=point)
    result = [size + sum(sides) for size, sides in zip(shape, paddings, strict=True)]
    inputs = [source, net.constant(paddings)]
    if value is not None:
        inputs.append(net.constant([value], dtype, scale=scale, zero_point=point))
    output = net.tensor(result, dtype, scale=scale, zero_point=point)
    net.op("PAD" if value is None else "PADV2", inputs, output)


for _dtype in ("int8", "int16"):
    for _name, _value in (("PAD", None), ("PADV2", -7 if _dtype == "int8" else 0)):
        case(_name, _dtype)(functools.partial(pad, dtype=_dtype, shape=(1, 3, 4, 2), value=_value,
                                              paddings=[[0, 0], [1, 2], [0, 3], [0, 0]]))  # fmt: skip
        case(_name, _dtype, "everywhere")(functools.partial(pad, dtype=_dtype, shape=(2, 3, 2, 3), value=_value,
                                                            paddings=[[1, 0], [2, 1], [1, 1], [0, 2]]))  # fmt: skip
        case(_name, _dtype, "five dimensions")(functools.partial(
            pad, dtype=_dtype, shape=(2, 1, 3, 2, 3), value=_value, paddings=[[1, 0], [0, 0], [1, 1], [0, 2], [0, 0]]
        ))  # fmt: skip


# ---- int16 activations with int8 weights (the int8 cases of these operators are in test_tvm_emit.py)


def weighted(
    net: Net, name: str, shape, weights, result, axis: int = 0, each: bool = True, bias=True, **options
) -> None:
    scale, channels = net.scale(1e-4, 1e-3), weights[axis]
    scales = net.rng.uniform(0.002, 0.02, channels if each else 1)
    source = net.input(shape, "int16", scale=scale)
    kernel = net.constant(net.rng.integers(-127, 128, weights), "int8", scale=scales, axis=axis)
    offsets = net.rng.integers(-(1 << 20), 1 << 20, channels)
    inputs = [source, kernel, net.constant(offsets, "int64", scale=scales * scale) if bias else -1]
    if name != "FULLY_CONNECTED":
        options = {"padding": "VALID", "stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1,
                   **options}  # fmt: skip
    net.op(name, inputs, net.tensor(result, "int16", scale=net.scale(1e-3, 1e-2)), **options)


case("FULLY_CONNECTED", "int16")(
    functools.partial(weighted, name="FULLY_CONNECTED", shape=(3, 20), weights=(10, 20), result=(3, 10), each=False)
)
case("FULLY_CONNECTED", "int16", "per channel, relu")(
    functools.partial(weighted, name="FULLY_CONNECTED", shape=(1, 40), weights=(9, 40), result=(1, 9),
                      fused_activation_function="RELU")
)  # fmt: skip
case("FULLY_CONNECTED", "int16", "no bias")(
    functools.partial(weighted, name="FULLY_CONNECTED", shape=(1, 7), weights=(5, 7), result=(1, 5), bias=False,
                      each=False)
)  # fmt: skip
case("CONV_2D", "int16")(
    functools.partial(weighted, name="CONV_2D", shape=(1, 6, 7, 3), weights=(5, 3, 2, 3), result=(1, 6, 7, 5),
                      padding="SAME")
)  # fmt: skip
case("CONV_2D", "int16", "stride, relu6")(
    functools.partial(weighted, name="CONV_2D", shape=(2, 7, 7, 2), weights=(4, 3, 3, 2), result=(2, 3, 3, 4),
                      stride_h=2, stride_w=2, fused_activation_function="RELU6")
)  # fmt: skip
case("CONV_2D", "int16", "1x1")(
    functools.partial(weighted, name="CONV_2D", shape=(1, 3, 4, 9), weights=(6, 1, 1, 9), result=(1, 3, 4, 6))
)
case("DEPTHWISE_CONV_2D", "int16")(
    functools.partial(weighted, name="DEPTHWISE_CONV_2D", shape=(1, 6, 6, 4), weights=(1, 3, 3, 4), axis=3,
                      result=(1, 6, 6, 4), padding="SAME", depth_multiplier=1)
)  # fmt: skip
case("DEPTHWISE_CONV_2D", "int16", "multiplier 3")(
    functools.partial(weighted, name="DEPTHWISE_CONV_2D", shape=(1, 5, 5, 2), weights=(1, 3, 2, 6), axis=3,
                      result=(1, 3, 4, 6), depth_multiplier=3)
)  # fmt: skip


# ---- running them


def values(rng: np.random.Generator, shape, dtype: str) -> np.ndarray:
    """Every int8 value, or evenly spread ones, or values around one level, or an extreme."""
    if tuple(shape) == (1, 256) and dtype == "int8":
        return EVERY_INT8.reshape(1, 256)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    kind = rng.integers(4)
    if kind == 0:
        return np.full(shape, rng.choice([low, high]), dtype)
    if kind == 1:
        return np.clip(rng.normal(rng.integers(low, high), -low / 6, shape), low, high).astype(dtype)
    return rng.integers(low, high, shape, dtype, endpoint=True)


@dataclass
class Outcome:
    """What both made of one case: pairs of outputs (ours, TFLite Micro's)."""

    pairs: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)


def run_all(names: list[str], seed: int, folder: Path) -> dict[str, Outcome]:
    net, ends = Net(np.random.default_rng(seed)), []
    for name in names:
        CASES[name](net)
        ends.append(len(net.outputs))
    path = folder / "model.tflite"
    path.write_bytes(net.bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "_TRIES", 0)  # the arena of hundreds of parallel branches need not be small
        emitted = emit(path, folder / "c")
    native = Native(emitted, folder)
    reference = runtime.Interpreter.from_file(str(path), arena_size=1 << 24)
    outcomes = {name: Outcome() for name in names}
    for _ in range(RUNS):
        inputs = [values(net.rng, info.shape, info.dtype) for info in emitted.inputs]
        for index, array in enumerate(inputs):
            reference.set_input(array, index)
        reference.invoke()
        ours, begin = native(*inputs), 0
        for name, end in zip(names, ends, strict=True):
            theirs = [reference.get_output(index) for index in range(begin, end)]
            outcomes[name].pairs.extend(zip(ours[begin:end], theirs, strict=True))
            begin = end
    return outcomes


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return run_all(list(CASES), 1, tmp_path_factory.mktemp("operators"))


@pytest.mark.parametrize("name", CASES)
def test_every_operator_equals_tflite_micro(name: str, outcomes: dict[str, Outcome]) -> None:
    assert outcomes[name].pairs
    for ours, theirs in outcomes[name].pairs:
        np.testing.assert_array_equal(ours, theirs)


def test_every_operator_and_type_has_a_case() -> None:
    tested = {tuple(name.split(" ")[:2]) for name in CASES}
    elsewhere = {name.split(" ")[0] for name in INT8_CASES}  # "conv valid", "dense", ...
    names = {"conv": "CONV_2D", "depthwise": "DEPTHWISE_CONV_2D", "dense": "FULLY_CONNECTED", "softmax": "SOFTMAX",
             "max": "MAX_POOL_2D", "average": "AVERAGE_POOL_2D"}  # fmt: skip
    tested |= {(names[word], "int8") for word in elsewhere if word in names}
    assert {(name, dtype) for name, entry in OPERATORS.items() for dtype in entry.dtypes} == tested


def test_no_case_is_trivial(outcomes: dict[str, Outcome]) -> None:
    """A case whose outputs are all one value would prove nothing."""
    for name, outcome in outcomes.items():
        seen = np.unique(np.concatenate([theirs.reshape(-1) for _, theirs in outcome.pairs]))
        assert len(seen) > 1 or "scalars" in name, name


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
def test_any_quantisation_equals_tflite_micro(seed: int, tmp_path: Path) -> None:
    for name, outcome in run_all(list(CASES), seed, tmp_path).items():
        for ours, theirs in outcome.pairs:
            np.testing.assert_array_equal(ours, theirs, err_msg=name)
