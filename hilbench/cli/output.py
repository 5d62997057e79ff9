"""What all commands share: `--json`, and tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from hilbench.reports.console import WIDTH_ELSEWHERE, console_for

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def print_json(value: Any) -> None:
    """Print `value` as indented JSON."""
    click.echo(json.dumps(value, indent=1))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a plain table; as wide as it needs where there is no terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console_for(sys.stdout, None if sys.stdout.isatty() else WIDTH_ELSEWHERE).print(table)
