"""What a user writes to choose a meter, `ppk2:port=/dev/ttyACM0,voltage=3.3`, and what a meter may measure at all."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from hilbench import plugins
from hilbench.errors import UsageError, nearest
from hilbench.meters.base import Meter
from hilbench.targets.base import Target

FLAG = "--hil-meter"


@dataclass(frozen=True)
class MeterChoice:
    """A kind of meter and its settings, checked. Plain data: it may travel to another process."""

    name: str
    settings: BaseModel

    def __str__(self) -> str:
        given = self.settings.model_dump(exclude_unset=True)
        return f"{self.name}:{','.join(f'{key}={value}' for key, value in given.items())}".rstrip(":")


def parse_meter(spec: str) -> MeterChoice:
    """Read the value of `--hil-meter`: a meter, a colon, and options with commas between them.

    Raises `UsageError` for a meter or option that does not exist, or a value that it cannot have.
    """
    name, _, rest = spec.strip().partition(":")
    meter: Meter = plugins.load("meters", name)()
    given: dict[str, str] = {}
    for part in rest.split(",") if rest else []:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise UsageError(f"{FLAG}: '{part}' is not an option", hint=f"write it as {name}:KEY=VALUE,KEY=VALUE")
        if key not in meter.Settings.model_fields:
            raise UsageError(f"{FLAG}: {name} has no option '{key}'", hint=nearest(key, meter.Settings.model_fields))
        if key in given:
            raise UsageError(f"{FLAG}: '{key}' is given twice")
        given[key] = value
    try:
        return MeterChoice(name, meter.Settings.model_validate(given))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = str(first["loc"][0])
        help_text = meter.Settings.model_fields[key].description
        if first["type"] == "missing":
            raise UsageError(f"{FLAG}: {name} needs '{key}'", hint=help_text) from None
        raise UsageError(f"{FLAG}: {key}={given[key]} cannot be", hint=help_text) from None


def require_silicon(target: Target) -> None:
    """Raise `UsageError` unless `target` runs boards: an emulator or this computer draws nothing that a meter sees."""
    if not target.silicon:
        raise UsageError(
            f"{FLAG}: the target '{target.name}' is no board, and a meter on something else measures nothing",
            hint=f"leave {FLAG} out: energy is estimated where the board's file has a `power:`; or choose a real board",
        )
