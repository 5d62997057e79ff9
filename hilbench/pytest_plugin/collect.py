"""Suites as pytest sees them: a file of tasks, one item for each task, board and framework."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hilbench import catalog
from hilbench.errors import ExpectationFailed, HilbenchError, Regression, Unavailable
from hilbench.plan import Plan
from hilbench.pytest_plugin.gate import judge
from hilbench.pytest_plugin.options import value
from hilbench.pytest_plugin.session import NO_BOARD, cannot_run, run_and_keep, selection
from hilbench.records.expect import broken, unknown
from hilbench.selection import plan_name


class SuiteFile(pytest.File):
    """A `*.hil.yaml`."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for each task, board and framework; a mistake in the file is a collection error."""
        chosen = selection(self.config)
        for task in catalog.load_suite(self.path).tasks:
            if not chosen.boards:
                yield NoBoard.from_parent(self, name=task.id)
            for plan in chosen.plans(self.path, task):
                yield BenchItem.from_parent(self, name=plan_name(plan), plan=plan)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show our own errors as they are, without a traceback."""
        return _told(excinfo) or super().repr_failure(excinfo)


class SuiteItem(pytest.Item):
    """A task of a suite. It uses no fixtures, and says so to plug-ins that look at every item (labgrid's does)."""

    fixturenames: tuple[str, ...] = ()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show our own errors as they are, without a traceback."""
        return _told(excinfo) or super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Name the item in headings of failures."""
        return self.path, 0, self.name


class BenchItem(SuiteItem):
    """One benchmark: a task on a board through a framework."""

    def __init__(self, plan: Plan, **rest: Any) -> None:
        super().__init__(**rest)
        self.plan = plan

    def runtest(self) -> None:
        """Run the benchmark, and hold its record against the suite's `expect:` and against an earlier run."""
        record = run_and_keep(self, self.plan)
        failures = broken(record, record.bars)
        unsure = unknown(record, record.bars)
        if value(self.config, "hil_require"):
            failures += unsure
        worse = judge(self, self.plan, record)
        if failures:
            raise ExpectationFailed("\n  ".join([*failures, *worse]), where=record.label)
        if worse:
            raise Regression("\n  ".join(worse))
        for line in unsure:
            self.warn(pytest.PytestWarning(f"{record.label}: {line}"))


class NoBoard(SuiteItem):
    """A task of a run that named no board."""

    def runtest(self) -> None:
        """Skip, saying what to type; with `--hil-require`, fail."""
        cannot_run(self.config, Unavailable(NO_BOARD))


def _told(excinfo: pytest.ExceptionInfo[BaseException]) -> str | None:
    return f"error: {excinfo.value}" if isinstance(excinfo.value, HilbenchError | pytest.UsageError) else None
