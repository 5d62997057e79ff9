"""From what a user asked for (boards, frameworks, a suite) to plans, one for each combination."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hilbench import catalog, plugins
from hilbench.bench import Plan
from hilbench.catalog.suite import Task
from hilbench.errors import UsageError


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

    def plans(self, suite_path: Path, task: Task) -> list[Plan]:
        """Return one plan for each board and framework. Without a framework, a board's own default is taken."""
        return [
            Plan(suite_path, task.id, choice.board, choice.target, framework.name, framework.options, self.samples,
                 self.model_folders, self.firmware)
            for choice in self.boards
            for framework in self.frameworks or (default_framework(choice),)
        ]  # fmt: skip


def default_framework(choice: catalog.Choice) -> FrameworkChoice:
    """Return the framework used when none is named: the reference interpreter on the host, else TVM."""
    return FrameworkChoice("tflm" if choice.board.core_info.is_host else "tvm")


def parse_frameworks(specs: Iterable[str]) -> tuple[FrameworkChoice, ...]:
    """Read `--framework` values: repeatable, with commas; options follow a colon. Raises `UsageError`."""
    choices: list[FrameworkChoice] = []
    for spec in (part.strip() for value in specs for part in value.split(",")):
        if not spec:
            continue
        name, *options = spec.split(":")
        plugins.load("frameworks", name)
        pairs = [option.partition("=") for option in options]
        if wrong := [key for key, equals, value in pairs if not (key and equals and value)]:
            raise UsageError(f"'{spec}': '{wrong[0]}' is not an option", hint="write it as tvm:KEY=VALUE")
        choice = FrameworkChoice(name, tuple(sorted((key, value) for key, _, value in pairs)))
        if choice not in choices:
            choices.append(choice)
    return tuple(choices)


def plan_name(plan: Plan) -> str:
    """Return a plan's name in test ids, such as `digits[mps2-an386-tvm]` or `digits[nano33@qemu-tvm:codegen=c]`."""
    board = plan.board.id if plan.target == plan.board.default_target else f"{plan.board.id}@{plan.target}"
    return f"{plan.task}[{board}-{FrameworkChoice(plan.framework, plan.options)}]"
