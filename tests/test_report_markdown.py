"""Markdown of records: the same tables as on the terminal, and nothing in them that Markdown acts upon."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.records import fair
from hilbench.records.record import Record
from hilbench.reports.columns import Failure, NotRun, columns_of, name_of
from hilbench.reports.markdown import markdown, text
from hilbench.reports.write import SUMMARY_BYTES, append_summary, fitting

from .conftest import made_record
from .generated_records import generated


@pytest.fixture(scope="module")
def records() -> tuple[Record, ...]:
    return tuple(generated(4, tasks=("digits", "keywords"), boards=("mps2-an386", "bench-m4"), frameworks=("tvm",)))


def cells(line: str) -> list[str]:
    """Return the cells of a row, as GitHub parts them: at pipes that no backslash is before."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def table(document: str) -> list[list[str]]:
    return [cells(line) for line in document.splitlines() if line.startswith("|")]


def test_a_table_has_the_basis_under_each_heading(records: tuple[Record, ...]):
    for group in fair.groups(records):
        heading, sides, row = table(markdown(group))
        columns = columns_of(group)
        assert heading[1:] == [f"{text(column.title)}<br><sub>{column.basis}</sub>" for column in columns]
        assert len(heading) == len(sides) == len(row)
        assert row == [text(name_of(group[0])), *(text(column.cell(group[0])) for column in columns)]


def test_rows_are_in_the_order_of_their_rank():
    records = list(generated(3, tasks=("digits",), boards=("mps2-an386",), frameworks=("tvm", "tflm", "tvm:codegen=c")))
    heading, _, *rows = table(markdown(records))
    ranking = fair.rank(records)
    assert heading[0] == f"rank by<br><sub>{ranking.metric}</sub>" and ranking.metric == "instructions"
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert [row[1].split()[0] for row in rows] == [text(s.record.framework.variant) for s in ranking.standings]


def test_what_was_not_run_failed_or_is_missing_is_told(records: tuple[Record, ...]):
    found = markdown(
        records, [NotRun("digits", "nano33", "tflm", "no SDK", "get one")], [Failure("digits[x]", "it hung\nhere")]
    )
    assert "- not run: tflm on nano33 (digits): no SDK; get one\n" in found
    assert "- failed: digits\\[x]: it hung here\n" in found
    assert "latency on mps2-an386 is estimated" in found


def test_an_unranked_row_says_why():
    slow = made_record()
    wrong = slow.model_copy(update={
        "framework": slow.framework.model_copy(update={"variant": "wrong"}),
        "metrics": {**slow.metrics, "accuracy": slow.metrics["accuracy"].model_copy(update={"value": 0.5})},
    })  # fmt: skip
    found = markdown([slow, wrong])
    assert "- not ranked: wrong: accuracy is 0.5 (counted), expected at least 0.97\n" in found
    assert [row[0] for row in table(found)[2:]] == ["1", "—"]


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=30)
    | st.sampled_from(["a|b", "`x`", "<b>", "a\n# b", "[a](javascript:x)", "**b**", "$x$", "a\\|b"])
)
def test_no_name_breaks_a_table_or_becomes_markup(name: str):
    record = made_record()
    record = record.model_copy(update={"framework": record.framework.model_copy(update={"variant": name})})
    found = markdown([record], [NotRun(name, name, name, name, name)])
    heading, _, row = table(found)
    assert len(row) == len(heading)
    bare = re.sub(r"\\[\\`*_\[|#~]", "", found.replace("<br><sub>", "").replace("</sub>", ""))
    assert not set("<>`*$") & set(bare)
    assert all(line[:2] in ("- ", "| ", "##", "") for line in found.splitlines())


def test_nothing_is_said_to_be_nothing():
    assert markdown([]) == "No benchmark has run.\n"


def test_a_summary_is_cut_at_a_line_and_says_so(tmp_path: Path):
    summary = tmp_path / "summary"
    summary.write_text("before\n")
    append_summary(summary, "- a line with an é\n" * 100_000)
    found = summary.read_text()
    assert len(found.encode()) <= SUMMARY_BYTES and found.startswith("before\n\n- a line with an é\n")
    assert found.endswith("…and more: a summary holds 1 MiB. `hilbench report --html FILE` writes all of it.\n")
    append_summary(summary, "one more\n")
    assert summary.stat().st_size <= SUMMARY_BYTES


def test_a_summary_that_fits_is_not_touched():
    assert fitting("é\n", 3) == "é\n"
    assert fitting("é\n", 2) == ""


@pytest.mark.parametrize(
    "name",
    ["@octocat", "x @org/team", "a@b.example", "https://e.example/x", "ftp://e.example", "www.e.example",
     "WWW.e.example", "#12", "o/r#12", "GH-12", ":tada:", "mailto:a@b.example"],
)  # fmt: skip
def test_no_name_calls_anybody_or_becomes_a_link(name: str):
    """What GitHub looks for: its mentions and references, the autolinks of GFM, and the names of emoji."""
    live = r"@\w|://|www\.\w|\w@|#\d|gh-\d|:[\w+-]+:"
    assert re.search(live, name, re.IGNORECASE)
    shown = text(name).replace("&#8203;", "\u200b").replace("\\", "")
    assert not re.search(live.replace(r"|\w@", ""), shown, re.IGNORECASE)
    assert shown.replace("\u200b", "") == name, "a reader sees the same"


def test_what_commands_a_terminal_or_turns_text_round_is_seen():
    assert text("a\x1b[31m\u202eb") == r"a\\x1b\[31m\\u202eb"
