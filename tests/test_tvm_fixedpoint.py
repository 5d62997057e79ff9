"""TFLite Micro's fixed-point arithmetic: against exact fractions, and as TVM's kernels compute it."""

import ctypes
import math
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench import resources
from hilbench.frameworks.tvm import fixedpoint, kernel

INT32 = st.integers(-(2**31), 2**31 - 1)


@given(INT32, st.integers(0, 2**31 - 1))
def test_the_high_multiply_rounds_to_nearest(a: int, b: int) -> None:
    exact = Fraction(a * b, 2**31)
    assert abs(fixedpoint.high_multiply(a, b) - exact) <= Fraction(1, 2)


@given(INT32, st.integers(0, 31))
def test_the_shift_rounds_half_away_from_zero(x: int, bits: int) -> None:
    exact = Fraction(x, 2**bits)
    rounded = math.floor(abs(exact) + Fraction(1, 2))
    assert fixedpoint.rounding_shift(x, bits) == (rounded if x >= 0 else -rounded)


@given(st.floats(2**-30, 2**30, allow_nan=False))
def test_a_multiplier_is_its_factor_to_31_bits(real: float) -> None:
    q, exponent = fixedpoint.quantize_multiplier(real)
    assert 2**30 <= q < 2**31
    assert abs(Fraction(q) * Fraction(2) ** (exponent - 31) / Fraction(real) - 1) <= Fraction(1, 2**31)


def test_multipliers_at_the_edges() -> None:
    assert fixedpoint.quantize_multiplier(0.0) == (0, 0)
    assert fixedpoint.quantize_multiplier(0.5) == (1 << 30, 0)
    assert fixedpoint.quantize_multiplier(math.nextafter(1.0, 0.0)) == (1 << 30, 1)
    assert fixedpoint.quantize_multiplier(2.0**-40) == (0, 0)
    made = fixedpoint.channel_multipliers([0.25, 3.0, 2.0**-31, 2.0**-32, 2.0**-33])
    assert made.multiplier.tolist() == [1 << 30, 3 << 29, 1 << 30, 1 << 30, 0]
    assert made.left.tolist() == [0, 2, 0, 0, 0]
    assert made.right.tolist() == [1, 0, 30, 31, 0]


def test_activation_ranges() -> None:
    assert fixedpoint.activation_range("NONE", 0.1, 5) == (-128, 127)
    assert fixedpoint.activation_range("RELU", 0.1, 5) == (5, 127)
    assert fixedpoint.activation_range("RELU6", 0.1, -128) == (-128, -68)
    assert fixedpoint.activation_range("RELU6", 0.01, 5) == (5, 127)
    assert fixedpoint.activation_range("RELU_N1_TO_1", 0.1, 5) == (-5, 15)
    with pytest.raises(KeyError):
        fixedpoint.activation_range("TANH", 0.1, 5)


@given(st.floats(0.0001, 2.0), st.floats(0.1, 2.0))
def test_the_softmax_table_is_the_exponential(scale: float, beta: float) -> None:
    table = fixedpoint.softmax_table(scale, beta) / 2**31
    exact = np.exp(-np.arange(256) * scale * beta)
    # TFLite drops what lies beyond exp(-31), and its series is good to about 22 bits.
    np.testing.assert_allclose(table, exact, rtol=0, atol=2e-6)


def test_a_scale_too_small_for_softmax_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        fixedpoint.softmax_table(1e-9, 1.0)


@pytest.mark.parametrize("left_shift", [False, True])
def test_tvm_does_not_change_the_arithmetic_for_any_shift(left_shift: bool, tmp_path: Path) -> None:
    """TVM 0.27's bound analysis is wrong for `>>` by an unknown int32: every shift is tried on hard sums."""
    pytest.importorskip("tvm")
    if shutil.which("gcc") is None:
        pytest.skip("no gcc on this computer")
    from hilbench.frameworks.tvm import lower
    from hilbench.frameworks.tvm.kernels import prim_func

    rng, rows, channels = np.random.default_rng(0), 64, 31 * 16
    how = kernel.Requantize(zero_point=-7, low=-128, high=127, left_shift=left_shift)
    what = kernel.Conv2D((1, 1, rows, 1), (1, 1), (1, 1), (1, 1), channels, how)
    lowered = lower.lower({"hb_kernel": prim_func(what)}, lower.c_target())
    (tmp_path / "kernel.c").write_text(lower.source(lowered))
    include = f"-I{resources.FIRMWARE / 'frameworks' / 'tvm'}"
    library = tmp_path / "kernel.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", include, str(tmp_path / "kernel.c"), "-o", library], check=True)

    right = np.repeat(np.arange(31, dtype=np.uint8), 16)
    left = np.where(right == 0, np.tile(np.arange(16), 31) % 4, 0).astype(np.uint8)
    # Sums for which the result is in the int8 range or just beyond, at ties and next to them.
    wanted = rng.integers(-300, 300, channels) * 2 + 1
    multiplier = rng.choice([1 << 30, (1 << 31) - 1, 1_234_567_891], channels).astype(np.int64)
    limit = 2**31 - 1 - 128 * 128
    bias = np.clip((wanted * 2.0 ** (right + 30.0) / multiplier).astype(np.int64), -limit, limit).astype(np.int32)
    x = rng.integers(-128, 128, rows).astype(np.int8)
    weights = rng.integers(-2, 3, channels).astype(np.int8)
    if left_shift:
        bias = (bias >> 3).astype(np.int32)
    out = np.zeros((rows, channels), np.int8)
    shifts = [left, right] if left_shift else [right]
    arguments = [array.ctypes.data_as(ctypes.c_void_p) for array in
                 (x, weights, bias, multiplier.astype(np.int32), *shifts, out)]  # fmt: skip
    ctypes.CDLL(str(library)).hb_kernel(*arguments)

    for row in range(rows):
        for c in range(channels):
            total = (int(x[row]) * int(weights[c]) + int(bias[c])) << (int(left[c]) if left_shift else 0)
            high = fixedpoint.high_multiply(total, int(multiplier[c]))
            expected = fixedpoint.rounding_shift(high, int(right[c])) + how.zero_point
            assert out[row, c] == max(-128, min(127, expected)), (right[c], total)
    assert len(np.unique(out)) > 20
