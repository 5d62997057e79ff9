"""What a board is: one `boards/<id>.yaml`, typed. Data only; `hilbench.catalog.load` reads the files."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hilbench.catalog.core import CORES, Core

_SIZE = re.compile(r"(\d+)\s*([KM]?)B?", re.IGNORECASE)
_FACTOR = {"": 1, "K": 1024, "M": 1024 * 1024}


def _size_bytes(value: Any) -> Any:
    if isinstance(value, str) and (found := _SIZE.fullmatch(value.strip())):
        return int(found[1]) * _FACTOR[found[2].upper()]
    return value


def _known_core(value: Any) -> Any:
    if not isinstance(value, str) or value not in CORES:
        raise ValueError(f"not a core that hilbench knows; one of: {', '.join(CORES)}")
    return value


class Strict(BaseModel):
    """A frozen model that refuses keys it does not know, so that a typo is an error and not a silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Bytes = Annotated[int, BeforeValidator(_size_bytes), Field(gt=0, description="bytes, or a number with K or M")]


class Region(Strict):
    """A range of addresses."""

    base: int = Field(ge=0, lt=2**32)
    size: Bytes


class Memory(Strict):
    """Where an image goes: `code` holds instructions and constants, `data` everything that is written."""

    code: Region
    data: Region


class Port(Strict):
    """The port under `firmware/ports/` that makes the agent run here, and the numbers that it needs.

    Each entry of `defines` reaches the port as a macro: `uart_base: 0x40004000` is `HB_PORT_UART_BASE`.
    """

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    defines: dict[str, int] = Field(default_factory=dict)


class Board(Strict):
    """One board: its core, clock and memories, the firmware port that it needs, and the targets that can run it.

    `counter` says what the port's timer counts: `instructions` (an emulator whose clock is the instruction count),
    `cycles` (a cycle counter on silicon) or `nanoseconds` (the wall clock of a computer).
    `targets` maps a target's name to its settings here; the first is the default.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    name: str
    aliases: tuple[str, ...] = ()
    core: Annotated[str, BeforeValidator(_known_core)]
    clock_hz: int | None = Field(default=None, gt=0)
    counter: Literal["instructions", "cycles", "nanoseconds"]
    memory: Memory | None = None
    port: Port | None = None
    targets: dict[str, Any] = Field(min_length=1)
    notes: str = ""

    @property
    def core_info(self) -> Core:
        """The core's facts."""
        return CORES[self.core]

    @property
    def default_target(self) -> str:
        """The target used when `--board` names none."""
        return next(iter(self.targets))
