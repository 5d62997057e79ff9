"""How much worse a metric may get before a comparison fails: `2%`, `0.5pt`, `512`, `3 ms`. What it is held against, and
when, is `hilbench.records.compare`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import PlainValidator, WithJsonSchema

from hilbench.errors import UsageError, nearest

Kind = Literal["relative", "points", "absolute"]

_SCALES: Mapping[str, Mapping[str, float]] = {
    "B": {"B": 1, "kB": 1e3, "KiB": 2**10, "MB": 1e6, "MiB": 2**20},
    "s": {"s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9},
    "J": {"J": 1, "mJ": 1e-3, "uJ": 1e-6, "µJ": 1e-6, "nJ": 1e-9},
    "W": {"W": 1, "mW": 1e-3, "uW": 1e-6, "µW": 1e-6, "nW": 1e-9},
    "cycles": {"cycles": 1},
    "instructions": {"instructions": 1},
    "LSB": {"LSB": 1},
    "share": {},
}
"""The units that may be written for each unit of a metric, and how much one of them is."""
UNITS: Mapping[str, str] = {
    "accuracy": "share", "fidelity": "share", "fidelity_lsb": "LSB",
    "instructions": "instructions", "cycles": "cycles",
    "latency": "s", "first_latency": "s", "input_latency": "s", "output_latency": "s",
    "flash": "B", "ram": "B", "arena": "B", "stack": "B", "peak_tensors": "B",
    "energy": "J", "net_energy": "J", "idle_power": "W",
}  # fmt: skip
"""The metrics that an allowance can be set for, and the unit of each (an accuracy may also be a plain number)."""
_WRITTEN = re.compile(r"[+-]?\s*(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>\S*)", re.ASCII)
_ANY = "any"


@dataclass(frozen=True)
class Allowance:
    """How much worse: a share of the value before (`relative`), of a share (`points`, 0.005 is 0.5 percentage points),
    or `absolute` in the unit that is written, "" for the metric's own.
    """

    value: float = 0.0
    kind: Kind = "absolute"
    unit: str = ""

    def __str__(self) -> str:
        """Return it as it can be written: `2%`, `0.5pt`, `512B`, `0`."""
        if not self.value:
            return "0"
        if self.kind == "absolute":
            return f"{_number(self.value)}{self.unit}"
        return f"{_number(self.value * 100)}{'%' if self.kind == 'relative' else 'pt'}"

    def worth(self, before: float, unit: str) -> float:
        """Return it in `unit`, that of a metric which was `before`. Raises `UsageError` if it has another unit."""
        if self.kind == "relative":
            return self.value * abs(before)
        if self.kind == "points":
            if unit != "share":
                raise UsageError(f"'{self}' is of shares, and this is a number of {unit}", hint="write 2% or a number")
            return self.value
        if not self.unit:
            return self.value
        scales = _SCALES.get(unit, {})
        if self.unit not in scales:
            raise UsageError(f"'{self}' does not fit a metric in {unit}", hint=_units_of(unit))
        return self.value * scales[self.unit]


def parse(written: str) -> Allowance:
    """Read an allowance. A sign means nothing: it is always how much worse. `any` is 0: any worsening.

    Raises `UsageError` for what is none, with the nearest unit.
    """
    text = written.strip()
    if text == _ANY:
        return Allowance()
    found = _WRITTEN.fullmatch(text)
    if found is None or not math.isfinite(number := float(found["number"])):
        raise UsageError(
            f"'{written}' does not say how much worse is allowed", hint="such as 2%, 0.5pt, 512, 3ms or any"
        )
    unit = found["unit"]
    known = {"", "%", "pt", *(word for scales in _SCALES.values() for word in scales)}
    if unit not in known:
        raise UsageError(f"'{written}': there is no unit '{unit}'", hint=nearest(unit, known - {""}))
    if not number:
        return Allowance()
    if unit in ("%", "pt"):
        return Allowance(number / 100, "relative" if unit == "%" else "points")
    return Allowance(number, "absolute", unit)


def parse_for(metric: str, written: str) -> Allowance:
    """Read an allowance of `metric`. Raises `UsageError` for an unknown metric and a unit it cannot have too."""
    if metric not in UNITS:
        raise UsageError(f"there is no metric '{metric}' to hold a run to", hint=nearest(metric, UNITS))
    try:
        allowance = parse(written)
        allowance.worth(1.0, UNITS[metric])
    except UsageError as error:
        raise UsageError(f"{metric}: {error.what}", hint=error.hint) from None
    return allowance


def _units_of(unit: str) -> str:
    if unit == "share":
        return "such as 0.5pt, 0.005 or 2%"
    return f"such as 2%, or a number in {', '.join(_SCALES.get(unit) or ['its own unit'])}"


def _number(value: float) -> str:
    return f"{value:.12g}"  # more digits would show the rounding of a multiplication by 100


def _from_file(value: object) -> Allowance:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("this does not say how much worse is allowed, such as 2%, 0.5pt, 512 or 3 ms")
    try:
        return parse(str(value))
    except UsageError as error:
        raise ValueError(str(error)) from None


Written = Annotated[
    Allowance,
    PlainValidator(_from_file),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number"}, {"type": "string", "minLength": 1}],
            "description": "how much worse it may get: 2%, 0.5pt (percentage points), 512, 3 ms, any",
        }
    ),
]
"""An allowance as a suite's file has it."""
