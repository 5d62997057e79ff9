"""What a trained estimator itself decides: the reference for its C. A program for a child process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hilbench.errors import ModelError, Unavailable
from hilbench.frameworks.emlearn import child
from hilbench.frameworks.emlearn.estimators import KERAS, Estimator, read


def predict(model: Path, question: Mapping[str, Any]) -> dict[str, Any]:
    """Save the scores of all samples as `question["scores"]`: float32, shape (samples, classes).

    `question["samples"]` is a .npy file of shape (samples, features). The largest score of a sample is that of the
    class that the estimator's own `predict` names. Raises `ModelError`, `Unavailable` for a regressor.
    """
    estimator = read(model)
    samples = np.load(question["samples"], allow_pickle=False)
    if samples.shape[1] != estimator.features:
        raise ModelError(f"the samples have {samples.shape[1]} features, and the model takes {estimator.features}")
    if not estimator.classifier:
        raise Unavailable("the outputs of a regressor are rounded, so none is equal to its reference")
    scores, decided = _keras(estimator, samples) if estimator.name == KERAS else _scikit(estimator, samples)
    scores = scores.astype(np.float32)
    # Rounding to float32 may make two scores equal that were not.
    for row in np.nonzero(scores.argmax(axis=1) != decided)[0]:
        scores[row, decided[row]] = np.nextafter(scores[row].max(), np.float32(np.inf))
    np.save(question["scores"], scores)
    return {"versions": _versions(estimator)}


def _scikit(estimator: Estimator, samples: Any) -> tuple[Any, Any]:
    fitted = estimator.fitted
    if hasattr(fitted, "n_jobs"):
        fitted.n_jobs = 1
    places = {label: place for place, label in enumerate(fitted.classes_.tolist())}
    decided = np.array([places[label] for label in fitted.predict(samples).tolist()])
    return fitted.predict_proba(samples), decided


def _keras(estimator: Estimator, samples: Any) -> tuple[Any, Any]:
    values = np.asarray(estimator.fitted.predict(samples, verbose=0))
    scores = np.hstack([1 - values, values]) if values.shape[1] == 1 else values
    return scores, scores.argmax(axis=1)


def _versions(estimator: Estimator) -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in (["keras"] if estimator.name == KERAS else ["scikit-learn", "skops"])}


if __name__ == "__main__":
    child.serve(predict)
