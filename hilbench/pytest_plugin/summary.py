"""The end of a pytest run: the tables, and where the records are."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from hilbench.pytest_plugin.options import value
from hilbench.records.record import Record
from hilbench.records.store import DEFAULT
from hilbench.reports.table import NotRun, print_tables

_WIDTH_ELSEWHERE = 150
"""Columns where there is no terminal: a CI log scrolls sideways, and a folded table is of no use."""


def print_summary(reporter: Any, outcomes: list[dict[str, Any]]) -> None:
    """Print the tables of all `outcomes` through pytest's terminal reporter."""
    records = [Record.model_validate(outcome["record"]) for outcome in outcomes if "record" in outcome]
    not_run = [NotRun(**outcome["not_run"]) for outcome in outcomes if "not_run" in outcome]
    records.sort(key=lambda record: (record.suite, record.started))
    reporter.section("hilbench")
    width = None if reporter.isatty else _WIDTH_ELSEWHERE
    file = reporter._tw._file  # the terminal that pytest itself writes to, whatever is captured
    print_tables(
        Console(file=file, width=width, force_terminal=reporter.hasmarkup or None, highlight=False), records, not_run
    )
    if records:
        place = value(reporter.config, "hil_store") or DEFAULT
        reporter.write_line(f"\n{len(records)} record{'s' if len(records) > 1 else ''} in {place}")
