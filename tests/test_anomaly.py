"""AUC of an anomaly detector: scikit-learn's number, an interval that holds what it says, and errors that say why."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hilbench.catalog.suite import Task
from hilbench.errors import ModelError
from hilbench.measure.anomaly import anomaly_scores, auc, check_auc
from hilbench.measure.roc import newcombe, roc_auc
from hilbench.measure.statistics import Z95
from hilbench.tensors import TensorInfo

INPUT = (TensorInfo("x", "int8", (1, 2), 0.5, -10),)
OUTPUT = (TensorInfo("y", "int8", (1, 2), 0.25, 6),)
SCORES = st.lists(st.integers(-5, 5), min_size=1, max_size=40)


def rows(*values: tuple[int, int]) -> list[bytes]:
    return [np.array(value, np.int8).tobytes() for value in values]


def test_a_score_is_the_mean_squared_difference_of_real_numbers():
    # Inputs 0 and 1.0, outputs 0.5 and -1.0; then equal numbers in two quantisations.
    scores = anomaly_scores(rows((-10, -8), (-10, -4)), rows((8, 2), (6, 18)), INPUT, OUTPUT)
    assert scores.tolist() == [(0.5**2 + 2.0**2) / 2, 0.0]


def test_a_score_does_not_wrap_around_in_8_bits():
    same = (TensorInfo("x", "int8", (1, 2), 1.0, 0),)
    assert anomaly_scores(rows((-128, 0)), rows((127, 0)), same, same).tolist() == [255**2 / 2]


def test_a_tensor_without_quantisation_is_its_own_number():
    plain = (TensorInfo("x", "float32", (1, 2)),)
    sample, output = (np.array(row, np.float32).tobytes() for row in ([1.5, 0], [0.5, 2]))
    assert anomaly_scores([sample], [output], plain, plain).tolist() == [2.5]


@settings(deadline=None)  # the first example imports scikit-learn
@given(SCORES, SCORES)
def test_the_area_is_scikit_learns_with_ties_too(normal: list[int], faulty: list[int]):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn says what the area is")
    labels = [0] * len(normal) + [1] * len(faulty)
    expected = metrics.roc_auc_score(labels, normal + faulty)
    assert roc_auc(np.array(normal, float), np.array(faulty, float)) == pytest.approx(expected, abs=1e-12)


def test_the_metric_is_the_area_of_the_scores_with_its_interval():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn says what the area is")
    draw = np.random.default_rng(3)
    samples, outputs = draw.integers(-128, 128, (2, 200, 2)).astype(np.int8)
    labels = [index % 4 == 0 for index in range(200)]
    real = (samples + 10.0) * 0.5 - (outputs - 6.0) * 0.25
    metric = auc(rows(*samples), rows(*outputs), [int(label) for label in labels], INPUT, OUTPUT)
    assert metric.value == pytest.approx(metrics.roc_auc_score(labels, (real**2).mean(axis=1)), abs=1e-12)
    assert (metric.unit, metric.basis, metric.n, metric.detail) == ("share", "counted", 200, "AUC")
    assert metric.ci95 == newcombe(metric.value, 150, 50)


@given(st.floats(0, 1), st.integers(1, 2000), st.integers(1, 2000))
def test_the_interval_holds_the_area_and_stays_within_0_and_1(area: float, normal: int, faulty: int):
    low, high = newcombe(area, normal, faulty)
    assert 0 <= low <= area <= high <= 1
    assert low < high


@pytest.mark.parametrize(("area", "normal", "faulty"), [(0.9, 40, 60), (0.5, 10, 10), (0.73, 7, 300), (0.99, 200, 600)])
def test_the_interval_is_made_of_the_roots_of_newcombes_quartic(area: float, normal: int, faulty: int):
    # mn (x - area)^2 = z^2 x (1 - x) (1 + N (1 - x) / (2 - x) + N x / (1 + x)), times (2 - x)(1 + x)
    x = np.polynomial.Polynomial([0, 1])
    n = (normal + faulty) / 2 - 1
    left = normal * faulty * (x - area) ** 2 * (2 - x) * (1 + x)
    right = Z95**2 * x * (1 - x) * ((2 - x) * (1 + x) + n * (1 - x) * (1 + x) + n * x * (2 - x))
    roots = sorted(root.real for root in (left - right).roots() if abs(root.imag) < 1e-9 and 0 < root.real < 1)
    assert newcombe(area, normal, faulty) == pytest.approx(roots, abs=1e-9)


def test_a_perfect_area_of_few_samples_is_not_certain():
    low, high = newcombe(1.0, 10, 10)
    assert 0.7 < low < 0.95
    assert high == 1.0
    assert newcombe(0.0, 10, 10) == pytest.approx((0.0, 1 - low))


def test_nineteen_of_twenty_intervals_hold_the_true_area():
    draw = np.random.default_rng(20)
    shift, trials = 1.8, 1000
    truth = 0.5 * (1 + math.erf(shift / 2))  # two normal distributions of variance 1, this far apart
    held = 0
    for _ in range(trials):
        low, high = newcombe(roc_auc(draw.normal(0, 1, 40), draw.normal(shift, 1, 80)), 40, 80)
        held += low <= truth <= high
    assert 0.93 < held / trials < 0.98


@pytest.mark.parametrize(
    ("labels", "outputs", "message"),
    [
        ([0, 1, 2], OUTPUT, r"a label is 0 \(normal\) or 1 \(faulty\), but there is a label 2"),
        ([0, 0, 0], OUTPUT, r"of the 3 samples used none is faulty \(1\)"),
        ([1, 1], OUTPUT, r"of the 2 samples used none is normal \(0\)"),
        ([0, 1], (TensorInfo("y", "int8", (1, 3), 1.0, 0),), "2 go in, but 3 come out"),
        ([0, 1], (*OUTPUT, *OUTPUT), "this model has 1 inputs and 2 outputs"),
    ],
)
def test_what_has_no_auc_is_refused_and_told_why(labels: list[int], outputs: tuple[TensorInfo, ...], message: str):
    with pytest.raises(ModelError, match=message):
        check_auc(labels, INPUT, outputs)


def test_an_autoencoder_may_have_another_shape_at_its_end():
    check_auc([0, 1], (TensorInfo("x", "int8", (1, 4, 2, 1), 1.0, 0),), (TensorInfo("y", "int8", (1, 8), 1.0, 0),))


def test_a_task_judged_by_auc_needs_labels():
    task = {
        "id": "anomaly",
        "model": {"file": "x.tflite", "sha256": "0" * 64},
        "dataset": {"name": "noise", "random": {"seed": 1}},
        "accuracy": "auc",
    }
    with pytest.raises(ValidationError, match="'auc' needs a data set with labels"):
        Task.model_validate(task)
