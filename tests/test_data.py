"""A model or sample is the one that the suite names, or an error; and its bytes are the same everywhere."""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilbench.catalog.data import Samples, load_samples, model_file, quantise
from hilbench.catalog.suite import Suite
from hilbench.errors import ModelError, Unavailable, UsageError
from hilbench.tensors import TensorInfo

INT8 = TensorInfo("input", "int8", (1, 2, 3), 0.5, -10)
MODEL = b"a model"


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def suite_of(folder: Path, dataset: dict[str, Any], **model: Any) -> Suite:
    model = {"file": "m.tflite", "sha256": sha256(MODEL)} | model
    task = {"id": "one", "model": model, "dataset": {"name": "samples", **dataset}}
    return Suite.model_validate({"suite": "mine", "tasks": [task], "folder": folder})


def with_arrays(folder: Path, inputs: bytes, labels: bytes | None = None, scale: float = 1.0) -> Suite:
    (folder / "x.npy").write_bytes(inputs)
    arrays: dict[str, Any] = {"inputs": {"file": "x.npy", "sha256": sha256(inputs)}, "scale": scale}
    if labels is not None:
        (folder / "y.npy").write_bytes(labels)
        arrays["labels"] = {"file": "y.npy", "sha256": sha256(labels)}
    return suite_of(folder, {"arrays": arrays})


def samples(suite: Suite, *inputs: TensorInfo, count: int | None = None, classes: int | None = None) -> Samples:
    return load_samples(suite.tasks[0], suite, inputs or (INT8,), count, classes)


def error(suite: Suite, *inputs: TensorInfo, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        samples(suite, *inputs, **options)
    return str(caught.value)


# ---- models


def shared(folder: Path) -> Suite:
    return suite_of(folder, {"random": {"seed": 1}}, shared=True, source="github.com/some/where")


def test_a_suites_own_model_is_found_beside_it(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, {"random": {"seed": 1}})
    (tmp_path / "m.tflite").write_bytes(MODEL)
    assert model_file(suite.tasks[0], suite) == tmp_path / "m.tflite"


def test_a_model_that_changed_is_refused_with_both_hashes(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, {"random": {"seed": 1}})
    (tmp_path / "m.tflite").write_bytes(b"another")
    with pytest.raises(ModelError) as caught:
        model_file(suite.tasks[0], suite)
    for part in (str(tmp_path / "m.tflite"), sha256(b"another"), sha256(MODEL)):
        assert part in str(caught.value)


def test_a_model_that_is_missing_or_a_folder_is_told(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, {"random": {"seed": 1}})
    with pytest.raises(ModelError, match="there is no such file, but the suite names it"):
        model_file(suite.tasks[0], suite)
    (tmp_path / "m.tflite").mkdir()
    with pytest.raises(ModelError, match="the file cannot be read"):
        model_file(suite.tasks[0], suite)


@pytest.mark.parametrize("name", ["m.tflite", "other.tflite", "deep/down/kws_ref_model.tflite"])
def test_a_shared_model_is_found_by_name_and_by_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / "b" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(MODEL)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "m.tflite").write_bytes(b"of the same name, but another")
    suite = shared(tmp_path)
    assert model_file(suite.tasks[0], suite, [tmp_path / "a", tmp_path / "b"]) == path


def test_a_shared_model_that_is_not_here_says_where_to_get_it(tmp_path: Path) -> None:
    suite = shared(tmp_path)
    (tmp_path / "m.tflite").write_bytes(MODEL)  # beside the suite is not where shared models are
    (tmp_path / "models").mkdir()
    with pytest.raises(Unavailable) as caught:
        model_file(suite.tasks[0], suite, [tmp_path / "models"])
    for part in ("'one'", "m.tflite", str(tmp_path / "models"), "github.com/some/where", "--hil-models"):
        assert part in str(caught.value)
    with pytest.raises(Unavailable):
        model_file(suite.tasks[0], suite)


def test_a_shared_model_of_the_right_name_but_other_content_is_refused(tmp_path: Path) -> None:
    suite = shared(tmp_path)
    (tmp_path / "m.tflite").write_bytes(b"another")
    with pytest.raises(ModelError, match="this is not the file that the suite names"):
        model_file(suite.tasks[0], suite, [tmp_path])


# ---- random samples


def test_random_samples_are_the_same_for_ever(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, {"random": {"seed": 1, "samples": 2}})
    drawn = samples(suite)
    assert [sample.hex() for sample in drawn.inputs] == ["40fef00d2365", "de54a4ec957a"]
    assert drawn.labels is None
    assert drawn.sha256 == sha256(b"".join(drawn.inputs))


def test_random_samples_cover_the_whole_range_and_differ_by_seed_sample_and_input(tmp_path: Path) -> None:
    big = TensorInfo("input", "int8", (1, 4096), 0.5, 0)
    drawn = samples(suite_of(tmp_path, {"random": {"seed": 1, "samples": 2}}), big, big)
    values = np.frombuffer(drawn.inputs[0], np.int8)
    assert len(values) == 2 * 4096
    assert (values.min(), values.max()) == (-128, 127)
    parts = {drawn.inputs[0][:4096], drawn.inputs[0][4096:], drawn.inputs[1][:4096], drawn.inputs[1][4096:]}
    other = samples(suite_of(tmp_path, {"random": {"seed": 2, "samples": 2}}), big, big)
    assert len(parts | {other.inputs[0][:4096]}) == 5


def test_random_floats_lie_between_minus_one_and_one(tmp_path: Path) -> None:
    drawn = samples(
        suite_of(tmp_path, {"random": {"seed": 1, "samples": 1}}), TensorInfo("input", "float32", (1, 4096))
    )
    values = np.frombuffer(drawn.inputs[0], "<f4")
    assert len(values) == 4096
    assert -1 <= values.min() < -0.99 < 0.99 < values.max() <= 1


def test_random_samples_of_a_type_without_a_sensible_range_are_refused(tmp_path: Path) -> None:
    told = error(suite_of(tmp_path, {"random": {"seed": 1}}), TensorInfo("tokens", "int32", (1, 4)))
    assert told == "random samples cannot be made for the input 'tokens' of type int32"


def test_fewer_samples_are_the_first_and_the_data_set_stays_the_same(tmp_path: Path) -> None:
    array = np.arange(30, dtype=np.uint8).reshape(5, 2, 3)
    for suite in (
        suite_of(tmp_path, {"random": {"seed": 1, "samples": 5}}),
        with_arrays(tmp_path, npy(array), npy(np.arange(5))),
    ):
        everything, few = samples(suite), samples(suite, count=2)
        assert few.inputs == everything.inputs[:2]
        assert few.sha256 == everything.sha256
        assert samples(suite, count=99).inputs == everything.inputs
        with pytest.raises(UsageError, match="0 samples were asked for"):
            samples(suite, count=0)


# ---- arrays


def test_arrays_are_scaled_and_quantised_for_the_input(tmp_path: Path) -> None:
    array = np.array([[[0, 1, 2], [3, 4, 255]]], dtype=np.uint8)
    loaded = samples(with_arrays(tmp_path, npy(array), npy(np.array([7])), scale=0.25))
    # x * 0.25 / 0.5 - 10, halves away from zero, clipped to 127
    assert np.frombuffer(loaded.inputs[0], np.int8).tolist() == [-10, -9, -9, -8, -8, 118]
    assert loaded.labels is not None
    assert (loaded.labels.tolist(), loaded.labels.dtype, loaded.name) == ([7], np.int64, "samples")


@pytest.mark.parametrize(
    ("real", "dtype", "scale", "zero_point", "quantised"),
    [
        ([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997], "int8", 1.0, 0, [1, 2, 3, -1, -2, 0]),
        ([1e9, -1e9, 127.4, -128.4], "int8", 1.0, 0, [127, -128, 127, -128]),
        ([0.0, 1.0], "uint8", 1 / 255, 0, [0, 255]),
        ([0.0, 1.0], "int8", np.float32(1 / 255), -128, [-128, 127]),
        ([3.0, -4.0], "int32", 0.0, 0, [3, -4]),
        ([1e9], "int16", 0.5, 0, [32767]),
        ([0.25, -1.0], "float32", 0.0, 0, [0.25, -1.0]),
    ],
)
def test_quantisation_rounds_halves_away_from_zero_and_clips(
    real: list[float], dtype: str, scale: float, zero_point: int, quantised: list[float]
) -> None:
    tensor = TensorInfo("t", dtype, (len(real),), float(scale), zero_point)
    result = quantise(np.array(real, np.float32), tensor)
    assert result.dtype == np.dtype(dtype)
    assert result.tolist() == quantised


@given(st.lists(st.floats(-200, 200, width=32), min_size=1), st.floats(2.0**-10, 4, width=32), st.integers(-128, 127))
@settings(deadline=None)
def test_a_quantised_number_is_off_by_half_a_step_at_most(real: list[float], scale: float, zero_point: int) -> None:
    values = np.array(real, np.float32)
    result = quantise(values, TensorInfo("t", "int8", values.shape, scale, zero_point)).astype(np.float64)
    back = (result - zero_point) * scale
    inside = (result > -128) & (result < 127)
    assert (abs(back - values)[inside] <= scale * 0.5001).all()


@pytest.mark.parametrize("array", [
    np.arange(12, dtype=">i2").reshape(2, 2, 3),
    np.asfortranarray(np.arange(12, dtype=np.int64).reshape(2, 2, 3)),
    np.arange(12, dtype=np.float64).reshape(2, 2, 3),
    np.arange(12, dtype=np.uint8).reshape(2, 1, 2, 3),
])  # fmt: skip
def test_byte_order_memory_order_and_a_batch_of_one_do_not_matter(tmp_path: Path, array: Any) -> None:
    loaded = samples(with_arrays(tmp_path, npy(array)), TensorInfo("input", "int8", (1, 2, 3), 1.0, 0))
    assert b"".join(loaded.inputs) == bytes(range(12))


def test_the_hash_of_a_data_set_follows_inputs_labels_and_scale(tmp_path: Path) -> None:
    one, two = npy(np.zeros((1, 2, 3))), npy(np.ones((1, 2, 3)))
    label = npy(np.array([1]))
    seen = [
        samples(with_arrays(tmp_path, inputs, labels, scale)).sha256
        for inputs, labels, scale in ((one, None, 1.0), (two, None, 1.0), (one, label, 1.0), (one, None, 0.5))
    ]
    assert len(set(seen)) == 4


def with_beside(folder: Path, name: str, beside: bytes, samples: int = 2) -> Suite:
    """A data set with another array: `groups` or `targets`."""
    inputs = npy(np.zeros((samples, 2, 3), np.uint8))
    (folder / "x.npy").write_bytes(inputs)
    (folder / "z.npy").write_bytes(beside)
    files = {"inputs": {"file": "x.npy", "sha256": sha256(inputs)}, name: {"file": "z.npy", "sha256": sha256(beside)}}
    return suite_of(folder, {"arrays": files})


def test_groups_and_targets_come_with_the_samples_that_are_taken(tmp_path: Path) -> None:
    groups = samples(with_beside(tmp_path, "groups", npy(np.array([7, 7, -1], np.int16)), 3), count=2).groups
    assert groups is not None
    assert (groups.tolist(), groups.dtype) == ([7, 7], np.int64)
    targets = samples(with_beside(tmp_path, "targets", npy(np.ones((3, 1, 2), np.float16)), 3), count=2).targets
    assert targets is not None
    assert (targets.tolist(), targets.dtype) == ([[1.0, 1.0]] * 2, np.float64)
    flat = samples(with_beside(tmp_path, "targets", npy(np.arange(2)))).targets
    assert flat is not None
    assert flat.tolist() == [[0.0], [1.0]]


def test_groups_and_targets_are_part_of_the_hash_and_those_of_old_data_sets_stay(tmp_path: Path) -> None:
    beside = npy(np.array([1, 2]))
    hashes = {samples(with_beside(tmp_path, name, beside)).sha256 for name in ("groups", "targets", "labels")}
    assert len(hashes) == 3
    array, label = npy(np.zeros((1, 2, 3))), npy(np.array([1]))
    old = f"{sha256(array)}\n{sha256(label)}\n0x1.0000000000000p-1\n"
    assert samples(with_arrays(tmp_path, array, label, 0.5)).sha256 == sha256(old.encode())


@pytest.mark.parametrize(
    ("name", "beside", "told"),
    [
        ("groups", np.arange(3), "z.npy: the shape is (3,), but there are 2 samples: (2,)"),
        ("groups", np.zeros((2, 1), int), "z.npy: the shape is (2, 1), but there are 2 samples: (2,)"),
        ("groups", np.zeros(2), "z.npy: groups are whole numbers, not float64"),
        ("targets", np.zeros((3, 2)), "z.npy: the shape is (3, 2), but there are 2 samples: (2, …)"),
        ("targets", np.float64(1), "z.npy: the shape is (), but there are 2 samples: (2, …)"),
        ("targets", np.array(["a", "b"]), "z.npy: the array is of type <U1, which is no number"),
        ("targets", np.array([1, np.inf]), "z.npy: the array holds values that are not finite"),
    ],
)
def test_wrong_groups_and_targets_are_told(tmp_path: Path, name: str, beside: Any, told: str) -> None:
    assert told in error(with_beside(tmp_path, name, npy(beside)))


GOOD = np.zeros((2, 2, 3), np.uint8)
LABELS = np.array([0, 1])


@pytest.mark.parametrize(
    ("inputs", "labels", "told"),
    [
        (npy(np.zeros((2, 3, 2))), None, "x.npy: the shape is (2, 3, 2), but the model's input takes (samples, 2, 3)"),
        (npy(np.zeros((2, 6))), None, "x.npy: the shape is (2, 6), but the model's input takes (samples, 2, 3)"),
        (npy(np.float32(1)), None, "x.npy: the shape is (), but the model's input takes (samples, 2, 3)"),
        (npy(np.zeros((0, 2, 3))), None, "x.npy: the array holds no sample"),
        (npy(np.full((1, 2, 3), np.nan)), None, "x.npy: the array holds values that are not finite"),
        (npy(np.full((1, 2, 3), "a")), None, "x.npy: the array is of type <U1, which is no number"),
        (npy(np.zeros((1, 2, 3), complex)), None, "x.npy: the array is of type complex128, which is no number"),
        (
            npy(np.full((1, 2, 3), None), allow_pickle=True),
            None,
            "x.npy: the array holds Python objects (a pickle), which are never loaded",
        ),
        (pickle.dumps([1, 2]), None, "x.npy: this is not a .npy file: "),
        (b"", None, "x.npy: this is not a .npy file: "),
        (npy(GOOD)[:-1], None, "x.npy: the file is damaged: 12 bytes of data expected, 11 there"),
        (npy(GOOD) + b"x", None, "x.npy: the file is damaged: 12 bytes of data expected, 13 there"),
        (
            npy(GOOD).replace(b"(2, 2, 3)", b"(9, 2, 3)"),
            None,
            "x.npy: the file is damaged: 54 bytes of data expected, 12 there",
        ),
        (npy(GOOD).replace(b"(2, 2, 3)", b"(2, 2, 'a'"[:9]), None, "x.npy: this is not a .npy file: "),
        (npy(GOOD), npy(np.array([1])), "y.npy: the shape is (1,), but there are 2 samples: (2,)"),
        (npy(GOOD), npy(np.array([[0, 1]])), "y.npy: the shape is (1, 2), but there are 2 samples: (2,)"),
        (npy(GOOD), npy(np.array([0.0, 1.0])), "y.npy: labels are whole numbers, not float64"),
        (npy(GOOD), npy(np.array([0, -1])), "y.npy: label -1 of sample 1 is negative"),
        (npy(GOOD), npy(np.array([10, 3])), "y.npy: label 10 of sample 0, but the model has 10 classes"),
    ],
)
def test_an_array_that_cannot_be_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: bytes, labels: bytes | None, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = error(with_arrays(tmp_path, inputs, labels), classes=10)
    assert said == told or (told.endswith(" ") and said.startswith(told))


def test_an_array_file_that_changed_is_refused_before_it_is_read(tmp_path: Path) -> None:
    suite = with_arrays(tmp_path, npy(GOOD))
    (tmp_path / "x.npy").write_bytes(b"no array at all")
    assert "this is not the file that the suite names" in error(suite)
    (tmp_path / "x.npy").unlink()
    assert "there is no such file, but the suite names it" in error(suite)


def test_arrays_for_a_model_with_two_inputs_are_refused(tmp_path: Path) -> None:
    told = error(with_arrays(tmp_path, npy(GOOD)), INT8, INT8)
    assert told == "the data set feeds one input, but the model has 2"


def test_a_header_that_claims_terabytes_allocates_nothing(tmp_path: Path) -> None:
    header = npy(GOOD)
    huge = header.replace(b"'shape': (2, 2, 3), }" + b" " * 12, b"'shape': (2, 2, 3" + b"0" * 12 + b"), }")
    assert huge != header
    assert "the file is damaged: 12000000000000 bytes" in error(with_arrays(tmp_path, huge))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_array_is_a_model_error_or_an_array(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(npy(GOOD))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    suite = with_arrays(tmp_path, bytes(content[: data.draw(st.integers(0, len(content)))]))
    with contextlib.suppress(ModelError):
        assert all(len(sample) == 6 for sample in samples(suite).inputs)
