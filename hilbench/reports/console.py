"""Where reports are printed: terminals and logs, also those that cannot show every character.

What is printed may quote what others wrote, such as a record's names. Nothing in it reaches the terminal as a command:
the only escape codes are those of this program's own styles.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from hilbench.errors import printable

WIDTH_ELSEWHERE = 1000
"""Columns where there is no terminal: a log scrolls sideways, and a folded table is of no use to a program."""
_PLAIN = str.maketrans({"µ": "u", "—": "-", "…": "...", "·": "-", "≥": ">="})


class _Plain:
    """A text file whose encoding lacks some characters: they are replaced instead of ending the program."""

    def __init__(self, file: IO[str], encoding: str) -> None:
        self._file = file
        self.encoding = encoding

    def write(self, text: str) -> int:
        return self._file.write(text.translate(_PLAIN).encode(self.encoding, "replace").decode(self.encoding))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Console(Console):
    """A console that makes every text `printable`: the last step before styles become escape codes."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


def words(text: str, style: str = "") -> Text:
    """Return text of a record on one line, as wide as it will be printed: tables make room for what they are given."""
    return Text(printable(" ".join(text.splitlines())), style)


def console_for(file: IO[str], width: int | None = None, colour: bool | None = None) -> Console:
    """Return a console on `file`. `width` None is that of the terminal; `colour` None lets the terminal decide.

    Text is printed as it is, but `printable`: square brackets are no markup, and escape codes are none.
    """
    encoding = getattr(file, "encoding", None) or "utf-8"
    if not encoding.lower().startswith("utf"):
        file = cast("IO[str]", _Plain(file, encoding))
    return _Console(
        file=file,
        width=width,
        markup=False,
        highlight=False,
        emoji=False,
        force_terminal=colour,
        no_color=colour is False,
    )
