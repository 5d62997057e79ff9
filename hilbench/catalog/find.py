"""Finds boards and suites, reading each file only when somebody asks for it, and reads what `--board` says."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from hilbench import resources
from hilbench.catalog.board import Board
from hilbench.catalog.document import shown
from hilbench.catalog.load import SUITE_SUFFIX, load_board, load_suite
from hilbench.catalog.stand_in import stood_in
from hilbench.catalog.suite import Suite
from hilbench.errors import CatalogError, UsageError, nearest

BOARDS_VARIABLE = "HILBENCH_BOARDS"
MODELS_VARIABLE = "HILBENCH_MODELS"

_T = TypeVar("_T")


class Files(Mapping[str, _T]):
    """Files by name, each loaded when it is first asked for: a broken file is an error for those who want that one.

    Looking up a name raises `CatalogError` for a broken file, and for two files of that name.
    """

    def __init__(self, paths: Mapping[str, Sequence[Path]], load: Callable[[Path], _T]) -> None:
        self.paths = {name: tuple(paths[name]) for name in sorted(paths)}
        self._load = load
        self._loaded: dict[str, _T] = {}

    def __getitem__(self, name: str) -> _T:
        if name not in self._loaded:
            first, *others = self.paths[name]
            if others:
                raise CatalogError(
                    f"'{name}' is also the name of {', '.join(shown(path) for path in others)}",
                    where=shown(first),
                    hint="rename one of them",
                )
            self._loaded[name] = self._load(first)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __contains__(self, name: object) -> bool:
        return name in self.paths

    def good(self) -> dict[str, _T]:
        """Return what loads."""
        broken = self.broken()
        return {name: self[name] for name in self if name not in broken}

    def broken(self) -> dict[str, CatalogError]:
        """Return the errors of what does not load."""
        errors = {}
        for name in self:
            try:
                self[name]
            except CatalogError as error:
                errors[name] = error
        return errors


@dataclass(frozen=True)
class Choice:
    """A board and the name of the target to run it on."""

    board: Board
    target: str

    def __str__(self) -> str:
        return f"{self.board.id}@{self.target}"


def boards(extra: Sequence[Path] = ()) -> Files[Board]:
    """Return the boards of hilbench, of the folders `extra` and in HILBENCH_BOARDS, and of `./boards`, by id.

    Raises `UsageError` for a folder that is not there. The files are read when their boards are looked up.
    """
    folders = [resources.BOARDS, *_folders(extra, BOARDS_VARIABLE)]
    if (own := Path("boards")).is_dir():
        folders.append(own)
    paths: dict[str, list[Path]] = {}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        for path in sorted(folder.glob("[!.]*.yaml")):
            same = paths.setdefault(path.stem, [])
            # A checkout beside an installed hilbench holds the same boards: equal files are one.
            if not any(filecmp.cmp(path, other, shallow=False) for other in same):
                same.append(path)
    return Files(paths, load_board)


def suites(paths: Sequence[Path] = ()) -> Files[Suite]:
    """Return the suites in `paths` (files and folders; by default those of hilbench), by name."""
    found: dict[str, list[Path]] = {}
    for path in paths or [resources.SUITES]:
        if not path.exists():
            raise UsageError(f"there is no suite file or folder '{path}'", hint="suites end in .hil.yaml")
        files = sorted(path.glob(f"*{SUITE_SUFFIX}")) if path.is_dir() else [path]
        if not files:
            raise UsageError(f"there is no suite in the folder '{path}'", hint="suites end in .hil.yaml")
        for file in files:
            same = found.setdefault(file.name.removesuffix(SUITE_SUFFIX), [])
            if not any(file.samefile(other) for other in same):
                same.append(file)
    return Files(found, load_suite)


def model_folders(folders: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Return the folders of `--hil-models`, then those in HILBENCH_MODELS. Raises `UsageError` if one is missing."""
    return _folders(folders, MODELS_VARIABLE)


def board(name: str, known: Files[Board] | None = None) -> Board:
    """Return the board with the id or alias `name`. Raises `UsageError`, with the nearest name, and `CatalogError`."""
    known = boards() if known is None else known
    if name in known:
        return known[name]
    named = [board for board in known.good().values() if name in board.aliases]
    if len(named) > 1:
        raise UsageError(f"'{name}' is an alias of several boards: {', '.join(board.id for board in named)}")
    if named:
        return named[0]
    broken = ", ".join(shown(path) for one in known.broken() for path in known.paths[one])
    words = [*known, *(alias for board in known.good().values() for alias in board.aliases)]
    remark = f" (not readable: {broken})" if broken else ""
    raise UsageError(f"there is no board '{name}'{remark}", hint=nearest(name, words) if words else None)


def resolve(selection: Sequence[str], known: Files[Board] | None = None) -> list[Choice]:
    """Return the boards and targets that `--board` values name, in their order, each once.

    A value is a list with commas of `BOARD[@TARGET]`. BOARD is an id, an alias or a pattern such as `mps2-*`; a
    pattern with a target takes those of its boards that have that target. Raises `UsageError` for what does not
    exist, `CatalogError` for a board whose file is wrong.
    """
    known = boards() if known is None else known
    chosen: dict[tuple[str, str], Choice] = {}
    for value in selection:
        for item in value.split(","):
            for choice in _choices(item.strip(), known):
                chosen.setdefault((choice.board.id, choice.target), choice)
    return list(chosen.values())


def _choices(item: str, known: Files[Board]) -> list[Choice]:
    name, at, target = item.partition("@")
    if not name or (at and not target):
        raise UsageError(
            f"'{item}' names no {'target' if name else 'board'}", hint="BOARD or BOARD@TARGET, separated by commas"
        )
    if not set(name) & set("*?["):
        return [_choice(board(name, known), target, known)]
    matching = [known[one] for one in known if fnmatchcase(one, name)]
    if not matching:
        raise UsageError(f"no board matches '{name}'", hint=f"boards: {', '.join(known)}")
    fitting = [one for one in matching if not target or target in one.targets]
    if not fitting:
        targets = sorted({one for board in matching for one in board.targets})
        raise UsageError(f"no board that matches '{name}' has a target '{target}'", hint=nearest(target, targets))
    return [_choice(one, target, known) for one in fitting]


def _choice(one: Board, target: str, known: Files[Board]) -> Choice:
    name = _target(one, target)
    return Choice(stood_in(one, name, known), name)


def _target(board: Board, target: str) -> str:
    if target and target not in board.targets:
        raise UsageError(
            f"the board '{board.id}' has no target '{target}' (it has: {', '.join(board.targets)})",
            hint=nearest(target, board.targets),
        )
    return target or board.default_target


def _folders(named: Sequence[Path], variable: str) -> tuple[Path, ...]:
    from_variable = [Path(part) for part in os.environ.get(variable, "").split(os.pathsep) if part]
    for folder in from_variable:
        if not folder.is_dir():
            raise UsageError(f"{variable} names '{folder}', which is not a folder")
    for folder in named:
        if not folder.is_dir():
            raise UsageError(f"'{folder}' is not a folder")
    return (*named, *from_variable)
