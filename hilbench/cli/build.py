"""`hilbench build`: images with their manifests, for a bench that has neither compiler nor framework."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hilbench import catalog
from hilbench.cli.output import json_option, place_options, print_json, print_table
from hilbench.errors import HilbenchError
from hilbench.export import Exported, export
from hilbench.selection import Selection, find_places, parse_frameworks


@click.command()
@click.argument("suites", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--board", "boards", multiple=True, required=True, metavar="BOARD", help="Repeatable; commas and globs.")
@click.option("--framework", "frameworks", multiple=True, metavar="NAME[:KEY=VALUE]", help="Repeatable; commas.")
@click.option("--models", "--hil-models", "folders", multiple=True, type=click.Path(path_type=Path), metavar="DIR",
              help="Where models are that suites name by hash; repeatable.")  # fmt: skip
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="DIR", help="Write the images here.")
@place_options
@json_option
def build(
    suites: tuple[Path, ...],
    boards: tuple[str, ...],
    frameworks: tuple[str, ...],
    folders: tuple[Path, ...],
    output: Path | None,
    as_json: bool,
    **given: Path | None,
) -> None:
    """Build the images of SUITES and show their sizes.

    The images of DIR run with `pytest SUITE --board=BOARD --hil-firmware=DIR`. What cannot be built is told at the end
    and does not stop the rest.
    """
    selection = Selection(
        boards=tuple(catalog.resolve(boards)),
        frameworks=parse_frameworks(frameworks),
        model_folders=catalog.model_folders(folders),
        places=find_places(given),
    )
    found = catalog.suites(suites)
    rows, errors = [], []
    for name, suite in found.items():
        for plan in (plan for task in suite.tasks for plan in selection.plans(found.paths[name][0], task)):
            try:
                rows.append(export(plan, suite, output))
            except HilbenchError as error:
                errors.append(error)
    _show(rows, as_json)
    for told in errors:
        click.echo(f"error: {told}", err=True)
    if errors:
        sys.exit(errors[0].exit_code)


def _show(rows: list[Exported], as_json: bool) -> None:
    if as_json:
        print_json([made.as_dict() for made in rows])
        return
    if not rows:
        return
    print_table(
        ("image", "build id", "flash", "RAM", "agent's flash", "agent's RAM"),
        [(str(made.path), made.build_id[:12], *(f"{size:,} B" if size is not None else "" for size in made.sizes))
         for made in rows],
    )  # fmt: skip
