"""Records as CSV for analysts, in long form: a row for each record and metric, RFC 4180, numbers in full precision.

What a record could not have, and what could not be run at all, is a row too: without a value, with the reason in
`missing`. A text that a spreadsheet would take for a formula has an apostrophe before it, and characters that a
terminal might act upon are escapes, such as `\\x1b`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from types import MappingProxyType

from hilbench.errors import printable
from hilbench.measure.metric import Metric
from hilbench.records.record import Record
from hilbench.reports.columns import Failure, NotRun, one_line
from hilbench.reports.verified import Verdicts

Cell = str | int | float | bool | None

_RUN = (
    "id", "state", "started", "suite", "task", "board", "target", "framework", "version",
)  # fmt: skip
_METRIC = (
    "metric", "value", "unit", "basis", "model", "error", "bound", "lower_bound", "ci_low", "ci_high", "ci_method", "n",
    "min", "median", "p90", "p99", "max", "precise", "detail", "missing",
)  # fmt: skip
_SOURCE = (
    "board_name", "core", "clock_hz", "target_version", "stand_in", "silicon", "samples", "samples_of", "model_sha256",
    "dataset_sha256", "inputs_sha256", "image_sha256", "compiler", "commit", "branch", "dirty", "hilbench",
)  # fmt: skip
COLUMNS = (*_RUN, *_METRIC, *_SOURCE)
_FORMULA = ("=", "+", "-", "@", "\n")
"""What a spreadsheet takes for the begin of a formula, or skips before one (OWASP, CSV Injection); tabs and carriage
returns are escapes already."""


def csv_table(
    records: Iterable[Record],
    not_run: Sequence[NotRun] = (),
    failures: Sequence[Failure] = (),
    verdicts: Verdicts = MappingProxyType({}),
) -> str:
    """Return the table with its heading; lines end with CR LF.

    `state` is what came of verifying the record: ok, unknown (nothing is wrong, but not all could be checked), failed.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in (*_rows(records, verdicts), *map(_not_run, not_run), *map(_failure, failures)):
        writer.writerow([_cell(row.get(column)) for column in COLUMNS])
    return out.getvalue()


def _rows(records: Iterable[Record], verdicts: Verdicts) -> Iterator[dict[str, Cell]]:
    for record in records:
        verdict = verdicts.get(record.id)
        run = {**_run(record), "state": verdict.mark if verdict else None}
        for name, metric in record.metrics.items():
            yield {**run, "metric": name, **_metric(metric)}
        for name, reason in record.missing.items():
            yield {**run, "metric": name, "missing": one_line(reason)}


def _run(record: Record) -> dict[str, Cell]:
    board, target, data, image = record.board, record.target, record.dataset, record.image
    return {
        "id": record.id, "started": record.started, "suite": record.suite, "task": record.task, "board": board.id,
        "target": target.kind, "framework": record.framework.variant, "version": record.framework.version,
        "board_name": board.name, "core": board.core, "clock_hz": board.clock_hz, "target_version": target.version,
        "stand_in": target.stand_in, "silicon": target.silicon, "samples": data.samples, "samples_of": data.of,
        "model_sha256": record.model.sha256, "dataset_sha256": data.sha256, "inputs_sha256": data.inputs_sha256,
        "image_sha256": image.sha256, "compiler": image.compiler, "commit": record.source.get("commit"),
        "branch": record.source.get("branch"), "dirty": record.source.get("dirty"), "hilbench": record.hilbench,
    }  # fmt: skip


def _metric(metric: Metric) -> dict[str, Cell]:
    low, high = metric.ci95 or (None, None)
    known = {column: getattr(metric, column) for column in _METRIC if column in Metric.model_fields}
    return {**known, "ci_low": low, "ci_high": high}


def _not_run(one: NotRun) -> dict[str, Cell]:
    reason = "; ".join(filter(None, ("not run: " + one.reason, one.hint)))
    return {"task": one.task, "board": one.board, "framework": one.framework, "missing": reason}


def _failure(one: Failure) -> dict[str, Cell]:
    return {"missing": f"failed: {one.where}: {one_line(one.what)}"}


def _cell(value: Cell) -> str:
    """Return a cell: a float so that it reads back as the same one, nothing for None, and no text as a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = printable(value)
        return "'" + text if text.startswith(_FORMULA) else text
    return str(value).lower() if isinstance(value, bool) else repr(value)
