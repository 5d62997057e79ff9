"""Friendly units: how a number of seconds, bytes or instructions is written for people."""

from __future__ import annotations

import math

from hilbench.measure.metric import Metric


def friendly(metric: Metric) -> str:
    """Return the metric's value with a readable unit, such as `1.21 M`, `10.4 ms` or `31.8 kB`."""
    value = metric.value
    match metric.unit:
        case "s":
            return _scaled(value, (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)))
        case "B":
            return f"{value:.0f} B" if value < 1000 else f"{value / 1000:.1f} kB"
        case "share":
            return f"{_down(value, 3):.3f}"
        case "LSB":
            return f"{value:g} LSB"
        case "instructions" | "cycles":
            return _scaled(value, (("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0)))


def percent(metric: Metric) -> str:
    """Return a share as a percentage with its interval, such as `98.2 % [96.6, 99.1]`."""
    text = f"{_down(metric.value * 100, 1):.1f} %"
    return text if metric.ci95 is None else f"{text} [{metric.ci95[0] * 100:.1f}, {metric.ci95[1] * 100:.1f}]"


def _down(value: float, digits: int) -> float:
    """Round down: 499 right of 500 must never read as all."""
    factor = 10.0**digits
    return math.floor(value * factor + 1e-9) / factor


def _scaled(value: float, steps: tuple[tuple[str, float], ...]) -> str:
    unit, factor = next((step for step in steps if abs(value) >= step[1]), steps[-1])
    number = value / factor
    digits = max(0, 2 - len(f"{abs(number):.0f}") + 1)
    return f"{number:.{digits}f} {unit}".rstrip()
