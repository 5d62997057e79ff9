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
class Cache:
    """A cache whose miss fills `line` bytes; the least recently used of a set's `ways` lines makes room.

    `size`, in bytes, is a multiple of `line * ways`; the number of sets need not be a power of two.
    """

    size: int
    line: int
    ways: int


@dataclass(frozen=True)
class Caches:
    """What a counter simulates: caches of its own for instructions and data, empty at the start of the program.

    `instruction` sees fetches from region `code`; `data` sees reads of data from region `code` and, where `cached_data`
    says so, reads and writes there: a first and a last-plus-one byte, counted from the start of region `data`.

    The keys of `Window.misses`: `fetch_jump` and `fetch_sequential` (a line of instructions that was not there; the
    second where it follows the line that was fetched just before), `read_code`, `read_data`, `write_data` (lines
    filled for reads of data from `code`, for reads from `data`, for writes to `data`), `write_back` (written lines
    that had to make room).
    """

    instruction: Cache | None = None
    data: Cache | None = None
    cached_data: tuple[int, int] | None = None


@dataclass(frozen=True)
class Probe:
    """What to count besides the runs of blocks. It costs time: each access to memory is then looked at.

    `memory` asks for loads and stores by region; with a data cache in `caches` they are counted in any case.
    """

    memory: bool = False
    caches: Caches | None = None


@dataclass(frozen=True)
class Window:
    """All that ran between one start and one stop of the timer, less what an empty window has.

    Exactly so: the call of the timer itself stands in the few `blocks` that only an empty window has, with -1 run.
    `instructions` is the sum over the blocks, and what the guest's clock says.
    `loads` and `stores` are accesses by region of memory (`code`, `data`, `other`), one for each word of those that are
    wider; None where they were not counted.
    `misses` are those of the caches that a board's timing describes, by cache and kind; empty where none is simulated.
    """

    instructions: int
    blocks: Mapping[Block, Runs]
    loads: Mapping[str, int] | None = None
    stores: Mapping[str, int] | None = None
    misses: Mapping[str, int] = field(default_factory=dict)
