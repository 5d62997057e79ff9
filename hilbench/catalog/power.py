"""What a board draws while it computes: a board file's `power:`, for estimates of energy. No number without source."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hilbench.catalog.fields import Strict

_MOST_A = 5.0  # a microcontroller that draws more is a number in milliamperes

Ampere = Annotated[
    float, Field(gt=0, lt=_MOST_A, allow_inf_nan=False, description="amperes, such as 0.0033 for 3.3 mA")
]


class Power(Strict):
    """Supply current of a board's processor at the board's clock, as its data sheet gives it.

    A board whose current nobody has published has no `power:`, and then no estimate of energy either: `source` is
    needed, and names the document, its revision, the table, and the conditions that the value stands under.
    """

    active_a: Ampere = Field(description="amperes while it computes, such as 0.0033 for 3.3 mA")
    voltage_v: float = Field(gt=0, le=6, allow_inf_nan=False, description="volts of the supply, such as 3.3")
    source: str = Field(min_length=12, description="data sheet with revision, table, and the conditions of the value")

    @property
    def active_w(self) -> float:
        """Watts while it computes."""
        return self.active_a * self.voltage_v
