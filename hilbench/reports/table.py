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
    _Column("fidelity", "fidelity"),
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
    for key, group in groups.items():
        rest = [missing for missing in not_run if (missing.task, missing.board, missing.target) == key]
        console.print()
        console.print(_table(group, rest))
    for note in _notes(records):
        console.print(Text(note, style="dim"))
    others = [m for m in not_run if (m.task, m.board, m.target) not in groups]
    if others:
        console.print()
    for missing in others:
        console.print(Text(f"not run: {missing.task} on {missing.board} through {missing.framework}: {missing.reason}"))


def _table(records: Sequence[Record], not_run: Sequence[NotRun]) -> RenderableType:
    first = records[0]
    title = f"{first.task} on {first.board.id} ({first.board.name}, {first.target.kind} {first.target.version})"
    table = Table(title=f"{title}   {first.dataset.samples} samples", title_justify="left", title_style="bold")
    table.add_column("framework\n")
    columns = [column for column in _COLUMNS if any(column.metric in record.metrics for record in records)]
    for column in columns:
        table.add_column(Text.assemble(column.title, "\n", (_basis(column, records), "dim")), justify="right")
    for record in records:
        values = [record.metrics.get(column.metric) for column in columns]
        cells = [column.show(value) if value else "—" for column, value in zip(columns, values, strict=True)]
        table.add_row(f"{record.framework.name} {record.framework.version}", *cells)
    for missing in not_run:
        table.add_row(missing.framework, Text(f"not run: {missing.reason}", style="dim"))
    return table


def _basis(column: _Column, records: Iterable[Record]) -> str:
    """Return what stands under a heading: the basis that all rows share, and what the number is compared with."""
    metrics = [record.metrics[column.metric] for record in records if column.metric in record.metrics]
    if column.metric == "accuracy":
        return f"{metrics[0].detail} [95 %]"
    if column.metric == "fidelity":
        return "vs TFLM"
    return " or ".join(dict.fromkeys(metric.basis for metric in metrics))


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
