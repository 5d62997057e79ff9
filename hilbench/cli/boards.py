"""`hilbench boards`: which boards there are, and what can run each of them here and now."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import click

from hilbench import catalog, plugins
from hilbench.catalog.board import Board
from hilbench.catalog.document import shown
from hilbench.cli.output import json_option, print_json, print_table
from hilbench.errors import CatalogError, Unavailable
from hilbench.frameworks.base import Support
from hilbench.targets.base import Target


@dataclass(frozen=True)
class _Row:
    """A board, and of each of its targets whether it could run here: `notes` say what stands in for the board."""

    board: Board
    targets: dict[str, Support]
    notes: dict[str, str]

    def names(self, ok: bool) -> str:
        """Return the targets that could run here, or those that could not, on one line."""
        return ", ".join(f"{name}{self.notes[name]}" for name, here in self.targets.items() if here.ok == ok)

    def states(self) -> dict[str, str]:
        """Return each target's state in words."""
        return {name: f"ready{self.notes[name]}" if here.ok else here.reason for name, here in self.targets.items()}


@click.command()
@click.argument("names", metavar="[BOARD]...", nargs=-1)
@json_option
def boards(names: tuple[str, ...], as_json: bool) -> None:
    """List the boards, and which of their targets are ready here. With BOARD: why the others are not, and what to do.

    What is attached is looked at in a run; `hilbench doctor` lists it.
    """
    known = catalog.boards()
    rows, errors = [], [] if names else list(known.broken().values())
    for board in [catalog.board(name, known) for name in names] or known.good().values():
        try:
            rows.append(_row(board, known))
        except CatalogError as error:  # nobody can stand in for it
            errors.append(CatalogError(error.what, where=shown(known.paths[board.id][0]), hint=error.hint))
    if as_json:
        print_json([_json(row) for row in rows])
    elif names:
        _print_targets(rows)
    else:
        _print_boards(rows)
    for wrong in errors:
        click.echo(f"error: {wrong}", err=True)
    if errors:
        sys.exit(CatalogError.exit_code)


def _print_boards(rows: Iterable[_Row]) -> None:
    print_table(
        ("board", "alias", "core", "clock", "what it is", "ready here", "not here"),
        [
            (row.board.id, ", ".join(row.board.aliases), row.board.core, _mhz(row.board.clock_hz), row.board.name,
             row.names(True), row.names(False))
            for row in rows
        ],
    )  # fmt: skip


def _print_targets(rows: Iterable[_Row]) -> None:
    print_table(
        ("board", "target", "", "what to do"),
        [
            (row.board.id, name, row.states()[name], "" if here.ok else here.remedy)
            for row in rows
            for name, here in row.targets.items()
        ],
    )


def _row(board: Board, known: Mapping[str, Board]) -> _Row:
    targets, notes = {}, {}
    for name in board.targets:
        notes[name] = ""
        try:
            runs = catalog.stood_in(board, name, known)
            notes[name] = f" as {runs.stand_in}" if runs.stand_in else ""
            target: Target = plugins.load("targets", name)()
            targets[name] = target.available(runs, target.Settings.model_validate(runs.targets[name]))
        except Unavailable as error:
            targets[name] = Support(False, error.what, error.hint or "")
    return _Row(board, targets, notes)


def _json(row: _Row) -> dict[str, object]:
    board = row.board
    return {"id": board.id, "aliases": list(board.aliases), "name": board.name, "core": board.core,
            "clock_hz": board.clock_hz, "counter": board.counter, "targets": row.states()}  # fmt: skip


def _mhz(clock_hz: int | None) -> str:
    return f"{clock_hz / 1e6:g} MHz" if clock_hz else ""
