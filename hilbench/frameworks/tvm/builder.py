"""The program under construction: calls of kernels on values, and what all operators ask of their tensors.

An operator that cannot run raises `Obstacle` with the reason; `program.build` puts the operator's name before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from hilbench.frameworks.tflite import Graph, Operator, Tensor
from hilbench.frameworks.tvm import fixedpoint, kernel
from hilbench.frameworks.tvm.fixedpoint import Factor
from hilbench.frameworks.tvm.kernel import Pair, Shape

Array = npt.NDArray[Any]
Argument = int | Array
"""What a kernel reads: the number of a value, or a constant."""

BYTES: Mapping[str, int] = {"int8": 1, "int16": 2, "int32": 4, "float32": 4}
"""The types that a value may have, and their sizes in memory."""
LARGEST_BYTES = 1 << 26
"""No value may be larger: far beyond any microcontroller, and offsets stay within 32 bits."""
QUANTISED = ("int8", "int16")


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a kernel by operator `operator` of the graph; writes the value `output`."""

    operator: int
    kernel: kernel.Kernel
    arguments: tuple[Argument, ...]
    output: int


class Obstacle(Exception):
    """Why one operator cannot run."""


@dataclass
class Builder:
    """The program so far. `values` maps the graph's tensors to values; a reshape gives two tensors one value."""

    graph: Graph
    calls: list[Call] = field(default_factory=list)
    value_bytes: list[int] = field(default_factory=list)
    values: dict[int, int] = field(default_factory=dict)

    def tensor(self, operator: Operator, position: int) -> Tensor:
        """Return an input of an operator."""
        if position >= len(operator.inputs) or operator.inputs[position] < 0:
            raise Obstacle(f"lacks input {position}")
        return self.graph.tensors[operator.inputs[position]]

    def constant(
        self, operator: Operator, position: int, what: str, dtypes: Sequence[str] = ("int32",)
    ) -> tuple[int, ...]:
        """Return an input that must be a constant of whole numbers, such as axes. Few of TFLite Micro's take int64."""
        tensor = self.tensor(operator, position)
        if tensor.data is None or operator.inputs[position] in self.values or tensor.dtype not in dtypes:
            raise Obstacle(f"has {what} that are no constant {' or '.join(dtypes)}")
        return tuple(int(number) for number in tensor.data.reshape(-1))

    def define(self, index: int) -> int:
        """Give tensor `index` a value of its own."""
        if index not in self.values:
            tensor = self.graph.tensors[index]
            if tensor.dtype not in BYTES:
                raise Obstacle(f"writes {tensor.dtype}")
            self.values[index] = self.reserve(tensor.size, tensor.dtype)
        return self.values[index]

    def reserve(self, size: int, dtype: str) -> int:
        """Return a new value of `size` elements."""
        if size * BYTES[dtype] > LARGEST_BYTES:
            raise Obstacle(f"needs a tensor of {size} {dtype} (at most {LARGEST_BYTES} bytes)")
        self.value_bytes.append(size * BYTES[dtype])
        return len(self.value_bytes) - 1

    def forget(self, operator: Operator) -> None:
        """Let later operators use the outputs of one that cannot run, so that each is judged by itself."""
        for index in operator.outputs:
            self.values.setdefault(index, 0)

    def argument(self, index: int) -> Argument:
        """Return what holds tensor `index` when it is read."""
        if index in self.values:
            return self.values[index]
        data = self.graph.tensors[index].data
        if data is None:
            raise Obstacle(f"reads tensor {index}, which nothing wrote")
        return data

    def call(self, operator: Operator, what: kernel.Kernel, *arguments: Argument, output: int = 0) -> None:
        """Add a call that writes one of the operator's outputs."""
        self.calls.append(Call(operator.index, what, arguments, self.define(operator.outputs[output])))

    def write(self, operator: Operator, what: kernel.Kernel, *arguments: Argument, target: int) -> None:
        """Add a call that writes a value which is no tensor of the graph."""
        self.calls.append(Call(operator.index, what, arguments, target))

    def alias(self, operator: Operator) -> None:
        """Let the output be the first input under another shape."""
        value = self.argument(operator.inputs[0])
        if isinstance(value, int):
            self.values[operator.outputs[0]] = value
            return
        self.call(operator, kernel.Move(value.dtype.name, value.size, (value.size,), (1,), 0), value)


def activations(
    builder: Builder, operator: Operator, operands: int = 1, dtypes: Sequence[str] = ("int8",), *, scaled: bool = True
) -> tuple[Tensor, ...]:
    """Return the operands and the output, all of one of `dtypes` and quantised as a whole.

    With `scaled` off, tensors need no scale: the operator only moves or compares what is stored.
    """
    if not operator.outputs:
        raise Obstacle("has no output")
    tensors = [builder.tensor(operator, position) for position in range(operands)]
    tensors.append(builder.graph.tensors[operator.outputs[0]])
    for tensor in tensors:
        check(tensor, dtypes, scaled=scaled)
        if tensor.dtype != tensors[0].dtype:
            raise Obstacle(f"mixes {tensors[0].dtype} and {tensor.dtype}")
    return tuple(tensors)


def check(tensor: Tensor, dtypes: Sequence[str], *, scaled: bool = True) -> None:
    """Raise `Obstacle` for an activation of another type, without a usable scale or zero point, or without elements."""
    if tensor.dtype not in dtypes:
        raise Obstacle(f"has {tensor.dtype} activations (only {' or '.join(dtypes)})")
    if not tensor.size:
        raise Obstacle(f"has an empty activation ('{tensor.name}')")
    if not scaled:
        return
    if not good(tensor.scale):
        raise Obstacle(f"has an activation without one scale ('{tensor.name}')")
    low, high = fixedpoint.limits(tensor.dtype) if tensor.dtype == "int8" else (0, 0)
    if not low <= tensor.zero_point <= high:
        raise Obstacle(f"has the zero point {tensor.zero_point} for {tensor.dtype} ('{tensor.name}')")


def good(scale: float) -> bool:
    """Say whether a scale can be worked with."""
    return math.isfinite(scale) and scale > 0.0


def factor(real: float, largest: int) -> Factor:
    """Return a real factor for numbers of up to `largest` in size: TFLite Micro shifts them left within 32 bits."""
    try:
        made = fixedpoint.factor(real)
    except ValueError as error:
        raise Obstacle(f"is out of range: {error}") from error
    if largest << max(made.exponent, 0) >= 1 << 31:
        raise Obstacle(f"has scales too far apart (a factor of {real:g})")
    return made


def clamp_range(operator: Operator, output: Tensor) -> Pair:
    """Return the smallest and largest value that the fused activation lets through."""
    activation = str(operator.options.get("fused_activation_function", "NONE"))
    try:
        return fixedpoint.activation_range(activation, output.scale, output.zero_point, output.dtype)
    except KeyError:
        raise Obstacle(f"has the fused activation {activation}") from None
    except ValueError as error:
        raise Obstacle(f"is out of range: {error}") from error


def number(operator: Operator, name: str) -> float:
    """Return an option that is a number."""
    value = operator.options.get(name)
    if not isinstance(value, (int, float)):
        raise Obstacle(f"has no {name}")
    return value


def axis_of(value: float, rank: int) -> int:
    """Return an axis counted from the front."""
    axis = int(value)
    if not -rank <= axis < rank:
        raise Obstacle(f"has the axis {axis} of {rank}")
    return axis % rank


def merge(shape: Shape, patterns: Sequence[Sequence[object]]) -> tuple[Shape, list[list[object]]]:
    """Join neighbouring dimensions for which no pattern changes, and leave out those of 1.

    Each of `patterns` says something of every dimension; returns the new shape and the patterns for it.
    """
    sizes: list[int] = []
    kept: list[list[object]] = [[] for _ in patterns]
    for size, *marks in zip(shape, *patterns, strict=True):
        if size == 1:
            continue
        if sizes and all(so_far[-1] == mark for so_far, mark in zip(kept, marks, strict=True)):
            sizes[-1] *= size
            continue
        sizes.append(size)
        for so_far, mark in zip(kept, marks, strict=True):
            so_far.append(mark)
    return tuple(sizes), kept
