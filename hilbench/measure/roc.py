"""The area under the ROC curve: of two kinds of scores, of a classifier's scores, and the intervals of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError
from hilbench.measure.accuracy import as_real
from hilbench.measure.metric import Metric
from hilbench.measure.statistics import Z95, Floats
from hilbench.tensors import TensorInfo

Labels = Sequence[int] | NDArray[Any]

_BISECTIONS = 60
"""Halvings of an interval of at most 1: past what a double can tell apart."""


def check_two_kinds(labels: Labels, what: str, normal: str, other: str) -> None:
    """Raise `ModelError` unless `labels` are 0 (`normal`) and 1 (`other`), both present; `what` counts them."""
    wrong = [label for label in np.unique(np.asarray(labels)).tolist() if label not in (0, 1)]
    if wrong:
        raise ModelError(f"for AUC, a label is 0 ({normal}) or 1 ({other}), but there is a label {wrong[0]}")
    count = int(np.count_nonzero(labels))
    if not 0 < count < len(labels):
        lacking = f"{normal} (0)" if count else f"{other} (1)"
        raise ModelError(
            f"AUC needs {normal} and {other} {what}, but of the {len(labels)} {what} used none is {lacking}",
            hint="use more samples, or order the data set so that both kinds come early",
        )


def check_binary(labels: Labels, outputs: Sequence[TensorInfo]) -> None:
    """Raise `ModelError` unless the model gives one score, or one for each of two classes, that labels tell apart."""
    if (size := np.prod(outputs[0].shape)) not in (1, 2):
        raise ModelError(
            f"'auc_binary' judges one score, or one of each of two classes, but the model's output has {size} elements",
            hint="for more classes, choose 'accuracy: auc_ovr'",
        )
    check_two_kinds(labels, "samples", "negative", "positive")


def auc_binary(outputs: Sequence[bytes], labels: Labels, tensors: Sequence[TensorInfo]) -> Metric:
    """Return the area under the ROC curve of a classifier's score for class 1, with Newcombe's interval.

    The score is the model's one output, or its second of two. Raises `ModelError` as `check_binary` does.
    """
    check_binary(labels, tensors)
    return area_metric(as_real(outputs, tensors)[:, -1], np.asarray(labels) == 1, "AUC")


def area_metric(scores: Floats, positive: NDArray[np.bool_], detail: str) -> Metric:
    """Return the area of `scores` (n,) with Newcombe's interval; larger ones should be `positive` (n,)."""
    area, count = roc_auc(scores[~positive], scores[positive]), int(positive.sum())
    interval = newcombe(area, len(scores) - count, count)
    return Metric(
        value=area, unit="share", basis="counted", n=len(scores), ci95=interval, ci_method="Newcombe", detail=detail
    )


def check_one_versus_rest(labels: Labels, outputs: Sequence[TensorInfo]) -> None:
    """Raise `ModelError` unless there are at least two classes and samples of every one."""
    classes = int(np.prod(outputs[0].shape))
    if classes < 2:
        raise ModelError(
            "'auc_ovr' compares the scores of classes, but the model has one output", hint="choose 'auc_binary'"
        )
    if lacking := sorted({*range(classes)} - {*np.unique(np.asarray(labels)).tolist()}):
        raise ModelError(
            f"'auc_ovr' needs samples of every class, but of the {len(labels)} samples used none is of class "
            + ", ".join(map(str, lacking)),
            hint="use more samples, or order the data set so that all classes come early; 'balanced' does without",
        )


def auc_one_versus_rest(outputs: Sequence[bytes], labels: Labels, tensors: Sequence[TensorInfo]) -> Metric:
    """Return the mean over classes of the area under the ROC curve of each class's score, that class against the rest.

    Its interval joins Newcombe's of the classes: MOVER (Zou 2007, Psychological Methods 12, 399-413) with the
    correlations of DeLong et al. 1988, since all areas come from the same samples. Raises as `check_one_versus_rest`.
    """
    check_one_versus_rest(labels, tensors)
    scores, truth = as_real(outputs, tensors), np.asarray(labels)
    classes = scores.shape[1]
    counts = np.bincount(truth, minlength=classes)
    placed = np.stack([_placements(scores[:, label], truth == label) for label in range(classes)], axis=1)
    areas = np.array([placed[truth == label, label].mean() for label in range(classes)])
    limits = np.array([newcombe(area, len(truth) - n, n) for area, n in zip(areas.tolist(), counts, strict=True)])
    together = _correlations(placed, truth, counts)
    low, high = (float(np.sqrt(reach @ together @ reach)) / classes for reach in np.abs(limits.T - areas))
    value = float(areas.mean())
    return Metric(
        value=value,
        unit="share",
        basis="counted",
        n=len(truth),
        ci95=(max(0.0, value - low), min(1.0, value + high)),
        ci_method="Newcombe, joined by MOVER",
        detail="AUC, one v. rest",
    )


def _placements(scores: Floats, positive: NDArray[np.bool_]) -> Floats:
    """Return the share of the other kind's samples that each sample stands on the right side of; a tie is half."""
    placed = np.empty(len(scores))
    for kind in (True, False):
        own, other = scores[positive == kind], np.sort(scores[positive != kind])
        below = np.searchsorted(other, own, side="left") + np.searchsorted(other, own, side="right")
        placed[positive == kind] = below / (2 * len(other)) if kind else 1 - below / (2 * len(other))
    return placed


def _correlations(placed: Floats, truth: NDArray[Any], counts: NDArray[Any]) -> Floats:
    """Return how the classes' areas vary together (classes, classes); 1 where one of them does not vary at all.

    An area is a mean of placements over its class plus one over the rest, so samples move it by their placement over
    the number of their kind; samples of one label are drawn alike.
    """
    classes = len(counts)
    own = truth[:, None] == np.arange(classes)
    moved = placed / np.where(own, counts, len(truth) - counts)
    covariance = np.zeros((classes, classes))
    for label in range(classes):
        if (n := counts[label]) > 1:
            covariance += n * np.cov(moved[truth == label].T)
    deviation = np.sqrt(covariance.diagonal())
    scale = np.outer(deviation, deviation)
    correlations: Floats = np.divide(covariance, scale, out=np.ones_like(covariance), where=scale > 0)
    return correlations


def roc_auc(normal: NDArray[np.float64], faulty: NDArray[np.float64]) -> float:
    """Return the share of pairs of a normal and a faulty score in which the faulty one is larger; a tie is half a pair.

    That is the Mann-Whitney U over the number of pairs, which equals the area under the ROC curve.
    """
    ordered = np.sort(normal)
    below = np.searchsorted(ordered, faulty, side="left").sum()
    not_above = np.searchsorted(ordered, faulty, side="right").sum()
    return float(below + not_above) / (2 * len(normal) * len(faulty))


def newcombe(area: float, normal: int, faulty: int) -> tuple[float, float]:
    """Return the 95 % interval of an AUC by method 5 of Newcombe 2006 (Statistics in Medicine 25, 559-573).

    As Wilson's for a share, it takes the variance (Hanley and McNeil 1982, with equal groups of the mean size) at the
    limit and not at the estimate: it stays within 0 and 1 and has a width even where the estimate is 0 or 1.
    """
    pairs, mean_less_1 = normal * faulty, (normal + faulty) / 2 - 1

    def outside(limit: float) -> bool:
        spread = 1 + mean_less_1 * ((1 - limit) / (2 - limit) + limit / (1 + limit))
        return (limit - area) ** 2 * pairs > Z95**2 * limit * (1 - limit) * spread

    def bisect(far: float, near: float) -> float:
        for _ in range(_BISECTIONS):
            middle = (far + near) / 2
            far, near = (middle, near) if outside(middle) else (far, middle)
        return near

    return bisect(0.0, area), bisect(1.0, area)
