"""Accuracy metrics: scikit-learn's numbers, intervals that hold what they say, and errors that say what to do."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from hilbench import bench, catalog, resources
from hilbench.catalog.data import Samples
from hilbench.catalog.suite import Accuracy, Bound, Task
from hilbench.errors import ModelError
from hilbench.measure.accuracy import balanced, confusion, wilson
from hilbench.measure.anomaly import auc_by_file, check_auc_by_file
from hilbench.measure.latency import time_metrics
from hilbench.measure.metric import Metric
from hilbench.measure.regression import squared_error
from hilbench.measure.roc import auc_binary, auc_one_versus_rest, newcombe
from hilbench.measure.score import KINDS, Question, check, class_count, confusion_of, score
from hilbench.measure.units import accuracy
from hilbench.records import fair
from hilbench.records.expect import broken
from hilbench.records.record import Record
from hilbench.tensors import TensorInfo

from .test_table import printed

sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn says what the numbers are")

INPUT = (TensorInfo("x", "int8", (1, 2), 0.5, -10),)


def tensor(classes: int, dtype: str = "int8") -> tuple[TensorInfo, ...]:
    return (TensorInfo("y", dtype, (1, classes), 1 / 256 if dtype == "int8" else 0.0, -128 if dtype == "int8" else 0),)


def raw(rows: Any, dtype: str = "int8") -> list[bytes]:
    return [np.array(row, dtype).tobytes() for row in rows]


def task(kind: str | None, arrays: Sequence[str] = ("labels", "groups"), **more: Any) -> Task:
    file = {"file": "x.npy", "sha256": "0" * 64}
    return Task.model_validate(
        {
            "id": "one",
            "model": {"file": "x.tflite", "sha256": "0" * 64},
            "dataset": {"name": "d", "arrays": dict.fromkeys(("inputs", *arrays), file)},
            "accuracy": kind,
            **more,
        }
    )


def question(outputs: tuple[TensorInfo, ...], labels: Sequence[int], **more: Any) -> Question:
    samples = Samples(raw([[0, 0]] * len(labels)), np.array(labels), "0", "d", len(labels), **more)
    return Question(samples, INPUT, outputs)


CASES = st.tuples(st.integers(2, 5), st.integers(1, 60), st.integers(0, 2**32 - 1))


def drawn(classes: int, samples: int, seed: int, levels: int = 6) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Scores with many ties that know a little of the labels, and labels."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, samples)
    scores = draw.integers(0, levels, (samples, classes))
    scores[np.arange(samples), labels] += draw.integers(0, 3, samples)
    return scores.astype(np.int8), labels


# ---- classes


@settings(deadline=None, max_examples=40)
@given(CASES)
def test_balanced_accuracy_and_confusion_are_scikit_learns(case: tuple[int, int, int]):
    scores, labels = drawn(*case)
    counts = confusion(raw(scores), labels.tolist(), tensor(case[0]))
    expected = sklearn.confusion_matrix(labels, scores.argmax(axis=1), labels=range(case[0]))
    assert np.array_equal(counts, expected)
    metric = balanced(raw(scores), labels.tolist(), tensor(case[0]))
    present = expected.sum(axis=1) > 0
    recalls = sklearn.recall_score(labels, scores.argmax(axis=1), labels=np.flatnonzero(present), average="macro")
    assert metric.value == pytest.approx(recalls, abs=1e-12)
    assert metric.ci95 is not None
    assert 0 <= metric.ci95[0] <= metric.value <= metric.ci95[1] <= 1
    assert metric.ci95[0] < metric.ci95[1]


def test_balanced_accuracy_is_scikit_learns_and_not_fooled_by_a_frequent_class():
    scores = np.array([[9, 0]] * 100)
    labels = [0] * 95 + [1] * 5
    metric = balanced(raw(scores), labels, tensor(2))
    assert metric.value == sklearn.balanced_accuracy_score(labels, scores.argmax(axis=1)) == 0.5
    assert (metric.unit, metric.n, metric.detail) == ("share", 100, "balanced")


def test_balanced_accuracy_of_one_class_has_wilsons_interval():
    metric = balanced(raw([[9, 0]] * 18 + [[0, 9]] * 2), [0] * 20, tensor(2))
    assert (metric.value, metric.ci95) == (0.9, pytest.approx(wilson(18, 20)))


def test_a_class_without_samples_is_told():
    assert balanced(raw([[9, 0, 0], [0, 9, 0]]), [0, 1], tensor(3)).detail == "balanced, 2 of 3 classes"


@settings(deadline=None, max_examples=40)
@given(CASES.filter(lambda case: case[1] > 5), st.booleans())
def test_binary_area_is_scikit_learns_with_ties_too(case: tuple[int, int, int], two: bool):
    scores, labels = drawn(2, *case[1:])
    if len(set(labels.tolist())) < 2:
        return
    given_scores = scores if two else scores[:, 1:]
    metric = auc_binary(raw(given_scores), labels, tensor(2 if two else 1))
    assert metric.value == pytest.approx(sklearn.roc_auc_score(labels, scores[:, 1]), abs=1e-12)
    assert metric.ci95 == newcombe(metric.value, int((labels == 0).sum()), int((labels == 1).sum()))


@settings(deadline=None, max_examples=40)
@given(CASES)
def test_one_versus_rest_is_the_mean_of_scikit_learns_areas(case: tuple[int, int, int]):
    scores, labels = drawn(*case)
    if len(set(labels.tolist())) < case[0]:
        return
    metric = auc_one_versus_rest(raw(scores), labels, tensor(case[0]))
    areas = [sklearn.roc_auc_score(labels == label, scores[:, label]) for label in range(case[0])]
    assert metric.value == pytest.approx(np.mean(areas), abs=1e-12)
    assert metric.ci95 is not None
    assert 0 <= metric.ci95[0] <= metric.value <= metric.ci95[1] <= 1
    assert metric.ci95[0] < metric.ci95[1]


def test_one_versus_rest_of_probabilities_is_scikit_learns_multiclass_area():
    scores, labels = drawn(4, 200, 1, levels=100)
    shares = np.exp(scores / 20) / np.exp(scores / 20).sum(axis=1, keepdims=True)
    metric = auc_one_versus_rest(raw(shares, "float32"), labels, tensor(4, "float32"))
    expected = sklearn.roc_auc_score(labels, shares.astype(np.float32), multi_class="ovr", average="macro")
    assert metric.value == pytest.approx(expected, abs=1e-12)


def test_two_classes_of_one_score_have_one_area_and_one_interval():
    """Class 0 against the rest is class 1 against the rest: the joined interval is that of one area, not narrower."""
    scores, labels = drawn(2, 100, 7, levels=100)
    mirrored = np.stack([-scores[:, 1], scores[:, 1]], axis=1)
    joined, single = (
        auc_one_versus_rest(raw(mirrored), labels, tensor(2)), auc_binary(raw(mirrored), labels, tensor(2))
    )  # fmt: skip
    assert joined.value == pytest.approx(single.value)
    assert joined.ci95 == pytest.approx(single.ci95)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["balanced", "auc_ovr"])
def test_joined_intervals_hold_what_they_say(kind: str):
    draw, counts, held, trials = np.random.default_rng(2), np.array([60, 25, 15]), 0, 1500
    truth = np.repeat(range(3), counts)

    def metric(of: NDArray[np.int64]) -> Metric:
        scores = draw.normal(0, 1, (len(of), 3)) + 1.3 * np.eye(3)[of]
        return KINDS[kind].score(question(tensor(3, "float32"), of), raw(scores, "float32"))

    population = metric(np.repeat(range(3), 60_000)).value
    for _ in range(trials):
        low, high = metric(truth).ci95 or (0, 0)
        held += low <= population <= high
    assert 0.93 <= held / trials <= 0.975


# ---- files and numbers


def windows(errors: Sequence[float]) -> tuple[list[bytes], list[bytes]]:
    """Inputs and outputs of windows that are wrong by this much."""
    return raw([[0, 0] for _ in errors], "float32"), raw([[error, error] for error in errors], "float32")


FLOATS = (TensorInfo("x", "float32", (1, 2)),)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), min_size=2, max_size=15), st.randoms())
def test_the_area_by_file_is_scikit_learns_of_mean_errors(files: list[list[int]], random: Any):
    truth = [index % 2 for index in range(len(files))]
    rows = [(100 - file, truth[file], error) for file, errors in enumerate(files) for error in errors]
    random.shuffle(rows)
    groups, labels, errors = zip(*rows, strict=True)
    samples, outputs = windows(errors)
    metric = auc_by_file(samples, outputs, labels, groups, FLOATS, FLOATS)
    scores = [np.mean(np.square(errors)) for errors in files]
    assert metric.value == pytest.approx(sklearn.roc_auc_score(truth, scores), abs=1e-12)
    assert metric.n == len(files), "a file is one observation"
    assert metric.ci95 == newcombe(metric.value, truth.count(0), truth.count(1))


def test_a_file_with_many_windows_counts_as_one():
    samples, outputs = windows([1, 1, 1, 3, 2, 1])
    metric = auc_by_file(samples, outputs, [0, 0, 0, 0, 1, 0], [7, 7, 7, 7, 8, 9], FLOATS, FLOATS)
    assert (metric.value, metric.n, metric.detail) == (1.0, 3, "AUC by file")  # means 3 and 1 against 4


def test_a_file_is_normal_or_faulty_and_not_both():
    with pytest.raises(ModelError, match="those of file 5 have both 0 and 1") as caught:
        check_auc_by_file([0, 1, 1], [5, 5, 6], FLOATS, FLOATS)
    assert "same order" in (caught.value.hint or "")


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=4), min_size=1, max_size=20))
def test_the_squared_error_is_scikit_learns(rows: list[list[float]]):
    targets, answers = np.array(rows)[:, :2], np.array(rows, np.float32)[:, 2:]
    metric = squared_error([b""] * len(rows), raw(answers, "float32"), targets, INPUT, FLOATS)
    assert metric.value == pytest.approx(sklearn.mean_squared_error(targets, answers.astype(np.float64)))
    assert (metric.unit, metric.detail, metric.n) == ("1", "MSE", len(rows))
    assert (metric.ci95 is None) == (len(rows) < 6)


def test_an_autoencoder_is_compared_with_what_went_in():
    # Inputs 0 and 1.0 real, outputs 0.5 and -1.0.
    output = (TensorInfo("y", "int8", (1, 2), 0.25, 6),)
    assert squared_error(raw([[-10, -8]]), raw([[8, 2]]), None, INPUT, output).value == (0.5**2 + 2.0**2) / 2


# ---- the registry


def test_what_a_suite_may_name_is_what_there_is():
    assert set(get_args(Accuracy)) == set(KINDS)


@pytest.mark.parametrize("kind", get_args(Accuracy))
def test_every_kind_judges_and_shows_itself(kind: str, record: Record):
    size = 1 if kind == "mse" else 2
    asked = question(
        FLOATS if size == 2 else (TensorInfo("y", "float32", (1, 1)),),
        [0, 1] * 10,
        groups=np.arange(20) // 2 * 2 + np.arange(20) % 2,
        targets=np.ones((20, 1)) if kind == "mse" else None,
    )
    outputs = raw(np.random.default_rng(1).normal(0, 1, (20, size)), "float32")
    one = task(kind)
    check(one, asked)
    metric = score(one, asked, outputs)["accuracy"]
    assert metric.ci95
    assert metric.ci_method
    shown = printed([record.model_copy(update={"metrics": {"accuracy": metric}, "scored_by": kind})])
    assert f"{metric.detail} [95 %]" in shown
    assert accuracy(metric) in shown
    assert metric == Metric.model_validate_json(metric.model_dump_json())


def test_a_task_without_a_metric_has_none():
    one = task(None)
    check(one, question(tensor(2), [0]))
    assert score(one, question(tensor(2), [0]), raw([[0, 0]])) == {}
    assert confusion_of(one, question(tensor(2), [0]), raw([[0, 0]])) is None


def test_the_confusion_matrix_has_the_suites_names():
    scores, labels = drawn(3, 30, 5)
    one = task("top1", classes=["left", "right", "up"])
    found = confusion_of(one, question(tensor(3), labels.tolist()), raw(scores))
    assert found is not None
    assert found.classes == ("left", "right", "up")
    assert np.array_equal(found.counts, sklearn.confusion_matrix(labels, scores.argmax(axis=1), labels=range(3)))
    assert confusion_of(task("mse"), question(tensor(3), labels.tolist()), raw(scores)) is None
    assert confusion_of(task("auc_binary"), question(tensor(1), [0, 1]), raw([[1], [2]])) is None


@pytest.mark.parametrize(
    ("kind", "elements", "count"),
    [("top1", 10, 10), ("auc_ovr", 4, 4), ("auc_binary", 1, 2), ("auc_binary", 2, 2), ("mse", 4, None)],
)
def test_labels_may_name_as_many_classes_as_there_are(kind: str, elements: int, count: int | None):
    assert class_count(task(kind), tensor(elements)) == count


@pytest.mark.parametrize(
    ("one", "outputs", "labels", "message"),
    [
        (task("auc_ovr"), tensor(4), [0, 1, 1], r"of the 3 samples used none is of class 2, 3"),
        (task("auc_ovr"), tensor(1), [0, 1], "the model has one output"),
        (task("auc_binary"), tensor(3), [0, 1], "the model's output has 3 elements"),
        (task("auc_binary"), tensor(2), [1, 1], r"none is negative \(0\)"),
        (task("auc_binary"), tensor(2), [0, 2], "there is a label 2"),
        (task("auc_file"), tensor(3), [0, 1], "2 go in, but 3 come out"),
        (task("mse"), tensor(3), [0, 1], "without 'targets', 'mse' compares a model's input with its output"),
        (task("top1", classes=["a", "b"]), tensor(3), [0, 1], "names 2 classes, but the model has 3"),
        (task("mse", classes=["a", "b"]), tensor(2), [0, 1], "'mse' does not judge any"),
        (task(None, classes=["a", "b"]), tensor(2), [0, 1], "has no 'accuracy:'"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_a_board_runs(
    one: Task, outputs: tuple[TensorInfo, ...], labels: list[int], message: str
):
    with pytest.raises(ModelError, match=message):
        check(one, question(outputs, labels, groups=np.arange(len(labels))))


def test_targets_have_as_many_numbers_as_the_output():
    with pytest.raises(ModelError, match="a target has 3 numbers, but the model's output has 2"):
        check(task("mse"), question(tensor(2), [0], targets=np.zeros((1, 3))))


@pytest.mark.parametrize("kind", ["auc", "auc_binary", "auc_ovr", "mse"])
def test_a_score_that_is_no_number_is_an_error_and_not_a_result(kind: str):
    asked = question(FLOATS, [0, 1], targets=np.zeros((2, 2)))
    with pytest.raises(ModelError, match="'x' of sample 1 holds NaN or infinity"):
        KINDS[kind].score(asked, raw([[1, 2], [1, np.nan]], "float32"))


@pytest.mark.parametrize(
    ("kind", "arrays", "message"),
    [
        ("balanced", (), "'balanced' needs a data set with labels"),
        ("auc_file", ("labels",), "'auc_file' needs 'groups' beside the labels"),
    ],
)
def test_a_suite_that_lacks_what_its_metric_needs_is_refused(kind: str, arrays: tuple[str, ...], message: str):
    with pytest.raises(ValidationError, match=message):
        task(kind, arrays)


def test_an_error_needs_arrays_but_no_labels():
    assert task("mse", ()).accuracy == "mse"
    with pytest.raises(ValidationError, match="'mse' needs a data set of arrays"):
        task("mse", (), dataset={"name": "noise", "random": {"seed": 1}})


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(ValidationError, match="two classes have the name 'up'"):
        task("top1", classes=["up", "down", "up"])


def test_a_squared_error_above_its_bar_is_told_and_not_ranked(record: Record):
    good, bad = (
        record.model_copy(update={"metrics": {**record.metrics, "accuracy": metric}, "bars": bars})
        for bars in [{"accuracy": Bound(max=0.02)}]
        for value in (0.0123, 0.5)
        for metric in [Metric(value=value, unit="1", basis="counted", detail="MSE", ci95=(0.0109, 0.6))]
    )
    assert accuracy(good.metrics["accuracy"]) == "0.0123 [0.0109, 0.6]"
    assert broken(bad, bad.bars) == ["accuracy is 0.5 (counted), expected at most 0.02"]
    assert [each.place for each in fair.rank([bad, good]).standings] == [1, None]


# ---- a run


def test_a_run_is_judged_by_file(tmp_path: Path):
    """The vibration suite's windows, ten of each file: the same area as by hand, and as few observations as files."""
    pytest.importorskip("tflite_micro", reason="the reference interpreter")
    (tmp_path / "vibration").symlink_to(resources.SUITES / "vibration")
    groups = io.BytesIO()
    np.save(groups, np.arange(800) % 4 + 4 * (np.arange(800) // 40))
    (tmp_path / "groups.npy").write_bytes(groups.getvalue())
    suite = yaml.safe_load((resources.SUITES / "vibration.hil.yaml").read_text())
    (anomaly,) = (task for task in suite["tasks"] if task["id"] == "anomaly")
    named = {"file": "groups.npy", "sha256": hashlib.sha256(groups.getvalue()).hexdigest()}
    anomaly["dataset"]["arrays"]["groups"] = named
    suite["tasks"] = [{**anomaly, "accuracy": "auc_file", "latency": {"samples": 2, "max_rounds": 4}, "expect": {}}]
    (tmp_path / "vibration.hil.yaml").write_text(yaml.safe_dump(suite))
    plan = bench.Plan(tmp_path / "vibration.hil.yaml", "anomaly", catalog.board("host"), "host", "tflm", samples=240)
    record = bench.run(plan)
    metric = record.metrics["accuracy"]
    assert (metric.detail, metric.n) == ("AUC by file", 24)
    assert metric.value > 0.9
    assert record.confusion is None
    latency = record.metrics["latency"]
    assert latency.precise is not None
    assert len(record.samples.times) in (6, 8), "three or four rounds of two inputs"
    assert len(record.samples.warmup) == 10
    assert latency.ci95 is not None
    again = time_metrics(record.samples.times, plan.board, record.samples.warmup[0][1], latency.precision)
    assert again["latency"] == latency
