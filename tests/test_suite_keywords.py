"""The suite `keywords`: samples as its recipe makes them, voices unheard in training, a model as good as stated."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from hilbench import catalog, resources
from hilbench.catalog.data import load_samples
from hilbench.frameworks import tflite

from .suite_scripts import assert_named_by_hashes, script

FOLDER = resources.SUITES / "keywords"
SUITE = catalog.load_suite(resources.SUITES / "keywords.hil.yaml")
(TASK,) = SUITE.tasks
INPUTS, LABELS = np.load(FOLDER / "inputs.npy"), np.load(FOLDER / "labels.npy")


@pytest.fixture(scope="module")
def make() -> Iterator[ModuleType]:
    with script(FOLDER) as module:
        yield module


@pytest.fixture(scope="module")
def mfcc(make: Any) -> Any:
    return make.mfcc


@pytest.fixture(scope="module")
def speech(make: Any) -> Any:
    return make.speech


@pytest.fixture
def spoken_here(speech: Any) -> None:
    """Skips where espeak-ng would not say what the committed samples hold."""
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed (apt-get install espeak-ng)")
    if (version := speech.espeak_version()) != speech.ESPEAK_VERSION:
        pytest.skip(f"espeak-ng is {version}; the samples come from {speech.ESPEAK_VERSION}")


def test_the_suite_names_its_files_by_their_hashes() -> None:
    assert_named_by_hashes(SUITE)


def test_there_are_fifty_samples_of_each_class_and_no_two_are_the_same() -> None:
    assert (INPUTS.shape, INPUTS.dtype) == ((600, 49, 10, 1), np.int8)
    assert (LABELS.shape, LABELS.dtype) == ((600,), np.uint8)
    assert np.bincount(LABELS).tolist() == [50] * 12
    assert len({sample.tobytes() for sample in INPUTS}) == 600


@pytest.mark.parametrize("first", range(0, 50, 10))
def test_samples_are_made_again_byte_for_byte(make: Any, mfcc: Any, speech: Any, spoken_here: None, first: int) -> None:
    for label in range(12):
        number = first + label % 10
        again = mfcc.mfcc(speech.sound(speech.utterance("test", label, number)))
        assert np.array_equal(again, INPUTS[50 * label + number, ..., 0])


def test_no_voice_or_utterance_of_the_test_is_trained_on(make: Any, speech: Any) -> None:
    parts = {
        part: [speech.utterance(part, label, number) for label in range(12) for number in range(count)]
        for part, count in make.PER_CLASS.items()
    }
    variants = {part: {one.voice.partition("+")[2] for one in made} for part, made in parts.items()}
    assert variants["test"] == set(speech.VOICES["test"])
    assert variants["train"] == set(speech.VOICES["train"])
    assert not variants["test"] & variants["train"]
    # A name with a number is a version of the voice without it (klatt2, klatt): families stay on one side.
    families = {
        part: {name.rstrip("0123456789") for name in names if len(name) > 2} for part, names in variants.items()
    }
    assert not families["test"] & families["train"]
    assert not {one.draw for one in parts["test"]} & {one.draw for one in parts["train"]}


def test_other_words_are_no_commands_and_none_is_listed_twice(speech: Any) -> None:
    words = [*speech.OTHER_WORDS, *speech.COMMANDS]
    assert len(words) == len(set(words))


def test_held_out_voices_sound_like_no_voice_of_the_training(speech: Any, spoken_here: None) -> None:
    said = {
        part: {speech.say(f"en-us+{voice}", "seven", 150, 50).tobytes() for voice in voices}
        for part, voices in speech.VOICES.items()
    }
    assert len(said["test"]) == len(speech.VOICES["test"])
    assert not said["test"] & said["train"]


def test_a_sample_depends_on_nothing_made_before_it(speech: Any, spoken_here: None) -> None:
    one, other = (speech.utterance("test", 3, number) for number in (7, 8))
    alone = speech.sound(one)
    speech.sound(other)
    assert np.array_equal(speech.sound(one), alone)
    assert not np.array_equal(speech.sound(other), alone)


def test_no_entry_of_a_table_is_near_a_tie_of_rounding(mfcc: Any, speech: Any) -> None:
    """Processors may differ in the last digits of a cosine: by about 1e-11 here, too little to turn a rounding."""
    exact: list[np.ndarray] = []
    with pytest.MonkeyPatch.context() as patch:

        def rint(values: np.ndarray) -> np.ndarray:
            exact.append(values)
            return np.floor(values + 0.5)

        patch.setattr(mfcc.np, "rint", rint)
        for table in (mfcc.fourier, mfcc.mel_weights, mfcc.cosines):
            table.__wrapped__()
        for hertz in (50, 60):
            speech._sine.__wrapped__(speech.RATE_HZ // hertz)
    assert sum(values.size for values in exact) > 200_000
    for values in exact:
        assert np.abs(values - np.floor(values) - 0.5).min() > 1e-8


def test_the_logarithm_is_exact(mfcc: Any) -> None:
    octaves = [int(value) for value in mfcc.octaves()]
    assert octaves[:17] == [1] + [2] * 16
    for step in range(1, len(octaves), 37):
        assert octaves[step] ** 16 >= 2**step > (octaves[step] - 1) ** 16


def test_no_sound_overflows_the_features(mfcc: Any) -> None:
    """The largest energy of a band that any sound can have, by the triangle inequality, fits in 63 bits."""
    largest = [32_768 * int(np.abs(table).sum(axis=0).max()) >> 14 for table in mfcc.fourier()]
    weight = int(mfcc.mel_weights().sum(axis=0).max())
    assert sum(value**2 for value in largest) * weight < int(mfcc.octaves()[-1])


def test_the_features_are_those_of_the_text_book(mfcc: Any) -> None:
    """The same outline in floating point with NumPy's FFT gives the same coefficients, but for steps of 1/16 octave."""
    sound = np.random.default_rng(1).normal(0, 1000, mfcc.SAMPLES).astype(np.int16)
    frames = np.stack([sound[i * mfcc.HOP : i * mfcc.HOP + mfcc.WINDOW] for i in range(mfcc.FRAMES)]).astype(float)
    window = np.sin(np.pi * (np.arange(mfcc.WINDOW) + 0.5) / mfcc.WINDOW) ** 2
    power = np.abs(np.fft.rfft(frames * window, mfcc.RATE_HZ // mfcc.BIN_HZ)[:, 1:161]) ** 2
    bands = 16 * np.log2(power @ mfcc.mel_weights() + 2**16)
    dct = np.cos(np.pi * (np.arange(40)[:, np.newaxis] + 0.5) * np.arange(10) / 40)
    # A logarithm loses 0 to 1, half on average: 40 of them spread by sqrt(40 / 12) = 1.8, and this is 5 times that.
    assert np.abs(mfcc.coefficients(sound) / 1024 - (bands - 0.5) @ dct).max() < 9
    assert np.abs(bands @ dct).max() > 9_000


def test_silence_and_full_scale_have_features(mfcc: Any) -> None:
    silent = mfcc.mfcc(np.zeros(mfcc.SAMPLES, np.int16))
    loud = mfcc.mfcc(np.full(mfcc.SAMPLES, -32_768, np.int16))
    assert silent.shape == loud.shape == (49, 10)
    assert silent.dtype == np.int8
    assert (silent == silent[0]).all()
    assert (loud[:, 0] > silent[:, 0]).all()


def test_a_stored_feature_goes_into_the_model_as_it_is() -> None:
    pytest.importorskip("tflite", reason="the tflite package reads the model")
    graph = tflite.read(SUITE.folder / TASK.model.file)
    samples = load_samples(TASK, SUITE, graph.input_infos(), classes=12)
    assert samples.inputs == [sample.tobytes() for sample in INPUTS]


def test_the_model_has_only_operators_that_every_framework_runs(make: Any) -> None:
    pytest.importorskip("tflite", reason="the tflite package reads the model")
    model = (FOLDER / "keywords.tflite").read_bytes()
    found = make.making.operators(model)
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX"} <= set(found) <= make.making.OPERATORS
    assert len(model) < 60_000


def test_the_reference_interpreter_reaches_the_suites_accuracy(make: Any) -> None:
    pytest.importorskip("tflite_micro", reason="the reference interpreter")
    classes = make.classes((FOLDER / "keywords.tflite").read_bytes(), INPUTS)
    right = int((classes == LABELS).sum())
    limit = TASK.expect["accuracy"].min
    assert limit is not None
    assert right / 600 >= limit >= make.MINIMUM_TOP1
    assert f"**{right / 6:.1f} %**" in (FOLDER / "README.md").read_text()


def test_the_readme_names_the_voices_that_were_held_out(speech: Any) -> None:
    readme = " ".join((FOLDER / "README.md").read_text().split())
    assert ", ".join(speech.VOICES["test"]) in readme
    assert f"espeak-ng {speech.ESPEAK_VERSION}" in readme


def test_without_espeak_the_script_says_what_to_install(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="apt-get install espeak-ng"):
        make.data()


def test_another_espeak_is_told(
    make: Any, speech: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make, "spoken", lambda part: (INPUTS, LABELS))
    monkeypatch.setattr(speech, "espeak_version", lambda: speech.ESPEAK_VERSION)
    made = make.data()
    assert made == {name: (FOLDER / name).read_bytes() for name in ("inputs.npy", "labels.npy")}
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(speech, "espeak_version", lambda: "9.9")
    make.data()
    assert "espeak-ng is 9.9 here, 1.51 made the files" in capsys.readouterr().err


def test_a_model_below_the_bar_is_refused(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tflite", reason="the tflite package reads the model")
    pytest.importorskip("tflite_micro", reason="the reference interpreter")
    trained = (FOLDER / "keywords.tflite").read_bytes()
    monkeypatch.setattr(make, "spoken", lambda part: (INPUTS[::10], LABELS[::10]))
    monkeypatch.setattr(make, "train", lambda features, labels: trained)
    monkeypatch.setattr(make, "MINIMUM_TOP1", 0.8)
    assert make.models() == {"keywords.tflite": trained}
    monkeypatch.setattr(make, "MINIMUM_TOP1", 0.999)
    with pytest.raises(SystemExit, match=r"not written: top-1 of keywords\.tflite is 0\.\d+, below 0\.999"):
        make.models()


@pytest.mark.slow
def test_all_samples_are_made_again(make: Any, spoken_here: None) -> None:
    for name, content in make.data().items():
        assert content == (FOLDER / name).read_bytes()
