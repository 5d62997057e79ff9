"""The reference of fidelity for trained estimators: what scikit-learn or Keras itself decides about the same samples.

Frameworks such as emlearn approximate on purpose (whole-number features, majority votes, rounded weights), so outputs
are not equal bit by bit. What has to be equal is the decision: the class with the largest score.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hilbench.errors import ModelError
from hilbench.frameworks.emlearn import child
from hilbench.measure.accuracy import as_array, wilson
from hilbench.measure.metric import Metric
from hilbench.tensors import TensorInfo

_PREDICT = "hilbench.frameworks.emlearn.predict"


def trained_outputs(
    model: Path, samples: Sequence[bytes], inputs: Sequence[TensorInfo]
) -> tuple[list[bytes], Mapping[str, str]]:
    """Return the scores that the estimator in `model` gives to each sample (float32, one a class), and versions.

    A sample is the raw bytes of the one input tensor. Raises `Unavailable` when scikit-learn or Keras is not here, or
    when the estimator decides nothing (a regressor); `ModelError` when the model cannot be read.
    """
    (tensor,) = inputs
    if any(len(sample) != tensor.bytes for sample in samples):
        raise ModelError(f"a sample is not of {tensor.bytes} bytes", where=str(model))
    shape = (len(samples), math.prod(tensor.shape))
    features = np.frombuffer(b"".join(samples), np.dtype(tensor.dtype).newbyteorder("<")).reshape(shape)
    with tempfile.TemporaryDirectory(prefix="hilbench-") as folder:
        samples_file, scores_file = Path(folder, "samples.npy"), Path(folder, "scores.npy")
        np.save(samples_file, features)
        answer = child.ask(_PREDICT, model, samples=str(samples_file), scores=str(scores_file))
        scores = np.load(scores_file, allow_pickle=False)
    return [row.tobytes() for row in scores], answer["versions"]


def agreement(outputs: Sequence[bytes], reference: Sequence[bytes], tensors: Sequence[TensorInfo]) -> dict[str, Metric]:
    """Return `fidelity`: the share of samples whose largest score is that of the same class (a tie: the lower)."""
    same = as_array(outputs, tensors).argmax(axis=1) == as_array(reference, tensors).argmax(axis=1)
    equal = int(same.sum())
    ci95 = wilson(equal, len(same))
    return {
        "fidelity": Metric(
            value=equal / len(same), unit="share", basis="counted", n=len(same), ci95=ci95, detail="same class"
        )
    }
