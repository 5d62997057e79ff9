"""The table of what each operator takes: operators are rows, frameworks columns, so that they can be compared."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hilbench.errors import HINT
from hilbench.measure.metric import Metric
from hilbench.measure.profile import Profile
from hilbench.measure.units import friendly
from hilbench.records.record import Record
from hilbench.reports.console import words

_REST = "between operators"


def print_profiles(console: Console, group: Sequence[Record]) -> None:
    """Print the profiles of records that can be compared, if any has one; one table for each list of operators."""
    tables: dict[tuple[str, ...], list[tuple[Record, Profile]]] = {}
    for record in group:
        if profile := record.profile:
            names = tuple(operator.name for operator in profile.operators)
            key = (*names, profile.unit, profile.basis, profile.error or "")
            tables.setdefault(key, []).append((record, profile))
    for columns in tables.values():
        record, first = columns[0]
        cycles = (
            f"cycles estimated ({(first.error or '').partition(':')[0]}), " if first.total_cycles is not None else ""
        )
        console.print()
        title = f"operators of {record.task} on {record.board.id}, {cycles}{first.unit} {first.basis}"
        console.print(words(title, "bold"))
        console.print(_table(columns))
        for row, profile in columns:
            console.print(words(f"{row.framework.variant} spends most in {_most(profile)}", "dim"))
            if profile.no_cycles:
                console.print(
                    words(f"no cycles of {row.framework.variant}: {profile.no_cycles.replace(HINT, '; ')}", "dim")
                )


def _table(columns: Sequence[tuple[Record, Profile]]) -> Table:
    table = Table()
    table.add_column("operator", overflow="fold")
    for record, profile in columns:
        units = [profile.unit, *(["cycles"] if profile.total_cycles is not None else [])]
        heading = Text.assemble(words(record.framework.variant), (f"\n{', '.join(reversed(units))}, share", "dim"))
        table.add_column(heading, justify="right", overflow="fold")
    names = [*(operator.name for operator in columns[0][1].operators), _REST]
    for index, name in enumerate(names):
        cells = (_cell(profile, index) for _, profile in columns)
        table.add_row(words(name), *cells, end_section=index == len(names) - 1)
    table.add_row("whole inference", *(_whole(profile) for _, profile in columns))
    return table


def _cell(profile: Profile, index: int) -> str:
    """Return what operator `index` (or, past the last, the rest) takes, and its share of the whole: `1.21 M  34.0 %`.

    Where cycles were estimated, they come first: `1.62 M  1.21 M  34.0 %`.
    """
    if index < len(profile.operators):
        value, cycles = profile.operators[index].value, profile.operators[index].cycles
    else:
        value, cycles = profile.rest, profile.rest_cycles
    return f"{_numbers(profile, value, cycles)} {100 * profile.shares()[index]:5.1f} %"


def _whole(profile: Profile) -> str:
    return f"{_numbers(profile, profile.total, profile.total_cycles)} {100.0:5.1f} %"


def _numbers(profile: Profile, value: float, cycles: float | None) -> str:
    text = friendly(Metric(value=value, unit=profile.unit, basis=profile.basis))
    if cycles is None:
        return text
    return f"{friendly(Metric(value=cycles, unit='cycles', basis='estimated')):>6}  {text:>6}"


def _most(profile: Profile) -> str:
    """Return the operator that takes most, such as `3 CONV_2D (34.0 %)`."""
    *shares, rest = profile.shares()
    if not shares or rest > max(shares):
        return f"the runtime, between operators ({100 * rest:.1f} %)"
    share, name = max(zip(shares, (operator.name for operator in profile.operators), strict=True))
    return f"{name} ({100 * share:.1f} %)"
