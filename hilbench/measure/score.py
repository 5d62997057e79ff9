"""Judges outputs by what the suite's `accuracy:` names. A new way is a function, and one entry here.

(Its name is also one in `hilbench.catalog.suite.Accuracy`, which knows what a file may say but not how it is done.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from pydantic import model_validator

from hilbench.catalog.data import Array, Samples
from hilbench.catalog.suite import Task
from hilbench.errors import ModelError
from hilbench.measure.accuracy import balanced, confusion, top1
from hilbench.measure.anomaly import auc, auc_by_file, check_auc, check_auc_by_file
from hilbench.measure.metric import Int, Metric, Part
from hilbench.measure.regression import check_squared_error, squared_error
from hilbench.measure.roc import auc_binary, auc_one_versus_rest, check_binary, check_one_versus_rest
from hilbench.tensors import TensorInfo

_MOST_CLASSES = 100
"""A confusion matrix of more would be most of a record."""


class Judged(Protocol):
    """How outputs are judged: a suite's task, or what a record says of it."""

    @property
    def accuracy(self) -> str | None:
        """A key of `KINDS`; None: they are not."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes, if they have any."""


@dataclass(frozen=True)
class Question:
    """What outputs are judged by: the samples with what is known of them, and the model's tensors."""

    samples: Samples
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]

    @property
    def labels(self) -> Array:
        """The labels. The catalog refuses a task whose metric needs them and whose data set has none."""
        assert self.samples.labels is not None
        return self.samples.labels

    @property
    def groups(self) -> Array:
        """The file of each sample, which the catalog asks for alike."""
        assert self.samples.groups is not None
        return self.samples.groups


@dataclass(frozen=True)
class Kind:
    """A way to judge. `check` raises `ModelError` for what can be told before a board runs.

    `classifies`: the outputs are scores of classes, and labels are their indices: to judge them takes nothing else.
    """

    score: Callable[[Question, Sequence[bytes]], Metric]
    check: Callable[[Question], None] = lambda question: None
    classifies: bool = False


KINDS: Mapping[str, Kind] = {
    "top1": Kind(lambda q, outputs: top1(outputs, q.labels.tolist(), q.outputs), classifies=True),
    "balanced": Kind(lambda q, outputs: balanced(outputs, q.labels.tolist(), q.outputs), classifies=True),
    "auc_binary": Kind(
        lambda q, outputs: auc_binary(outputs, q.labels, q.outputs),
        lambda q: check_binary(q.labels, q.outputs),
        classifies=True,
    ),
    "auc_ovr": Kind(
        lambda q, outputs: auc_one_versus_rest(outputs, q.labels, q.outputs),
        lambda q: check_one_versus_rest(q.labels, q.outputs),
        classifies=True,
    ),
    "auc": Kind(
        lambda q, outputs: auc(q.samples.inputs, outputs, q.labels, q.inputs, q.outputs),
        lambda q: check_auc(q.labels, q.inputs, q.outputs),
    ),
    "auc_file": Kind(
        lambda q, outputs: auc_by_file(q.samples.inputs, outputs, q.labels, q.groups, q.inputs, q.outputs),
        lambda q: check_auc_by_file(q.labels, q.groups, q.inputs, q.outputs),
    ),
    "mse": Kind(
        lambda q, outputs: squared_error(q.samples.inputs, outputs, q.samples.targets, q.inputs, q.outputs),
        lambda q: check_squared_error(q.samples.targets, q.inputs, q.outputs),
    ),
}


class Confusion(Part):
    """How often a sample of each class (row) was taken for each class (column). `classes` are names, if there are."""

    classes: tuple[str, ...] | None
    counts: tuple[tuple[Int, ...], ...]

    @model_validator(mode="after")
    def _square(self) -> Self:
        classes = len(self.counts)
        if classes < 1 or any(len(row) != classes for row in self.counts):
            raise ValueError("a confusion matrix has as many columns as rows")
        if self.classes is not None and len(self.classes) != classes:
            raise ValueError(f"there are {len(self.classes)} names of {classes} classes")
        return self


def class_count(task: Judged, outputs: Sequence[TensorInfo]) -> int | None:
    """Return how many classes labels may name: one an output, two for a single score; None if they are no classes."""
    if task.accuracy is None or not KINDS[task.accuracy].classifies:
        return None
    elements = math.prod(outputs[0].shape)
    return 2 if elements == 1 and task.accuracy == "auc_binary" else elements


def check(task: Task, question: Question) -> None:
    """Raise `ModelError` if the task's metric cannot be had of this model on these samples, before a board has run."""
    if task.classes is not None:
        count = class_count(task, question.outputs)
        if count is None:
            why = f"'{task.accuracy}' does not judge any" if task.accuracy else "it has no 'accuracy:' that judges them"
            raise ModelError(f"task '{task.id}' names classes, but {why}")
        if len(task.classes) != count:
            raise ModelError(f"task '{task.id}' names {len(task.classes)} classes, but the model has {count}")
    if task.accuracy is not None:
        KINDS[task.accuracy].check(question)


def score(task: Judged, question: Question, outputs: Sequence[bytes]) -> dict[str, Metric]:
    """Return `accuracy` of all samples' `outputs`; nothing if the task names no metric."""
    return {} if task.accuracy is None else {"accuracy": KINDS[task.accuracy].score(question, outputs)}


def confusion_of(task: Judged, question: Question, outputs: Sequence[bytes]) -> Confusion | None:
    """Return the confusion matrix of a classifier of 2 to 100 classes that has a score for each, None of others."""
    classes, scores = class_count(task, question.outputs), math.prod(question.outputs[0].shape)
    if classes is None or classes != scores or not 2 <= classes <= _MOST_CLASSES:
        return None
    return Confusion(classes=task.classes, counts=confusion(outputs, question.labels.tolist(), question.outputs))
