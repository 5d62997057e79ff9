"""Loads one board or one suite from its file; every mistake in the file is told at once, each with its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hilbench import plugins
from hilbench.catalog import words, yaml_file
from hilbench.catalog.board import Board
from hilbench.catalog.document import Document, Loc, Mistake, dotted
from hilbench.catalog.stand_in import StandIn, names_one
from hilbench.catalog.suite import Suite
from hilbench.errors import Unavailable, nearest

SUITE_SUFFIX = ".hil.yaml"

_Model = TypeVar("_Model", bound=BaseModel)


def load_board(path: Path) -> Board:
    """Return the board in `path`, its targets' settings checked too. Raises `CatalogError` with all that is wrong."""
    document = yaml_file.read(path)
    mistakes = [*_named_as_file(document, "id", path.stem), *_target_mistakes(document)]
    mistakes += _not_for_files(document, "stand_in", Board)
    return validated(document, Board, mistakes)


def load_suite(path: Path) -> Suite:
    """Return the suite in `path`, its `folder` set. Raises `CatalogError` with all that is wrong."""
    document = yaml_file.read(path)
    mistakes = [*_named_as_file(document, "suite", path.name.removesuffix(SUITE_SUFFIX)), *_repeated_tasks(document)]
    mistakes += _not_for_files(document, "folder", Suite)
    return validated(document, Suite, mistakes).model_copy(update={"folder": path.absolute().parent})


def validated(document: Document, model: type[_Model], mistakes: list[Mistake]) -> _Model:
    """Return the document's value as a `model`; raises one `CatalogError` with these mistakes and all others."""
    if not isinstance(document.value, dict):
        what = f"a {model.__name__.lower()} file holds keys and values, such as '{next(iter(model.model_fields))}: …'"
        raise document.error(document.mistakes or [Mistake(what, span=document.values[()])])
    found = [*document.mistakes, *mistakes]
    try:
        result = model.model_validate(document.value, strict=True)
    except ValidationError as error:
        raise document.error([*found, *words.mistakes(error, document, model)]) from error
    if found:
        raise document.error(found)
    return result


def _named_as_file(document: Document, key: str, stem: str) -> Iterator[Mistake]:
    name = document.value.get(key) if isinstance(document.value, dict) else None
    if isinstance(name, str) and name != stem:
        hint = "rename the file or the " + ("board" if key == "id" else "suite")
        yield Mistake(f"{key}: {name!r} is not the file's name, '{stem}'", hint, document.values[(key,)], (key,))


def _not_for_files(document: Document, key: str, model: type[BaseModel]) -> list[Mistake]:
    """Refuse, and take away, a key that a model has for those who load it."""
    if not isinstance(document.value, dict) or key not in document.value:
        return []
    del document.value[key]
    keys = [name for name in model.model_fields if name != key]
    return [Mistake(f"unknown key '{key}'", nearest(key, keys), document.keys[(key,)])]


def _repeated_tasks(document: Document) -> Iterator[Mistake]:
    """Find tasks with the id of an earlier one; works on whatever shape the document has."""
    tasks = document.value.get("tasks") if isinstance(document.value, dict) else None
    first: dict[str, int] = {}
    for index, task in enumerate(tasks if isinstance(tasks, tuple) else ()):
        name = task.get("id") if isinstance(task, dict) else None
        if not isinstance(name, str):
            continue
        loc: Loc = ("tasks", index, "id")
        span = document.values[loc]
        if name in first:
            yield Mistake(f"{dotted(loc)}: {name!r} is the id of another task (line {first[name]})", "", span, loc)
        first.setdefault(name, span.line)


def _target_mistakes(document: Document) -> Iterator[Mistake]:
    """Check each entry of `targets:` against the `Settings` of the target that it names."""
    targets = document.value.get("targets") if isinstance(document.value, dict) else None
    for name, settings in targets.items() if isinstance(targets, dict) else ():
        loc: Loc = ("targets", name)
        if name not in plugins.names("targets"):
            hint = nearest(name, plugins.names("targets"))
            yield Mistake(f"targets: there is no target {name!r}", hint, document.keys[loc], loc)
        elif isinstance(settings, dict) or settings is None:
            yield from _setting_mistakes(document, name, settings or {}, loc)


def _setting_mistakes(document: Document, name: str, settings: dict[str, Any], loc: Loc) -> Iterator[Mistake]:
    try:
        model: type[BaseModel] = StandIn if names_one(settings) else plugins.load("targets", name).Settings
    except Unavailable:
        return  # the target's package is not installed: whoever runs the board on it will be told
    try:
        model.model_validate(settings)
    except ValidationError as error:
        yield from words.mistakes(error, document, model, loc)
