"""What of an image goes into a board's flash, and the check that all of it may: nothing else is ever written."""

from __future__ import annotations

from hilbench.catalog.board import Board
from hilbench.errors import TargetError
from hilbench.images.elf import Elf


def code_range(board: Board) -> tuple[int, int]:
    """Return where the board's images may lie: the first address, and the one behind the last."""
    assert board.memory, "every board but a host has memory"
    return board.memory.code.base, board.memory.code.end


def loadable(elf: Elf, board: Board) -> list[tuple[int, bytes]]:
    """Return what goes into flash, as `Elf.contents` does.

    Raises `TargetError` for an image that has not all of it in the board's `memory: code:`, `ModelError` for a broken
    ELF.
    """
    first, end = code_range(board)
    pieces = elf.contents()
    for address, data in pieces:
        if address < first or address + len(data) > end:
            raise TargetError(
                f"the image has {len(data)} bytes at 0x{address:08x}, and board {board.id} takes images from "
                f"0x{first:08x} to 0x{end:08x}",
                where=str(elf.path),
                hint="build it for this board: nothing outside of its `memory: code:` is ever written",
            )
    if not pieces:
        raise TargetError("this image is empty", where=str(elf.path), hint="build it again")
    return pieces
