"""What to run: one board, target, task and framework, as plain data; and the same with its names looked up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hilbench.catalog.board import Board
from hilbench.catalog.suite import Suite, Task
from hilbench.frameworks.base import Framework
from hilbench.meters.options import MeterChoice
from hilbench.targets.base import Target

Channel = Literal["auto", "serial", "memory"]


@dataclass(frozen=True)
class Plan:
    """What to run. `firmware` is a folder of precompiled images (None: build); `samples` limits the data set.

    `places` says where things are that frameworks ask for (`hilbench.places`). With `profile`, another image is run as
    well: one that tells its operators apart. `meter` is a power meter that watches the board. `attached` are
    settings of the target for this run: where the board is (`hilbench.targets.base.Attached`, and what it has more).
    `channel` is the way of the inputs: over the serial line, or written into the device's memory where that is faster.
    """

    suite: Path
    task: str
    board: Board
    target: str
    framework: str
    options: tuple[tuple[str, str], ...] = ()
    samples: int | None = None
    model_folders: tuple[Path, ...] = ()
    firmware: Path | None = None
    places: tuple[tuple[str, Path], ...] = ()
    profile: bool = False
    meter: MeterChoice | None = None
    attached: tuple[tuple[str, str], ...] = ()
    channel: Channel = "auto"


@dataclass(frozen=True)
class Setting:
    """A plan with its names looked up, and all options of its framework.

    `clockless`: the guest's clock counts nothing on this emulator, so that the emulator's counts are its times; the
    plan's board then counts instructions.
    """

    plan: Plan
    framework: Framework
    options: dict[str, str]
    suite: Suite
    task: Task
    target: Target
    settings: Any
    clockless: bool = False
