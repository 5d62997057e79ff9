"""AUC of an anomaly detector that rebuilds its input: how well the error of its copy tells faulty from normal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError
from hilbench.measure.accuracy import as_real
from hilbench.measure.metric import Metric
from hilbench.measure.roc import Labels, area_metric, check_two_kinds
from hilbench.tensors import TensorInfo


def check_auc(labels: Labels, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> None:
    """Raise `ModelError` unless AUC means something here, so that a board need not run to find out.

    The model has one input and one output of as many elements; the labels are 0 (normal) and 1 (faulty), both present.
    """
    if len(inputs) != 1 or len(outputs) != 1:
        what = f"has {len(inputs)} inputs and {len(outputs)} outputs"
        raise ModelError(f"AUC compares the one input of a model with its one output, but this model {what}")
    if (before := math.prod(inputs[0].shape)) != (after := math.prod(outputs[0].shape)):
        raise ModelError(
            f"AUC compares a model's input with its output, element by element: {before} go in, but {after} come out",
            hint="the model has to be an autoencoder; for a classifier, choose top1, auc_binary or auc_ovr",
        )
    check_two_kinds(labels, "samples", "normal", "faulty")


def check_auc_by_file(
    labels: Labels, groups: Labels, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]
) -> None:
    """Raise `ModelError` unless `check_auc` holds and all samples of a file have one label."""
    check_auc(labels, inputs, outputs)
    _files(labels, groups)


def auc(
    samples: Sequence[bytes],
    outputs: Sequence[bytes],
    labels: Labels,
    model_inputs: Sequence[TensorInfo],
    model_outputs: Sequence[TensorInfo],
) -> Metric:
    """Return the area under the ROC curve of `anomaly_scores` against labels, 0 normal and 1 faulty.

    `samples` are the bytes that went into the model and `outputs` those that came out. Raises `ModelError` as
    `check_auc` does.
    """
    check_auc(labels, model_inputs, model_outputs)
    scores = anomaly_scores(samples, outputs, model_inputs, model_outputs)
    return area_metric(scores, np.asarray(labels) == 1, "AUC")


def auc_by_file(
    samples: Sequence[bytes],
    outputs: Sequence[bytes],
    labels: Labels,
    groups: Labels,
    model_inputs: Sequence[TensorInfo],
    model_outputs: Sequence[TensorInfo],
) -> Metric:
    """Return the area under the ROC curve of files, as MLPerf Tiny's anomaly detection has it.

    A file's score is the mean of its windows' `anomaly_scores`; `groups` says which file each window is from. A file
    is one observation, in `n` and in the interval. Raises `ModelError` as `check_auc_by_file` does.
    """
    check_auc_by_file(labels, groups, model_inputs, model_outputs)
    faulty, member = _files(labels, groups)
    scores = anomaly_scores(samples, outputs, model_inputs, model_outputs)
    return area_metric(np.bincount(member, scores) / np.bincount(member), faulty, "AUC by file")


def _files(labels: Labels, groups: Labels) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Return which files are faulty, and for each sample the index of its file. Raises `ModelError` for mixed labels.

    `np.unique` gives a sample of each file, and the label of that has to be the label of all.
    """
    truth = np.asarray(labels) == 1
    names, one, member = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    mixed = np.flatnonzero(truth != truth[one][member])
    if len(mixed):
        file = names[member[mixed[0]]]
        raise ModelError(
            f"all samples of a file have one label, but those of file {file} have both 0 and 1",
            hint="a group is one recording, normal or faulty: check that 'groups' and 'labels' are in the same order",
        )
    return truth[one], member


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
    difference = as_real(outputs, model_outputs) - as_real(samples, model_inputs)
    return np.asarray((difference**2).mean(axis=1))
