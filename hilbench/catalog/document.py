"""A catalog file as read: its values, where each of them stands, and how a mistake in it is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hilbench.errors import CatalogError

_EXCERPT_CHARS = 100

Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class Span:
    """A place in a file: line from 1, column from 0; a width of 0 means the line as a whole is not worth showing."""

    line: int
    column: int = 0
    width: int = 0


@dataclass(frozen=True)
class Mistake:
    """One thing wrong in a file. `loc` is the path of keys and indices to the value it is about."""

    what: str
    hint: str = ""
    span: Span | None = None
    loc: Loc = ()


@dataclass
class Document:
    """A file as plain values; the place of each key and value and the text of each scalar by path; its mistakes."""

    path: Path
    lines: list[str]
    value: Any = None
    text: dict[Loc, str] = field(default_factory=dict)
    keys: dict[Loc, Span] = field(default_factory=dict)
    values: dict[Loc, Span] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def error(self, mistakes: Iterable[Mistake]) -> CatalogError:
        """Return one error that tells all `mistakes`, in the order of their lines."""
        unique = dict.fromkeys(mistakes)
        ordered = sorted(unique, key=lambda one: (one.span.line, one.span.column) if one.span else (0, 0))
        return CatalogError("\n".join(self._told(mistake) for mistake in ordered))

    def _told(self, mistake: Mistake) -> str:
        name, span = shown(self.path), mistake.span
        lines = [f"{name}:{span.line}: {mistake.what}" if span else f"{name}: {mistake.what}"]
        if span and span.width and span.line <= len(self.lines):
            lines += _excerpt(self.lines[span.line - 1], span)
        if mistake.hint:
            lines.append(f"  hint: {mistake.hint}")
        return "\n".join(lines)


def shown(path: Path) -> str:
    """Return `path` as a message shows it: relative when it is below the working directory."""
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else path)


def _excerpt(line: str, span: Span) -> list[str]:
    start = max(0, span.column - _EXCERPT_CHARS // 2) if len(line) > _EXCERPT_CHARS else 0
    part = "".join(char if char.isprintable() else " " for char in line[start : start + _EXCERPT_CHARS])
    number = str(span.line)
    column = span.column - start
    marks = "^" * max(1, min(span.width, len(part) - column))
    return [f"  {number} | {part}", f"  {' ' * len(number)} | {' ' * column}{marks}"]


def dotted(loc: Loc) -> str:
    """Return a path of keys and indices as people write it: `tasks[0].model.sha256`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return "".join(char if char.isprintable() else "?" for char in text)
