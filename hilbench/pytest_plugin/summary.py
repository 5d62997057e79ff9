"""The end of a pytest run: the tables, and where the records are."""

from __future__ import annotations

from typing import Any

from hilbench.errors import printable
from hilbench.pytest_plugin.gate import Gate, comparison, gate
from hilbench.records.compare import Comparison
from hilbench.records.record import Record
from hilbench.reports.comparison import print_comparison
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
    if held := gate(reporter.config):
        _print_comparison(reporter, held, comparison(reporter.config, outcomes))
    stored = [str(outcome["stored"]) for outcome in outcomes if "stored" in outcome]
    for folder in dict.fromkeys(place.rpartition("/")[0] for place in stored):
        count = sum(place.rpartition("/")[0] == folder for place in stored)
        reporter.write_line(f"\n{count} record{'s' if count > 1 else ''} in {_near(folder, reporter)}")


def _print_comparison(reporter: Any, held: Gate, found: Comparison) -> None:
    """Print the table of what differs from earlier runs. Items have told what failed; what is gone has no item."""
    notes = "".join(f"; {note}" for note in held.notes)
    reporter.write_line("\n" + printable(f"compared with {held.ref}{notes}"))
    if held.before:
        width = None if reporter.isatty else WIDTH_ELSEWHERE
        gone = [line for pair in found.pairs if pair.state == "gone" for line in pair.failures]
        print_comparison(console_for(reporter._tw._file, width, bool(reporter.hasmarkup)), found, failures=gone)


def _near(folder: str, reporter: Any) -> str:
    """Return `folder` relative to where pytest was started, if it is below that; a store may be no folder."""
    start = str(reporter.config.invocation_params.dir)
    return "." if folder == start else folder.removeprefix(f"{start}/")
