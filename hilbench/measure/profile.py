"""What each operator of a model takes: medians over a few inferences of an image that is built to tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from hilbench.catalog.board import Board
from hilbench.measure.metric import Basis, Part


class OperatorTime(Part):
    """One operator, named as in the model with its index ("3 CONV_2D"), and what it takes in the profile's unit."""

    name: str
    value: float


class Profile(Part):
    """The operators in the order they run. `rest` is what the runtime takes between them.

    It comes from an image of its own, `build_id`: no other number of a record does.
    """

    unit: Literal["instructions", "cycles"]
    basis: Basis
    operators: tuple[OperatorTime, ...]
    rest: float
    n: int
    build_id: str

    @property
    def total(self) -> float:
        """The whole inference."""
        return sum(operator.value for operator in self.operators) + self.rest


def profile_of(counts: Sequence[Sequence[int]], operators: Sequence[str], board: Board, build_id: str) -> Profile:
    """Return the profile of `counts`: a row an inference, a number an operator and one for the rest.

    Raises `ValueError` when a row has another length.
    """
    rows = np.asarray(counts, dtype=np.float64)
    if rows.shape != (len(counts), len(operators) + 1):
        raise ValueError(f"a profile of {len(operators)} operators has {rows.shape[-1] - 1} of them")
    *values, rest = (float(value) for value in np.percentile(rows, 50, axis=0, method="inverted_cdf"))
    cycles = board.counter == "cycles"
    return Profile(
        unit="cycles" if cycles else "instructions",
        basis="measured" if cycles else "counted",
        operators=tuple(OperatorTime(name=name, value=value) for name, value in zip(operators, values, strict=True)),
        rest=rest,
        n=len(counts),
        build_id=build_id,
    )
