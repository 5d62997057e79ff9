"""The files of the suite `digits` are what its script makes, and the model is as good as the suite says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hilbench import catalog, resources
from hilbench.catalog.data import load_samples, model_file
from hilbench.tensors import TensorInfo

from .suite_scripts import assert_named_by_hashes, script

FOLDER = resources.SUITES / "digits"
SUITE = catalog.load_suite(resources.SUITES / "digits.hil.yaml")
(TASK,) = SUITE.tasks


@pytest.fixture(scope="module")
def make() -> Iterator[ModuleType]:
    with script(FOLDER) as module:
        yield module


def test_the_suite_names_its_files_by_their_hashes() -> None:
    assert_named_by_hashes(SUITE)


def test_the_samples_are_made_again_byte_for_byte(make: ModuleType) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn has the data")
    digits = make.load()
    assert make.making.npy(digits.test_images) == (FOLDER / "inputs.npy").read_bytes()
    assert make.making.npy(digits.test_labels) == (FOLDER / "labels.npy").read_bytes()
    assert len(digits.train_images) + len(digits.test_images) == 1797


def test_no_held_out_sample_is_also_trained_on(make: ModuleType) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn has the data")
    digits = make.load()
    trained = {image.tobytes() for image in digits.train_images}
    assert not any(image.tobytes() in trained for image in digits.test_images)


def test_there_are_fifty_held_out_samples_of_each_digit() -> None:
    inputs, labels = np.load(FOLDER / "inputs.npy"), np.load(FOLDER / "labels.npy")
    assert (inputs.shape, inputs.dtype, inputs.max()) == ((500, 8, 8, 1), np.uint8, 16)
    assert (labels.shape, labels.dtype) == ((500,), np.uint8)
    assert np.bincount(labels).tolist() == [50] * 10


def test_the_model_has_only_operators_that_every_framework_runs(make: ModuleType) -> None:
    pytest.importorskip("tflite", reason="the tflite package reads the model")
    model = (FOLDER / "digits.tflite").read_bytes()
    found = make.making.operators(model)
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX"} <= set(found) <= make.making.OPERATORS
    assert len(model) < 60_000


def test_the_reference_interpreter_reaches_the_suites_accuracy() -> None:
    runtime = pytest.importorskip("tflite_micro", reason="the reference interpreter").runtime
    interpreter = runtime.Interpreter.from_file(str(model_file(TASK, SUITE)))
    details = interpreter.get_input_details(0)
    quantisation = details["quantization_parameters"]
    tensor = TensorInfo(
        "image",
        "int8",
        tuple(details["shape"].tolist()),
        float(quantisation["scales"][0]),
        int(quantisation["zero_points"][0]),
    )
    samples = load_samples(TASK, SUITE, (tensor,), classes=10)
    assert samples.labels is not None
    right = 0
    for sample, label in zip(samples.inputs, samples.labels, strict=True):
        interpreter.set_input(np.frombuffer(sample, np.int8).reshape(tensor.shape), 0)
        interpreter.invoke()
        right += int(interpreter.get_output(0).argmax() == label)
    limit = TASK.expect["accuracy"].min
    assert limit is not None
    assert right / 500 >= limit >= 0.97
    assert right == 494  # the README's 98.8 %


def test_check_finds_a_changed_file_and_writes_nothing(
    make: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn has the data")
    folder = Path(shutil.copytree(FOLDER, tmp_path / "digits"))
    monkeypatch.setattr(sys, "argv", ["make.py", "--check", "--data-only"])
    make.making.main(folder, make.data, make.models)
    changed = bytes(500)
    (folder / "labels.npy").write_bytes(changed)
    with pytest.raises(SystemExit, match=r"not what this script makes: labels\.npy"):
        make.making.main(folder, make.data, make.models)
    assert (folder / "labels.npy").read_bytes() == changed
    monkeypatch.setattr(sys, "argv", ["make.py", "--data-only"])
    make.making.main(folder, make.data, make.models)
    assert (folder / "labels.npy").read_bytes() == (FOLDER / "labels.npy").read_bytes()


def test_a_model_below_the_bar_is_not_written(
    make: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn has the data")
    pytest.importorskip("tflite", reason="the tflite package reads the model")
    pytest.importorskip("tflite_micro", reason="the reference interpreter")
    monkeypatch.setattr(make, "train", lambda digits: (FOLDER / "digits.tflite").read_bytes())
    monkeypatch.setattr(make, "MINIMUM_TOP1", 0.99)
    monkeypatch.setattr(sys, "argv", ["make.py"])
    with pytest.raises(SystemExit, match=r"not written: top-1 of digits\.tflite is 0\.9880, below 0\.99"):
        make.making.main(tmp_path, make.data, make.models)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_training_twice_gives_one_model_as_good_as_the_shipped_one(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="training needs the extra 'train'")
    made = []
    for name in ("first", "second"):
        folder = Path(shutil.copytree(FOLDER, tmp_path / name))
        command = [sys.executable, str(folder / "make.py")]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        made.append((folder / "digits.tflite").read_bytes())
    assert made[0] == made[1]
