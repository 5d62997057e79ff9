"""The pytest plug-in: `pytest suites/ --board=qemu`. Hooks only; what they do is elsewhere, and imported when needed.

A pytest run that collects no suite and names no board costs the import of this file and of its options.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hilbench.pytest_plugin.options import add_options, value

if TYPE_CHECKING:
    from hilbench.records.record import Record

SUITE_SUFFIX = ".hil.yaml"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare `--board`, `--framework` and the `--hil-*` options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse unknown boards and frameworks before anything is collected."""
    if value(config, "hil_board") or value(config, "hil_framework"):
        from hilbench.pytest_plugin.session import selection

        selection(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect `*.hil.yaml`."""
    if not file_path.name.endswith(SUITE_SUFFIX):
        return None
    from hilbench.pytest_plugin.collect import SuiteFile

    return SuiteFile.from_parent(parent, path=file_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Hand an item's record to its report, so that it reaches the summary also from an xdist worker."""
    report = yield
    if call.when == "call" and (outcome := item.stash.get(OUTCOME, None)) is not None:
        report.hilbench = outcome
        if report.skipped and isinstance(report.longrepr, tuple):
            # The place of a skip is the suite or test, not the line of ours that raised it.
            line = item.location[1]
            report.longrepr = (str(item.path), None if line is None else line + 1, report.longrepr[2])
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the tables."""
    outcomes = [
        report.hilbench
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "hilbench", None)
    ]
    if outcomes:
        from hilbench.pytest_plugin.summary import print_summary

        print_summary(terminalreporter, outcomes)


@pytest.fixture
def hil_bench(request: pytest.FixtureRequest) -> Callable[..., Record]:
    """Run a benchmark from a Python test: `record = hil_bench("suites/digits.hil.yaml", "digits", framework="tvm")`.

    Takes the suite's path (relative to the test file's folder or the rootdir), a task's id (may be left out when there
    is one), and `board` and `framework` in place of the command line's. Skips where the board cannot be run. Keeps the
    record in the store, shows it in the table, and does not judge it: assert on what it returns.
    """
    from hilbench.pytest_plugin.session import bench_from_test

    return bench_from_test(request)


OUTCOME = pytest.StashKey[dict[str, Any]]()
"""What came of an item, in JSON types: `record` (a document) or `not_run` (who and why)."""
