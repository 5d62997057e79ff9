"""What the options of a pytest run mean: the selection, the store, and one run with its record kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, get_args

import pytest

from hilbench import bench, catalog, plugins
from hilbench.attached import require_use
from hilbench.errors import HilbenchError, Regression, Unavailable, UnsupportedModel, UsageError, nearest
from hilbench.meters.options import parse_meter, require_silicon
from hilbench.plan import Channel, Plan
from hilbench.pytest_plugin import OUTCOMES
from hilbench.pytest_plugin.gate import judge
from hilbench.pytest_plugin.options import number, place, places, seconds, value
from hilbench.pytest_plugin.progress import ProgressLine
from hilbench.records.record import Record
from hilbench.records.store import DEFAULT, Store, open_store
from hilbench.reports.table import NotRun
from hilbench.selection import FrameworkChoice, Selection, find_places, parse_frameworks

NO_BOARD = "no board chosen: --board=qemu runs it on an emulated Cortex-M4; `hilbench boards` lists all"

_WHERE = ("port", "probe", "place", "loader")
"""Settings of targets that say where a board is: each has an option."""
_SELECTION = pytest.StashKey[Selection]()
_STORE = pytest.StashKey[Store]()


def selection(config: pytest.Config) -> Selection:
    """Return what the options select. Raises `pytest.UsageError` (exit code 4) for what does not exist."""
    if _SELECTION not in config.stash:
        try:
            config.stash[_STORE] = open_store(place(config, "hil_store") or config.invocation_params.dir / DEFAULT)
            config.stash[_STORE].ready()
            firmware = place(config, "hil_firmware")
            if firmware and not Path(firmware).is_dir():
                raise UsageError(
                    f"--hil-firmware: '{firmware}' is not a folder", hint="`hilbench build -o DIR` writes one"
                )
            models = [Path(folder).absolute() for folder in value(config, "hil_models") or []]
            config.stash[_SELECTION] = Selection(
                boards=tuple(catalog.resolve(value(config, "hil_board") or [])),
                frameworks=parse_frameworks(value(config, "hil_framework") or []),
                samples=number(config, "hil_samples"),
                model_folders=catalog.model_folders(models),
                firmware=Path(firmware) if firmware else None,
                places=find_places(places(config)),
                profile=bool(value(config, "hil_profile")),
                attached=_attached(config),
                channel=_channel(config),
                meter=parse_meter(meter) if (meter := value(config, "hil_meter")) else None,
            )
            for name in _WHERE:
                typed = config.getoption(f"hil_{name}", default=None) or ()  # an ini file is for other runs too
                require_use(name, typed, config.stash[_SELECTION].boards, catalog.boards())
            if meter:
                for choice in config.stash[_SELECTION].boards:
                    require_silicon(plugins.load("targets", choice.target)())
        except (HilbenchError, ValueError) as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[_SELECTION]


def _channel(config: pytest.Config) -> Channel:
    given: str = value(config, "hil_channel") or "auto"
    channels: tuple[Channel, ...] = get_args(Channel)
    for channel in channels:
        if channel == given:
            return channel
    raise UsageError(f"--hil-channel: there is no channel '{given}'", hint=nearest(given, channels))


def _attached(config: pytest.Config) -> dict[str, tuple[str, ...]]:
    """Return what the options say of where boards are, by the name of the target's setting."""
    given = {name: value(config, f"hil_{name}") for name in _WHERE}
    found = {name: tuple(values) for name, values in given.items() if values}
    if wait := value(config, "hil_wait"):
        found["wait_s"] = (str(seconds(wait, "--hil-wait")),)
    return found


def cannot_run(config: pytest.Config, error: HilbenchError) -> NoReturn:
    """Skip what cannot be run here; with `--hil-require`, raise `error` instead."""
    if value(config, "hil_require"):
        raise error
    pytest.skip(str(error))


def run_and_keep(item: pytest.Item, plan: Plan) -> Record:
    """Run `plan`, keep its record in the store and note it for the table and for junit.

    What cannot be run here is a skip, with `--hil-require` a failure. A record that cannot be stored is still shown.
    """
    outcomes = item.stash.setdefault(OUTCOMES, [])
    try:
        with ProgressLine(item.config, item.name) as progress:
            record = bench.run(plan, progress)
    except (Unavailable, UnsupportedModel) as error:
        framework = str(FrameworkChoice(plan.framework, plan.options))
        not_run = NotRun(plan.task, plan.board.id, framework, error.what, error.hint or "")
        outcomes.append({"not_run": dataclasses.asdict(not_run)})
        cannot_run(item.config, error)
    outcome: dict[str, Any] = {"record": record.model_dump(mode="json", by_alias=True)}
    outcomes.append(outcome)
    for name, metric in record.metrics.items():
        item.user_properties.append((f"{record.label}.{name}", f"{metric.value!r} {metric.unit} ({metric.basis})"))
    outcome["stored"] = item.config.stash[_STORE].put(record)
    item.user_properties.append((f"{record.label}.record", outcome["stored"]))
    return record


def bench_from_test(request: pytest.FixtureRequest) -> Callable[..., Record]:
    """Return the function behind the `hil_bench` fixture."""

    def run(
        suite: str | Path,
        task: str | None = None,
        *,
        board: str | None = None,
        framework: str | None = None,
        samples: int | None = None,
    ) -> Record:
        try:
            chosen = _narrowed(selection(request.config), board, framework, samples)
            if not chosen.boards:
                cannot_run(request.config, Unavailable(NO_BOARD))
            path = request.path.parent / suite
            plan = _only_plan(chosen, path if path.exists() else request.config.rootpath / suite, task)
            record = run_and_keep(request.node, plan)
            if worse := judge(request.node, plan, record):
                raise Regression("\n  ".join(worse))
            return record
        except (HilbenchError, pytest.UsageError) as error:
            pytest.fail(str(error), pytrace=False)

    return run


def _narrowed(chosen: Selection, board: str | None, framework: str | None, samples: int | None) -> Selection:
    """Return the selection with what a test asks for in place of what the command line says."""
    return dataclasses.replace(
        chosen,
        boards=tuple(catalog.resolve([board])) if board else chosen.boards,
        frameworks=parse_frameworks([framework]) if framework else chosen.frameworks,
        samples=samples or chosen.samples,
    )


def _only_plan(chosen: Selection, path: Path, task: str | None) -> Plan:
    tasks = catalog.load_suite(path).tasks
    names = ", ".join(one.id for one in tasks)
    if task is None and len(tasks) > 1:
        raise UsageError(f"{path.name} has several tasks", hint=f"name one of: {names}")
    found = next((one for one in tasks if task in (None, one.id)), None)
    if found is None:
        raise UsageError(f"{path.name} has no task '{task}'", hint=f"one of: {names}")
    plans = chosen.plans(path, found)
    if len(plans) > 1:
        raise UsageError(
            "hil_bench runs one board and one framework, and several are chosen",
            hint="name them: hil_bench(..., board=..., framework=...)",
        )
    return plans[0]
