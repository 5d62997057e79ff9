"""The tables at the end of a run: one for each task and board, a row a framework, the basis under every heading.

Where the terminal is too narrow for that, metrics are rows and frameworks columns: nothing is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from hilbench.errors import HINT
from hilbench.measure.latency import shortfall
from hilbench.measure.metric import Metric
from hilbench.measure.units import accuracy, friendly, with_precision
from hilbench.records import fair
from hilbench.records.record import Record
from hilbench.reports.profile import print_profiles


@dataclass(frozen=True)
class NotRun:
    """A combination that could not be run here, why, and what to do about it. `framework` comes with its options."""

    task: str
    board: str
    framework: str
    reason: str
    hint: str = ""


@dataclass(frozen=True)
class _Column:
    """A metric with its heading, and the basis that all its values here share; estimates share their model too."""

    metric: str
    title: str
    basis: str
    model: str | None
    show: Callable[[Metric], str]

    def cell(self, record: Record) -> str:
        value = record.metrics.get(self.metric)
        return self.show(value) if value and (value.basis, value.model) == (self.basis, self.model) else "—"


_SHOWN: dict[str, tuple[str, Callable[[Metric], str]]] = {
    "accuracy": ("accuracy", accuracy),
    "fidelity": ("fidelity to TFLM", friendly),
    "cycles": ("cycles", with_precision),
    "instructions": ("instructions", friendly),
    "latency": ("latency", with_precision),
    "energy": ("energy", with_precision),
    "flash": ("flash", friendly),
    "ram": ("RAM", friendly),
    "arena": ("arena", friendly),
    "stack": ("stack", friendly),
}


_UNBOUNDED = 10_000
_MISSING = {"counts": "no cycles of {} are estimated"}
"""How it is told that a record lacks something, where the name alone does not say it."""


def print_tables(console: Console, records: Sequence[Record], not_run: Sequence[NotRun] = ()) -> None:
    """Print one table for each group of records that can be compared, in the order of their first, best row first."""
    groups = fair.groups(records)
    for group in groups:
        console.print()
        ranking = fair.rank(group)
        wide = _wide(ranking)
        fits = Measurement.get(console, console.options.update(width=_UNBOUNDED), wide).maximum <= console.width
        console.print(Text(_title(group[0]), style="bold"))
        console.print(wide if fits else _tall(ranking))
        for line in [*_unranked(ranking), *_built_apart(group)]:
            console.print(Text(line, style="dim"))
        print_profiles(console, [standing.record for standing in ranking.standings])
    for line in [*_kept_apart(groups), *_notes(records), *_not_run(not_run)]:
        console.print(Text(line, style="dim"))


def _title(record: Record) -> str:
    runs_as = f"as {record.target.stand_in} on " if record.target.stand_in else ""
    where = f"{record.board.id} ({record.board.name}; {runs_as}{record.target.kind} {record.target.version})"
    samples, of = record.dataset.samples, record.dataset.of
    some = f"first {samples} of {of}" if samples < of else f"{of}"
    return f"{record.task} on {where}, {some} sample{'s' if of > 1 else ''}"


def _columns(records: Iterable[Record]) -> list[_Column]:
    """Return the columns that these records need: two for a metric that has two bases."""
    columns: dict[tuple[str, str, str | None], _Column] = {}
    for name, (title, show) in _SHOWN.items():
        for record in records:
            if metric := record.metrics.get(name):
                heading = _heading(name, metric, record) or title
                key = (name, metric.basis, metric.model)
                columns.setdefault(key, _Column(name, heading, metric.basis, metric.model, show))
    return list(columns.values())


def _heading(name: str, metric: Metric, record: Record) -> str:
    """Return the heading of a metric that says more than its name; empty for the others."""
    if name == "accuracy":
        return f"{metric.detail} [95 %]"
    if name == "fidelity" and record.reference and record.reference.name != "TensorFlow Lite Micro":
        return f"{name} to {record.reference.name}"
    return ""


def _name(record: Record) -> str:
    return f"{record.framework.variant} {record.framework.version}"


def _place(standing: fair.Standing) -> str:
    return str(standing.place or "—")


def _wide(ranking: fair.Ranking) -> Table:
    table, several = Table(), len(ranking.standings) > 1
    if several:
        table.add_column(Text.assemble("rank by", ("\n" + ranking.metric, "dim")), justify="right")
    table.add_column("framework\n")
    records = [standing.record for standing in ranking.standings]
    columns = _columns(records)
    for column in columns:
        table.add_column(Text.assemble(column.title, ("\n" + column.basis, "dim")), justify="right")
    for standing in ranking.standings:
        place = [_place(standing)] if several else []
        cells = (Text(column.cell(standing.record)) for column in columns)
        table.add_row(*place, Text(_name(standing.record)), *cells)
    return table


def _tall(ranking: fair.Ranking) -> Table:
    table = Table()
    table.add_column("", overflow="fold")
    table.add_column("basis", style="dim", overflow="fold")
    records = [standing.record for standing in ranking.standings]
    for record in records:
        table.add_column(Text(_name(record)), justify="right", overflow="fold")
    if len(records) > 1:
        table.add_row(f"rank by {ranking.metric}", "", *map(_place, ranking.standings))
    for column in _columns(records):
        table.add_row(Text(column.title), column.basis, *(Text(column.cell(record)) for record in records))
    return table


def _unranked(ranking: fair.Ranking) -> list[str]:
    """Return a line for each row without a place, with the reason. A row alone has no ranking to be kept out of."""
    return [
        f"not ranked: {standing.record.framework.variant}: {standing.reason}"
        for standing in ranking.standings
        if standing.place is None and len(ranking.standings) > 1
    ]


def _built_apart(group: Sequence[Record]) -> list[str]:
    """Return how each row was compiled, if they were not compiled alike."""
    builds: dict[str, list[str]] = {}
    for record in group:
        build = f"{record.image.compiler}, {' '.join(record.image.flags)}"
        builds.setdefault(build, []).append(record.framework.variant)
    if len(builds) < 2:
        return []
    return [f"built by {build}: {', '.join(dict.fromkeys(which))}" for build, which in builds.items()]


def _kept_apart(groups: Sequence[Sequence[Record]]) -> list[str]:
    """Return why one task on one board has several tables."""
    lines, first = [], dict[tuple[str, str, str], Record]()
    for group in groups:
        record = group[0]
        other = first.setdefault((record.task, record.board.id, record.target.kind), record)
        if other is not record:
            what = ", ".join(fair.differences(other, record))
            lines.append(f"{record.task} on {record.board.id} has several tables: they differ in {what}")
    return lines


def _not_run(not_run: Iterable[NotRun]) -> list[str]:
    """Return one line for each reason, with all that it stopped and what to do about it."""
    stopped: dict[tuple[str, str], list[NotRun]] = {}
    for one in not_run:
        stopped.setdefault((one.reason, one.hint), []).append(one)
    lines = []
    for (reason, hint), which in stopped.items():
        frameworks, boards, tasks = (
            ", ".join(dict.fromkeys(getattr(one, name) for one in which)) for name in ("framework", "board", "task")
        )
        lines.append(f"not run: {frameworks} on {boards} ({tasks}): {reason}" + (f"; {hint}" if hint else ""))
    return lines


def _notes(records: Iterable[Record]) -> list[str]:
    """Return the small print: what estimates rest on, and what is missing. Each line once."""
    notes: dict[str, None] = {}
    for record in records:
        latency, energy = record.metrics.get("latency"), record.metrics.get("energy")
        if latency and latency.model:
            clock = f" at {record.board.clock_hz / 1e6:g} MHz" if record.board.clock_hz else ""
            notes[f"latency on {record.board.id} is estimated: {latency.model}{clock}; {latency.error}"] = None
        if energy and energy.model:
            notes[f"energy on {record.board.id} is estimated: {energy.model}; {energy.error}"] = None
        if latency and (known := shortfall(latency)):
            notes[f"latency of {record.label}: {known}"] = None
        for recovery in record.recoveries:
            died = recovery.report.partition("\n")[0]
            notes[f"{record.label} was reset in its {recovery.phase}, at sample {recovery.sample}: {died}"] = None
        for name, reason in record.missing.items():
            what = _MISSING.get(name, f"{name} of {{}} is not available")
            notes[f"{what.format(record.label)}: {' '.join(reason.replace(HINT, '; ').split())}"] = None
    return list(notes)
