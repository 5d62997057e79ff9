"""A board file's `timing:`: the memories behind the core, as far as they decide how long code takes.

Only what a document says about the real part; the core's own timing is in `hilbench.measure.cycles`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from hilbench.catalog.fields import Bytes, Offset, Strict

_WORD = 4
_Source = Annotated[str, Field(min_length=1, description="document and table that these numbers are from")]


class CacheTiming(Strict):
    """A cache: `line` bytes are filled at a miss. With `ways` equal to size over line it is fully associative."""

    size: Bytes
    line: Bytes
    ways: int = Field(gt=0, description="lines of a set, such as 2")
    source: _Source

    @field_validator("ways")
    @classmethod
    def _fits(cls, ways: int, info: ValidationInfo) -> int:
        size, line = info.data.get("size"), info.data.get("line")
        if size and line and (line < _WORD or line & (line - 1) or size % (line * ways)):
            raise ValueError(f"{size} bytes are not sets of {ways} lines of {line} bytes (a power of two, 4 or more)")
        return ways


class MemoryTiming(Strict):
    """A memory: one read of `width` bytes takes 1 + `wait_states` cycles, and `bus_cycles` more to reach the core."""

    wait_states: int = Field(ge=0, le=255, description="cycles that a read waits, such as 5")
    width: Bytes = Field(default=4, description="bytes that one read brings, such as 16")
    bus_cycles: int = Field(default=0, ge=0, le=255, description="cycles on buses between it and the core, a line")
    source: _Source

    @field_validator("width")
    @classmethod
    def _whole(cls, width: int) -> int:
        if width < _WORD or width & (width - 1):
            raise ValueError("a read brings a power of two of bytes, 4 or more")
        return width

    def fill_cycles(self, line: int) -> int:
        """Return how long the core waits for `line` bytes from here, beyond the cycle that any access takes."""
        reads = -(-line // self.width)
        return reads * (1 + self.wait_states) - 1 + self.bus_cycles


class CodeTiming(MemoryTiming):
    """The memory of instructions and constants. `prefetch`: the next `width` bytes are read while these are run."""

    prefetch: bool = False


class CachedRange(Strict):
    """Bytes `first` to `end` - 1 of the board's `data` region."""

    first: Offset
    end: Offset

    @field_validator("end")
    @classmethod
    def _after(cls, end: int, info: ValidationInfo) -> int:
        if end <= info.data.get("first", 0):
            raise ValueError("the end is not after 'first'")
        return end


class DataTiming(MemoryTiming):
    """The memory of everything that is written. What is not `cached` is read at `wait_states`, without a bus."""

    cached: CachedRange | None = None


class Doubt(Strict):
    """What makes estimates for this board worse than the model of its core is: `bound` 0.25 is ±25 %."""

    bound: float = Field(gt=0, le=1, allow_inf_nan=False, description="relative error, such as 0.25")
    why: str = Field(min_length=1, description="what is not known of the memories")


class Timing(Strict):
    """The memory system of a board. A cache of instructions or data lies between the core and `code`.

    The data cache also holds what `data.cached` says. `doubt` takes the place of the bound of the core's model where it
    is larger.
    """

    code: CodeTiming
    data: DataTiming
    instruction_cache: CacheTiming | None = None
    data_cache: CacheTiming | None = Field(default=None, validate_default=True)
    doubt: Doubt | None = None

    @field_validator("data_cache")
    @classmethod
    def _there(cls, cache: CacheTiming | None, info: ValidationInfo) -> CacheTiming | None:
        data = info.data.get("data")
        if data and data.cached and cache is None:
            raise ValueError("'data.cached' needs a 'data_cache'")
        if data and data.wait_states and cache:
            raise ValueError("reads of data that wait ('data.wait_states') cannot be told from those that hit it")
        return cache
