"""`hilbench publish`: the leaderboard, a static site, of a store of records."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hilbench.records.store import DEFAULT, open_store
from hilbench.reports.web import environment

if TYPE_CHECKING:
    from hilbench.reports.site.rows import Refused

_TOLD = 20


@click.command()
@click.argument("store", default=str(DEFAULT))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("site"), show_default=True,
              help="The site's folder; a site that was published there before is replaced.")  # fmt: skip
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Processes at work; as many as there are processors.")
@click.option("--strict", is_flag=True, help="End with 1 if any record was refused.")
def publish(store: str, output: Path, jobs: int | None, strict: bool) -> None:
    """Make a static site of the records in STORE: a folder, or SCHEME:… of a database.

    Records that are damaged or of a newer hilbench are refused, each with its reason here and on a page of the site;
    the rest is published. Ends with 4 if there is nothing to show: then a site that was there before stays.
    """
    environment()  # says what to install where Jinja2 is missing
    from hilbench.reports.site.build import NothingToShow
    from hilbench.reports.site.build import publish as build
    from hilbench.reports.site.pool import cores

    try:
        made = build(open_store(store), output, jobs or cores())
    except NothingToShow as nothing:
        _tell(nothing.refused)
        raise
    _tell(made.refused)
    click.echo(f"{output}: {made.rows} rows of {made.records} records, {len(made.refused)} refused")
    if strict and made.refused:
        sys.exit(1)


def _tell(refused: Sequence[Refused]) -> None:
    for one in refused[:_TOLD]:
        click.echo(f"refused: {one.id}: {one.reason}", err=True)
    if len(refused) > _TOLD:
        click.echo(f"refused: {len(refused) - _TOLD} more", err=True)
