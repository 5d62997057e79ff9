"""Which reference judges a model, and how outputs are compared with it: decided by the kind of the model's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hilbench.measure.accuracy import fidelity
from hilbench.measure.metric import Metric
from hilbench.measure.tflm_reference import reference_outputs
from hilbench.measure.trained_reference import agreement, trained_outputs
from hilbench.tensors import TensorInfo

Outputs = Callable[[Path, Sequence[bytes], Sequence[TensorInfo]], tuple[list[bytes], Mapping[str, str]]]
Compare = Callable[[Sequence[bytes], Sequence[bytes], Sequence[TensorInfo]], dict[str, Metric]]


@dataclass(frozen=True)
class Judge:
    """A reference. `outputs(model, samples, inputs)` gives its outputs for raw samples, and versions.

    `compare(outputs, reference, tensors)` makes the metrics. `outputs` raises `Unavailable` and `ModelError`.
    """

    name: str
    outputs: Outputs
    compare: Compare


def _tflm(model: Path, samples: Sequence[bytes], inputs: Sequence[TensorInfo]) -> tuple[list[bytes], Mapping[str, str]]:
    return reference_outputs(model, samples)


_TFLM = Judge("TensorFlow Lite Micro", _tflm, fidelity)
_JUDGES = {
    ".skops": Judge("scikit-learn", trained_outputs, agreement),
    ".keras": Judge("Keras", trained_outputs, agreement),
}


def judge_named(name: str) -> Judge | None:
    """Return the reference of this name, as in a record; None if there is no such."""
    return next((judge for judge in (_TFLM, *_JUDGES.values()) if judge.name == name), None)


def judge_of(file: str) -> Judge:
    """Return the reference for a model `file`, by its suffix: TensorFlow Lite Micro unless another is known."""
    return _JUDGES.get(PurePosixPath(file).suffix.lower(), _TFLM)
