"""What the options of a pytest run mean: the selection, the store, and one run with its record kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from hilbench import bench, catalog
from hilbench.errors import CatalogError, HilbenchError, Unavailable, UnsupportedModel, UsageError
from hilbench.pytest_plugin import OUTCOME
from hilbench.pytest_plugin.options import number, value
from hilbench.pytest_plugin.progress import ProgressLine
from hilbench.records.record import Record
from hilbench.records.store import DEFAULT, open_store
from hilbench.reports.table import NotRun
from hilbench.selection import Selection, parse_frameworks

_SELECTION = pytest.StashKey[Selection]()


def selection(config: pytest.Config) -> Selection:
    """Return what the options select. Raises `pytest.UsageError` (exit code 4) for a board that does not exist."""
    if (known := config.stash.get(_SELECTION, None)) is not None:
        return known
    firmware = value(config, "hil_firmware")
    try:
        chosen = Selection(
            boards=tuple(catalog.resolve(value(config, "hil_board") or [])),
            frameworks=parse_frameworks(value(config, "hil_framework") or []),
            samples=number(config, "hil_samples"),
            model_folders=catalog.model_folders([Path(folder) for folder in value(config, "hil_models") or []]),
            firmware=config.invocation_params.dir / firmware if firmware else None,
        )
    except (UsageError, CatalogError, ValueError) as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[_SELECTION] = chosen
    return chosen


def run_and_keep(item: pytest.Item, plan: bench.Plan) -> Record:
    """Run `plan`, keep its record in the store and note it for the table and for junit.

    What cannot be run here is a skip, with `--hil-require` a failure. A record that cannot be stored is still shown.
    """
    config = item.config
    try:
        with ProgressLine(config, item.name) as progress:
            record = bench.run(plan, progress)
    except (Unavailable, UnsupportedModel) as error:
        not_run = NotRun(plan.task, plan.board, plan.target, plan.framework, error.what)
        item.stash[OUTCOME] = {"not_run": dataclasses.asdict(not_run)}
        if value(config, "hil_require"):
            raise
        pytest.skip(str(error))
    item.stash[OUTCOME] = {"record": record.model_dump(mode="json", by_alias=True)}
    for name, metric in record.metrics.items():
        item.user_properties.append((name, f"{metric.value:g} {metric.unit} ({metric.basis})"))
    store = open_store(value(config, "hil_store") or config.invocation_params.dir / DEFAULT)
    item.user_properties.append(("record", store.put(record)))
    return record


def bench_from_test(request: pytest.FixtureRequest) -> Callable[..., Record]:
    """Return the function behind the `hil_bench` fixture."""

    def run(suite: str | Path, task: str | None = None, *, board: str | None = None, framework: str | None = None,
            samples: int | None = None) -> Record:  # fmt: skip
        try:
            chosen = selection(request.config)
            if board:
                chosen = dataclasses.replace(chosen, boards=tuple(catalog.resolve([board])))
            if framework:
                chosen = dataclasses.replace(chosen, frameworks=parse_frameworks([framework]))
            if samples:
                chosen = dataclasses.replace(chosen, samples=samples)
            if not chosen.boards:
                pytest.skip("no board chosen: name one with --board or hil_bench(..., board=...)")
            path = request.path.parent / suite
            plan = _only_plan(chosen, path if path.exists() else request.config.rootpath / suite, task)
        except HilbenchError as error:
            pytest.fail(str(error), pytrace=False)
        try:
            return run_and_keep(request.node, plan)
        except HilbenchError as error:
            pytest.fail(str(error), pytrace=False)

    return run


def _only_plan(chosen: Selection, path: Path, task: str | None) -> bench.Plan:
    tasks = catalog.load_suite(path).tasks
    if task is None and len(tasks) > 1:
        raise UsageError(f"{path.name} has several tasks", hint=f"name one of: {', '.join(t.id for t in tasks)}")
    found = next((t for t in tasks if task in (None, t.id)), None)
    if found is None:
        raise UsageError(f"{path.name} has no task '{task}'", hint=f"one of: {', '.join(t.id for t in tasks)}")
    plans = chosen.plans(path, found)
    if len(plans) > 1:
        raise UsageError("hil_bench runs one board and one framework, and several are chosen",
                         hint="name them: hil_bench(..., board=..., framework=...)")  # fmt: skip
    return plans[0]
