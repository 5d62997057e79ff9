"""`hilbench new board`: a board file to fill in."""

from __future__ import annotations

import re
from pathlib import Path

import click

from hilbench import catalog
from hilbench.catalog.load import load_board
from hilbench.catalog.skeleton import FILL_IN, board_text
from hilbench.errors import UsageError

_NAME = re.compile("[a-z0-9][a-z0-9-]*")
_CORE = "cortex-m4f"


@click.group()
def new() -> None:
    """Begin a file of your own."""


@new.command()
@click.argument("name")
@click.option("--core", metavar="CORE", help=f"Its processor core; default: that of --like, else {_CORE}.")
@click.option("--like", metavar="BOARD", help="A board that it resembles: its numbers are taken over.")
@click.option("--output", "-o", type=click.Path(path_type=Path, file_okay=False), default="boards", show_default=True,
              metavar="DIR", help="The folder to write it to.")  # fmt: skip
def board(name: str, core: str | None, like: str | None, output: Path) -> None:
    """Write boards/NAME.yaml: a valid board, with comments that say what to fill in.

    pytest and hilbench find boards in ./boards, and in the folders that HILBENCH_BOARDS names.
    """
    if not _NAME.fullmatch(name):
        fitting = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
        raise UsageError(
            f"'{name}' is no name for a board: small letters, digits and hyphens", hint=f"such as '{fitting or 'mine'}'"
        )
    known = catalog.boards()
    if name in known:
        raise UsageError(f"there is a board '{name}' already: {known.paths[name][0]}", hint="choose another name")
    copied = catalog.board(like, known) if like else None
    text = board_text(name, core or (copied.core if copied else _CORE), copied, known.good())
    path = output / f"{name}.yaml"
    try:
        output.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"there is a {path} already", hint="it is left as it is") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint="-o DIR writes elsewhere") from None
    load_board(path)
    click.echo(f"{path}: look at each line that says {FILL_IN}, then `hilbench boards`")
