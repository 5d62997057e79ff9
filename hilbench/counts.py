"""What an emulator counted in one window of time: which code ran how often, and what it asked of memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Block:
    """A straight run of instructions, as the emulator translated it: entered at its first, left after its last.

    `code` are the bytes of its instructions (Thumb, little-endian) from `address` on.
    """

    address: int
    code: bytes

    @property
    def end(self) -> int:
        """The address after its last instruction."""
        return self.address + len(self.code)


@dataclass(frozen=True)
class Runs:
    """How often a block ran, and after how many of those something else ran than the instruction that follows it.

    That is a taken branch where its last instruction branches, else an interrupt.
    """

    executed: int
    left: int


@dataclass(frozen=True)
class Window:
    """All that ran between one start and one stop of the timer.

    `loads` and `stores` are accesses by region of memory (`code`, `data`, `other`); None where they were not counted.
    `misses` are those of the caches that a board's timing describes, by cache and kind; empty where none is simulated.
    """

    instructions: int
    blocks: Mapping[Block, Runs]
    loads: Mapping[str, int] | None = None
    stores: Mapping[str, int] | None = None
    misses: Mapping[str, int] = field(default_factory=dict)
