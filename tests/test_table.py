"""The table: what a reader sees."""

import io

import pytest

from hilbench.measure.metric import Metric
from hilbench.records.record import Record
from hilbench.reports.console import console_for
from hilbench.reports.table import NotRun, print_tables


def printed(*args: object, width: int = 150, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding)
    print_tables(console_for(file, width), *args)  # type: ignore[arg-type]
    file.flush()
    return raw.getvalue().decode(encoding)


def test_every_value_stands_under_its_basis(record: Record):
    text = printed([record])
    lines = text.splitlines()
    heading = next(i for i, line in enumerate(lines) if "top-1" in line)
    columns = [cell.strip() for cell in lines[heading].split("┃")]
    bases = [cell.strip() for cell in lines[heading + 1].split("┃")]
    assert dict(zip(columns, bases, strict=True)) | {"": ""} == {
        "": "", "framework": "", "top-1 [95 %]": "counted", "instructions": "counted", "latency": "estimated",
        "flash": "counted",
    }  # fmt: skip
    assert "98.2 % [96.6, 99.1]" in text
    assert "48.4 ms" in text


def test_an_estimate_says_what_it_rests_on_and_a_missing_metric_why(record: Record):
    text = printed([record])
    assert "latency on mps2-an386 is estimated: one cycle an instruction at 25 MHz; not known" in text
    assert "fidelity of digits[mps2-an386-tvm] is not available: no tflite-micro" in text


def test_what_could_not_run_is_told_with_its_reason_once(record: Record):
    missing = [NotRun("digits", board, "tflm", "no TFLM SDK", "set one") for board in ("mps2-an386", "mps2-an385")]
    alone = NotRun("digits", "nano33", "tvm", "no probe")
    text = printed([record], [*missing, alone])
    assert "not run: tflm on mps2-an386, mps2-an385 (digits): no TFLM SDK; set one" in text
    assert "not run: tvm on nano33 (digits): no probe\n" in text


def test_two_boards_are_two_tables(record: Record):
    other = record.model_copy(update={"board": record.board.model_copy(update={"id": "mps2-an385"})})
    text = printed([record, other])
    assert text.count("digits on ") == 2


def test_a_note_that_holds_for_many_rows_is_printed_once(record: Record):
    other = record.model_copy(update={"task": "faces"})
    assert printed([record, other]).count("latency on mps2-an386 is estimated") == 1


@pytest.mark.parametrize("width", [56, 60, 80, 100, 150])
def test_nothing_is_cut_however_narrow_the_terminal(record: Record, width: int):
    text = " ".join(printed([record], width=width).split())
    for word in ("98.2 % [96.6, 99.1]", "1.21 M", "48.4 ms", "31.8 kB", "counted", "estimated"):
        assert word in text
    assert "…" not in text


def test_two_bases_never_share_a_column(record: Record):
    metrics = {**record.metrics, "latency": Metric(value=0.05, unit="s", basis="measured")}
    text = printed([record, record.model_copy(update={"metrics": metrics})])
    assert text.count("latency ") >= 2
    assert "estimated" in text
    assert "measured" in text


def test_other_data_is_another_table(record: Record):
    less = record.dataset.model_copy(update={"samples": 1, "inputs_sha256": "5" * 64})
    other = record.model_copy(update={"dataset": less})
    text = printed([record, other])
    assert "2 samples" in text
    assert "first 1 of 2 samples\n" in text


def test_a_terminal_without_utf8_still_gets_the_table(record: Record):
    text = printed([record, record.model_copy(update={"metrics": {}})], encoding="ascii")
    assert "48.4 ms" in text
    assert "-" in text


def test_square_brackets_are_text_and_not_markup(record: Record):
    board = record.board.model_copy(update={"name": "Mine [red] rev 2"})
    assert "Mine [red] rev 2" in printed([record.model_copy(update={"board": board})])
