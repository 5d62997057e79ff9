"""What all commands share: `--json`, lines, and tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from hilbench.errors import printable
from hilbench.places import PLACES
from hilbench.reports.console import WIDTH_ELSEWHERE, console_for

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give `command` an option for each of `hilbench.places`; its value comes under the place's name."""
    for place in reversed(PLACES):
        kind = click.Path(path_type=Path)
        command = click.option(place.flag, place.name, type=kind, metavar="PATH", help=place.help)(command)
    return command


def print_json(value: Any) -> None:
    """Print `value` as indented JSON."""
    click.echo(json.dumps(value, indent=1))


def say(text: str, *, err: bool = False) -> None:
    """Print a line that may quote what others wrote, `printable`."""
    click.echo(printable(text), err=err)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a plain table; as wide as it needs where there is no terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console_for(sys.stdout, None if sys.stdout.isatty() else WIDTH_ELSEWHERE).print(table)
