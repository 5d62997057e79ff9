"""`hilbench tune`: faster schedules for the kernels that the framework tvm makes of a model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from hilbench import catalog
from hilbench.cli.lists import model_at
from hilbench.cli.output import json_option, print_json, print_table
from hilbench.errors import UsageError
from hilbench.places import PLACES
from hilbench.tune import Tuned, bench_of
from hilbench.tune import tune as tune_model

_TRIALS = 32


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", default="qemu", show_default=True, metavar="BOARD", help="An emulated board of the core.")
@click.option("--trials", type=click.IntRange(1), default=_TRIALS, show_default=True, metavar="N",
              help="Schedules to try of each kernel.")  # fmt: skip
@click.option("--codegen", default="c", show_default=True, help="The option of tvm to tune for: c or llvm.")
@click.option("--output", "-o", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR",
              help="The folder of the schedules; what it holds is built upon.")  # fmt: skip
@json_option
def tune(model: Path, board: str, trials: int, codegen: str, output: Path, as_json: bool) -> None:
    """Search faster schedules for the kernels of MODEL, by instructions that an emulator counts.

    Builds use what is found through --hil-tvm-tuning=DIR, for boards of the same core.
    """
    choices = catalog.resolve([board])
    if len(choices) != 1:
        raise UsageError(f"--board={board} names {len(choices)} boards", hint="tune for one after the other")

    def tell(operator: str, done: int, total: int) -> None:
        click.echo(f"kernel {done + 1} of {total}: {operator}", err=True)

    rows = tune_model(model_at(model), bench_of(choices[0], codegen), trials, output, tell)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ("operators", "kernel", "before", "after", "", "tried"),
        [_cells(row) for row in (*rows, _total(rows))],
    )
    (place,) = (place for place in PLACES if place.name == "tvm_tuning")
    click.echo(f"instructions, counted; builds use them with {place.flag}={output}")


def _total(rows: tuple[Tuned, ...]) -> Tuned:
    calls = [len(row.operators) for row in rows]
    before = sum(row.before * count for row, count in zip(rows, calls, strict=True))
    after = sum(row.after * count for row, count in zip(rows, calls, strict=True))
    return Tuned("", ("all",), before, after, sum(row.tried for row in rows))


def _cells(row: Tuned) -> tuple[str, ...]:
    share = f"{row.after / row.before - 1:+.1%}" if row.after < row.before else "as it was"
    return ", ".join(row.operators), row.kernel, f"{row.before:,}", f"{row.after:,}", share, str(row.tried)
