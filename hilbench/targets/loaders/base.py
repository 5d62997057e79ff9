"""The seam to a boot loader, and what all kinds share: the bytes to load, and the tool that does it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hilbench.catalog.board import Board
from hilbench.errors import TargetError, Unavailable
from hilbench.frameworks.base import Support
from hilbench.images.elf import Elf
from hilbench.targets.loadable import code_range, loadable
from hilbench.targets.process import child
from hilbench.targets.serial_trouble import may_not_open

ERASED = b"\xff"
_LAST_LINES = 4


@dataclass(frozen=True)
class Binary:
    """What is loaded: `data` from the address `base` on, without a gap."""

    base: int
    data: bytes

    @classmethod
    def of(cls, image: Path, board: Board) -> Binary:
        """Return the ELF `image` from the beginning of the board's `code` on; where it has nothing is as if erased.

        Raises `TargetError` for an image with anything elsewhere, `ModelError` for what is no image.
        """
        base, _ = code_range(board)
        data = bytearray()
        for address, piece in loadable(Elf.open(image), board):
            data += ERASED * (address - base - len(data)) + piece
        return cls(base, bytes(data))


class Loader(Protocol):
    """A boot loader of a board, seen from this computer."""

    exclusive: str
    """What only one board can have at a time here, as all boards of a kind look alike in their boot loader: a name."""
    on_line: bool
    """Whether it listens where the agent does, and takes the rate of the line from the first byte that it hears."""
    press: str
    """What a person does to start the boot loader, as a command to him."""

    def available(self) -> Support:
        """Say whether the tool that it needs is here."""

    def find(self) -> str | None:
        """Return where the boot loader is now, for `load`; None if it does not run.

        Raises `Unavailable` when it could be several, or may not be used by this user; `TargetError` when it is
        another board's.
        """

    def unit(self, place: str) -> str:
        """Return the name of the physical thing at `place`, as `hilbench.targets.locks.held` takes it."""

    def missing(self) -> Unavailable:
        """Return the error that says that the boot loader did not come, and what to do."""

    def load(self, binary: Binary, place: str) -> None:
        """Write `binary`, check it as far as that can be, and start it.

        Raises `TargetError` or `Unavailable` when it is not all there, or not started.
        """


@dataclass(frozen=True)
class Said:
    """How a tool ended: its exit code, and what it printed (its end)."""

    code: int
    text: str

    @property
    def last(self) -> str:
        """Its last words, on one line, without its bars of progress."""
        lines = [line.strip() for line in self.text.replace("\r", "\n").splitlines()]
        return "; ".join([line for line in lines if line and not line.startswith("[")][-_LAST_LINES:])


def run_tool(argv: Sequence[str | Path], timeout_s: float) -> Said:
    """Run a tool to its end. Raises `TargetError` when it does not end in time, `Unavailable` when it is not here."""
    with child(argv, pin=False) as process:
        code = process.wait(timeout_s)
        said = Said(code or 0, process.tail())
    if code is None:
        raise TargetError(
            f"{Path(argv[0]).name} has not ended within {timeout_s:.0f} s; it said: {said.last or 'nothing'}",
            hint="unplug the board, plug it in again, and run again",
        )
    return said


def check_access(device: str) -> None:
    """Raise `Unavailable` with the remedy when this user may not open a serial port, which tools tell badly."""
    if Path(device).exists() and not os.access(device, os.R_OK | os.W_OK):
        reason, remedy = may_not_open(device)
        raise Unavailable(f"{device} cannot be opened: {reason}", hint=remedy)


@contextlib.contextmanager
def as_file(binary: Binary) -> Iterator[str]:
    """Give the path of a file with the bytes to load."""
    with tempfile.NamedTemporaryFile(prefix="hilbench-", suffix=".bin") as file:
        file.write(binary.data)
        file.flush()
        yield file.name
