"""Accuracy against labels, and fidelity against the reference interpreter: both count, neither guesses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError
from hilbench.measure.metric import Metric
from hilbench.measure.statistics import Z95
from hilbench.tensors import TensorInfo


def as_array(outputs: Sequence[bytes], tensors: Sequence[TensorInfo], index: int = 0) -> NDArray[Any]:
    """Return output tensor `index` of every sample, shape (samples, elements), in its own dtype."""
    tensor, start = tensors[index], sum(tensor.bytes for tensor in tensors[:index])
    size = math.prod(tensor.shape)
    return np.stack([np.frombuffer(output, dtype=tensor.dtype, count=size, offset=start) for output in outputs])


def as_real(outputs: Sequence[bytes], tensors: Sequence[TensorInfo]) -> NDArray[np.float64]:
    """Return the first tensor of every sample as real numbers, (q - zero_point) * scale, shape (samples, elements).

    Raises `ModelError` for NaN and infinity, which no score can be made of.
    """
    values = as_array(outputs, tensors).astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(wrong):
        raise ModelError(
            f"'{tensors[0].name}' of sample {wrong[0]} holds NaN or infinity ({len(wrong)} samples do)",
            hint="does the model overflow on these inputs? compare with another framework, or look at `fidelity`",
        )
    return (values - tensors[0].zero_point) * (tensors[0].scale or 1.0)  # a scale of 0 is no quantisation


def top1(outputs: Sequence[bytes], labels: Sequence[int], tensors: Sequence[TensorInfo]) -> Metric:
    """Return the share of samples whose largest output is that of their label (a tie goes to the lower class)."""
    right = int((as_array(outputs, tensors).argmax(axis=1) == np.asarray(labels)).sum())
    return Metric(
        value=right / len(labels),
        unit="share",
        basis="counted",
        n=len(labels),
        ci95=wilson(right, len(labels)),
        ci_method="Wilson",
        detail="top-1",
    )


def balanced(outputs: Sequence[bytes], labels: Sequence[int], tensors: Sequence[TensorInfo]) -> Metric:
    """Return balanced accuracy: the mean over classes of the share of their samples that are right.

    Classes without a sample are left out, and `detail` says so. Its interval joins the Wilson intervals of the classes:
    MOVER (Zou and Donner 2008, Statistics in Medicine 27, 1693-1702), as the mean of independent shares.
    """
    counts = np.array(confusion(outputs, labels, tensors))
    seen = counts[counts.sum(axis=1) > 0]
    right = np.array([row[label] for label, row in enumerate(counts) if row.any()])
    shares = right / seen.sum(axis=1)
    limits = np.array([wilson(int(hits), int(row.sum())) for hits, row in zip(right, seen, strict=True)])
    low, high = np.sqrt(((limits.T - shares) ** 2).sum(axis=1)) / len(shares)
    value = float(shares.mean())
    return Metric(
        value=value,
        unit="share",
        basis="counted",
        n=len(labels),
        ci95=(max(0.0, value - float(low)), min(1.0, value + float(high))),
        ci_method="Wilson, joined by MOVER",
        detail="balanced" if len(seen) == len(counts) else f"balanced, {len(seen)} of {len(counts)} classes",
    )


def confusion(
    outputs: Sequence[bytes], labels: Sequence[int], tensors: Sequence[TensorInfo]
) -> tuple[tuple[int, ...], ...]:
    """Return how often a sample of each class (row) was taken for each class (column): its largest output."""
    answers = as_array(outputs, tensors).argmax(axis=1)
    classes = math.prod(tensors[0].shape)
    cells = np.bincount(np.asarray(labels) * classes + answers, minlength=classes * classes)
    return tuple(tuple(row) for row in cells.reshape(classes, classes).tolist())


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
