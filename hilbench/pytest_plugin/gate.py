"""Holds the runs of a pytest session to earlier ones: each right after it ran, in whichever process that was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from hilbench import catalog
from hilbench.errors import HilbenchError, UsageError
from hilbench.plan import Plan
from hilbench.pytest_plugin import OUTCOMES
from hilbench.pytest_plugin.options import ini_value, place, value
from hilbench.records.compare import ALPHA, Comparison, Pair, compare, row_of
from hilbench.records.record import Record
from hilbench.records.refs import BASELINE, NothingYet, Places, resolve
from hilbench.records.store import DEFAULT
from hilbench.records.thresholds import Thresholds, chosen, first_of, parse

_FIXTURE = "hil_bench"


@dataclass(frozen=True)
class Gate:
    """What runs are held to: the records that `ref` stood for before the first, and how much worse is allowed."""

    ref: str
    before: tuple[Record, ...]
    thresholds: Thresholds
    notes: tuple[str, ...]

    def judge(self, plan: Plan, record: Record, runs: int) -> Pair:
        """Compare one of `runs` runs, which share one chance of a false alarm."""
        fail = next(task.fail for task in catalog.load_suite(plan.suite).tasks if task.id == plan.task)
        row = row_of(record)
        before = [one for one in self.before if row_of(one) == row]
        return compare(before, [record], chosen(self.thresholds, fail), ALPHA / max(1, runs)).pairs[0]


_GATE = pytest.StashKey[Gate | None]()


def gate(config: pytest.Config) -> Gate | None:
    """Return what runs are held to, None for nothing. Raises `pytest.UsageError` for what options say and is not."""
    if _GATE not in config.stash:
        try:
            config.stash[_GATE] = _gate(config)
        except HilbenchError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[_GATE]


def _gate(config: pytest.Config) -> Gate | None:
    typed, ref = config.getoption("hil_fail", default=None), value(config, "hil_compare")
    thresholds = first_of(parse(typed or []), parse(ini_value(config, "hil_fail") or []))
    if not ref:
        if typed:
            raise UsageError("--hil-fail says when to fail, but nothing is compared", hint="add --hil-compare=baseline")
        return None
    here = config.invocation_params.dir
    places = Places(
        place(config, "hil_store") or str(here / DEFAULT), place(config, "hil_baseline") or str(here / BASELINE)
    )
    try:
        found = resolve(ref, places)
    except NothingYet as error:
        return Gate(ref, (), thresholds, (f"{error.what} ({error.hint})" if error.hint else error.what,))
    return Gate(ref, found.records, thresholds, found.notes)


def judge(item: pytest.Item, plan: Plan, record: Record) -> list[str]:
    """Compare the run that `item` just made with the earlier one, note it for the summary, and return its failures.

    What was named and could not be tested is a warning.
    """
    held = gate(item.config)
    if held is None:
        return []
    items = item.session.items
    runs = sum(hasattr(one, "plan") or _FIXTURE in getattr(one, "fixturenames", ()) for one in items)
    pair = held.judge(plan, record, runs)
    item.stash[OUTCOMES][-1]["compared"] = pair.model_dump(mode="json")
    for line in pair.warnings:
        item.warn(pytest.PytestWarning(line))
    return list(pair.failures)


def comparison(config: pytest.Config, outcomes: Sequence[dict[str, Any]]) -> Comparison:
    """Return the comparisons of all `outcomes`, and what should have been there and is gone."""
    pairs = [Pair.model_validate(outcome["compared"]) for outcome in outcomes if "compared" in outcome]
    latest = {pair.row: pair for pair in pairs}
    return Comparison(pairs=(*latest.values(), *_gone(config, outcomes)))


def finish(session: pytest.Session, outcomes: Sequence[dict[str, Any]]) -> None:
    """Fail the session for what is gone, if that is asked: no item is there to fail for it."""
    if session.exitstatus == pytest.ExitCode.OK and any(pair.failures for pair in _gone(session.config, outcomes)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _gone(config: pytest.Config, outcomes: Sequence[dict[str, Any]]) -> Iterator[Pair]:
    """Yield earlier rows that this run should have had too: of its suites, boards and frameworks, if it ran all."""
    held = gate(config)
    if held is None or _partial(config):
        return
    rows = {row_of(Record.model_validate(outcome["record"])) for outcome in outcomes if "record" in outcome}
    lost = [outcome["not_run"] for outcome in outcomes if "not_run" in outcome]
    boards = {row.board for row in rows} | {one["board"] for one in lost}
    frameworks = {row.framework for row in rows} | {one["framework"] for one in lost}
    suites, tasks = {row.suite for row in rows}, {one["task"] for one in lost}
    for record in held.before:
        row = row_of(record)
        meant = row.suite in suites or row.task in tasks
        if row not in rows and meant and row.board in boards and row.framework in frameworks:
            yield compare([record], [], held.thresholds).pairs[0]


def _partial(config: pytest.Config) -> bool:
    """Say whether only a part of what the arguments name was to run: a row that is not there need not be gone."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    chosen_by_name = any("::" in argument for argument in config.args)
    options = ("keyword", "markexpr", "lf", "hil_shard", "maxfail")
    return bool(
        chosen_by_name
        or any(config.getoption(name, default=None) for name in options)
        or (reporter and reporter.stats.get("deselected"))
    )
