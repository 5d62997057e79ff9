"""Accuracy against labels, and fidelity against the reference interpreter: both count, neither guesses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.measure.metric import Metric
from hilbench.tensors import TensorInfo

Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


def as_array(outputs: Sequence[bytes], tensors: Sequence[TensorInfo], index: int = 0) -> NDArray[Any]:
    """Return output tensor `index` of every sample, shape (samples, elements), in its own dtype."""
    tensor, start = tensors[index], sum(tensor.bytes for tensor in tensors[:index])
    size = math.prod(tensor.shape)
    return np.stack([np.frombuffer(output, dtype=tensor.dtype, count=size, offset=start) for output in outputs])


def top1(outputs: Sequence[bytes], labels: Sequence[int], tensors: Sequence[TensorInfo]) -> Metric:
    """Return the share of samples whose largest output is that of their label (a tie goes to the lower class)."""
    right = int((as_array(outputs, tensors).argmax(axis=1) == np.asarray(labels)).sum())
    return Metric(
        value=right / len(labels),
        unit="share",
        basis="counted",
        n=len(labels),
        ci95=wilson(right, len(labels)),
        detail="top-1",
    )


def wilson(right: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of `right` in `n` trials (Wilson 1927; Newcombe 1998, method 3)."""
    share, z2 = right / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def fidelity(outputs: Sequence[bytes], reference: Sequence[bytes], tensors: Sequence[TensorInfo]) -> dict[str, Metric]:
    """Compare outputs with those of the reference interpreter, bit for bit.

    Returns `fidelity`, the share of samples whose outputs are all equal, and `fidelity_lsb`, the largest difference of
    any element of any output, in steps of its quantisation (for integer outputs).
    """
    equal = sum(ours == theirs for ours, theirs in zip(outputs, reference, strict=True))
    metrics = {"fidelity": Metric(value=equal / len(outputs), unit="share", basis="counted", n=len(outputs))}
    if all(np.issubdtype(np.dtype(tensor.dtype), np.integer) for tensor in tensors):
        pairs = [(as_array(outputs, tensors, i), as_array(reference, tensors, i)) for i in range(len(tensors))]
        worst = max(int(np.abs(ours.astype(np.int64) - theirs.astype(np.int64)).max()) for ours, theirs in pairs)
        elements = sum(ours.size for ours, _ in pairs)
        metrics["fidelity_lsb"] = Metric(value=worst, unit="LSB", basis="counted", n=elements)
    return metrics
