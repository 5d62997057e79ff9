"""A value over runs, in their order, with the points at which its level changed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from hilbench.reports.charts import svg
from hilbench.reports.charts.axes import Axis, Scale, finite, scale
from hilbench.reports.charts.scatter import Point, grid

_TOP, _LEFT, _RIGHT, _BOTTOM = 30.0, 56.0, svg.WIDTH - 14.0, 210.0
_LABEL = 16
"""Characters of a label below the axis."""
_MARKED = 250
"""Points up to which each has a mark of its own; of more, only every few of them and those at a change."""


def history(
    points: Sequence[Point], y: Axis, changes: Sequence[int], title: str, lower_is_better: bool | None = None
) -> str:
    """Return the values `Point.y` of runs, at equal distances in their order (`Point.x` is not looked at).

    `changes` are the indices of the first point of each new level; the median of each level is drawn as a line.
    `lower_is_better` says which changes are shown as better and which as worse; None as neither. Below the axis stand
    the labels of some of the points.
    """
    known = [(index, point) for index, point in enumerate(points) if finite(point.y)]
    if not known:
        return svg.empty("history", title)
    first = {index: place for place, (index, _) in enumerate(known)}
    starts = sorted({first[index] for index in changes if index in first and first[index] > 0})
    values = [point.y for _, point in known]
    up = scale(values, y, _BOTTOM - 4, _TOP + 8)
    half = max(0.58 * _widest([point.label for _, point in known]), 10)
    across = Scale(0, max(len(known) - 1, 1), max(_LEFT + 10, half), min(_RIGHT - 10, svg.WIDTH - half))
    places = [(across.at(place), up.at(value)) for place, value in enumerate(values)]
    inside = grid(y, up, _BOTTOM) + _dates([point.label for _, point in known], across)
    path = "M" + "L".join(f"{svg.number(x)} {svg.number(at)}" for x, at in places)
    inside += svg.tag("path", d=path, class_="line")
    inside += _levels(values, starts, y, across, up, lower_is_better)
    every = -(-len(known) // _MARKED)
    for place, (_, point) in enumerate(known):
        if place % every == 0 or place in starts or place == len(known) - 1:
            shape = svg.tag("circle", cx=places[place][0], cy=places[place][1], r=3.5, class_="dot")
            tip = "\n".join(filter(None, (point.label, f"{y.title}: {y.show(point.y)}", point.note)))
            inside += svg.mark(shape, tip, "on-front c0", point.href)
    return svg.chart("history", title, _BOTTOM + 26, inside)


def _levels(
    values: Sequence[float], starts: Sequence[int], y: Axis, across: Scale, up: Scale, lower: bool | None
) -> str:
    """Return a line at the median of each level, and a mark where one ends."""
    found, before = "", None
    for start, end in zip([0, *starts], [*starts, len(values)], strict=True):
        level = statistics.median_low(values[start:end])
        left = across.at(max(start - 0.5, 0) if start else 0)
        right = across.at(min(end - 0.5, len(values) - 1))
        if starts:
            found += svg.tag("line", x1=left, y1=up.at(level), x2=right, y2=up.at(level), class_="level")
        if before is not None:
            share = f" ({100 * (level / before - 1):+.2g} %)" if before and finite(level / before) else ""
            kind = "" if lower is None or level == before else "better" if (level < before) == lower else "worse"
            line = svg.tag("line", x1=left, y1=_TOP, x2=left, y2=_BOTTOM, class_="change-line")
            head = svg.tag("path", d=f"M{svg.number(left - 6)} {_TOP - 8:g}h12l-6 9z", class_="change-head")
            tip = f"change: {y.show(before)} to {y.show(level)}{share}"
            found += svg.mark(line + head, tip, f"change {kind}".strip())
        before = level
    return found


def _dates(labels: Sequence[str], across: Scale) -> str:
    """Return the labels of the first and last point, and of some between at even distances, as far as there is room."""
    last, found = len(labels) - 1, ""
    room = int((across.end - across.start) / (_widest(labels) + 14))
    parts = range(max(1, min(room, 5)), 0, -1)
    # Of few points, every second or third is at an even distance; of many, the nearest will do.
    most = next((n for n in parts if last % n == 0 or last > 8 * n), 1)
    for place in sorted({round(i * last / most) for i in range(most + 1)}):
        at = across.at(place)
        found += svg.tag("line", x1=at, y1=_BOTTOM, x2=at, y2=_BOTTOM + 4, class_="axis")
        found += svg.label(at, _BOTTOM + 17, svg.short(labels[place], _LABEL), "quiet", "middle")
    return found


def _widest(labels: Sequence[str]) -> float:
    return max(svg.wide(svg.short(text, _LABEL)) for text in labels)
