"""The table: what a reader sees."""

import io

from rich.console import Console

from hilbench.records.record import Record
from hilbench.reports.table import NotRun, print_tables


def printed(*args: object) -> str:
    file = io.StringIO()
    print_tables(Console(file=file, width=150), *args)  # type: ignore[arg-type]
    return file.getvalue()


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
    missing = [NotRun("digits", board, "qemu", "tflm", "no TFLM SDK") for board in ("mps2-an386", "mps2-an385")]
    alone = NotRun("digits", "nano33", "probe", "tvm", "no probe")
    text = printed([record], [*missing, alone])
    assert "not run: digits[mps2-an386-tflm, mps2-an385-tflm]: no TFLM SDK" in text
    assert "not run: digits[nano33-tvm]: no probe" in text


def test_two_boards_are_two_tables(record: Record):
    other = record.model_copy(update={"board": record.board.model_copy(update={"id": "mps2-an385"})})
    text = printed([record, other])
    assert text.count("digits on ") == 2


def test_a_note_that_holds_for_many_rows_is_printed_once(record: Record):
    other = record.model_copy(update={"task": "faces"})
    assert printed([record, other]).count("latency on mps2-an386 is estimated") == 1
