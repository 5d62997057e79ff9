"""What templates are given: tables of groups and charts of rows, as text that is ready to be shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

from markupsafe import Markup

from hilbench.errors import printable
from hilbench.measure.direction import lower_is_better
from hilbench.measure.metric import Basis, Metric, Unit
from hilbench.measure.units import friendly
from hilbench.records.trend import ENOUGH, changes
from hilbench.reports import charts
from hilbench.reports.columns import NONE, Column, build_lines, columns_of, notes_of, title_of
from hilbench.reports.site.rows import SHOWN, Kind, Run
from hilbench.reports.site.standings import MARKS, UNVERIFIED, Entry, Group

_LONGEST = 80
_MOST_NOTES = 40
_NOT_IN_TABLES = {"arena", "stack", "fidelity"}
_CHARTED = 250
"""Runs in a chart: the newest. A mark each is what a page can hold."""


@dataclass(frozen=True)
class Cell:
    """A cell: how it is shown, and what it sorts by."""

    text: str
    value: float | str = ""


@dataclass(frozen=True)
class Line:
    """A row of a table."""

    slug: str
    place: str
    unverified: str
    name: str
    version: str
    cells: tuple[Cell, ...]
    date: str
    mark: tuple[str, str, str, str]
    why: str


@dataclass(frozen=True)
class TableView:
    """The table of a group with its chart and its small print. `failed` rows stand apart."""

    id: str
    title: str
    board: str
    board_name: str
    ranked_by: str
    basis: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    failed: tuple[Line, ...]
    notes: tuple[str, ...]
    chart: Markup | None
    chart_title: str


@dataclass(frozen=True)
class History:
    """A metric over the runs of a row: a chart where it moved, else the one value. `few`: too few for a noisy step."""

    kind: Kind
    chart: Markup | None
    value: str
    runs: int
    steps: tuple[tuple[str, str, str, float], ...] = field(default=())
    few: bool = False


def short(text: str) -> str:
    """Return `text` as it may stand in a table."""
    return cut(text, _LONGEST)


def cut(text: str, longest: int) -> str:
    """Return `text` with its control characters visible, and cut if it is longer than that."""
    seen = text[: longest + 1]
    seen = seen if seen.isprintable() else printable(seen)
    return seen if len(seen) <= longest else f"{seen[: longest - 1]}…"


def mark_of(entry: Entry) -> tuple[str, str, str, str]:
    """Return class, sign, words and meaning of an entry's mark."""
    return (entry.mark, *MARKS[entry.mark])


def table_of(group: Group, number: int, link: Callable[[str], str], chart: bool = True) -> TableView:
    """Return the table of a group; `link` makes the link to a row's page from its slug."""
    shown = [c for c in columns_of(group.records or [group.any]) if c.metric not in _NOT_IN_TABLES]
    columns = tuple(sorted(shown, key=lambda c: c.kind != group.ranking.by))  # what it is ranked by comes first
    reasons = {standing.record.id: standing.reason for standing in group.ranking.standings}
    places = {standing.record.id: standing.place for standing in group.ranking.standings}
    alone = len(group.ranking.standings) == 1
    lines = [
        _line(group.entries[record.id], columns, str(places[record.id] or NONE),
              "" if alone and places[record.id] is None and not group.ranking.metric else reasons[record.id])
        for record in group.records
    ]  # fmt: skip
    failed = tuple(_line(entry, columns, NONE, entry.why) for entry in group.failed)
    notes = [*build_lines(group.records), *notes_of(group.records)]
    drawn, title = _scatter(group, link) if chart else (None, "")
    return TableView(
        id=f"t{number}",
        title=short_title(group),
        board=group.any.board.id,
        board_name=group.any.board.name,
        ranked_by=group.ranking.metric,
        basis=_basis(group),
        columns=columns,
        lines=tuple(lines),
        failed=failed,
        notes=tuple(cut(note, 400) for note in notes[:_MOST_NOTES]),
        chart=drawn,
        chart_title=title,
    )


def short_title(group: Group) -> str:
    """Return the heading of a group, cut where a hostile name makes it endless."""
    return cut(title_of(group.any), 240)


def headline(record_metrics: dict[str, Metric], ranked_by: str) -> tuple[str, str]:
    """Return the value that a row is ranked by, or else its latency, with its basis; dashes if it has none."""
    for name in (ranked_by, "latency"):
        if metric := record_metrics.get(name):
            unit = f" {name}" if metric.unit in ("instructions", "cycles") else ""
            return f"{friendly(metric)}{unit}", metric.basis
    return NONE, ""


def histories(runs: Sequence[Run]) -> list[History]:
    """Return the history of each kind of number in `runs`, oldest first; kinds are never mixed."""
    shown = runs[-_CHARTED:]
    series: dict[Kind, list[tuple[Run, float, bool]]] = {}
    for run in shown:
        for kind, value, sure in run.values:
            series.setdefault(kind, []).append((run, value, sure))
    ordered = sorted(series.items(), key=lambda each: SHOWN.index(each[0].name))
    return [_history(kind, values) for kind, values in ordered]


def show(kind: Kind) -> Callable[[float], str]:
    """Return what writes values of a kind for people."""
    return partial(_written, kind.unit, kind.basis, "≥ " if kind.lower_bound else "")


@lru_cache(maxsize=8192)
def _written(unit: Unit, basis: Basis, sign: str, value: float) -> str:
    return sign + friendly(Metric(value=value, unit=unit, basis=basis))


def _history(kind: Kind, values: Sequence[tuple[Run, float, bool]]) -> History:
    numbers, write = [value for _, value, _ in values], show(kind)
    if len(set(numbers)) == 1:
        return History(kind, None, write(numbers[0]), len(numbers))
    exact = all(sure for _, _, sure in values)
    found = changes(numbers, exact=exact)
    points = [
        charts.Point(index, value, f"{run.started:%Y-%m-%d}", note=_from(run))
        for index, (run, value, _) in enumerate(values)
    ]
    title = ", ".join(filter(None, (kind.title, short(kind.meaning), kind.basis)))
    lower = lower_is_better(kind.name, kind.unit)
    drawn = charts.history(points, charts.Axis(title, write), [step.index for step in found], title, lower)
    steps = tuple(
        (f"{values[step.index][0].started:%Y-%m-%d}", f"{write(step.before)} → {write(step.after)}",
         short(_from(values[step.index][0])), step.relative or 0.0)
        for step in found
    )  # fmt: skip
    few = not exact and not found and len(numbers) < 2 * ENOUGH
    return History(kind, Markup(drawn), write(numbers[-1]), len(numbers), steps, few)


def _from(run: Run) -> str:
    commit = f"commit {run.commit[:10]}" + (", with changes" if run.dirty else "") if run.commit else ""
    return ", ".join(filter(None, (run.version, run.target, commit)))


def _line(entry: Entry, columns: Sequence[Column], place: str, why: str) -> Line:
    record = entry.record
    return Line(
        slug=entry.slug,
        place=place,
        unverified=UNVERIFIED if entry.mark == "unknown" and place != NONE else "",
        name=short(record.framework.variant),
        version=short(record.framework.version),
        cells=tuple(_cell(column, entry) for column in columns),
        date=f"{entry.when:%Y-%m-%d}",
        mark=mark_of(entry),
        why=cut(why, 400),
    )


def _cell(column: Column, entry: Entry) -> Cell:
    metric = column.metric_of(entry.record)
    return Cell(short(column.show(metric)), metric.value) if metric else Cell(NONE)


def _basis(group: Group) -> str:
    by = group.ranking.by
    return "" if by is None else f"{by.basis}: {by.model}" if by.model else by.basis


def _scatter(group: Group, link: Callable[[str], str]) -> tuple[Markup | None, str]:
    """Return cost against accuracy, or against flash where all are equally accurate; None where that shows nothing."""
    name, records = group.ranking.metric, group.ranking.ranked
    if not name or len(records) < 2:
        return None, ""
    metrics = [record.metrics for record in records]
    accurate = len({m["accuracy"].value for m in metrics if "accuracy" in m}) > 1
    other = "accuracy" if accurate else "flash"
    known = [record for record in records if other in record.metrics]
    kinds = {(record.metrics[other].basis, record.metrics[other].detail) for record in known}
    if len(known) < 2 or len(kinds) != 1:
        return None, ""
    first = known[0].metrics
    across, up = (
        charts.Axis(f"{word}, {first[word].basis}", show(Kind(word, first[word].unit, first[word].basis, None)))
        for word in (name, other)
    )
    points = charts.pareto(
        [
            charts.Point(record.metrics[name].value, record.metrics[other].value, short(record.framework.variant),
                         href=link(group.entries[record.id].slug), note=short(record.framework.version))
            for record in known
        ],
        low_y=bool(lower_is_better(other, first[other].unit)),
    )  # fmt: skip
    title = f"{other} against {name}: the line bounds what nobody beats in both"
    return Markup(charts.scatter(points, across, up, title)), title
