"""What each operator of a model takes: medians over a few inferences of an image that is built to tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hilbench.measure.latency import Clock
from hilbench.measure.metric import Basis, Int, Number, Part


class OperatorTime(Part):
    """One operator, named as in the model with its index ("3 CONV_2D"), and what it takes in the profile's unit.

    `cycles` are those estimated for the real board, where the unit is instructions and the board's file allows it.
    """

    name: str
    value: Number
    cycles: Number | None = None


@dataclass(frozen=True)
class OperatorCycles:
    """Estimated cycles: a row an inference, a number an operator and one for the rest; their model and its error."""

    rows: Sequence[Sequence[float]]
    model: str
    error: str


class Profile(Part):
    """The operators in the order they run. `rest` is what the runtime takes between them, `rest_cycles` that in cycles.

    `model` and `error` are given where cycles were estimated; `no_cycles` is why they were not, though the board's file
    allows it. A profile comes from an image of its own, `build_id`: no other number of a record does. `rows` and
    `cycle_rows` are what all is the median of: a row an inference, a number an operator and one for the rest.
    """

    unit: Literal["instructions", "cycles"]
    basis: Basis
    operators: tuple[OperatorTime, ...]
    rest: Number
    rest_cycles: Number | None = None
    model: str | None = None
    error: str | None = None
    no_cycles: str = ""
    n: Int
    build_id: str
    rows: tuple[tuple[Int, ...], ...] | None = None
    cycle_rows: tuple[tuple[Number, ...], ...] | None = None

    @property
    def total(self) -> float:
        """The whole inference."""
        return sum(operator.value for operator in self.operators) + self.rest

    @property
    def total_cycles(self) -> float | None:
        """The whole inference in estimated cycles, where there are any."""
        if self.rest_cycles is None:
            return None
        return sum(operator.cycles or 0.0 for operator in self.operators) + self.rest_cycles

    def shares(self) -> tuple[float, ...]:
        """Return what part of the whole each operator is, and the rest last: of cycles where there are any."""
        if (whole := self.total_cycles) is not None:
            parts = [*(operator.cycles or 0.0 for operator in self.operators), self.rest_cycles or 0.0]
        else:
            whole, parts = self.total, [*(operator.value for operator in self.operators), self.rest]
        return tuple(part / whole if whole else 0.0 for part in parts)


def profile_of(
    counts: Sequence[Sequence[int]],
    operators: Sequence[str],
    board: Clock,
    build_id: str,
    cycles: OperatorCycles | None = None,
) -> Profile:
    """Return the profile of `counts`: a row an inference, a number an operator and one for the rest.

    Raises `ValueError` when a row has another length.
    """
    rows = np.asarray(counts, dtype=np.float64)
    if rows.shape != (len(counts), len(operators) + 1):
        raise ValueError(f"a profile of {len(operators)} operators has {rows.shape[-1] - 1} of them")
    *values, rest = _medians(rows)
    *estimates, rest_cycles = _medians(np.asarray(cycles.rows)) if cycles else [None] * rows.shape[1]
    silicon = board.counter == "cycles"
    return Profile(
        unit="cycles" if silicon else "instructions",
        basis="measured" if silicon else "counted",
        operators=tuple(
            OperatorTime(name=name, value=value, cycles=estimate)
            for name, value, estimate in zip(operators, values, estimates, strict=True)
        ),
        rest=rest,
        rest_cycles=rest_cycles,
        model=cycles.model if cycles else None,
        error=cycles.error if cycles else None,
        n=len(counts),
        build_id=build_id,
        rows=tuple(tuple(row) for row in counts),
        cycle_rows=tuple(tuple(row) for row in cycles.rows) if cycles else None,
    )


def _medians(rows: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in np.percentile(rows, 50, axis=0, method="inverted_cdf")]
