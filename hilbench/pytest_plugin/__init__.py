"""The pytest plug-in: `pytest suites/ --board=qemu`. Hooks only; what they do is elsewhere, and imported when needed.

A pytest run that collects no suite and names no board costs the import of this file and of its options.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hilbench.pytest_plugin.options import add_options, given_any, value

if TYPE_CHECKING:
    from hilbench.records.record import Record

_HERE = Path(__file__).parent
SUITE_SUFFIX = ".hil.yaml"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare `--board`, `--framework` and the `--hil-*` options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse boards, frameworks, folders and stores that do not exist before anything is collected."""
    if given_any(config):
        from hilbench.pytest_plugin.gate import gate
        from hilbench.pytest_plugin.session import selection

        selection(config)
        gate(config)
    if value(config, "hil_report"):
        from hilbench.pytest_plugin.report import wanted

        wanted(config)
    if value(config, "hil_shard"):
        from hilbench.pytest_plugin.shard import chosen

        chosen(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect `*.hil.yaml`."""
    if not file_path.name.endswith(SUITE_SUFFIX):
        return None
    from hilbench.pytest_plugin.collect import SuiteFile

    return SuiteFile.from_parent(parent, path=file_path)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep this shard's share of what is left after `-k` and `-m`."""
    if value(config, "hil_shard"):
        from hilbench.pytest_plugin.shard import keep_share

        keep_share(config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write reports; let an empty shard pass; fail for what is gone, where `--hil-fail=gone` asks for that."""
    if value(session.config, "hil_compare") and not hasattr(session.config, "workerinput"):
        from hilbench.pytest_plugin.gate import finish

        finish(session, outcomes_of(session.config))
    if value(session.config, "hil_report") and not hasattr(session.config, "workerinput"):
        from hilbench.pytest_plugin.report import write_reports

        write_reports(session, outcomes_of(session.config))
    if value(session.config, "hil_shard"):
        from hilbench.pytest_plugin.shard import forgive_empty

        forgive_empty(session, exitstatus)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Hand an item's record to its report, so that it reaches the summary also from an xdist worker."""
    report = yield
    if call.when == "call":
        report.hilbench = item.stash.get(OUTCOMES, [])
        if report.skipped and Path(report.longrepr[0]).is_relative_to(_HERE):
            # The place of a skip is the suite or test, not the line of ours that raised it.
            report.longrepr = (str(item.path), (item.location[1] or 0) + 1, report.longrepr[2])
    return report


def outcomes_of(config: pytest.Config) -> list[dict[str, Any]]:
    """Return what came of all runs so far, also of those of xdist workers; nothing without a terminal reporter."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return [
        outcome
        for reports in (reporter.stats.values() if reporter else ())
        for report in reports
        for outcome in getattr(report, "hilbench", ())
    ]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the tables."""
    outcomes = outcomes_of(terminalreporter.config)
    if outcomes:
        from hilbench.pytest_plugin.summary import print_summary

        print_summary(terminalreporter, outcomes)
    for line in terminalreporter.config.stash.get(REPORTS, ()):
        terminalreporter.write_line(line)


@pytest.fixture
def hil_bench(request: pytest.FixtureRequest) -> Callable[..., Record]:
    """Run a benchmark from a Python test: `record = hil_bench("suites/digits.hil.yaml", "digits", framework="tvm")`.

    Takes the suite's path (relative to the test file's folder or the rootdir), a task's id (may be left out when there
    is one), and `board` and `framework` in place of the command line's. Skips where the board cannot be run. Keeps the
    record in the store, shows it in the table, and does not judge it (but for `--hil-compare`): assert on what it
    returns.
    """
    from hilbench.pytest_plugin.session import bench_from_test

    return bench_from_test(request)


REPORTS = pytest.StashKey[list[str]]()
"""What is to be told of the reports that were written, or could not be."""
OUTCOMES = pytest.StashKey[list[dict[str, Any]]]()
"""What came of each run of an item, in JSON types: `record` and where it is `stored`, or `not_run` (who and why)."""
