"""A metric: one number with its unit, its spread, and the basis it stands on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Basis = Literal["measured", "counted", "estimated", "host"]
"""Where a number comes from.

`measured`: a counter or meter on silicon. `counted`: counted exactly, by an emulator or from the image. `estimated`: a
documented model made it from counts; the metric names the model. `host`: the wall clock of a process on this computer.
"""

Unit = Literal["s", "instructions", "cycles", "B", "share", "LSB", "1", "J", "W"]
"""`1` is a number whose unit only the model's makers know, such as a squared error."""


Int = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""An integer of a record: JSON has larger ones, and neither a float, an array nor a database takes those."""
Number = Annotated[float, Field(gt=-1e100, lt=1e100)]
"""A number that a record tells of a run. Nothing that is run is near the limit, below which squares stay finite."""


class Part(BaseModel):
    """A frozen part of a record; unknown keys are refused, and NaN or infinity never gets in."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Metric(Part):
    """One number. `value` is the headline (the median where there are many); the rest says how it spreads.

    `model` and `error` are given for an estimate: which model made it, and what is known of its error; `bound` is that
    as a share of `value`, where there is one: 0.15 is ±15 %. `lower_bound`: the real value is this or larger.
    `n` is the number of observations behind it; `ci95` the 95 % confidence interval of `value`, made by `ci_method`.
    Observations that are all equal have neither interval nor spread. `outliers` are the indices of those that stand
    apart among all repeats of all timed samples in order (they count all the same); None where nobody looked.
    `precise` says whether half the interval is at most the share `precision` of `value`, as the suite wants.
    """

    value: Number
    unit: Unit
    basis: Basis
    n: Int | None = None
    ci95: tuple[Number, Number] | None = None
    ci_method: str = ""
    min: Number | None = None
    median: Number | None = None
    p90: Number | None = None
    p99: Number | None = None
    max: Number | None = None
    outliers: tuple[Int, ...] | None = None
    precision: Number | None = None
    precise: bool | None = None
    model: str | None = None
    error: str | None = None
    bound: Number | None = None
    lower_bound: bool = False
    detail: str = ""

    @property
    def relative_half_width(self) -> float | None:
        """Half the width of `ci95` as a share of `value`; None where there is no interval, or nothing to share."""
        return (self.ci95[1] - self.ci95[0]) / 2 / abs(self.value) if self.ci95 and self.value else None
