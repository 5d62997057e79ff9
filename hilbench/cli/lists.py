"""`hilbench boards`, `suites` and `frameworks`: what there is, and what of it can be used here."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import click

from hilbench import catalog, plugins
from hilbench.catalog.board import Board
from hilbench.catalog.core import CORES
from hilbench.cli.output import json_option, place_options, print_json, print_table
from hilbench.errors import CatalogError, ModelError, Unavailable
from hilbench.frameworks.base import Framework, Model, Request, Support
from hilbench.selection import find_places
from hilbench.targets.base import Target


@click.command()
@json_option
def boards(as_json: bool) -> None:
    """List the boards, and whether each can be run here."""
    known = catalog.boards()
    rows = [_board_row(board) for board in known.good().values()]
    if as_json:
        print_json(rows)
    else:
        _print_boards(rows)
    for error in known.broken().values():
        click.echo(f"error: {error}", err=True)
    if known.broken():
        sys.exit(CatalogError.exit_code)


def _print_boards(rows: list[dict[str, Any]]) -> None:
    print_table(
        ("board", "alias", "core", "clock", "what it is", "targets"),
        [
            (row["id"], ", ".join(row["aliases"]), row["core"], _mhz(row["clock_hz"]), row["name"],
             "; ".join(f"{name}: {state}" for name, state in row["targets"].items()))
            for row in rows
        ],
    )  # fmt: skip


def _board_row(board: Board) -> dict[str, Any]:
    targets = {}
    for name, given in board.targets.items():
        try:
            target: Target = plugins.load("targets", name)()
            here = target.available(board, target.Settings.model_validate(given or {}))
        except Unavailable as error:
            here = Support(False, error.what)
        targets[name] = "ready" if here.ok else here.reason
    return {"id": board.id, "aliases": list(board.aliases), "name": board.name, "core": board.core,
            "clock_hz": board.clock_hz, "counter": board.counter, "targets": targets}  # fmt: skip


def _mhz(clock_hz: int | None) -> str:
    return f"{clock_hz / 1e6:g} MHz" if clock_hz else ""


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@json_option
def suites(paths: tuple[Path, ...], as_json: bool) -> None:
    """List the suites in PATHS (default: those that come with hilbench) and their tasks."""
    found = catalog.suites(paths)
    rows = [
        {"suite": suite.suite, "task": task.id, "title": task.title or suite.title, "model": task.model.file,
         "data": task.dataset.name, "file": str(found.paths[name][0])}
        for name, suite in found.items()
        for task in suite.tasks
    ]  # fmt: skip
    if as_json:
        print_json(rows)
        return
    print_table(("suite", "task", "title", "data", "file"), [
        (row["suite"], row["task"], row["title"], row["data"], row["file"]) for row in rows])  # fmt: skip


@click.command()
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--board", default="qemu", show_default=True, help="The board whose core counts.")
@place_options
@json_option
def frameworks(model: Path | None, board: str, as_json: bool, **given: Path | None) -> None:
    """List the frameworks, and whether each can be used for a board here: with MODEL, for that model."""
    choice = catalog.resolve([board])[0]
    core = CORES[choice.board.core]
    asked, places = _model(model) if model else None, dict(find_places(given))
    rows = []
    for name in plugins.names("frameworks"):
        try:
            framework: Framework = plugins.load("frameworks", name)()
            request = Request(asked, core, framework.check_options({}), places) if asked else None
            here = framework.available(core, places)
            if here.ok and request:
                here = framework.supports(request)
            versions = dict(framework.versions(request)) if here.ok and request else {}
            title = framework.title
        except Unavailable as error:
            here, versions, title = Support(False, error.what, error.hint or ""), {}, ""
        rows.append({"framework": name, "title": title, "ok": here.ok, "reason": here.reason, "remedy": here.remedy,
                     "versions": versions})  # fmt: skip
    if as_json:
        print_json(rows)
        return
    print_table(("framework", "what it is", f"on {choice.board.id}", "versions"), [
        (str(row["framework"]), str(row["title"]),
         "ready" if row["ok"] else " — ".join(filter(None, (str(row["reason"]), str(row["remedy"])))),
         ", ".join(f"{k} {v}" for k, v in dict(row["versions"]).items()))  # type: ignore[call-overload]
        for row in rows])  # fmt: skip


def _model(path: Path) -> Model:
    try:
        return Model(path.stem, path, hashlib.sha256(path.read_bytes()).hexdigest())
    except OSError as error:
        raise ModelError(f"the model cannot be read: {error.strerror}", where=str(path)) from error
