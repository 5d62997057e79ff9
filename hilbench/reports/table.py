"""The table at the end of a run: one for each task and board, a row a framework, the basis under every heading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, RenderableType
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
    metric: str
    title: str
    show: Callable[[Metric], str] = friendly


_COLUMNS = (
    _Column("accuracy", "accuracy", percent),
    _Column("fidelity", "fidelity to TFLM"),
    _Column("cycles", "cycles"),
    _Column("instructions", "instructions"),
    _Column("latency", "latency"),
    _Column("flash", "flash"),
    _Column("ram", "RAM"),
    _Column("arena", "arena"),
    _Column("stack", "stack"),
)


def print_tables(console: Console, records: Sequence[Record], not_run: Sequence[NotRun] = ()) -> None:
    """Print one table for each task, board and target, in the order of their first record."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.task, record.board.id, record.target.kind), []).append(record)
    for group in groups.values():
        console.print()
        console.print(_table(group))
    for note in _notes(records):
        console.print(Text(note, style="dim"))
    for line in _not_run(not_run):
        console.print(Text(line))


def _table(records: Sequence[Record]) -> RenderableType:
    first = records[0]
    title = f"{first.task} on {first.board.id} ({first.board.name}, {first.target.kind} {first.target.version})"
    table = Table(title=f"{title}   {first.dataset.samples} samples", title_justify="left", title_style="bold")
    table.add_column("framework\n")
    columns = [column for column in _COLUMNS if any(column.metric in record.metrics for record in records)]
    for column in columns:
        table.add_column(Text.assemble(*_heading(column, records)), justify="right")
    for record in records:
        values = [record.metrics.get(column.metric) for column in columns]
        cells = [column.show(value) if value else "—" for column, value in zip(columns, values, strict=True)]
        table.add_row(f"{record.framework.name} {record.framework.version}", *cells)
    return table


def _heading(column: _Column, records: Iterable[Record]) -> tuple[str, tuple[str, str]]:
    """Return a column's title, and under it the basis that all its values share."""
    metrics = [record.metrics[column.metric] for record in records if column.metric in record.metrics]
    title = f"{metrics[0].detail} [95 %]" if column.metric == "accuracy" else column.title
    return title, ("\n" + " or ".join(dict.fromkeys(metric.basis for metric in metrics)), "dim")


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
        for name, metric in record.metrics.items():
            if metric.model and name == "latency":
                clock = f" at {record.board.clock_hz / 1e6:g} MHz" if record.board.clock_hz else ""
                notes[f"latency on {record.board.id} is estimated: {metric.model}{clock}; {metric.error}"] = None
        for name, reason in record.missing.items():
            notes[f"{name} of {record.label} is not available: {' '.join(reason.split())}"] = None
    return list(notes)
