"""CSV of records: what is read back is what was recorded, and no cell is a formula."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.errors import printable
from hilbench.records.record import Record
from hilbench.reports.columns import Failure, NotRun
from hilbench.reports.csv_table import COLUMNS, csv_table

from .conftest import made_record
from .generated_records import generated


@pytest.fixture(scope="module")
def records() -> tuple[Record, ...]:
    return tuple(generated(4, tasks=("digits", "keywords"), boards=("mps2-an386", "bench-m4"), frameworks=("tvm",)))


def read(text: str) -> list[dict[str, str]]:
    assert text.endswith("\r\n")
    heading, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert tuple(heading) == COLUMNS and all(len(row) == len(COLUMNS) for row in rows)
    return [dict(zip(heading, row, strict=True)) for row in rows]


def test_there_is_a_row_a_record_and_metric_in_full_precision(records: tuple[Record, ...]):
    rows = read(csv_table(records))
    assert len(rows) == sum(len(record.metrics) + len(record.missing) for record in records)
    for record in records:
        mine = {row["metric"]: row for row in rows if row["id"] == record.id}
        for name, metric in record.metrics.items():
            row = mine[name]
            assert float(row["value"]) == metric.value and (row["unit"], row["basis"]) == (metric.unit, metric.basis)
            assert (row["model"], row["error"]) == (metric.model or "", metric.error or "")
            assert [row["ci_low"], row["ci_high"]] == [repr(end) for end in metric.ci95 or ()] or metric.ci95 is None
            assert row["lower_bound"] == str(metric.lower_bound).lower()
        assert mine["latency"]["commit"] == record.source.get("commit", "")


def test_what_is_missing_was_not_run_or_failed_is_a_row_without_a_value():
    rows = read(
        csv_table([made_record()], [NotRun("digits", "nano33", "tflm", "no SDK", "get one")], [Failure("a", "b")])
    )
    assert [(row["metric"], row["value"], row["missing"]) for row in rows[-3:]] == [
        ("fidelity", "", "no tflite-micro"),
        ("", "", "not run: no SDK; get one"),
        ("", "", "failed: a: b"),
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=20)
    | st.sampled_from(["=1+1", "+x", "-x", "@SUM(A1)", "\t=1", "\r=1", "\n=1", 'a"b', "a,b", "a\r\nb"])
)
def test_a_name_is_read_back_and_is_never_a_formula(name: str):
    record = made_record()
    record = record.model_copy(update={"framework": record.framework.model_copy(update={"variant": name})})
    for row in read(csv_table([record])):
        cell = row["framework"]
        assert (
            cell.removeprefix("'") == printable(name)
            if name[:1] in ("=", "+", "-", "@", "\n")
            else cell == printable(name)
        )
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_a_negative_number_stays_a_number():
    record = made_record()
    metrics = {"accuracy": record.metrics["accuracy"].model_copy(update={"value": -0.25})}
    [row, _] = read(csv_table([record.model_copy(update={"metrics": metrics})]))
    assert row["value"] == "-0.25"


def test_a_cell_holds_no_escape_code():
    record = made_record()
    record = record.model_copy(update={"missing": {"a\x1b[31m\u202eb": "c\x9bd"}})
    (row,) = [row for row in read(csv_table([record])) if row["missing"]]
    assert (row["metric"], row["missing"]) == (r"a\x1b[31m\u202eb", r"c\x9bd")
