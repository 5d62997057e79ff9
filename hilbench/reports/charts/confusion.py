"""A confusion matrix as a heat map with numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hilbench.reports.charts import svg

_NUMBERED = 25
"""Classes up to which there is room for numbers and for all names."""
_SHADES = 5
"""Shades of `charts.css`: `.h1` to `.h5`."""


def confusion(classes: Sequence[str] | None, counts: Sequence[Sequence[int]], title: str) -> str:
    """Return the matrix: a row a true class, a column what it was taken for; `classes` None are numbers.

    Shades are shares of a row. Cells of nothing are left blank, and no marks.
    """
    size = len(counts)
    if not size:
        return svg.empty("confusion", title)
    names = [str(name) for name in (classes if classes is not None else range(size))]
    shown = [svg.short(name, 14) for name in names]
    turned = max(map(len, shown)) * size > 50
    left = 22 + max(map(svg.wide, shown))
    top = 24.0 + (max(map(svg.wide, shown)) * 0.75 + 8 if turned else 18)
    side = min(34.0, (svg.WIDTH - left - 2) / size)
    across, below = left + side * size, top + side * size
    inside = svg.label(left, 12, "taken for", "name") + svg.label(0, top - 6, "true", "name")
    inside += svg.tag("rect", x=left, y=top, width=side * size, height=side * size, class_="field")
    if size <= _NUMBERED:
        inside += _lines(size, left, top, side)
    every = max(1, math.ceil(15 / side))
    for index in range(0, size, every):
        middle = (index + 0.5) * side
        inside += svg.label(left - 6, top + middle + 4, shown[index], "quiet", "end")
        inside += _heading(left + middle, top - 5, shown[index], turned)
    for row, found in enumerate(counts):
        whole = sum(found)
        for column, count in enumerate(found):
            if count > 0:
                tip = f"{names[row]} taken for {names[column]}: {count} of {whole}"
                shape = _cell(left + column * side, top + row * side, side, count, count / whole)
                inside += svg.mark(shape, tip, "right" if row == column else "wrong")
    return svg.chart("confusion", title, below + 4, inside, max(across + 2, svg.WIDTH))


def _lines(size: int, left: float, top: float, side: float) -> str:
    path = "".join(
        f"M{svg.number(left + i * side)} {svg.number(top)}v{svg.number(size * side)}"
        f"M{svg.number(left)} {svg.number(top + i * side)}h{svg.number(size * side)}"
        for i in range(1, size)
    )
    return svg.tag("path", d=path, class_="grid") if path else ""


def _heading(x: float, y: float, text: str, turned: bool) -> str:
    if not turned:
        return svg.label(x, y, text, "quiet", "middle")
    at = f"rotate(-50 {svg.number(x)} {svg.number(y)})"
    return svg.tag("text", svg.escaped(text) or " ", x=x, y=y, class_="quiet", transform=at)


def _cell(x: float, y: float, side: float, count: int, share: float) -> str:
    shade = max(1, min(_SHADES, round(share * _SHADES)))
    found = svg.tag("rect", x=x + 0.5, y=y + 0.5, width=side - 1, height=side - 1, class_=f"heat h{shade}")
    if side >= 13 and svg.wide(str(count)) <= side:
        found += svg.label(x + side / 2, y + side / 2 + 4, str(count), f"on{shade}", "middle")
    return found
