"""What a board is: one `boards/<id>.yaml`, typed. Data only; `hilbench.catalog.load` reads the files."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from hilbench.catalog.core import CORES, Core
from hilbench.catalog.fields import ADDRESSES, Bytes
from hilbench.catalog.fields import Strict as Strict
from hilbench.catalog.power import Power
from hilbench.catalog.timing import Timing
from hilbench.catalog.wiring import DEFAULT_BAUD, Debugger, Serial


def _no_settings(value: Any) -> Any:
    return {} if value is None else value


Word = Annotated[str, Field(min_length=1)]


class Region(Strict):
    """A range of addresses."""

    base: int = Field(ge=0, lt=ADDRESSES, description="the first address, such as 0x20000000")
    size: Bytes

    @property
    def end(self) -> int:
        """The address after the last."""
        return self.base + self.size

    @field_validator("size")
    @classmethod
    def _inside_32_bits(cls, size: int, info: ValidationInfo) -> int:
        if "base" in info.data and info.data["base"] + size > ADDRESSES:
            raise ValueError(f"from 0x{info.data['base']:08x} on there are not {size} bytes below 4 GiB")
        return size


class Memory(Strict):
    """Where an image goes: `code` holds instructions and constants, `data` everything that is written.

    `stack` is the part of `data` that the model has for its own stack. Painted and checked: a model that needs more
    ends with a stack overflow.
    """

    code: Region
    data: Region
    stack: Bytes = 16 * 1024

    @field_validator("stack")
    @classmethod
    def _leaves_room(cls, stack: int, info: ValidationInfo) -> int:
        data = info.data.get("data")
        if data and stack >= data.size:
            raise ValueError(f"a stack of {stack} bytes leaves nothing of the {data.size} of 'data'")
        return stack

    @field_validator("data")
    @classmethod
    def _apart(cls, data: Region, info: ValidationInfo) -> Region:
        code = info.data.get("code")
        if code and code.base < data.end and data.base < code.end:
            raise ValueError("this overlaps with 'code'")
        return data


class Port(Strict):
    """The port under `firmware/ports/` that makes the agent run here, and the numbers that it needs.

    Each entry of `defines` reaches the port as a macro: `uart_base: 0x40004000` is `HB_PORT_UART_BASE`.
    """

    name: str = Field(pattern=r"^[a-z0-9_]+$", description="a folder under firmware/ports, such as mps2")
    defines: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Annotated[int, Field(ge=0, lt=ADDRESSES)]] = (
        Field(default_factory=dict, json_schema_extra={"additionalProperties": False})
    )


class Board(Strict):
    """One board: its core, clock and memories, the firmware port that it needs, and the targets that can run it.

    `counter` says what the port's timer counts: `instructions` (an emulator whose clock is the instruction count),
    `cycles` (a cycle counter on silicon) or `nanoseconds` (the wall clock of a computer).
    `targets` maps a target's name to its settings here, or to the board that stands in (`hilbench.catalog.stand_in`);
    the first is the default. `clock_hz`, `memory` and `port` are there on every board but those of core `host`, `port`
    only if not all targets are stand-ins. `stand_in` is no key of a file: it names the board that stood in for this.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"core": {"const": "host"}}, "required": ["core"]},
            "then": {"properties": {"counter": {"const": "nanoseconds"}}},
            "else": {
                "required": ["clock_hz", "memory"],
                "properties": {"counter": {"enum": ["instructions", "cycles"]}},
            },
        }
    )

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="the file's name without .yaml")
    name: Word = Field(description="the board's name as its maker writes it")
    aliases: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")], ...] = ()
    core: str = Field(description="the processor core", json_schema_extra={"enum": list(CORES)})
    clock_hz: int | None = Field(
        default=None, ge=32_000, validate_default=True, description="hertz of the core, such as 64000000"
    )
    counter: Literal["instructions", "cycles", "nanoseconds"] = Field(description="what the port's timer counts")
    memory: Memory | None = Field(default=None, validate_default=True)
    targets: dict[str, Annotated[dict[str, Any], BeforeValidator(_no_settings)]] = Field(
        min_length=1, description="what can run this board, such as 'qemu:' with its settings"
    )
    port: Port | None = Field(default=None, validate_default=True)
    serial: Serial | None = Field(default=None, description="the serial line to the agent")
    debugger: Debugger | None = Field(default=None, description="the debug probe on the board, if it has one")
    trigger: str = Field(default="", description="the pin that is high in an inference, as the board names it")
    timing: Timing | None = Field(default=None, description="the real board's memories, for estimates of its time")
    power: Power | None = Field(default=None, description="what it draws, for estimates of energy: docs/energy.md")
    notes: str = ""
    stand_in: SkipJsonSchema[str] = Field(default="", exclude=True)

    @property
    def core_info(self) -> Core:
        """The core's facts."""
        return CORES[self.core]

    @property
    def baud(self) -> int:
        """Bits per second on the line to the agent."""
        return self.serial.baud if self.serial else DEFAULT_BAUD

    @property
    def default_target(self) -> str:
        """The target used when `--board` names none."""
        return next(iter(self.targets))

    @field_validator("core")
    @classmethod
    def _known(cls, core: str) -> str:
        if core not in CORES:
            raise PydanticCustomError("not_one_of", "'{core}' is not a core", {"core": core, "known": list(CORES)})
        return core

    @field_validator("clock_hz", "memory")
    @classmethod
    def _there_on_boards(cls, value: Any, info: ValidationInfo) -> Any:
        core = info.data.get("core")
        if value is None and core in CORES and not CORES[core].is_host:
            raise PydanticCustomError("missing", "needed on every board but a host")
        return value

    @field_validator("port")
    @classmethod
    def _ported(cls, port: Port | None, info: ValidationInfo) -> Port | None:
        targets = info.data.get("targets", {})
        if all("stand_in" in settings for settings in targets.values()):
            return port
        checked: Port | None = cls._there_on_boards(port, info)
        return checked

    @field_validator("counter")
    @classmethod
    def _fits_core(cls, counter: str, info: ValidationInfo) -> str:
        core = info.data.get("core")
        if core in CORES and CORES[core].is_host != (counter == "nanoseconds"):
            raise ValueError(
                f"'{counter}' does not fit the core '{core}': nanoseconds are for core 'host', and only they"
            )
        return counter
