"""Friendly units: how a number of seconds, bytes or instructions is written for people."""

from __future__ import annotations

import math

from hilbench.measure.metric import Metric

_WIDTH = len("1.23")
_ROUNDS_UP = 0.9995  # what is so near to the next unit would be written as 1000 of this one

_COUNTS = ("instructions", "cycles", "B", "LSB")
_PREFIXES = (("", 1.0), ("m", 1e-3), ("µ", 1e-6), ("n", 1e-9))


def friendly(metric: Metric) -> str:
    """Return the metric's value with a readable unit, such as `1.21 M`, `10.4 ms` or `31.8 kB`."""
    value = metric.value
    match metric.unit:
        case "s":
            return _scaled(value, (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)))
        case "J":
            return _scaled(value, (("J", 1.0), ("mJ", 1e-3), ("µJ", 1e-6), ("nJ", 1e-9)))
        case "W":
            return _scaled(value, (("W", 1.0), ("mW", 1e-3), ("µW", 1e-6), ("nW", 1e-9)))
        case "B":
            return f"{value:.0f} B" if value < 1000 else f"{value / 1000:.1f} kB"
        case "share":
            return f"{_down(value, 3):.3f}"
        case "LSB":
            return f"{value:g} LSB"
        case "1":
            return f"{value:.3g}"
        case "instructions" | "cycles":
            return _scaled(value, (("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0)))


def with_precision(metric: Metric) -> str:
    """Return a value with how well it is known, such as `10.4 ms ±1.2 %`: half its interval, or its error's bound.

    An estimate of which nobody knows how good it is says so: `280 µJ ±?`, and `≥ 8.00 ms` where it is a lower bound.
    """
    text = friendly(metric)
    if metric.basis == "estimated" and metric.bound is None:
        return f"≥ {text}" if metric.lower_bound else f"{text} ±?"
    known = metric.bound if metric.bound is not None else metric.relative_half_width
    return text if known is None else f"{text} ±{known * 100:.2g} %"


def accuracy(metric: Metric) -> str:
    """Return an accuracy with its interval: `98.2 % [96.6, 99.1]`, an area under a curve as `0.946 [0.924, 0.962]`,
    a squared error as `0.0123 [0.0109, 0.0141]`.
    """
    if metric.unit == "share" and not metric.detail.startswith("AUC"):
        return percent(metric)
    end = ".3f" if metric.unit == "share" else ".3g"
    interval = "" if metric.ci95 is None else f" [{metric.ci95[0]:{end}}, {metric.ci95[1]:{end}}]"
    return friendly(metric) + interval


def percent(metric: Metric) -> str:
    """Return a share as a percentage with its interval, such as `98.2 % [96.6, 99.1]`."""
    text = f"{_down(metric.value * 100, 1):.1f} %"
    return text if metric.ci95 is None else f"{text} [{metric.ci95[0] * 100:.1f}, {metric.ci95[1] * 100:.1f}]"


def _down(value: float, digits: int) -> float:
    """Round down: 499 right of 500 must never read as all."""
    factor = 10.0**digits
    return math.floor(value * factor + 1e-9) / factor


def _scaled(value: float, steps: tuple[tuple[str, float], ...]) -> str:
    if abs(value) < 1000 and steps[-1][1] == 1.0 and value == int(value):
        return f"{value:.0f}"  # a count of single things
    unit, factor = next((step for step in steps if abs(value) >= _ROUNDS_UP * step[1]), steps[-1])
    number = value / factor
    text = next(text for digits in (2, 1, 0) if len(text := f"{abs(number):.{digits}f}") <= _WIDTH or not digits)
    return f"{'-' * (number < 0)}{text} {unit}".rstrip()


def both(before: Metric, after: Metric) -> tuple[str, str]:
    """Return two values of one unit so that they can be told apart: `200,106` and `202,107`, `8.00 ms` and `8.08 ms`,
    `98.80 %` and `98.60 %`.
    """
    values = before.value, after.value
    if before.unit in _COUNTS:
        unit = "" if before.unit in ("instructions", "cycles") else f" {before.unit}"
        whole = all(value == int(value) for value in values)
        texts = tuple(f"{value:,.0f}{unit}" if whole else f"{value:,.1f}{unit}" for value in values)
        if texts[0] != texts[1] or values[0] == values[1]:
            return texts[0], texts[1]
    suffix, factor, digits = _common(before, max(map(abs, values)))
    for more in range(digits, digits + 6):
        texts = tuple(f"{value / factor:.{more}f}{suffix}" for value in values)
        if texts[0] != texts[1] or values[0] == values[1]:
            break
    return texts[0], texts[1]


def change(before: Metric, after: Metric) -> str:
    """Return by how much a value changed: `+1.0 %`, of shares `-0.20 pt`."""
    step = after.value - before.value
    if before.unit == "share":
        return f"{step * 100:+.2f} pt" if abs(step) >= 5e-5 or not step else f"{step * 100:+.1g} pt"
    if not before.value:
        return "+0.0 %" if not step else "was 0"
    share = 100 * step / abs(before.value)
    return f"{share:+.1f} %" if abs(share) >= 0.05 or not share else f"{share:+.1g} %"


def _common(metric: Metric, largest: float) -> tuple[str, float, int]:
    """Return what follows a number, what to divide by, and how many decimals to begin with, for a `largest` value."""
    if metric.unit == "share":
        return ("", 1.0, 4) if metric.detail.startswith("AUC") else (" %", 0.01, 2)
    if metric.unit not in ("s", "J", "W"):
        return "", 1.0, 3
    prefix, factor = next((step for step in _PREFIXES if largest >= step[1]), _PREFIXES[-1])
    return f" {prefix}{metric.unit}", factor, max(0, 3 - len(f"{largest / factor:.0f}"))
