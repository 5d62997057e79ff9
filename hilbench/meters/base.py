"""The seam to a power meter: something that supplies or watches a board and samples its current, and a trigger line.

with meter.open(settings) as instrument:
    instrument.start()
    ...  # the board raises its trigger pin around each timed inference
    capture = instrument.stop()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def whole(value: Any) -> Any:
    """Return a whole number written as text as that number: options are text, and a `Literal` takes no other type."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


@dataclass(frozen=True)
class Block:
    """Consecutive samples, equally spaced in time. All arrays have shape (n,).

    A sample that the meter lost is NaN in `current_a`; `overload` marks those that were beyond the meter's range.
    """

    current_a: Floats
    voltage_v: Floats | float
    trigger: Flags
    overload: Flags


@dataclass(frozen=True)
class Capture:
    """What a meter saw from `start` to `stop`. `blocks()` decodes it from the beginning, a bounded block at a time.

    `marks` says what `trigger` holds: the line's `level`, or its `rises` alone, True at the sample after each.
    `problem` is what went wrong, in words: a meter that was unplugged, samples that never came.
    """

    rate_hz: float
    blocks: Callable[[], Iterator[Block]]
    marks: Literal["level", "rises"] = "level"
    problem: str = ""


class Instrument(Protocol):
    """A meter that is open. Every method raises `MeterError`, and nothing else, when the meter fails.

    The samples of a recording are taken by a thread of the driver's own, so that the caller can talk to the board.
    """

    facts: Mapping[str, str]
    """What a record says of it: model, serial number or firmware, mode, voltage, rate."""

    def start(self) -> None:
        """Begin to record."""

    def stop(self) -> Capture:
        """End the recording and return it. A meter that died on the way gives what it had, with a `problem`."""


class Meter(Protocol):
    """A kind of meter. One file and one entry point in `hilbench.meters` each; `Settings` types its options."""

    name: str
    Settings: type[BaseModel]

    def open(self, settings: Any) -> AbstractContextManager[Instrument]:
        """Open the meter and, where it is the supply, power the board; on leaving, the board's supply is off again.

        Raises `Unavailable` when there is no such port or library here, `MeterError` when another device answers.
        """
