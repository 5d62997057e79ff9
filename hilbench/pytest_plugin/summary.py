"""The end of a pytest run: the tables, and where the records are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hilbench.records.record import Record
from hilbench.reports.console import WIDTH_ELSEWHERE, console_for
from hilbench.reports.table import NotRun, print_tables


def print_summary(reporter: Any, outcomes: list[dict[str, Any]]) -> None:
    """Print the tables of all `outcomes` to the terminal that pytest itself writes to."""
    records = [Record.model_validate(outcome["record"]) for outcome in outcomes if "record" in outcome]
    not_run = [NotRun(**outcome["not_run"]) for outcome in outcomes if "not_run" in outcome]
    records.sort(key=lambda record: (record.suite, record.started))
    reporter.section("hilbench")
    width = None if reporter.isatty else WIDTH_ELSEWHERE
    print_tables(console_for(reporter._tw._file, width, bool(reporter.hasmarkup)), records, not_run)
    stored = [str(outcome["stored"]) for outcome in outcomes if "stored" in outcome]
    for folder in dict.fromkeys(place.rpartition("/")[0] for place in stored):
        count = sum(place.rpartition("/")[0] == folder for place in stored)
        reporter.write_line(f"\n{count} record{'s' if count > 1 else ''} in {_near(folder, reporter)}")


def _near(folder: str, reporter: Any) -> str:
    """Return `folder` relative to where pytest was started, if it is below that."""
    path, start = Path(folder), reporter.config.invocation_params.dir
    return str(path.relative_to(start)) if path.is_relative_to(start) else folder
