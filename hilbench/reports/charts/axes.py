"""Axes: what they are called, which round values are marked on them, and where a value lies."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hilbench.errors import printable
from hilbench.reports.charts import svg

_LARGEST = 1e300  # sums and differences of two such are numbers still
_SMALLEST = 1e-300
_NARROWEST = 0.01
"""The share of its largest value that a linear axis shows at least: noise is not to look like a cliff."""
_ROOM = 0.8 * svg.WIDTH
"""Units that a title may seem to have: it is bold, and on a phone an eighth larger than `svg.wide` takes it for."""
_LONGEST_BASIS = 32
_SPARE_ZEROS = re.compile(r"(\.\d*?)0+(?!\d)")


@dataclass(frozen=True)
class Axis:
    """What an axis is called (its quantity and its basis, such as "latency, estimated") and how a value is written.

    `log`: decades are equally wide, if all values are above 0. `within`: no value can lie outside, so no tick does.
    """

    title: str
    show: Callable[[float], str]
    log: bool = False
    within: tuple[float, float] | None = None

    @property
    def heading(self) -> str:
        """The title, no wider than a chart: its end, where the basis stands, stays, and what is before is cut."""
        title = printable(" ".join(self.title.split()))
        head, comma, basis = title.rpartition(", ")
        if len(basis) > _LONGEST_BASIS:
            head, comma, basis = title, "", ""
        cut, most = title, len(head)
        while svg.wide(cut) > _ROOM and most > 1:
            most -= 1
            cut = svg.short(head, most) + comma + basis
        return cut

    def tick(self, value: float) -> str:
        """Return a value as it stands at an axis: `10 ms`, where `show` says `10.0 ms`."""
        return _SPARE_ZEROS.sub(r"\1", self.show(value)).replace(". ", " ").removesuffix(".")


@dataclass(frozen=True)
class Scale:
    """The values from `low` to `high` on the units from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return where `value` lies."""
        low, high, here = (self._even(v) for v in (self.low, self.high, value))
        return self.start + (here - low) / (high - low) * (self.end - self.start)

    def _even(self, value: float) -> float:
        return math.log10(max(_tame(value), _SMALLEST)) if self.log else _tame(value)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values between both ends: 1, 2 or 5 times a power of ten."""
        if self.log and len(found := _log_ticks(self.low, self.high, most)) > 1:
            return found
        return _linear_ticks(self.low, self.high, most)

    def labelled(self, axis: Axis, most: int = 6) -> list[tuple[float, str]]:
        """Return where the ticks are, with their text; no text twice."""
        found: dict[str, float] = {}
        low, high = axis.within or (-math.inf, math.inf)
        for value in self.ticks(most):
            if low <= value <= high:
                found.setdefault(axis.tick(value), self.at(value))
        return [(at, text) for text, at in found.items()]


def scale(values: Iterable[float], axis: Axis, start: float, end: float, zero: bool = False) -> Scale:
    """Return the scale that shows all of `values` (one at least), with some room around, or from zero on."""
    known = [_tame(value) for value in values]
    low, high = min(known), max(known)
    if zero:
        return Scale(0.0, high * 1.02 if high > 0 else 1.0, start, end)
    if axis.log and low > 0:
        room = max((high / low) ** 0.08 if high / low < _LARGEST else 1e20, 1.2)
        return Scale(max(low / room, _SMALLEST), min(high * room, _LARGEST), start, end, log=True)
    span = max(high - low, _NARROWEST * max(abs(low), abs(high))) or 1.0
    middle = low / 2 + high / 2
    return Scale(middle - 0.58 * span, middle + 0.58 * span, start, end)


def finite(*values: float) -> bool:
    """Say whether all of `values` have a place on an axis."""
    return all(map(math.isfinite, values))


def _tame(value: float) -> float:
    if abs(value) < _SMALLEST:
        return 0.0
    return max(-_LARGEST, min(_LARGEST, value))


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
        found = [value for value in found if low <= value <= high]
        if len(found) <= most:
            return found
    return found[:: -(-len(found) // most)]
