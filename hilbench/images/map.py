"""Reads the map that GNU ld writes (`-Map`): which object each byte of an output section came from.

Nothing in a map is an error: lines that are not understood are passed over, so that another release of the linker costs
detail and not a build. Whether a map is that of an ELF is for `parts` to find out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_BEGIN = "Linker script and memory map"
_END = "OUTPUT("
_FILL = "*fill*"
# Two numbers, and what stands behind them. A name too long for its column has them in the next line.
_NUMBERS = r"[ \t]+(0x[0-9a-f]{1,16})[ \t]+(0x[0-9a-f]{1,16})(?: (.*))?"
_NAMED = re.compile(rf"( ?)(\*fill\*|[^\s*(][^\s(]*)(?:{_NUMBERS})?[ \t]*")
_NEXT_LINE = re.compile(_NUMBERS)


@dataclass(frozen=True)
class Piece:
    """What one object gave to an output section: `origin` is such as `a/model.c.obj` or `lib/libc.a(memcpy.o)`."""

    section: str
    origin: str
    address: int
    size: int


@dataclass(frozen=True)
class Output:
    """An output section, with its pieces as the map lists them: of fill and what the script writes there are none."""

    name: str
    address: int
    size: int
    pieces: tuple[Piece, ...]

    def spans(self) -> Iterator[tuple[Piece | None, int]]:
        """Give every byte once, as sizes in the order of addresses; None is for what came from no object.

        The linker keeps equal strings once, and lists them with every object that has them: a piece ends where the next
        one begins.
        """
        begin, end = self.address, self.address + self.size
        inside = sorted(
            (p for p in self.pieces if p.size and begin <= p.address < end), key=lambda piece: piece.address
        )
        bounds = [*(piece.address for piece in inside[1:]), end]
        for piece, bound in zip(inside, bounds, strict=False):
            if piece.address > begin:
                yield None, piece.address - begin
            begin = min(piece.address + piece.size, bound)
            if begin > piece.address:
                yield piece, begin - piece.address
        if end > begin:
            yield None, end - begin


def read(text: str) -> tuple[Output, ...]:
    """Return the output sections of the map `text`, of any size; nothing of a map that is cut short."""
    _, begun, body = text.partition(_BEGIN)
    if not begun or f"\n{_END}" not in body:
        return ()
    found: list[tuple[str, int, int, list[Piece]]] = []
    for is_input, name, address, size, rest in _entries(body):
        if not is_input:
            found.append((name, address, size, []))
        elif found and name != _FILL:
            found[-1][3].append(Piece(name, rest, address, size))
    return tuple(Output(name, address, size, tuple(pieces)) for name, address, size, pieces in found)


def _entries(body: str) -> Iterator[tuple[bool, str, int, int, str]]:
    """Give each section of the map: whether it is an input section, its name, address, size, and what is behind."""
    waiting: tuple[bool, str] | None = None
    for line in body.split("\n"):
        named = _NAMED.fullmatch(line)
        numbers = named.groups()[2:] if named else ()
        if named:
            waiting = bool(named[1]), named[2]
        elif waiting and (next_line := _NEXT_LINE.fullmatch(line)):
            numbers = next_line.groups()
        if waiting and numbers and numbers[0]:
            yield *waiting, int(numbers[0], 16), int(numbers[1], 16), (numbers[2] or "").strip()
        if not named or numbers[0]:
            waiting = None
