"""The tables at the end of a run: one for each task and board, a row a framework, the basis under every heading.

Where the terminal is too narrow for that, metrics are rows and frameworks columns: nothing is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from hilbench.records import fair
from hilbench.records.record import Record
from hilbench.reports.columns import (
    NotRun,
    build_lines,
    columns_of,
    group_lines,
    name_of,
    not_run_lines,
    notes_of,
    place_of,
    title_of,
    unranked_lines,
)
from hilbench.reports.console import words
from hilbench.reports.profile import print_profiles
from hilbench.reports.verified import Verdicts, ranked, unverified_lines

__all__ = ["NotRun", "print_tables"]

_UNBOUNDED = 10_000


def print_tables(
    console: Console,
    records: Sequence[Record],
    not_run: Sequence[NotRun] = (),
    verdicts: Verdicts = MappingProxyType({}),
) -> None:
    """Print one table for each group of records that can be compared, in the order of their first, best row first."""
    groups = fair.groups(records)
    for group in groups:
        console.print()
        ranking = ranked(group, verdicts)
        wide = _wide(ranking)
        fits = Measurement.get(console, console.options.update(width=_UNBOUNDED), wide).maximum <= console.width
        console.print(words(title_of(group[0]), "bold"))
        console.print(wide if fits else _tall(ranking))
        for line in [*unranked_lines(ranking), *unverified_lines(group, verdicts), *build_lines(group)]:
            console.print(words(line, "dim"))
        print_profiles(console, [standing.record for standing in ranking.standings])
    for line in [*group_lines(groups), *notes_of(records), *not_run_lines(not_run)]:
        console.print(words(line, "dim"))


def _wide(ranking: fair.Ranking) -> Table:
    table, several = Table(), len(ranking.standings) > 1
    if several:
        table.add_column(Text.assemble("rank by", ("\n" + ranking.metric, "dim")), justify="right")
    table.add_column("framework\n")
    records = [standing.record for standing in ranking.standings]
    columns = columns_of(records)
    for column in columns:
        table.add_column(Text.assemble(words(column.title), ("\n" + column.basis, "dim")), justify="right")
    for standing in ranking.standings:
        place = [place_of(standing)] if several else []
        cells = (words(column.cell(standing.record)) for column in columns)
        table.add_row(*place, words(name_of(standing.record)), *cells)
    return table


def _tall(ranking: fair.Ranking) -> Table:
    table = Table()
    table.add_column("", overflow="fold")
    table.add_column("basis", style="dim", overflow="fold")
    records = [standing.record for standing in ranking.standings]
    for record in records:
        table.add_column(words(name_of(record)), justify="right", overflow="fold")
    if len(records) > 1:
        table.add_row(f"rank by {ranking.metric}", "", *map(place_of, ranking.standings))
    for column in columns_of(records):
        table.add_row(words(column.title), column.basis, *(words(column.cell(record)) for record in records))
    return table
