"""Turns a model's graph into a list of kernel calls with exact integer parameters. Needs no TVM.

Every condition under which an operator cannot run is found here, so what `supports` promises `emit` keeps.
"""

from __future__ import annotations

from dataclasses import dataclass

from hilbench.errors import UnsupportedModel
from hilbench.frameworks.tflite import Graph, Operator
from hilbench.frameworks.tvm.builder import QUANTISED, Argument, Builder, Call, Obstacle
from hilbench.frameworks.tvm.operators import OPERATORS

__all__ = ["Argument", "Call", "Program", "build"]

_CONVERT = (
    "convert the model with full integer quantisation: a representative dataset, "
    "supported_ops = [TFLITE_BUILTINS_INT8], and inference_input_type = inference_output_type = tf.int8"
)
_MOST_OBSTACLES = 3


@dataclass(frozen=True, eq=False)
class Program:
    """Calls in order, the size in bytes of each value they pass on, and which values are inputs and outputs."""

    calls: tuple[Call, ...]
    value_bytes: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def build(graph: Graph) -> Program:
    """Return the program of `graph`. Raises `UnsupportedModel` that names the operators in the way."""
    builder = Builder(graph)
    _take_inputs(builder)
    obstacles = []
    for operator in graph.operators:
        try:
            _add(builder, operator)
        except Obstacle as obstacle:
            builder.forget(operator)
            obstacles.append(f"{operator} {obstacle}")
    if not obstacles:
        places = enumerate(graph.outputs)
        obstacles = [f"output {i} is not computed" for i, index in places if index not in builder.values]
    if obstacles:
        left_out = len(obstacles) - _MOST_OBSTACLES
        more = f"; and {left_out} more" if left_out > 0 else ""
        raise UnsupportedModel("; ".join(obstacles[:_MOST_OBSTACLES]) + more)
    values = builder.values
    return Program(
        tuple(builder.calls),
        tuple(builder.value_bytes),
        tuple(values[index] for index in graph.inputs),
        tuple(values[index] for index in graph.outputs),
    )


def _take_inputs(builder: Builder) -> None:
    """Give the model's inputs their values: nothing else is judged while they have the wrong type."""
    tensors = [builder.graph.tensors[index] for index in builder.graph.inputs]
    wrong = [f"input '{tensor.name}' is {tensor.dtype}" for tensor in tensors if tensor.dtype not in QUANTISED]
    if wrong:
        raise UnsupportedModel(f"{'; '.join(wrong)} (only {' or '.join(QUANTISED)})", hint=_CONVERT)
    for index in builder.graph.inputs:
        try:
            builder.define(index)
        except Obstacle as obstacle:
            raise UnsupportedModel(f"input '{builder.graph.tensors[index].name}' {obstacle}") from obstacle


def _add(builder: Builder, operator: Operator) -> None:
    entry = OPERATORS.get(operator.name)
    if entry is None:
        raise Obstacle("is not supported")
    for place, index in enumerate(operator.outputs):
        if index in builder.values or index in operator.outputs[:place]:
            raise Obstacle(f"writes tensor {index}, which has a value already")
    entry.add(builder, operator)
