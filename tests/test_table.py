"""The table: what a reader sees."""

import io

import pytest
from rich.text import Text

from hilbench.measure.metric import Metric
from hilbench.records.record import Record, ReferenceFacts
from hilbench.reports.columns import columns_of
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


def test_a_name_of_a_record_is_text_and_no_format(record: Record):
    missing = {"{x}": "one", "{0.__class__}": "two", "{:300000000}": "three"}
    text = printed([record.model_copy(update={"missing": missing})])
    for name in missing:
        assert f"{name} of digits[mps2-an386-tvm] is not available" in text


@pytest.mark.parametrize(
    ("clock", "told"),
    [(32_768, "0.032768 MHz"), (25_000_000, "25 MHz"), (10**400, "E+394 MHz")],
    ids=["slow", "common", "absurd"],
)
def test_any_clock_is_told(record: Record, clock: int, told: str):
    board = record.board.model_copy(update={"clock_hz": clock})
    assert told in printed([record.model_copy(update={"board": board})]).replace("e+", "E+")


def test_accuracies_of_two_kinds_are_two_columns(record: Record):
    balanced = record.metrics["accuracy"].model_copy(update={"detail": "balanced, 3 of 4 classes"})
    update = {"scored_by": "balanced", "metrics": {**record.metrics, "accuracy": balanced}}
    text = printed([record, record.model_copy(update=update)])
    assert {column.title for column in columns_of([record, record.model_copy(update=update)])} >= {
        "top-1 [95 %]", "balanced, 3 of 4 classes [95 %]"}  # fmt: skip
    assert [text.count(word) for word in ("top-1 [95 %]", "balanced, 3 of 4 classes [95 %]")] == [1, 1]
    row = next(line for line in text.splitlines() if "tvm 0.27" in line)
    assert "—" in row, "a value stands under its own heading only"


def test_fidelity_to_two_references_is_two_columns(record: Record):
    fidelity = Metric(value=1.0, unit="share", basis="counted")
    rows = [
        record.model_copy(update={
            "metrics": {**record.metrics, "fidelity": fidelity}, "reference": ReferenceFacts(name=name, versions={})
        })
        for name in ("TensorFlow Lite Micro", "scikit-learn")
    ]  # fmt: skip
    titles = [column.title for column in columns_of(rows) if column.metric == "fidelity"]
    assert titles == ["fidelity to TFLM", "fidelity to scikit-learn"]


HOSTILE = "\x1b[31m\x1b]0;pwned\x07\x9b31m\u202eabc\u2066\r\x7f"


@pytest.mark.parametrize("width", [60, 300])
def test_no_escape_code_of_a_record_reaches_the_terminal_and_nothing_is_cut(record: Record, width: int):
    hostile = record.model_copy(update={
        "task": HOSTILE, "framework": record.framework.model_copy(update={"variant": HOSTILE}),
        "missing": {HOSTILE: HOSTILE},
    })  # fmt: skip
    text = printed([hostile], [NotRun(HOSTILE, HOSTILE, HOSTILE, HOSTILE)], width=width)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert r"\x1b[31m" in text
    assert r"\u2066" in "".join(line.strip("│ ") for line in text.splitlines() if "abc" in line or "2066" in line)


def test_own_styles_survive_what_makes_text_harmless():
    raw = io.StringIO()
    console_for(raw, 80, colour=True).print(Text.assemble(("bold", "bold"), " \x1b[31mred"))
    assert raw.getvalue() == "\x1b[1mbold\x1b[0m \\x1b[31mred\n"
