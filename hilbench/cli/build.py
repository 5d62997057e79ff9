"""`hilbench build`: images with their manifests, for a bench that has neither compiler nor framework; their sizes."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hilbench import catalog
from hilbench.cli.output import json_option, place_options, print_json, print_table
from hilbench.errors import HilbenchError, UsageError
from hilbench.export import Exported, export
from hilbench.plan import Plan
from hilbench.reports.console import WIDTH_ELSEWHERE, console_for
from hilbench.reports.size import Sized, print_sizes
from hilbench.selection import FrameworkChoice, Selection, find_places, parse_frameworks


@click.command()
@click.argument("suites", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--board", "boards", multiple=True, required=True, metavar="BOARD", help="Repeatable; commas and globs.")
@click.option("--framework", "frameworks", multiple=True, metavar="NAME[:KEY=VALUE]", help="Repeatable; commas.")
@click.option("--models", "--hil-models", "folders", multiple=True, type=click.Path(path_type=Path), metavar="DIR",
              help="Where models are that suites name by hash; repeatable.")  # fmt: skip
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="DIR", help="Write the images here.")
@click.option("--size", "size", is_flag=True, help="Show what the images take of their boards' memory, part by part.")
@click.option("--firmware", "--hil-firmware", "firmware", type=click.Path(path_type=Path), metavar="DIR",
              help="With --size: show the precompiled images of DIR, build nothing.")  # fmt: skip
@place_options
@json_option
def build(
    suites: tuple[Path, ...],
    boards: tuple[str, ...],
    frameworks: tuple[str, ...],
    folders: tuple[Path, ...],
    output: Path | None,
    size: bool,
    firmware: Path | None,
    as_json: bool,
    **given: Path | None,
) -> None:
    """Build the images of SUITES and show their sizes.

    The images of DIR run with `pytest SUITE --board=BOARD --hil-firmware=DIR`. What cannot be built is told at the end
    and does not stop the rest.
    """
    if firmware and (output or not size):
        hint = "leave out --output" if output else "add --size to see what they take"
        raise UsageError("--firmware names images that are there already: nothing is built", hint=hint)
    selection = Selection(
        boards=tuple(catalog.resolve(boards)),
        frameworks=parse_frameworks(frameworks),
        model_folders=catalog.model_folders(folders),
        firmware=firmware,
        places=find_places(given),
    )
    found = catalog.suites(suites)
    rows, errors = list[tuple[Plan, Exported]](), []
    for name, suite in found.items():
        for plan in (plan for task in suite.tasks for plan in selection.plans(found.paths[name][0], task)):
            try:
                rows.append((plan, export(plan, suite, output)))
            except HilbenchError as error:
                errors.append(error)
    if size:
        _show_sizes(rows, as_json)
    else:
        _show([made for _, made in rows], as_json)
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


def _show_sizes(rows: list[tuple[Plan, Exported]], as_json: bool) -> None:
    """Show what each image takes of its board. A program for the host is none that takes a board's memory."""
    named = [(plan, str(FrameworkChoice(plan.framework, plan.options)), made) for plan, made in rows]
    if as_json:
        print_json([
            {"task": plan.task, "board": plan.board.id, "framework": framework, "path": str(made.path),
             "build_id": made.build_id, **(made.footprint.as_dict() if made.footprint else {})}
            for plan, framework, made in named
        ])  # fmt: skip
        return
    sizes = [
        Sized(plan.task, plan.board, framework, made.footprint) for plan, framework, made in named if made.footprint
    ]
    print_sizes(console_for(sys.stdout, None if sys.stdout.isatty() else WIDTH_ELSEWHERE), sizes)
    for plan, framework, made in named:
        if made.footprint is None:
            click.echo(f"not counted: {plan.task}[{plan.board.id}-{framework}]: a program of this computer", err=True)
