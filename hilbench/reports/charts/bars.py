"""Stacked bars, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hilbench.reports.charts import svg
from hilbench.reports.charts.axes import Axis, Scale, finite, scale

_BESIDE = 24
"""Characters up to which labels stand left of their bars; longer ones stand above them."""
_TOP = 22.0


@dataclass(frozen=True)
class Bar:
    """A bar with its name, and its parts by name and value. `note` is more for the tool tips of its parts."""

    label: str
    parts: tuple[tuple[str, float], ...]
    note: str = ""

    @property
    def known(self) -> list[tuple[str, float]]:
        """The parts that can be drawn: those above zero."""
        return [(name, value) for name, value in self.parts if finite(value) and value > 0]


def bars(rows: Sequence[Bar], axis: Axis, title: str) -> str:
    """Return the bars from above to below, from zero on, with their sums; a legend where parts have several names."""
    if not rows:
        return svg.empty("bars", title)
    names = list(dict.fromkeys(name for row in rows for name, _ in row.parts))
    sums = [sum(value for _, value in row.known) for row in rows]
    above = any(len(" ".join(row.label.split())) > _BESIDE for row in rows)
    left = 0.0 if above else 1.15 * max(svg.wide(svg.short(row.label, _BESIDE)) for row in rows) + 10
    room = max(svg.wide(axis.show(value)) for value in sums) + 8
    across = scale(sums, axis, left, svg.WIDTH - room, zero=True)
    pitch = 38.0 if above else 24.0
    inside, y = svg.label(0, 12, axis.heading, "name"), _TOP + 6
    if len(names) > 1:
        lines, height = svg.legend(names, 32)
        inside, y = inside + lines, y + height
    bottom = y + pitch * len(rows)
    inside += _grid(axis, across, y - 4, bottom)
    for row, whole in zip(rows, sums, strict=True):
        inside += _row(row, whole, names, axis, across, y, above)
        y += pitch
    return svg.chart("bars", title, bottom + 22, inside)


def _grid(axis: Axis, across: Scale, top: float, bottom: float) -> str:
    found = svg.tag("line", x1=across.start, y1=top, x2=across.start, y2=bottom, class_="axis")
    for at, text in across.labelled(axis, 4):
        if at > across.start + 1:
            found += svg.tag("line", x1=at, y1=top, x2=at, y2=bottom, class_="grid")
        found += svg.label(at, bottom + 15, text, "quiet", "middle" if at > across.start + 1 else "")
    return found


def _row(row: Bar, whole: float, names: Sequence[str], axis: Axis, across: Scale, y: float, above: bool) -> str:
    text = svg.short(row.label, 60 if above else _BESIDE)
    found = svg.label(0, y + 11, text) if above else svg.label(across.start - 8, y + 13, text, anchor="end")
    top, reached, shapes = y + (16 if above else 2), 0.0, ""
    for name, value in row.known:
        start, end = across.at(reached), across.at(reached + value)
        kind = f"fill {svg.colour(names.index(name))}"
        shapes += svg.tag("rect", x=start, y=top, width=max(end - start - 0.7, 0.3), height=16, class_=kind)
        reached += value
    if shapes:
        found += svg.mark(shapes, _tip(row, whole, axis))
    return found + svg.label(across.at(whole) + 6, top + 12, axis.show(whole), "value")


def _tip(row: Bar, whole: float, axis: Axis) -> str:
    """Return what a bar is: its sum, and where parts have names, each of them with its share."""
    parts = [f"{name}: {axis.show(value)}, {100 * (value / whole):.1f} %" for name, value in row.known if name]
    return "\n".join(filter(None, (f"{row.label}: {axis.show(whole)}", *parts, row.note)))
