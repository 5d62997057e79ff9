"""A metric: one number with its unit, its spread, and the basis it stands on."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Basis = Literal["measured", "counted", "estimated", "host"]
"""Where a number comes from.

`measured`: a counter or meter on silicon. `counted`: counted exactly, by an emulator or from the image. `estimated`: a
documented model made it from counts; the metric names the model. `host`: the wall clock of a process on this computer.
"""


class Part(BaseModel):
    """A frozen part of a record; unknown keys are refused, and NaN or infinity never gets in."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Metric(Part):
    """One number. `value` is the headline (the median where there are many); the rest says how it spreads.

    `model` and `error` are given for an estimate: which model made it, and what is known of its error.
    `n` is the number of observations behind it; `ci95` the 95 % confidence interval of `value`.
    """

    value: float
    unit: Literal["s", "instructions", "cycles", "B", "share", "LSB"]
    basis: Basis
    n: int | None = None
    ci95: tuple[float, float] | None = None
    min: float | None = None
    median: float | None = None
    p90: float | None = None
    p99: float | None = None
    max: float | None = None
    model: str | None = None
    error: str | None = None
    detail: str = ""
