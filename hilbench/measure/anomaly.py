"""AUC of an anomaly detector that rebuilds its input: how well the error of its copy tells faulty from normal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError
from hilbench.measure.accuracy import Z95, as_array
from hilbench.measure.metric import Metric
from hilbench.tensors import TensorInfo

_BISECTIONS = 60
"""Halvings of an interval of at most 1: past what a double can tell apart."""


def check_auc(
    labels: Sequence[int] | NDArray[Any], inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]
) -> None:
    """Raise `ModelError` unless AUC means something here, so that a board need not run to find out.

    The model has one input and one output of as many elements; the labels are 0 (normal) and 1 (faulty), both present.
    """
    if len(inputs) != 1 or len(outputs) != 1:
        what = f"has {len(inputs)} inputs and {len(outputs)} outputs"
        raise ModelError(f"AUC compares the one input of a model with its one output, but this model {what}")
    if (before := math.prod(inputs[0].shape)) != (after := math.prod(outputs[0].shape)):
        raise ModelError(
            f"AUC compares a model's input with its output, element by element: {before} go in, but {after} come out",
            hint="the model has to be an autoencoder; for a classifier, choose 'accuracy: top1'",
        )
    other = [label for label in np.unique(np.asarray(labels)).tolist() if label not in (0, 1)]
    if other:
        raise ModelError(f"for AUC, a label is 0 (normal) or 1 (faulty), but there is a label {other[0]}")
    faulty = int(np.count_nonzero(labels))
    if not 0 < faulty < len(labels):
        lacking = "normal (0)" if faulty else "faulty (1)"
        raise ModelError(
            f"AUC needs normal and faulty samples, but of the {len(labels)} samples used none is {lacking}",
            hint="use more samples, or order the data set so that both kinds come early",
        )


def auc(
    samples: Sequence[bytes],
    outputs: Sequence[bytes],
    labels: Sequence[int],
    model_inputs: Sequence[TensorInfo],
    model_outputs: Sequence[TensorInfo],
) -> Metric:
    """Return the area under the ROC curve of `anomaly_scores` against labels, 0 normal and 1 faulty.

    `samples` are the bytes that went into the model and `outputs` those that came out. Raises `ModelError` as
    `check_auc` does.
    """
    check_auc(labels, model_inputs, model_outputs)
    scores, faulty = anomaly_scores(samples, outputs, model_inputs, model_outputs), np.asarray(labels) == 1
    area = roc_auc(scores[~faulty], scores[faulty])
    interval = newcombe(area, int((~faulty).sum()), int(faulty.sum()))
    return Metric(value=area, unit="share", basis="counted", n=len(labels), ci95=interval, detail="AUC")


def anomaly_scores(
    samples: Sequence[bytes],
    outputs: Sequence[bytes],
    model_inputs: Sequence[TensorInfo],
    model_outputs: Sequence[TensorInfo],
) -> NDArray[np.float64]:
    """Return each sample's anomaly score, float64 (samples,): the mean squared difference of output and input.

    Both are taken as real numbers, (q - zero_point) * scale, in the unit of the model's input squared. The input is the
    quantised one that the device got, so a score comes from nothing but what went in and what came out.
    """
    difference = _real(outputs, model_outputs) - _real(samples, model_inputs)
    return np.asarray((difference**2).mean(axis=1))


def _real(data: Sequence[bytes], tensors: Sequence[TensorInfo]) -> NDArray[np.float64]:
    values = as_array(data, tensors).astype(np.float64)
    return (values - tensors[0].zero_point) * (tensors[0].scale or 1.0)  # a scale of 0 is no quantisation


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
