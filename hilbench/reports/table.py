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

from hilbench.measure.metric import Metric
from hilbench.measure.units import friendly, percent
from hilbench.records.record import Record


@dataclass(frozen=True)
class NotRun:
    """A combination that could not be run here, and why."""

    task: str
    board: str
    target: str
    framework: str
    reason: str


@dataclass(frozen=True)
class _Column:
    """A metric with its heading, and the basis that all its values here share."""

    metric: str
    title: str
    basis: str
    show: Callable[[Metric], str]

    def cell(self, record: Record) -> str:
        value = record.metrics.get(self.metric)
        return self.show(value) if value and value.basis == self.basis else "—"


_SHOWN: dict[str, tuple[str, Callable[[Metric], str]]] = {
    "accuracy": ("accuracy", percent),
    "fidelity": ("fidelity to TFLM", friendly),
    "cycles": ("cycles", friendly),
    "instructions": ("instructions", friendly),
    "latency": ("latency", friendly),
    "flash": ("flash", friendly),
    "ram": ("RAM", friendly),
    "arena": ("arena", friendly),
    "stack": ("stack", friendly),
}


_UNBOUNDED = 10_000


def print_tables(console: Console, records: Sequence[Record], not_run: Sequence[NotRun] = ()) -> None:
    """Print one table for each task, data set, board and target, in the order of their first record."""
    groups: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        data = (record.dataset.sha256, record.dataset.samples)
        groups.setdefault((record.suite, record.task, record.board, record.target, data), []).append(record)
    for group in groups.values():
        console.print()
        wide = _wide(group)
        fits = Measurement.get(console, console.options.update(width=_UNBOUNDED), wide).maximum <= console.width
        console.print(Text(_title(group[0]), style="bold"))
        console.print(wide if fits else _tall(group))
    for line in [*_notes(records), *_not_run(not_run)]:
        console.print(Text(line, style="dim"))


def _title(record: Record) -> str:
    where = f"{record.board.id} ({record.board.name}; {record.target.kind} {record.target.version})"
    samples = record.dataset.samples
    return f"{record.task} on {where}, {samples} sample{'s' if samples > 1 else ''}"


def _columns(records: Iterable[Record]) -> list[_Column]:
    """Return the columns that these records need: two for a metric that has two bases."""
    columns: dict[tuple[str, str], _Column] = {}
    for name, (title, show) in _SHOWN.items():
        for record in records:
            if metric := record.metrics.get(name):
                heading = f"{metric.detail} [95 %]" if name == "accuracy" else title
                columns.setdefault((name, metric.basis), _Column(name, heading, metric.basis, show))
    return list(columns.values())


def _name(record: Record) -> str:
    return f"{record.framework.variant} {record.framework.version}"


def _wide(records: Sequence[Record]) -> Table:
    table = Table()
    table.add_column("framework\n")
    columns = _columns(records)
    for column in columns:
        table.add_column(Text.assemble(column.title, ("\n" + column.basis, "dim")), justify="right")
    for record in records:
        table.add_row(Text(_name(record)), *(Text(column.cell(record)) for column in columns))
    return table


def _tall(records: Sequence[Record]) -> Table:
    table = Table()
    table.add_column("", overflow="fold")
    table.add_column("basis", style="dim", overflow="fold")
    for record in records:
        table.add_column(Text(_name(record)), justify="right", overflow="fold")
    for column in _columns(records):
        table.add_row(Text(column.title), column.basis, *(Text(column.cell(record)) for record in records))
    return table


def _not_run(not_run: Iterable[NotRun]) -> list[str]:
    """Return one line for each task and reason, with all the combinations that it stopped."""
    lines: dict[tuple[str, str], list[str]] = {}
    for one in not_run:
        lines.setdefault((one.task, one.reason), []).append(f"{one.board}-{one.framework}")
    return [f"not run: {task}[{', '.join(which)}]: {reason}" for (task, reason), which in lines.items()]


def _notes(records: Iterable[Record]) -> list[str]:
    """Return the small print: what estimates rest on, and what is missing. Each line once."""
    notes: dict[str, None] = {}
    for record in records:
        latency = record.metrics.get("latency")
        if latency and latency.model:
            clock = f" at {record.board.clock_hz / 1e6:g} MHz" if record.board.clock_hz else ""
            notes[f"latency on {record.board.id} is estimated: {latency.model}{clock}; {latency.error}"] = None
        for name, reason in record.missing.items():
            notes[f"{name} of {record.label} is not available: {' '.join(reason.split())}"] = None
    return list(notes)
