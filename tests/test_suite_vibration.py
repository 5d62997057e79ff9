"""The files of the suite `vibration` are what its script makes, and its models are as good as the suite says."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hilbench import bench, catalog, resources
from hilbench.catalog.data import load_samples, model_file
from hilbench.errors import ModelError
from hilbench.measure.anomaly import auc
from hilbench.measure.tflm_reference import reference_outputs
from hilbench.plan import Plan

from .suite_scripts import assert_named_by_hashes, script, tensor_info

FOLDER = resources.SUITES / "vibration"
SUITE = catalog.load_suite(resources.SUITES / "vibration.hil.yaml")
ANOMALY, FAULT = SUITE.tasks
KINDS = np.load(FOLDER / "fault_labels.npy")
LINES = np.load(FOLDER / "fault_inputs.npy")
TREES = ["sklearn.tree._tree.Tree"]
"""skops 0.16 asks before it loads trees: a damaged one could crash scikit-learn."""


@pytest.fixture(scope="module")
def make() -> Iterator[ModuleType]:
    with script(FOLDER) as module:
        yield module


def test_the_suite_names_its_files_by_their_hashes() -> None:
    assert_named_by_hashes(SUITE)


def test_the_first_samples_are_made_again_byte_for_byte(make: ModuleType) -> None:
    made = make.bearing.simulate(make.bearing.TEST, 120)
    assert np.array_equal(made.bands, np.load(FOLDER / "anomaly_inputs.npy")[:120])
    assert np.array_equal(made.lines, LINES[:120])
    assert np.array_equal(made.kinds, KINDS[:120])


@pytest.mark.slow
def test_all_samples_are_made_again_byte_for_byte(make: ModuleType) -> None:
    for name, content in make.data().items():
        assert content == (FOLDER / name).read_bytes(), name


def test_both_tasks_have_the_same_windows() -> None:
    bands, faulty = np.load(FOLDER / "anomaly_inputs.npy"), np.load(FOLDER / "anomaly_labels.npy")
    assert (bands.shape, bands.dtype, LINES.shape, LINES.dtype) == ((800, 64), np.int8, (800, 17), np.int16)
    assert np.bincount(KINDS).tolist() == [200] * 4
    assert np.array_equal(faulty, KINDS > 0)
    assert KINDS[:8].tolist() == [0, 1, 2, 3] * 2  # a few samples have all classes: AUC needs both kinds
    assert np.abs(bands.astype(int)).max() < 127, "no feature is cut off"


def test_held_out_machines_speeds_and_loads_are_none_of_those_trained_on(make: ModuleType) -> None:
    train, test = make.bearing.TRAIN, make.bearing.TEST
    assert not set(train.machines) & set(test.machines)
    assert not set(train.loads) & set(test.loads)
    assert all(abs(one / other - 1) > 0.04 for one in train.speeds_hz for other in test.speeds_hz)  # each +-2 %
    assert len({make.bearing.machine(number).modes for number in [*train.machines, *test.machines]}) == 22


def test_the_bearing_has_the_published_frequencies_of_a_6205(make: ModuleType) -> None:
    bearing = make.bearing
    # Case Western Reserve University, Bearing Data Center, drive end: multiples of the shaft's frequency.
    found = (bearing.BPFI, bearing.BPFO, bearing.FTF, 2 * bearing.BSF)
    assert found == pytest.approx((5.4152, 3.5848, 0.39828, 4.7135), rel=3e-4)


def test_each_fault_raises_its_own_line_most(make: ModuleType) -> None:
    orders = make.bearing.ORDERS
    lines = [orders.index(order) for order in (make.bearing.BPFO, make.bearing.BPFI, 2 * make.bearing.BSF)]
    mean_db = np.array([[LINES[kind == KINDS][:, line].mean() / 100 for line in lines] for kind in range(4)])
    for kind in (1, 2, 3):
        assert mean_db[:, kind - 1].argmax() == kind
        assert mean_db[kind, kind - 1] > mean_db[0, kind - 1] + 5


def test_the_envelope_of_a_modulated_tone_has_one_line(make: ModuleType) -> None:
    """4 kHz, modulated 50 times a second: the envelope's spectrum peaks at 50 Hz, the signal's at 4 kHz."""
    time = np.arange(make.bearing.WINDOW) / make.bearing.RATE_HZ
    tone = 3000 * (1 + 0.5 * np.cos(2 * np.pi * 50 * time)) * np.sin(2 * np.pi * 4000 * time)
    step = make.bearing.RATE_HZ / make.bearing.WINDOW
    spectrum, envelope = make.bearing.spectra(tone.astype(np.int16))
    assert spectrum.argmax() * step == pytest.approx(4000)
    assert envelope.argmax() * step == pytest.approx(50)
    assert np.sort(envelope)[-4] < 1e-3 * envelope.max()  # a Hann window spreads a line over three


def test_the_reference_interpreter_reaches_the_suites_auc(make: ModuleType) -> None:
    runtime = pytest.importorskip("tflite_micro", reason="the reference interpreter").runtime
    path = model_file(ANOMALY, SUITE)
    interpreter = runtime.Interpreter.from_file(str(path))
    into, out = (
        tensor_info(details) for details in (interpreter.get_input_details(0), interpreter.get_output_details(0))
    )
    assert (into.scale, into.zero_point) == (1 / 64, 0), "the input takes the data's int8 as it is"
    samples = load_samples(ANOMALY, SUITE, (into,))
    assert samples.labels is not None
    outputs, _ = reference_outputs(path, samples.inputs)
    metric = auc(samples.inputs, outputs, samples.labels.tolist(), (into,), (out,))
    limit = ANOMALY.expect["accuracy"].min
    assert limit is not None
    assert metric.value >= limit
    assert round(metric.value, 3) == 0.947  # the README's
    bands = np.load(FOLDER / "anomaly_inputs.npy").astype(np.float32) / 64
    before, after = make.making.infer(path.read_bytes(), bands)
    assert make.area(((after - before) ** 2).mean(axis=1), KINDS > 0) == pytest.approx(metric.value, abs=1e-12)


def test_the_autoencoder_is_of_dense_layers_alone(make: ModuleType) -> None:
    pytest.importorskip("tflite", reason="the tflite package reads the model")
    assert make.making.operators((FOLDER / "anomaly.tflite").read_bytes()) == ["FULLY_CONNECTED"] * 4


def test_scikit_learn_reaches_the_suites_accuracy_with_the_stored_forest() -> None:
    skops = pytest.importorskip("skops.io", reason="skops reads the model")
    assert set(skops.get_untrusted_types(file=FOLDER / "fault.skops")) <= set(TREES)
    forest = skops.load(FOLDER / "fault.skops", trusted=TREES)
    assert (len(forest.estimators_), forest.n_features_in_, forest.classes_.tolist()) == (15, 17, [0, 1, 2, 3])
    assert max(tree.get_depth() for tree in forest.estimators_) <= 8
    right = int((forest.predict(LINES) == KINDS).sum())
    limit = FAULT.expect["accuracy"].min
    assert limit is not None
    assert right / 800 >= limit
    assert right == 749  # the README's 93.63 %


def test_an_estimator_is_stored_in_the_same_bytes_each_time(make: ModuleType) -> None:
    skops = pytest.importorskip("skops.io", reason="skops writes the model")
    ensemble = pytest.importorskip("sklearn.ensemble", reason="scikit-learn trains the model")

    def stored() -> bytes:
        forest = ensemble.RandomForestClassifier(3, max_depth=3, random_state=1).fit(LINES, KINDS)
        return make.skops(forest)

    first, *others = (stored() for _ in range(3))
    assert others == [first, first]
    again = skops.loads(first, trusted=TREES)
    expected = ensemble.RandomForestClassifier(3, max_depth=3, random_state=1).fit(LINES, KINDS)
    assert np.array_equal(again.predict_proba(LINES), expected.predict_proba(LINES))


def test_the_stored_forest_holds_no_address_of_this_computers_memory() -> None:
    with zipfile.ZipFile(FOLDER / "fault.skops") as archive:
        files = [name for name in archive.namelist() if name != "schema.json"]
        schema = json.dumps(json.loads(archive.read("schema.json")))
    assert sorted(int(Path(name).stem) for name in files) == list(range(1, len(files) + 1))
    assert '"__id__": 1}' in schema or '"__id__": 1,' in schema


def test_check_finds_a_changed_file_and_writes_nothing(
    make: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(FOLDER, tmp_path / "vibration"))
    files = {"fault_labels.npy": (FOLDER / "fault_labels.npy").read_bytes()}
    monkeypatch.setattr(sys, "argv", ["make.py", "--check"])
    make.making.main(folder, lambda: files, dict)
    (folder / "fault_labels.npy").write_bytes(b"another")
    with pytest.raises(SystemExit, match=r"not what this script makes: fault_labels\.npy"):
        make.making.main(folder, lambda: files, dict)
    assert (folder / "fault_labels.npy").read_bytes() == b"another"


def test_a_model_below_its_bar_is_refused(make: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"not written: AUC of x\.tflite is 0\.9000, below 0\.92"):
        make.making.refuse_unless("x.tflite", 0.9, 0.92, "AUC", ["FULLY_CONNECTED"])
    with pytest.raises(SystemExit, match=r"operators that not every framework runs: TANH"):
        make.making.refuse_unless("x.tflite", 0.99, 0.92, "AUC", ["FULLY_CONNECTED", "TANH"])
    make.making.refuse_unless("x.tflite", 0.92, 0.92, "AUC")


def plan(**changes: object) -> Plan:
    given = {"suite": resources.SUITES / "vibration.hil.yaml", "task": "anomaly", "board": catalog.board("host"),
             "target": "host", "framework": "tflm"}  # fmt: skip
    return Plan(**{**given, **changes})  # type: ignore[arg-type]


def test_a_run_measures_auc_on_the_samples_that_it_took() -> None:
    pytest.importorskip("tflite_micro", reason="the reference interpreter")
    metrics = bench.run(plan(samples=80)).metrics
    assert metrics["fidelity"].value == 1.0
    assert (metrics["accuracy"].detail, metrics["accuracy"].n) == ("AUC", 80)
    assert metrics["accuracy"].value > 0.85


def test_a_run_with_one_kind_of_sample_is_refused_before_it_starts() -> None:
    pytest.importorskip("tflite_micro", reason="the reference interpreter")
    phases: list[str] = []
    with pytest.raises(ModelError, match="AUC needs normal and faulty samples, but of the 1 samples used none is"):
        bench.run(plan(samples=1), lambda phase, done, total: phases.append(phase))
    assert set(phases) == {"building"}
