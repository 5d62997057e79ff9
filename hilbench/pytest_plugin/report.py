"""`--hil-report=FILE`: reports at the end of a run, also of what was not run and what failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hilbench.errors import HilbenchError
from hilbench.pytest_plugin import REPORTS, SUITE_SUFFIX
from hilbench.pytest_plugin.options import value
from hilbench.records.record import Record
from hilbench.records.store import Document
from hilbench.records.verify import check
from hilbench.reports.columns import Failure, NotRun
from hilbench.reports.write import KINDS, Contents, render, write

_WORKER = re.compile(r"^\[gw\d+\] .*\n")
"""What pytest-xdist puts before a failure: which worker it was."""
_LONGEST = 2000
"""Characters of a failure: what tests print may be pages long, and pytest has shown it."""


def wanted(config: pytest.Config) -> list[tuple[str, Path]]:
    """Return the format and place of each report. Raises `pytest.UsageError` for one that cannot be written here."""
    found = []
    for given in value(config, "hil_report") or ():
        path = config.invocation_params.dir / given  # an ini file's are absolute already
        kind = KINDS.get(path.suffix.lower())
        if kind is None:
            raise pytest.UsageError(f"--hil-report={given}: its suffix names no format: one of {', '.join(KINDS)}")
        if kind == "html":
            try:
                from hilbench.reports.web import environment

                environment()  # known now, and not after hours of benchmarks
            except HilbenchError as error:
                raise pytest.UsageError(f"--hil-report={given}: {error}") from None
        found.append((kind, path))
    return found


def write_reports(session: pytest.Session, outcomes: list[dict[str, Any]]) -> None:
    """Write all reports that are asked for; the run fails if one cannot be written."""
    records = [Record.model_validate(outcome["record"]) for outcome in outcomes if "record" in outcome]
    records.sort(key=lambda record: (record.suite, record.started))
    reports = wanted(session.config)
    contents = Contents(
        records=tuple(records),
        not_run=tuple(NotRun(**outcome["not_run"]) for outcome in outcomes if "not_run" in outcome),
        failures=tuple(_failures(session.config)),
        verdicts={record.id: check(Document.of(record)) for record in records} if reports else {},
    )
    lines = session.config.stash.setdefault(REPORTS, [])
    for kind, path in reports:
        try:
            write(path, render(kind, contents))
            lines.append(f"report: {path}")
        except HilbenchError as error:
            lines.append(f"error: {error}")
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def _failures(config: pytest.Config) -> Iterator[Failure]:
    """Yield the benchmarks that failed, and suites that could not be read."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    for kind in ("failed", "error"):
        for report in reporter.stats.get(kind, ()) if reporter else ():
            if getattr(report, "hilbench", ()) or SUITE_SUFFIX in report.nodeid:
                crash = getattr(report.longrepr, "reprcrash", None)
                text = str(crash.message if crash else report.longreprtext)
                where = report.nodeid.rpartition("::")[2] or report.nodeid
                yield Failure(
                    where, _WORKER.sub("", text).removeprefix("error: ").removeprefix(f"{where}: ")[:_LONGEST]
                )
