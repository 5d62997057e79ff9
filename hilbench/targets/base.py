"""The seam to a target: something that an image can be put on, and that then offers a stream of bytes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, Field

from hilbench.catalog.board import Board
from hilbench.catalog.fields import Strict
from hilbench.counts import Probe, Window
from hilbench.frameworks.base import Support


class Stream(Protocol):
    """A two-way stream of bytes to a device."""

    def read(self, timeout_s: float) -> bytes:
        """Return what has arrived, waiting at most `timeout_s` for the first byte; b'' if nothing came.

        Raises `EOFError` when the other end is gone for good.
        """

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises `EOFError` when the other end is gone for good."""


IDLE = "idle"
"""The kind of a crash that is none: the firmware waits for input."""


@dataclass(frozen=True)
class CrashReport:
    """How a device died: `kind` (fault, lock-up, hang, exit), registers by name, and source lines where known."""

    kind: str
    reason: str
    registers: dict[str, int] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    log: str = ""

    def __str__(self) -> str:
        lines = [f"{self.kind}: {self.reason}", *(f"  {place}" for place in self.places)]
        if self.registers:
            cells = [f"{name}={value:08x}" for name, value in self.registers.items()]
            lines += ["  " + " ".join(cells[i : i + 6]) for i in range(0, len(cells), 6)]
        if self.log:
            lines.append("  " + self.log.strip().replace("\n", "\n  "))
        return "\n".join(lines)


class Running(Protocol):
    """An image that runs on a target."""

    @property
    def stream(self) -> Stream:
        """The serial line to the agent."""

    def reset(self) -> None:
        """Start the image again from its reset vector, whatever that takes; `stream` may be another one afterwards.

        Raises `TargetError` when it cannot be started again.
        """

    def crash(self) -> CrashReport | None:
        """Say how the device died or why it hangs. Called when it stopped answering; None if it looks well."""


class Memory(Protocol):
    """A way into a device's memory beside its serial line, while it runs: a debug port, or an emulator's own."""

    def read(self, address: int, count: int) -> bytes:
        """Return `count` bytes from `address` on. Raises `TargetError` when they cannot be read."""

    def write(self, address: int, data: bytes) -> None:
        """Write `data` from `address` on. Raises `TargetError` when it cannot be written."""


@runtime_checkable
class Addressable(Protocol):
    """What a `Running` may offer besides: to read and write the device's memory."""

    @property
    def memory(self) -> Memory:
        """The device's memory."""


@runtime_checkable
class Described(Protocol):
    """What a `Running` may tell besides, for the record: how the image came to be there."""

    facts: dict[str, str]


class Attached(Strict):
    """Where a board is attached to this computer: part of the `Settings` of every target that runs real boards.

    Usually given for one run (`--hil-port`, `--hil-wait`), and not in a board's file.
    """

    port: str | None = Field(default=None, description="its serial line: a device, a URL, or a USB serial number")
    wait_s: float = Field(default=600.0, ge=0, description="seconds to wait for a board that somebody else uses")


class Target(Protocol):
    """Runs images. One file and one entry point each; `Settings` types a board file's entry under `targets:`."""

    name: str
    Settings: type[BaseModel]
    counters: frozenset[str]
    """What a board's counter can count here: only silicon has cycles to measure. On an emulator that counts
    (`Counting`), a board whose counter needs silicon runs all the same: the emulator's counts are its times."""
    silicon: bool
    """Whether images run on a chip here, and not on an emulator or a computer: only there is anything measured."""

    def available(self, board: Board, settings: Any) -> Support:
        """Say whether `board` can be run here now, and if not, why and what to do."""

    def version(self) -> str:
        """Return the version of what emulates or flashes (for the record)."""

    def run(self, image: Path, board: Board, settings: Any) -> AbstractContextManager[Running]:
        """Put `image` on the board and start it; on leaving the context nothing of it is left running."""


@runtime_checkable
class Reusable(Protocol):
    """What a target may offer besides, where nobody can read what a board has in flash: the board as it runs now.

    Whoever runs an image asks that first, and does not load again what is there.
    """

    def attached(self, image: Path, board: Board, settings: Any) -> AbstractContextManager[Running | None]:
        """Give the board as it is: it may run `image`, something else, or nothing; None if it is known not to run it.

        Raises as `Target.run` does.
        """


class Counted(Running, Protocol):
    """An image that runs where it is counted what it does."""

    def windows(self) -> list[Window]:
        """Return a window for each time that the agent's timer was started and stopped, so far, in their order.

        Without the two that the agent calibrates its timer with. Raises `Unavailable` when counts are not to be
        trusted.
        """


@runtime_checkable
class Counting(Protocol):
    """What a target may offer besides: to count what an image does between start and stop of the agent's timer."""

    def count(self, image: Path, board: Board, settings: Any, probe: Probe) -> AbstractContextManager[Counted]:
        """Do as `Target.run`, and count. Raises `Unavailable` with the reason where that cannot be here."""
