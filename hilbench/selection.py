"""From what a user asked for (boards, frameworks, a suite) to plans, one for each combination."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hilbench import catalog, plugins
from hilbench.attached import for_board
from hilbench.catalog.suite import Task
from hilbench.errors import UsageError
from hilbench.frameworks.base import Framework
from hilbench.meters.options import MeterChoice
from hilbench.places import PLACES
from hilbench.plan import Channel, Plan


@dataclass(frozen=True)
class FrameworkChoice:
    """A framework with options, as in `tvm` or `tvm:codegen=c:unroll=2`."""

    name: str
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return ":".join([self.name, *(f"{key}={value}" for key, value in self.options)])


@dataclass(frozen=True)
class Selection:
    """What to run every task on, and with what. `plans` combines them with a suite."""

    boards: tuple[catalog.Choice, ...]
    frameworks: tuple[FrameworkChoice, ...]
    samples: int | None = None
    model_folders: tuple[Path, ...] = ()
    firmware: Path | None = None
    places: tuple[tuple[str, Path], ...] = ()
    profile: bool = False
    meter: MeterChoice | None = None
    attached: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    channel: Channel = "auto"

    def plans(self, suite_path: Path, task: Task) -> list[Plan]:
        """Return one plan for each board and framework. Without a framework, a board's own default is taken."""
        return [
            Plan(suite_path, task.id, choice.board, choice.target, framework.name, framework.options, self.samples,
                 self.model_folders, self.firmware, self.places, self.profile, self.meter,
                 for_board(self.attached, choice.board.id), self.channel)
            for choice in self.boards
            for framework in self.frameworks or (default_framework(choice),)
        ]  # fmt: skip


def default_framework(choice: catalog.Choice) -> FrameworkChoice:
    """Return the framework used when none is named: the reference interpreter on the host, else TVM."""
    return FrameworkChoice("tflm" if choice.board.core_info.is_host else "tvm")


def parse_frameworks(specs: Iterable[str]) -> tuple[FrameworkChoice, ...]:
    """Read `--framework` values: repeatable, with commas; options follow a colon.

    Raises `UsageError` for a framework or an option that does not exist. Two ways to write one choice are one choice.
    """
    choices: dict[tuple[str, tuple[tuple[str, str], ...]], FrameworkChoice] = {}
    for spec in (part.strip() for value in specs for part in value.split(",")):
        if not spec:
            continue
        name, *options = spec.split(":")
        framework: Framework = plugins.load("frameworks", name)()
        pairs = [option.partition("=") for option in options]
        if wrong := [key for key, equals, value in pairs if not (key and equals and value)]:
            raise UsageError(f"'{spec}': '{wrong[0]}' is not an option", hint="write it as tvm:KEY=VALUE")
        given = {key: value for key, _, value in pairs}
        if len(given) < len(pairs):
            twice = next(key for key in given if sum(key == other for other, *_ in pairs) > 1)
            raise UsageError(f"'{spec}': '{twice}' is given twice", hint="give it once; several choices: a comma")
        checked = tuple(sorted(framework.check_options(given).items()))
        choices.setdefault((name, checked), FrameworkChoice(name, tuple(sorted(given.items()))))
    return tuple(choices.values())


def find_places(given: Mapping[str, Path | None]) -> tuple[tuple[str, Path], ...]:
    """Return every place that is known: from `given` (options, by name), else from the environment.

    Raises `UsageError` for one that is not there.
    """
    found = []
    for place in PLACES:
        origin, path = place.flag, given.get(place.name)
        if path is None and (value := os.environ.get(place.variable)):
            origin, path = place.variable, Path(value)
        if path is None:
            continue
        if not path.exists():
            raise UsageError(f"{origin}: there is no '{path}'", hint=place.help)
        found.append((place.name, path.absolute()))
    return tuple(found)


def plan_name(plan: Plan) -> str:
    """Return a plan's name in test ids, such as `digits[mps2-an386-tvm]` or `digits[nano33@qemu-tvm:codegen=c]`."""
    board = plan.board.id if plan.target == plan.board.default_target else f"{plan.board.id}@{plan.target}"
    return f"{plan.task}[{board}-{FrameworkChoice(plan.framework, plan.options)}]"
