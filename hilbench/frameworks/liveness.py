"""How many bytes of tensors are alive at once in a model: what any framework needs that does not fuse operators.

Counted in the graph alone: operators run in the model's order, and each has its inputs and outputs in memory of their
own. What a kernel needs to work in is not counted, nor how tensors are aligned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hilbench.frameworks import tflite
from hilbench.frameworks.base import Model, takes
from hilbench.frameworks.tflite import Graph, Tensor

_BITS = {"int4": 4, "uint4": 4, "int2": 2, "bfloat16": 16}  # of types that numpy lacks


@dataclass(frozen=True)
class Peak:
    """The most bytes of tensors that are alive at one operator, and the first such operator, as in "3 CONV_2D"."""

    bytes: int
    operator: str


def peak_of(model: Model) -> Peak | None:
    """Return the peak of a .tflite model; None for another kind. Raises what `tflite.read` raises."""
    return peak(tflite.read(model.path)) if takes(model, ".tflite").ok else None


def peak(graph: Graph) -> Peak | None:
    """Return where most bytes of tensors are alive; None for a graph without operators, or with tensors of any size.

    Inputs are there from the first operator on, outputs until the last. What is neither an input nor made by any
    operator keeps what it holds from one inference to the next. Constants take no RAM.
    """
    last_step = len(graph.operators) - 1
    first = dict.fromkeys(graph.inputs, 0)
    last = dict(first)
    for step, operator in enumerate(graph.operators):
        for tensor in operator.outputs:
            first.setdefault(tensor, step)
            last[tensor] = max(last.get(tensor, 0), step)
        for tensor in operator.inputs:
            if tensor not in first:  # nothing made it: a variable, or a constant
                first[tensor], last[tensor] = 0, last_step
            last[tensor] = max(last[tensor], step)
    last |= dict.fromkeys(graph.outputs, last_step)
    change = [0] * (last_step + 2)
    for tensor in set(first) - {-1}:
        size = _bytes(graph.tensors[tensor])
        if size is None:
            return None
        change[first[tensor]] += size
        change[last[tensor] + 1] -= size
    return _highest(change, graph.operator_names())


def _highest(change: list[int], names: tuple[str, ...]) -> Peak | None:
    found, alive = None, 0
    for name, difference in zip(names, change, strict=False):
        alive += difference
        if found is None or alive > found.bytes:
            found = Peak(alive, name)
    return found


def _bytes(tensor: Tensor) -> int | None:
    """Return what a tensor takes in RAM; None for one whose type has no size, such as a string."""
    if tensor.data is not None:
        return 0
    if tensor.dtype in _BITS:
        return -(-tensor.size * _BITS[tensor.dtype] // 8)
    try:
        return tensor.size * np.dtype(tensor.dtype).itemsize
    except TypeError:
        return None
