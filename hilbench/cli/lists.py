"""`hilbench suites` and `frameworks`: what there is, and what of it can be used here."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import click

from hilbench import catalog, plugins
from hilbench.catalog.board import Board
from hilbench.cli.output import json_option, place_options, print_json, print_table
from hilbench.errors import HilbenchError, ModelError, Unavailable
from hilbench.frameworks.base import Framework, Model, Request, Support
from hilbench.selection import FrameworkChoice, find_places, parse_frameworks

_HASH = re.compile("[0-9a-f]{64}")


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
@click.option("--board", default="qemu", show_default=True, help="The board whose core counts; commas and globs.")
@click.option("--framework", "chosen", multiple=True, metavar="NAME[:KEY=VALUE]", help="Only these; repeatable.")
@place_options
@json_option
def frameworks(model: Path | None, board: str, chosen: tuple[str, ...], as_json: bool, **given: Path | None) -> None:
    """List the frameworks, and whether each can be used for a board here: with MODEL, for that model.

    Nothing is built. What cannot run says why, and what to do about it. Ends with 3 if nothing can run MODEL.
    """
    places = dict(find_places(given))
    asked = model_at(model) if model else None
    choices = parse_frameworks(chosen) or tuple(FrameworkChoice(name) for name in plugins.names("frameworks"))
    boards = [choice.board for choice in catalog.resolve([board])]
    rows = [_framework_row(choice, where, asked, places) for where in boards for choice in choices]
    if as_json:
        print_json(rows)
    else:
        print_table(("framework", "what it is", "board", model.name if model else "ready", "versions"), [
            (row["framework"], row["title"], row["board"], _answer(row), _versions(row["versions"]))
            for row in rows])  # fmt: skip
    if model and not any(row["ok"] for row in rows):
        sys.exit(Unavailable.exit_code)


def _framework_row(
    choice: FrameworkChoice, board: Board, model: Model | None, places: dict[str, Path]
) -> dict[str, Any]:
    title, versions, core = "", {}, board.core_info
    try:
        framework: Framework = plugins.load("frameworks", choice.name)()
        title, here = framework.title, framework.available(core, places)
        if here.ok and model is not None:
            request = Request(model, core, framework.check_options(dict(choice.options)), places)
            here = framework.supports(request)
            versions = dict(framework.versions(request)) if here.ok else {}
    except HilbenchError as error:
        here = Support(False, error.what, error.hint or "")
    return {"framework": str(choice), "title": title, "board": board.id, "ok": here.ok, "reason": here.reason,
            "remedy": here.remedy, "versions": versions}  # fmt: skip


def _answer(row: dict[str, Any]) -> str:
    return "yes" if row["ok"] else " — ".join(filter(None, ("no: " + row["reason"], row["remedy"])))


def _versions(versions: dict[str, str]) -> str:
    """Return versions on one line; a hash by its first digits (`--json` has them all)."""
    short = {name: f"{text[:8]}…" if _HASH.fullmatch(text) else text for name, text in versions.items()}
    return ", ".join(f"{name} {text}" for name, text in short.items())


def model_at(path: Path) -> Model:
    """Return the model in a file, with its hash. Raises `ModelError`."""
    try:
        return Model(path.stem, path, hashlib.sha256(path.read_bytes()).hexdigest())
    except OSError as error:
        raise ModelError(f"the model cannot be read: {error.strerror}", where=str(path)) from error
