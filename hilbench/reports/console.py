"""Where reports are printed: terminals and logs, also those that cannot show every character."""

from __future__ import annotations

from typing import IO, Any, cast

from rich.console import Console

WIDTH_ELSEWHERE = 1000
"""Columns where there is no terminal: a log scrolls sideways, and a folded table is of no use to a program."""
_PLAIN = str.maketrans({"µ": "u", "—": "-", "…": "...", "·": "-"})


class _Plain:
    """A text file whose encoding lacks some characters: they are replaced instead of ending the program."""

    def __init__(self, file: IO[str], encoding: str) -> None:
        self._file = file
        self.encoding = encoding

    def write(self, text: str) -> int:
        return self._file.write(text.translate(_PLAIN).encode(self.encoding, "replace").decode(self.encoding))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def console_for(file: IO[str], width: int | None = None, colour: bool | None = None) -> Console:
    """Return a console on `file`. `width` None is that of the terminal; `colour` None lets the terminal decide.

    Text is printed as it is: square brackets are no markup.
    """
    encoding = getattr(file, "encoding", None) or "utf-8"
    if not encoding.lower().startswith("utf"):
        file = cast("IO[str]", _Plain(file, encoding))
    return Console(
        file=file,
        width=width,
        markup=False,
        highlight=False,
        emoji=False,
        force_terminal=colour,
        no_color=colour is False,
    )
