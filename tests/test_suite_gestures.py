"""The files of the suite `gestures` are what its script makes, and the model is as good as the suite says."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hilbench import catalog, resources
from hilbench.catalog.data import load_samples, model_file
from hilbench.measure.accuracy import top1
from hilbench.measure.tflm_reference import reference_outputs

from .suite_scripts import assert_named_by_hashes, script, tensor_info

FOLDER = resources.SUITES / "gestures"
SUITE = catalog.load_suite(resources.SUITES / "gestures.hil.yaml")
(TASK,) = SUITE.tasks
INPUTS, LABELS = np.load(FOLDER / "inputs.npy"), np.load(FOLDER / "labels.npy")


@pytest.fixture(scope="module")
def make() -> Iterator[ModuleType]:
    with script(FOLDER) as module:
        yield module


def test_the_suite_names_its_files_by_their_hashes() -> None:
    assert_named_by_hashes(SUITE)


def test_the_samples_are_made_again_byte_for_byte(make: ModuleType) -> None:
    for name, content in make.data().items():
        assert content == (FOLDER / name).read_bytes(), name


def test_the_held_out_users_are_none_of_those_trained_on(make: ModuleType) -> None:
    motion = make.motion
    assert not set(motion.TRAIN.users) & set(motion.TEST.users)
    assert len({motion.user(number).pace for number in [*motion.TRAIN.users, *motion.TEST.users]}) == 46


def test_there_are_eighty_windows_of_each_gesture_and_few_samples_have_them_all() -> None:
    assert (INPUTS.shape, INPUTS.dtype) == ((480, 1, 128, 3), np.int8)
    assert np.bincount(LABELS).tolist() == [80] * 6
    assert set(LABELS[: TASK.latency.samples].tolist()) == set(range(6))


def test_a_still_hand_feels_gravity_alone() -> None:
    """Whatever the device's orientation: about 1 g in all."""
    felt = np.sqrt(((INPUTS[LABELS == 0].astype(float) / 32) ** 2).sum(axis=3))
    assert np.median(felt) == pytest.approx(1, abs=0.05)


def test_turning_the_device_keeps_the_length_of_what_it_feels(make: ModuleType) -> None:
    draw = np.random.default_rng(1)
    vectors, angles = draw.normal(size=(2, 128, 3))
    turned = make.motion.into_device(vectors, angles)
    assert np.linalg.norm(turned, axis=1) == pytest.approx(np.linalg.norm(vectors, axis=1))
    assert not np.allclose(turned, vectors)


def test_a_stroke_moves_the_hand_by_one_and_leaves_it_at_rest(make: ModuleType) -> None:
    acceleration = make.motion.stroke(0.5, 1.0)
    speed = np.cumsum(acceleration) / make.motion.RATE_HZ
    assert speed[-1] == pytest.approx(0, abs=1e-6)
    assert np.sum(speed) / make.motion.RATE_HZ == pytest.approx(1, abs=0.01)


def test_a_swipe_sets_out_to_its_own_side(make: ModuleType) -> None:
    motion = make.motion
    who = dataclasses.replace(motion.user(0), swings=0.0)
    for kind, side in ((4, -1), (5, 1)):
        for seed in range(20):
            sideways = motion.GESTURES[kind](who, motion.Draws(seed)) @ motion.RIGHT
            assert np.sign(sideways[np.flatnonzero(np.abs(sideways) > 1e-6)[0]]) == side


def test_the_reference_interpreter_reaches_the_suites_accuracy() -> None:
    runtime = pytest.importorskip("tflite_micro", reason="the reference interpreter").runtime
    path = model_file(TASK, SUITE)
    interpreter = runtime.Interpreter.from_file(str(path))
    into, out = (
        tensor_info(details) for details in (interpreter.get_input_details(0), interpreter.get_output_details(0))
    )
    samples = load_samples(TASK, SUITE, (into,), classes=6)
    assert samples.labels is not None
    outputs, _ = reference_outputs(path, samples.inputs)
    metric = top1(outputs, samples.labels.tolist(), (out,))
    limit = TASK.expect["accuracy"].min
    assert limit is not None
    assert metric.value >= limit
    assert round(metric.value * 480) == 466  # the README's 97.08 %


def test_the_model_has_only_operators_that_every_framework_runs(make: ModuleType) -> None:
    pytest.importorskip("tflite", reason="the tflite package reads the model")
    found = make.making.operators((FOLDER / "gestures.tflite").read_bytes())
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX"} <= set(found) <= make.making.OPERATORS


def test_check_finds_a_changed_file_and_writes_nothing(
    make: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(FOLDER, tmp_path / "gestures"))
    monkeypatch.setattr(sys, "argv", ["make.py", "--check", "--data-only"])
    make.making.main(folder, make.data, make.models)
    (folder / "labels.npy").write_bytes(bytes(480))
    with pytest.raises(SystemExit, match=r"not what this script makes: labels\.npy"):
        make.making.main(folder, make.data, make.models)
    assert (folder / "labels.npy").read_bytes() == bytes(480)
    monkeypatch.setattr(sys, "argv", ["make.py", "--data-only"])
    make.making.main(folder, make.data, make.models)
    assert (folder / "labels.npy").read_bytes() == (FOLDER / "labels.npy").read_bytes()


def test_a_model_below_the_bar_is_not_written(make: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tflite", reason="the tflite package reads the model")
    pytest.importorskip("tflite_micro", reason="the reference interpreter")
    monkeypatch.setattr(make, "train", lambda windows, kinds: (FOLDER / "gestures.tflite").read_bytes())
    monkeypatch.setattr(make.motion, "TRAIN", make.motion.Split(range(1), 1))
    assert make.models() == {"gestures.tflite": (FOLDER / "gestures.tflite").read_bytes()}
    monkeypatch.setattr(make, "MINIMUM_TOP1", 0.98)
    with pytest.raises(SystemExit, match=r"not written: top-1 of gestures\.tflite is 0\.9708, below 0\.98"):
        make.models()
