"""The table of what each operator takes: operators are rows, frameworks columns, so that they can be compared."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hilbench.measure.metric import Metric
from hilbench.measure.profile import Profile
from hilbench.measure.units import friendly
from hilbench.records.record import Record

_REST = "between operators"


def print_profiles(console: Console, group: Sequence[Record]) -> None:
    """Print the profiles of records that can be compared, if any has one; one table for each list of operators."""
    tables: dict[tuple[str, ...], list[tuple[Record, Profile]]] = {}
    for record in group:
        if profile := record.profile:
            names = tuple(operator.name for operator in profile.operators)
            tables.setdefault((*names, profile.unit, profile.basis), []).append((record, profile))
    for columns in tables.values():
        record, first = columns[0]
        console.print()
        console.print(Text(f"operators of {record.task} on {record.board.id}, {first.unit} {first.basis}", "bold"))
        console.print(_table(columns))


def _table(columns: Sequence[tuple[Record, Profile]]) -> Table:
    table = Table()
    table.add_column("operator", overflow="fold")
    for record, _ in columns:
        table.add_column(Text(record.framework.variant), justify="right", overflow="fold")
    for index, operator in enumerate(columns[0][1].operators):
        cells = (_cell(profile.operators[index].value, profile) for _, profile in columns)
        table.add_row(Text(operator.name), *cells)
    table.add_row(_REST, *(_cell(profile.rest, profile) for _, profile in columns), end_section=True)
    table.add_row("whole inference", *(_cell(profile.total, profile) for _, profile in columns))
    return table


def _cell(value: float, profile: Profile) -> str:
    """Return a value and its share of the whole, such as `1.21 M  34.0 %`."""
    share = f"{100 * value / profile.total:5.1f} %" if profile.total else ""
    return f"{friendly(Metric(value=value, unit=profile.unit, basis=profile.basis))} {share}"
