"""The framework emlearn: its C decides as the trained estimator does, and a hostile model file does nothing."""

import base64
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hilbench.catalog.core import CORES
from hilbench.errors import BuildError, ModelError, UnsupportedModel, UsageError
from hilbench.frameworks import emlearn
from hilbench.frameworks.base import Model, Request, takes
from hilbench.frameworks.emlearn import Emlearn, child, convert, keras_file, skops_file
from hilbench.frameworks.emlearn.host_program import load
from hilbench.measure.trained_reference import agreement, trained_outputs
from hilbench.records.directory import DirectoryStore
from hilbench.records.record import Record
from hilbench.records.store import select
from hilbench.reports.table import print_tables
from hilbench.tensors import TensorInfo

from .conftest import ROOT

HOST = CORES["host"]
pytestmark = pytest.mark.skipif(not Emlearn().available(HOST, {}).ok, reason="emlearn is not installed")
MACHINES = "mps2-an385,mps2-an386,mps2-an500,mps2-an505,mps3-an547,microbit@qemu"


@dataclass(frozen=True)
class Fitted:
    """An estimator in a file, and the names that messages use."""

    estimator: object
    path: Path

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def request(self, **options: str) -> Request:
        return Request(Model("m", self.path, self.sha256), HOST, Emlearn().check_options(options))


def stored(folder: Path, estimator: object) -> Fitted:
    import skops.io

    path = folder / f"{type(estimator).__name__}.skops"
    skops.io.dump(estimator, path)
    return Fitted(estimator, path)


def digits():
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


def iris():
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)


def forest(**changes):
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(**{"n_estimators": 7, "max_depth": 5, "random_state": 1, **changes})


@pytest.fixture
def in_process(monkeypatch, tmp_path):
    """Convert in this process: a child costs seconds for its imports, and other tests show that it does the same."""
    monkeypatch.chdir(tmp_path)  # emlearn compiles a network's own check in the current folder
    monkeypatch.setattr(child, "ask", lambda program, model, **question: convert.convert(model, question))


def scores(fitted: Fitted, samples, folder: Path, **options: str):
    """What the C gives for each of `samples`, compiled for this computer: float32, one row a sample."""
    request = fitted.request(**options)
    assert Emlearn().supports(request).ok
    folder.mkdir()
    emitted = Emlearn().emit(request, folder)
    model = load(emitted.data[0].parent)
    rows = []
    for sample in np.asarray(samples, emitted.inputs[0].dtype):
        model.set_input(sample.tobytes())
        model.invoke()
        rows.append(np.frombuffer(model.get_output(), np.float32))
    return np.array(rows)


def votes(estimator, samples):
    """The share of trees that vote for each class."""
    count = np.zeros((len(samples), len(estimator.classes_)), np.float32)
    for tree in estimator.estimators_:
        count[np.arange(len(samples)), tree.predict(samples).astype(int)] += 1
    return count / np.float32(len(estimator.estimators_))


# ---- thresholds


@given(st.floats(-32768, 32766.99), st.integers(-32768, 32767))
def test_a_whole_feature_goes_the_same_way_at_any_threshold(threshold: float, feature: int):
    (moved,) = convert._thresholds(np.array([threshold]), "int16_t")
    assert (feature < int(moved)) == (feature <= threshold)
    assert -32768 <= int(moved) <= 32767


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6, width=32))
def test_a_float_feature_goes_the_same_way_unless_it_is_within_a_millionth(threshold: float, feature: float):
    (moved,) = convert._thresholds(np.array([threshold]), "float")
    written = np.float32(f"{moved:.6f}")
    for candidate in (np.float32(feature), np.float32(threshold)):
        if float(candidate) <= threshold or candidate - threshold > 2e-6 + 2 * np.spacing(np.float32(abs(threshold))):
            assert (candidate < written) == (float(candidate) <= threshold)


@pytest.mark.parametrize(
    ("factor", "reason"),
    [
        (5000, r"tree \d splits at \S+, beyond the range of int16_t"),
        (-5000, r"tree \d splits at -\S+, beyond the range of int16_t"),
        (0.1, r"tree \d splits at 0\.\d+, not halfway between whole numbers"),
    ],
)
def test_features_that_are_no_whole_numbers_of_16_bits_are_floats(tmp_path, in_process, factor, reason):
    samples, labels = digits()
    fitted = stored(tmp_path, forest().fit(samples * factor, labels))
    support = Emlearn().supports(fitted.request(dtype="int16_t"))
    assert not support.ok
    assert re.search(reason, support.reason)
    assert support.remedy == "dtype=float"
    found = scores(fitted, samples * factor, tmp_path / "made")
    assert (found == votes(fitted.estimator, (samples * factor).astype(np.float32))).all()


@pytest.mark.parametrize(
    ("thresholds", "whole"),
    [
        ([], True),
        ([-32768, -0.5, 0, 7, 32766.5], True),
        ([0.5, 0.85], False),
        ([32767], False),
        ([-32768.5], False),
        ([2.4999999], False),
    ],
)
def test_int16_is_for_splits_between_whole_numbers(thresholds, whole):
    tree = SimpleNamespace(
        threshold=np.array([*thresholds, -2.0]), children_left=np.array([*(1 for _ in thresholds), -1])
    )
    assert (convert._not_for_int16([tree]) == "") == whole


def test_a_forest_of_the_shipped_suite_takes_int16(in_process):
    path = ROOT / "suites" / "vibration" / "fault.skops"
    made = child.ask("", path, options=Emlearn().check_options({}))
    assert made["dtype"] == "int16"


# ---- the C and the estimator


@pytest.mark.parametrize("options", [{}, {"method": "loadable"}, {"dtype": "float"}], ids=str)
def test_a_forest_votes_as_its_trees_do(tmp_path, in_process, options):
    fitted = stored(tmp_path, forest().fit(*digits()))
    samples = np.random.default_rng(1).integers(-3, 20, (300, 64))
    assert (scores(fitted, samples, tmp_path / "made", **options) == votes(fitted.estimator, samples)).all()


def test_features_on_a_threshold_go_the_same_way(tmp_path, in_process):
    samples, labels = iris()
    fitted = stored(tmp_path, forest().fit(samples, labels))
    rows = np.random.default_rng(1).integers(0, 80, (300, 4)) / 10
    expected = votes(fitted.estimator, rows.astype(np.float32))
    assert (scores(fitted, rows, tmp_path / "made", dtype="float") == expected).all()


@pytest.mark.parametrize("method", ["inline", "loadable"])
def test_leaf_bits_give_the_mean_probability(tmp_path, in_process, method):
    fitted = stored(tmp_path, forest().fit(*digits()))
    samples = np.random.default_rng(1).integers(0, 17, (100, 64))
    found = scores(fitted, samples, tmp_path / "made", method=method, leaf_bits="8")
    assert np.abs(found - fitted.estimator.predict_proba(samples)).max() < 1 / 128


def test_a_tree_of_one_leaf_works(tmp_path, in_process):
    from sklearn.tree import DecisionTreeClassifier

    fitted = stored(tmp_path, DecisionTreeClassifier(min_samples_leaf=100).fit(*iris()))
    assert (scores(fitted, [[1, 2, 3, 4]], tmp_path / "made") == [1, 0, 0]).all()


def test_a_regressing_forest_gives_the_mean(tmp_path, in_process):
    from sklearn.ensemble import ExtraTreesRegressor

    fitted = stored(tmp_path, ExtraTreesRegressor(5, random_state=1, max_depth=8).fit(*digits()))
    samples = np.random.default_rng(1).integers(0, 17, (50, 64))
    found = scores(fitted, samples, tmp_path / "made")
    assert np.abs(found[:, 0] - fitted.estimator.predict(samples)).max() < 1e-5
    assert "unaligned" in Emlearn().supports(fitted.request(method="loadable")).reason


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("classes", [2, 3])
def test_a_network_gives_the_probabilities(tmp_path, in_process, classes):
    from sklearn.neural_network import MLPClassifier

    samples, labels = iris()
    network = MLPClassifier((8, 6), activation="tanh", max_iter=40, random_state=1)
    fitted = stored(tmp_path, network.fit(samples, np.minimum(labels, classes - 1)))
    found = scores(fitted, samples, tmp_path / "made")
    assert found.shape == (150, classes)
    assert np.abs(found - network.predict_proba(samples)).max() < 1e-5
    emitted = Emlearn().emit(fitted.request(), tmp_path / "made")
    assert emitted.operators[0] == "0 Dense(4 to 8, tanh)"
    assert emitted.macs == 4 * 8 + 8 * 6 + 6 * (1 if classes == 2 else 3)
    assert emitted.arena_bytes == 4 * (4 + classes + 2 * 8)
    for options in ({"method": "inline"}, {"dtype": "int16_t"}, {"leaf_bits": "8"}):
        assert not Emlearn().supports(fitted.request(**options)).ok


def test_naive_bayes_names_the_class(tmp_path, in_process):
    from sklearn.naive_bayes import GaussianNB

    samples, labels = iris()
    fitted = stored(tmp_path, GaussianNB().fit(samples, labels))
    found = scores(fitted, samples, tmp_path / "made")
    assert set(found.ravel()) == {0, 1}
    assert (found.argmax(axis=1) == fitted.estimator.predict(samples)).mean() > 0.99
    priors = stored(tmp_path, GaussianNB(priors=[0.2, 0.2, 0.6]).fit(samples, labels))
    assert "class priors" in Emlearn().supports(priors.request()).reason
    narrow = stored(tmp_path, GaussianNB(priors=[0.1] * 10).fit(*digits()))
    assert "16.16 fixed point" in Emlearn().supports(narrow.request()).reason


def test_facts_of_a_forest(tmp_path, in_process):
    fitted = stored(tmp_path, forest().fit(*digits()))
    emitted = Emlearn().emit(fitted.request(), tmp_path)
    nodes = sum(tree.tree_.node_count for tree in fitted.estimator.estimators_)
    assert emitted.operators == (f"0 RandomForestClassifier(7 trees, {nodes} nodes)",)
    assert emitted.inputs == (TensorInfo("features", "int16", (1, 64), 1.0),)
    assert emitted.outputs == (TensorInfo("scores", "float32", (1, 10)),)
    assert emitted.macs is None
    assert emitted.arena_bytes == 2 * 64 + 4 * 10
    versions = Emlearn().versions(fitted.request())
    assert next(iter(versions)) == "emlearn"
    assert {"scikit-learn", "skops", "emlearn-files", "cc"} <= set(versions)
    board = Emlearn().emit(Request(fitted.request().model, CORES["cortex-m4f"]), tmp_path)
    assert [source.name for source in board.sources] == ["tensors.c", "trees.c"]
    assert any((folder / "eml_trees.h").is_file() for folder in board.include_dirs)
    assert not list(tmp_path.glob("eml_trees.h")), "headers stay in emlearn's package"


# ---- what is refused


def multi_label():
    samples, labels = iris()
    return forest().fit(samples, np.stack([labels, labels > 0], axis=1))


def many_classes():
    return forest(n_estimators=1, max_depth=None).fit(np.arange(200)[:, None], np.arange(200))


def from_one():
    samples, labels = iris()
    return forest().fit(samples, labels + 1)


def machine():
    from sklearn.svm import SVC

    return SVC().fit(*iris())


@pytest.mark.filterwarnings("ignore:The number of unique classes")
@pytest.mark.parametrize(
    ("make", "options", "reason"),
    [
        (multi_label, {}, "RandomForestClassifier: it has 2 outputs"),
        (many_classes, {"method": "loadable"}, "200 classes"),
        (from_one, {}, "its classes are 1, 2, 3, and labels here count 0, 1, 2"),
        (machine, {}, "SVC: emlearn, as used here, takes DecisionTreeClassifier"),
        (from_one, {"method": "loadable", "dtype": "float"}, "classes are"),
    ],
)
def test_what_cannot_be_converted_is_named(tmp_path, in_process, make, options, reason):
    support = Emlearn().supports(stored(tmp_path, make()).request(**options))
    assert not support.ok
    assert reason in support.reason


def test_names_of_classes_are_counted_in_their_order(tmp_path, in_process):
    samples, labels = iris()
    fitted = stored(tmp_path, forest().fit(samples, np.array(["a", "b", "c"])[labels]))
    assert Emlearn().supports(fitted.request()).ok


def not_fitted(kind: str):
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neural_network import MLPClassifier

    return {"forest": forest, "network": MLPClassifier, "bayes": GaussianNB}[kind]()


@pytest.mark.parametrize("kind", ["forest", "network", "bayes"])
def test_an_estimator_that_is_not_fitted_is_a_model_error(tmp_path, in_process, kind):
    with pytest.raises(ModelError, match=r"has not been fitted(.|\n)*hint: call its fit"):
        Emlearn().supports(stored(tmp_path, not_fitted(kind)).request())


def test_other_kinds_of_models_are_told_apart_from_broken_ones(tmp_path):
    path = tmp_path / "model.tflite"
    support = Emlearn().supports(Request(Model("m", path, "0" * 64), HOST))
    assert (support.ok, support.reason) == (False, "it is a TensorFlow Lite model")
    assert support.remedy == "give it a model in a file *.skops or *.keras"
    assert not takes(Model("m", Path("a.skops"), ""), ".tflite").ok
    assert takes(Model("m", Path("a.TFLITE"), ""), ".tflite").ok


@pytest.mark.parametrize("ending", [".pkl", ".bin", ".yaml", ""])
def test_a_file_of_no_known_kind_is_told_the_endings_that_there_are(tmp_path, ending):
    path = tmp_path / f"model{ending}"
    path.write_bytes(b"\x80\x04\x95 whatever")
    support = Emlearn().supports(Request(Model("m", path, ""), HOST))
    assert (support.ok, support.reason) == (False, f"'{path.name}' is none of .tflite, .skops, .keras")
    assert takes(Model("m", path, ""), ".tflite").remedy == "give it a model in a file *.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3")
    assert takes(Model("m", path, ""), ".tflite").ok, "a .tflite by another name"
    assert Emlearn().supports(Request(Model("m", path, ""), HOST)).reason == "it is a TensorFlow Lite model"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metod": "inline"}, "no option 'metod'(.|\n)*did you mean 'method'"),
        ({"dtype": "int16"}, "dtype cannot be 'int16'(.|\n)*did you mean 'int16_t'"),
        ({"leaf_bits": "2"}, "leaf_bits cannot be '2'"),
    ],
)
def test_options_that_do_not_exist_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        Emlearn().check_options(options)


def test_options_have_defaults():
    assert Emlearn().check_options({"dtype": "float"}) == {"method": "auto", "dtype": "float", "leaf_bits": "auto"}


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(emlearn, "_version", lambda package: None if package == "skops" else "0.23.2")
    support = Emlearn().available(HOST, {})
    assert (support.ok, support.remedy) == (False, "pip install 'hilbench[emlearn]'")
    monkeypatch.setattr(emlearn, "_version", lambda package: "0.24.0")
    assert Emlearn().available(HOST, {}).reason == "emlearn is 0.24.0, not 0.23.x"


# ---- hostile and damaged files


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Fitted:
    return stored(tmp_path_factory.mktemp("good"), forest().fit(*iris()))


def rewritten(good: Fitted, path: Path, change=lambda schema: None, members=None) -> Path:
    """A copy of the good file with its schema changed in place and some members replaced."""
    with zipfile.ZipFile(good.path) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "schema.json":
                schema = json.loads(data)
                change(schema)
                data = json.dumps(schema).encode()
            elif members is not None:
                data = members(data)
            new.writestr(name, data)
    return path


def test_a_type_that_is_not_trusted_is_named_and_never_built(tmp_path):
    import skops.io

    forest_with_guest = forest().fit(*iris())
    forest_with_guest.guest = shutil.rmtree  # a function, which skops itself would ask about
    path = tmp_path / "hostile.skops"
    skops.io.dump(forest_with_guest, path)
    with pytest.raises(ModelError, match=r"types that are not trusted: shutil\.rmtree"):
        skops_file.load(path)


@pytest.mark.parametrize(
    ("module", "name", "loader"),
    [
        ("os", "system", "FunctionNode"),
        ("builtins", "eval", "TypeNode"),
        ("sklearn.ensemble._forest", "RandomForestClassifier", "MethodNode"),
        ("numpy.ma", "masked_array", "NdArrayNode"),
        ("builtins", "dict", "PartialNode"),
    ],
)
def test_a_loader_and_its_type_have_to_be_on_the_list_together(good, tmp_path, module, name, loader):
    def change(schema):
        schema["content"]["guest"] = {"__class__": name, "__module__": module, "__loader__": loader, "content": {}}

    path = rewritten(good, tmp_path / "m.skops", change)
    with pytest.raises(ModelError, match=rf"not trusted: {module}\.{name}"):
        skops_file.load(path)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_a_model_error(good, tmp_path, share):
    data = good.path.read_bytes()
    path = tmp_path / "cut.skops"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError, match="not a scikit-learn model, or it is damaged"):
        skops_file.estimator_name(path)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"__class__": "../x"}'])
def test_an_archive_without_an_estimator_is_a_model_error(tmp_path, text):
    path = tmp_path / "m.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", text)
    with pytest.raises(ModelError, match="damaged"):
        skops_file.estimator_name(path)


@pytest.mark.parametrize("read", [skops_file.estimator_name, keras_file._config])
def test_a_zip_bomb_is_not_unpacked(tmp_path, read):
    path = tmp_path / "bomb.skops"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("zeros.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(257):
            member.write(bytes(2**20))
    assert path.stat().st_size < 2**21
    with pytest.raises(ModelError, match="unpacked, the file has"):
        read(path)


def test_an_array_with_pickled_objects_is_not_loaded(good, tmp_path):
    pickled = tmp_path / "pickled.npy"
    np.save(pickled, np.array([shutil.rmtree], object), allow_pickle=True)
    path = rewritten(good, tmp_path / "m.skops", members=lambda data: pickled.read_bytes())
    with pytest.raises(ModelError, match="allow_pickle=False"):
        skops_file.load(path)


def spoil(array: str, value: float):
    def change(estimator):
        getattr(estimator.estimators_[0].tree_, array)[0] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (spoil("children_left", 1_000_000), "do not form a tree"),
        (spoil("children_left", 0), "do not form a tree"),
        (spoil("children_right", 1), "do not form a tree"),
        (spoil("children_left", -1), "a node has one child"),
        (spoil("feature", 64), "a feature that does not exist"),
        (spoil("feature", -2), "a feature that does not exist"),
        (spoil("threshold", float("nan")), "a threshold is not finite"),
        (lambda forest: forest.estimators_.clear(), "no trees"),
        (lambda forest: setattr(forest, "n_features_in_", 3), "for other features"),
        (lambda forest: setattr(forest, "classes_", np.arange(4)), "other features or classes"),
    ],
)
def test_a_forest_that_leads_astray_is_a_model_error(tmp_path, in_process, change, reason):
    estimator = forest().fit(*iris())
    change(estimator)
    with pytest.raises(ModelError, match=reason):
        Emlearn().supports(stored(tmp_path, estimator).request())


@pytest.mark.parametrize("count", ["-1", "0", "3"])
def test_a_tree_that_counts_other_nodes_than_it_has_is_a_model_error(good, tmp_path, in_process, count):
    def change(schema):
        todo = [schema]
        while todo:
            item = todo.pop()
            if isinstance(item, dict):
                if "node_count" in item:
                    # An id of its own: skops loads what has the same id once.
                    item["node_count"] |= {"content": count, "__id__": -id(item)}
                todo += item.values()
            elif isinstance(item, list):
                todo += item

    path = rewritten(good, tmp_path / "m.skops", change)
    with pytest.raises(ModelError, match=f"counts {count}|do not form a tree"):
        Emlearn().supports(Fitted(None, path).request())


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"its reader crashes \(SIGSEGV\)"),
        ("raise SystemExit('no such thing')", "cannot be read: no such thing"),
        ("print('chatter')", "cannot be read"),
    ],
)
def test_a_reader_that_crashes_is_an_error_with_the_model_s_name(tmp_path, monkeypatch, code, message):
    (tmp_path / "crashing_reader.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ModelError, match=message) as error:
        child.ask("crashing_reader", tmp_path / "m.skops")
    assert error.value.where == str(tmp_path / "m.skops")


def test_what_does_not_end_ends_with_all_that_it_started(tmp_path, monkeypatch):
    (tmp_path / "endless_reader.py").write_text(
        "import os, subprocess, sys\n"
        "started = subprocess.Popen(['sleep', '60'])\n"
        "with open(os.environ['STARTED'], 'w') as file:\n"
        "    file.write(str(started.pid))\n"
        "started.wait()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("STARTED", str(tmp_path / "pid"))
    monkeypatch.setattr(child, "_TIMEOUT_S", 2)
    with pytest.raises(ModelError, match="did not end in 2 s"):
        child.ask("endless_reader", tmp_path / "m.skops")
    status = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    until = time.monotonic() + 5
    while running := status.exists() and status.read_text().split()[2] != "Z":
        assert time.monotonic() < until, "its process still runs"
        time.sleep(0.01)
    assert not running


def test_an_error_of_any_class_crosses_from_the_child(tmp_path, monkeypatch):
    (tmp_path / "failing_reader.py").write_text(
        "from hilbench.errors import BuildError\nfrom hilbench.frameworks.emlearn import child\n\n\n"
        "def fail(model, question):\n    raise BuildError('no', hint='do')\n\n\nchild.serve(fail)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(ModelError, match=r"m\.skops: no\n  hint: do"):
        child.ask("failing_reader", tmp_path / "m.skops")


def test_the_environment_does_not_shape_a_host_model(tmp_path, in_process, monkeypatch, good):
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "stdint.h").write_text("#error not this one\n")
    monkeypatch.setenv("CPATH", str(tmp_path / "shadow"))
    (tmp_path / "made").mkdir()
    assert Emlearn().emit(good.request(), tmp_path / "made").data[0].is_file()


def test_a_compiler_that_does_not_end_is_stopped(tmp_path, in_process, monkeypatch, good):
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\nexec sleep 60\n")
    compiler.chmod(0o755)
    monkeypatch.setattr(emlearn, "_compiler", lambda: "cc")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(emlearn, "_COMPILE_S", 0.2)
    (tmp_path / "made").mkdir()
    with pytest.raises(BuildError, match=r"'cc' took longer than 0\.2 s and was stopped"):
        Emlearn().emit(good.request(), tmp_path / "made")


def test_errors_cross_from_the_child_with_their_hint(tmp_path):
    (tmp_path / "m.skops").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"m\.skops: this is not a scikit-learn model(.|\n)*hint: store it again"):
        child.ask("hilbench.frameworks.emlearn.convert", tmp_path / "m.skops", options={})


# ---- Keras


def keras_archive(path: Path, *layers: dict[str, object]) -> Path:
    config = {"class_name": "Sequential", "module": "keras", "config": {"layers": layers}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path


def test_layers_that_emlearn_does_not_know_are_refused_before_keras_is_loaded(tmp_path):
    dense = {"class_name": "Dense", "module": "keras.layers"}
    for name in ("Lambda", "Conv2D", "TorchModuleWrapper"):
        layer = {"class_name": name, "module": "keras.layers"}
        with pytest.raises(UnsupportedModel, match=f"Keras layer {name}"):
            keras_file.load(keras_archive(tmp_path / "m.keras", dense, layer))
    elsewhere = {"class_name": "Dense", "module": "shutil"}
    with pytest.raises(ModelError, match=r"code from outside of Keras: shutil\.Dense"):
        keras_file.load(keras_archive(tmp_path / "m.keras", elsewhere))


@pytest.mark.skipif(importlib.util.find_spec("keras") is not None, reason="Keras is installed")
def test_without_keras_its_models_are_unsupported_with_a_remedy(tmp_path):
    path = keras_archive(tmp_path / "m.keras")
    support = Emlearn().supports(Fitted(None, path).request())
    assert not support.ok
    assert support.remedy == "pip install tensorflow"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="Keras is not installed")
def test_a_keras_network_decides_as_keras_does(tmp_path):
    import keras

    network = keras.Sequential(
        [
            keras.layers.Input((4,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(3),
            keras.layers.Softmax(),
        ]
    )
    network.save(tmp_path / "m.keras")
    samples = np.random.default_rng(1).normal(size=(100, 4)).astype(np.float32)
    found = scores(Fitted(network, tmp_path / "m.keras"), samples, tmp_path / "made")
    raw = [row.tobytes() for row in samples]
    reference, versions = trained_outputs(tmp_path / "m.keras", raw, [TensorInfo("x", "float32", (1, 4))])
    assert np.abs(np.frombuffer(b"".join(reference), np.float32) - found.ravel()).max() < 1e-5
    assert "keras" in versions


# ---- the reference


def test_the_reference_is_what_scikit_learn_predicts(good):
    samples = (iris()[0] * 10).astype(np.int16)
    raw = [row.tobytes() for row in samples]
    outputs, versions = trained_outputs(good.path, raw, [TensorInfo("x", "int16", (1, 4), 1.0)])
    found = np.array([np.frombuffer(output, np.float32) for output in outputs])
    assert (found.argmax(axis=1) == good.estimator.predict(samples)).all()
    assert np.abs(found - good.estimator.predict_proba(samples)).max() < 1e-6
    assert versions["scikit-learn"]
    with pytest.raises(ModelError, match="not of 8 bytes"):
        trained_outputs(good.path, [b"123"], [TensorInfo("x", "int16", (1, 4), 1.0)])


def test_agreement_counts_equal_decisions():
    def raw(*rows):
        return [np.array(row, np.float32).tobytes() for row in rows]

    ours = raw([0.6, 0.4], [0.5, 0.5], [0.1, 0.9], [1, 0])
    theirs = raw([0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [1, 0])
    metric = agreement(ours, theirs, [TensorInfo("y", "float32", (1, 2))])["fidelity"]
    assert (metric.value, metric.n, metric.detail) == (0.75, 4, "same class")
    assert metric.ci95[0] < 0.75 < metric.ci95[1]


def test_a_table_names_the_reference(record):
    metric = {"value": 0.99, "unit": "share", "basis": "counted"}
    data = record.model_dump(by_alias=True)
    data |= {"metrics": {"fidelity": metric}, "reference": {"name": "scikit-learn", "versions": {}}}
    console = Console(file=io.StringIO(), width=200)
    print_tables(console, [Record.model_validate(data)])
    assert "fidelity to scikit-learn" in console.file.getvalue()


# ---- end to end


def suite_of(good: Fitted, folder: Path, inputs) -> Path:
    """A suite of one task: iris, as `inputs` say it."""
    for name, array in (("inputs", inputs), ("labels", iris()[1])):
        np.save(folder / f"{name}.npy", array)
    shutil.copy(good.path, folder / "iris.skops")

    def ref(name: str) -> str:
        return f"{{file: {name}, sha256: {hashlib.sha256((folder / name).read_bytes()).hexdigest()}}}"

    path = folder / "flowers.hil.yaml"
    path.write_text(
        f"suite: flowers\ntasks:\n  - id: iris\n    model: {ref('iris.skops')}\n    dataset:\n      name: iris\n"
        f"      arrays: {{inputs: {ref('inputs.npy')}, labels: {ref('labels.npy')}}}\n"
        "    accuracy: top1\n    latency: {samples: 3, repeats: 2}\n"
        "    expect: {accuracy: {min: 0.9}, fidelity: {min: 0.95}}\n"
    )
    return path


@pytest.mark.parametrize("boards", ["qemu,host", pytest.param(MACHINES, marks=pytest.mark.slow)])
def test_a_forest_runs_through_pytest_with_equal_outputs_everywhere(pytester: pytest.Pytester, boards: str):
    samples, labels = iris()
    fitted = stored(pytester.path, forest().fit((samples * 10).round(), labels))
    suite = suite_of(fitted, pytester.path, (samples * 10).round().astype(np.int16))
    count = len(boards.split(","))
    done = pytester.runpytest_subprocess(str(suite), f"--board={boards}", "--framework=emlearn", "--hil-require",
                                         "--hil-store=store")  # fmt: skip
    done.assert_outcomes(passed=count)
    records = list(select(DirectoryStore(pytester.path / "store")))
    assert len(records) == count
    expected = votes(fitted.estimator, (samples * 10).round())
    for record in records:
        assert base64.b64decode(record.samples.outputs) == expected.tobytes()
        assert record.reference.name == "scikit-learn"
        assert record.reference.versions["scikit-learn"]
        decisions = fitted.estimator.predict((samples * 10).round())
        assert record.metrics["fidelity"].value == (expected.argmax(axis=1) == decisions).mean()
        assert record.metrics["accuracy"].value == (expected.argmax(axis=1) == labels).mean()
        assert record.framework.version.startswith("0.23.")
        assert record.model.operators[0].startswith("0 RandomForestClassifier(7 trees")


def test_centimetres_are_not_rounded_to_whole_ones(pytester: pytest.Pytester):
    samples, labels = iris()
    fitted = stored(pytester.path, forest(max_depth=None).fit(samples, labels))
    suite = suite_of(fitted, pytester.path, samples)
    done = pytester.runpytest_subprocess(str(suite), "--board=host", "--framework=emlearn,emlearn:dtype=int16_t",
                                         "--hil-store=store")  # fmt: skip
    done.assert_outcomes(passed=1, skipped=1)
    done.stdout.fnmatch_lines(["*not halfway between whole numbers*"])
    (record,) = select(DirectoryStore(pytester.path / "store"))
    assert record.metrics["fidelity"].value == 1.0
    assert record.metrics["accuracy"].value == fitted.estimator.score(samples, labels)
