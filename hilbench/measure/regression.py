"""The mean squared error of a model that gives numbers: against targets, or of an autoencoder against its input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError
from hilbench.measure.accuracy import as_real
from hilbench.measure.metric import Metric
from hilbench.measure.statistics import BOOTSTRAP, mean_interval
from hilbench.tensors import TensorInfo


def check_squared_error(
    targets: NDArray[Any] | None, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]
) -> None:
    """Raise `ModelError` unless the model has one output of as many elements as a target, or without targets its input.

    `targets` is (samples, elements).
    """
    if len(outputs) != 1:
        raise ModelError(f"'mse' judges the one output of a model, but this model has {len(outputs)}")
    size = math.prod(outputs[0].shape)
    if targets is not None:
        if targets.shape[1] != size:
            raise ModelError(
                f"a target has {targets.shape[1]} numbers, but the model's output has {size}",
                hint=f"'targets' is an array of shape (samples, {size})",
            )
    elif len(inputs) != 1 or math.prod(inputs[0].shape) != size:
        raise ModelError(
            "without 'targets', 'mse' compares a model's input with its output, and these differ in size",
            hint="give the numbers that the model should answer as 'targets' of the data set's arrays",
        )


def squared_error(
    samples: Sequence[bytes],
    outputs: Sequence[bytes],
    targets: NDArray[Any] | None,
    model_inputs: Sequence[TensorInfo],
    model_outputs: Sequence[TensorInfo],
) -> Metric:
    """Return the mean squared error over samples and elements, in the square of the output's own unit.

    Outputs are taken as real numbers. They are compared with `targets` (samples, elements), or where there are none
    with what went into the model, quantised as it was. The interval is the bootstrap's over samples; fewer than six
    have none. Raises `ModelError` as `check_squared_error` does.
    """
    check_squared_error(targets, model_inputs, model_outputs)
    expected = as_real(samples, model_inputs) if targets is None else targets
    errors = ((as_real(outputs, model_outputs) - expected) ** 2).mean(axis=1)
    interval = mean_interval(errors)
    return Metric(
        value=float(np.mean(errors)),
        unit="1",
        basis="counted",
        n=len(errors),
        ci95=interval,
        ci_method=BOOTSTRAP if interval else "",
        detail="MSE",
    )
