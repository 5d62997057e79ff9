"""A scatter chart of two quantities, with the Pareto front as a step line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hilbench.reports.charts import svg
from hilbench.reports.charts.axes import Axis, Scale, finite, scale

_TOP, _LEFT, _RIGHT, _BOTTOM = 30.0, 56.0, svg.WIDTH - 14.0, 290.0
_DIRECT = 14
"""Points up to which they are labelled where they are; of more, tool tips tell."""


@dataclass(frozen=True)
class Point:
    """A point with its name. `group` gives its colour, `note` is more for its tool tip, `front`: no other beats it."""

    x: float
    y: float
    label: str
    group: str = ""
    href: str = ""
    note: str = ""
    front: bool = False


def pareto(points: Sequence[Point], *, low_y: bool = False) -> list[Point]:
    """Return the points in their order, each with `front` set: whether no other is as good in both and better in one.

    A lower x is better, and a higher y (`low_y`: a lower one). Of equal points all are on the front.
    """
    sign = 1.0 if low_y else -1.0
    known = sorted({(point.x, sign * point.y) for point in points if finite(point.x, point.y)})
    front, best = set(), float("inf")
    for x, y in known:
        if y < best:
            front.add((x, y))
            best = y
    return [replace(point, front=(point.x, sign * point.y) in front) for point in points]


def scatter(points: Sequence[Point], x: Axis, y: Axis, title: str) -> str:
    """Return a scatter chart. Points on the front are solid, and a step line bounds what they reach."""
    known = [point for point in points if finite(point.x, point.y)]
    if not known:
        return svg.empty("scatter", title)
    across = scale([point.x for point in known], x, _LEFT + 6, _RIGHT - 6)
    up = scale([point.y for point in known], y, _BOTTOM - 4, _TOP + 8)
    groups = list(dict.fromkeys(point.group for point in known))
    inside = frame(x, y, across, up)
    front = sorted((point for point in known if point.front), key=lambda point: point.x)
    if len(front) > 1 or (front and len(known) > 1):
        inside += svg.tag("path", d=_steps(front, across, up), class_="front")
    drawn = sorted(known, key=lambda point: point.front)  # the front lies above the others
    inside += "".join(_mark(point, groups.index(point.group), x, y, across, up) for point in drawn)
    labels = _labels(drawn, across, up) if len(known) <= _DIRECT else []
    inside += "".join(labels)
    height = _BOTTOM + 44
    if len(groups) > 1 and len(labels) < len(known):
        lines, more = svg.legend([group or "other" for group in groups], height + 8, _LEFT)
        inside, height = inside + lines, height + more
    return svg.chart("scatter", title, height, inside)


def frame(x: Axis, y: Axis, across: Scale, up: Scale) -> str:
    """Return grid, ticks and titles of both axes."""
    found = grid(y, up)
    for at, text in across.labelled(x, 5):
        found += svg.tag("line", x1=at, y1=_BOTTOM, x2=at, y2=_BOTTOM + 4, class_="axis")
        found += svg.label(at, _BOTTOM + 17, text, "quiet", "middle")
    return found + svg.label(_RIGHT, _BOTTOM + 36, x.heading, "name", "end")


def grid(y: Axis, up: Scale, bottom: float = _BOTTOM) -> str:
    """Return the lines of the vertical axis with their values, its title, and the base line."""
    found = svg.label(0, 12, y.heading, "name")
    for at, text in up.labelled(y):
        found += svg.tag("line", x1=_LEFT, y1=at, x2=_RIGHT, y2=at, class_="grid")
        found += svg.label(_LEFT - 7, at + 4, text, "quiet", "end")
    return found + svg.tag("line", x1=_LEFT, y1=bottom, x2=_RIGHT, y2=bottom, class_="axis")


def _steps(front: Sequence[Point], across: Scale, up: Scale) -> str:
    """Return the edge of what the front reaches: level until the next point, then straight to it."""
    falls = front[-1].y < front[0].y
    path = f"M{svg.number(across.at(front[0].x))} {_TOP if falls else _BOTTOM:g}"
    for point in front:
        path += f"H{svg.number(across.at(point.x))}V{svg.number(up.at(point.y))}"
    return path + f"H{svg.number(_RIGHT)}"


def _mark(point: Point, group: int, x: Axis, y: Axis, across: Scale, up: Scale) -> str:
    told = [point.label, f"{x.title}: {x.show(point.x)}", f"{y.title}: {y.show(point.y)}", point.note]
    at_x, at_y = across.at(point.x), up.at(point.y)
    shape = svg.tag("circle", cx=at_x, cy=at_y, r=6 if point.front else 4.5, class_="dot")
    kind = "on-front" if point.front else "behind"
    return svg.mark(shape, "\n".join(filter(None, told)), f"{kind} {svg.colour(group)}", point.href)


def _labels(points: Sequence[Point], across: Scale, up: Scale) -> list[str]:
    """Return the names of points beside them, as far as there is room; the front's first."""
    at = [(across.at(point.x), up.at(point.y)) for point in points]
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in at]
    found = []
    for (x, y), point in reversed(list(zip(at, points, strict=True))):
        text = svg.short(point.label, 34)
        width = svg.wide(text)
        for left, base in ((x + 10, y - 4), (x - 10 - width, y - 4), (x + 10, y + 14), (x - 10 - width, y + 14),
                           (x - width / 2, y - 11), (x - width / 2, y + 20)):  # fmt: skip
            box = (left, base - 10, left + width, base + 3)
            inside = box[0] >= _LEFT and box[2] <= svg.WIDTH and box[1] >= 16 and box[3] <= _BOTTOM - 1
            if inside and not any(_meet(box, other) for other in taken):
                taken.append(box)
                found.append(svg.label(left, base, text, "direct" if point.front else "direct quiet"))
                break
    return found


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
