"""The report in one file: it opens from a disk in a real browser, asks for nothing, and can be read and used."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hilbench.cli import main
from hilbench.records.directory import DirectoryStore
from hilbench.records.record import Record
from hilbench.records.store import Document
from hilbench.records.verify import check
from hilbench.reports.columns import Failure, NotRun

from .conftest import made_record, run_python
from .generated_records import generated
from .report_records import real
from .site_browser import chromium, missing

jinja2 = pytest.importorskip("jinja2", reason="pages need Jinja2: pip install 'hilbench[report]'")
HOSTILE = """</script><img src=x onerror=alert(1)>"'&{{ 7*7 }}"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Record, ...]]:
    return real(tmp_path_factory)


@pytest.fixture(scope="module")
def records(ran: tuple[Path, tuple[Record, ...]]) -> tuple[Record, ...]:
    """Two real runs, and made-up ones on emulated boards and on silicon."""
    return (*ran[1], *generated(12, tasks=("gestures",), boards=("mps2-an386", "bench-m4", "bench-m7")))


@pytest.fixture(scope="module")
def report(records: tuple[Record, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    from hilbench.reports.html import page

    path = tmp_path_factory.mktemp("report") / "report.html"
    verdicts = {record.id: check(Document.of(record)) for record in records}
    path.write_text(page(records, [NotRun("digits", "nano33", "tflm", "no SDK")], [], verdicts))
    return path


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(html)
    return parser.found


def test_nothing_is_asked_for_and_the_policy_allows_only_what_is_in_the_file(report: Path):
    html = report.read_text()
    for tag, attributes in tags(html):
        assert "style" not in attributes and not any(name.startswith("on") for name in attributes)
        assert tag not in ("iframe", "object", "embed", "base", "form", "img")
        source = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
        assert source is None or source.startswith("data:")
    policy = next(a["content"] or "" for _, a in tags(html) if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    for tag in ("style", "script"):
        texts = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.S)
        hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts}
        assert hashes == set(re.search(f"{tag}-src ([^;]*);", policy).group(1).split())


def test_what_a_record_says_is_never_markup():
    from hilbench.reports.html import page

    record = made_record()
    hostile = record.model_copy(update={
        "task": HOSTILE, "suite": HOSTILE, "missing": {HOSTILE: HOSTILE}, "host": {HOSTILE: HOSTILE}, "id": HOSTILE,
        "source": {"commit": HOSTILE, "branch": HOSTILE}, "hilbench": HOSTILE,
        "framework": record.framework.model_copy(update={"variant": HOSTILE, "version": HOSTILE}),
        "board": record.board.model_copy(update={"id": HOSTILE, "name": HOSTILE}),
        "image": record.image.model_copy(update={"parts_bytes": {"flash_model": 3}, "flags": (HOSTILE,)}),
    })  # fmt: skip
    html = page([hostile, record], [NotRun(*[HOSTILE] * 5)], [Failure(HOSTILE, HOSTILE)])
    assert not [attributes for tag, attributes in tags(html) if tag == "img" or "onerror" in attributes]
    assert html.count("<script>") == 2 and "49" not in html


def test_a_group_alone_says_why_it_has_no_chart_and_bases_are_never_mixed(report: Path):
    html = report.read_text()
    assert "nothing to compare with" in html
    for axis in re.findall(r'class="name"[^>]*>(latency|energy)([^<]*)<', html):
        assert re.match(r", (measured|host|estimated)$", axis[1])
    headings = re.findall(r'<th class="num" scope="col">([^<]*)<span class="basis">([^<]*)</span>', html)
    assert (
        ("latency", "estimated") in headings and ("latency", "measured") in headings and ("latency", "host") in headings
    )


def test_rows_failures_and_what_is_missing_are_all_there(records: tuple[Record, ...], report: Path):
    html = report.read_text()
    assert html.count("<tr", html.index('id="rows"'), html.index("</table>")) == len(records) + 1
    assert "not ranked: fidelity is" in html and "no SDK" in html and "energy of gestures[mps2-an386-tvm]" in html
    assert all(record.model.sha256 in html and record.id in html for record in records)
    assert "✓ verified" in html
    assert (
        "pytest suites/digits.hil.yaml --board=mps2-an386@qemu --framework=tvm --hil-samples=24 --hil-profile" in html
    )


def test_fifty_records_are_less_than_500_kb(ran: tuple[Path, tuple[Record, ...]]):
    from hilbench.reports.html import page

    profiled = next(record for record in ran[1] if record.profile)
    many = [
        profiled.model_copy(update={
            "id": f"{profiled.id}{i}", "task": f"task{i % 5}",
            "framework": profiled.framework.model_copy(update={"variant": f"tvm:option={i}"})})
        for i in range(50)
    ]  # fmt: skip
    verdicts = {record.id: check(Document.of(profiled)) for record in many}
    assert len(page(many, verdicts=verdicts).encode()) < 500_000


def test_a_report_of_nothing_is_a_page():
    from hilbench.reports.html import page

    assert "There are no records to report." in page([], failures=[Failure("damaged", "x.json: not a record")])


def test_without_jinja_it_says_what_to_install():
    code = "import sys; sys.modules['jinja2'] = None\nfrom hilbench.reports.html import page\npage([])"
    assert "pip install 'hilbench[report]'" in run_python(code).stderr


def test_a_run_writes_its_reports_with_what_was_not_run(ran: tuple[Path, tuple[Record, ...]]):
    folder, found = ran
    for suffix in ("html", "md"):
        text = (folder / f"run.{suffix}").read_text()
        assert all(record.framework.version in text for record in found)
        assert "it makes C for microcontrollers" in text
    rows = list(csv.DictReader((folder / "run.csv").open(newline="")))
    assert {row["id"] for row in rows} - {""} == {record.id for record in found}
    assert any(row["missing"].startswith("not run: ") for row in rows)


@pytest.fixture
def hilbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command in `tmp_path`: its exit code, what it printed, and what it told."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hilbench", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        return (code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


def kept(folder: Path) -> tuple[Record, Record]:
    """Put two records of one row into a store, and something damaged."""
    store = DirectoryStore(folder)
    older = made_record()
    newer = older.model_copy(update={"id": older.id.replace("2026", "2027"), "started": "2027-01-02T03:04:05+00:00"})
    store.put(older)
    store.put(newer)
    (folder / "20260101T000000-x.json").write_text("{}")
    return older, newer


def test_the_command_reports_the_newest_of_each_row_and_names_what_is_damaged(tmp_path: Path, hilbench: Any):
    older, newer = kept(tmp_path / "store")
    code, out, err = hilbench("report", "store", "-o", "r.html", "-o", "r.csv", "--markdown", "r.md")
    assert (code, out) == (0, "")
    assert len([line for line in err.splitlines() if line.startswith("damaged: ")]) == 1
    html = (tmp_path / "r.html").read_text()
    assert newer.id in html and older.id not in html and "20260101T000000-x.json" in html
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "r.html", "r.md", "store"]
    code, out, _ = hilbench("report", "store", "--all", "--csv", "-")
    assert code == 0 and older.id in out and newer.id in out


def test_the_command_prints_a_table_of_the_records_that_are_named(tmp_path: Path, hilbench: Any):
    older, _ = kept(tmp_path / "store")
    (tmp_path / "store" / f"{older.id}.json").rename(tmp_path / "mine.json")
    code, out, err = hilbench("report", "mine.json")
    assert code == 0 and "digits on mps2-an386" in out and "98.2 %" in out
    assert err.startswith("failed: digits[mps2-an386-tvm]: failed verification: ") and err.count("\n") == 1
    code, out, err = hilbench("report", "mine.json", "--task=other")
    assert (code, out) == (0, "") and "no record of that kind" in err


def test_no_report_ranks_a_record_whose_numbers_do_not_follow(tmp_path: Path, hilbench: Any):
    first, second, third = generated(
        3, tasks=("digits",), boards=("mps2-an386",), frameworks=("tvm", "tflm", "tvm:o=1")
    )
    faster = {"value": 1.0, "min": 1.0, "median": 1.0}
    lie = first.metrics["instructions"].model_copy(update=faster)
    liar = first.model_copy(update={"metrics": first.metrics | {"instructions": lie}})
    bare = second.model_copy(update={
        "reference": None, "bars": {}, "samples": second.samples.model_copy(update={"reference": None}),
        "metrics": {name: metric for name, metric in second.metrics.items() if not name.startswith("fidelity")},
    })  # fmt: skip
    for record in (liar, bare, third):
        DirectoryStore(tmp_path / "store").put(record)
    reason = "failed verification: instructions: value is claimed to be 1.0, and its samples give"
    code, out, err = hilbench("report", "store", "-o", "r.html", "-o", "r.csv", "-o", "r.md")
    assert code == 0, err
    code, out, err = hilbench("report", "store")
    for told in (out, (tmp_path / "r.md").read_text()):
        places = re.findall(r"^[│|] *(\S+) +[│|] (t\S+)", told, re.M)
        assert sorted(places) == [("1", "tflm"), ("2", "tvm:o=1"), ("—", "tvm")]
        assert reason in told and "unverified: tflm: not checked: fidelity" in told
    assert f"failed: digits[mps2-an386-tvm]: {reason}" in err
    rows = list(csv.DictReader((tmp_path / "r.csv").open(newline="")))
    states = {(row["framework"], row["state"]) for row in rows if row["id"]}
    assert states == {("tvm", "failed"), ("tflm", "unknown"), ("tvm:o=1", "ok")}
    assert any(reason in row["missing"] for row in rows)
    html = (tmp_path / "r.html").read_text()
    assert f"not ranked: {reason}" in html and html.count('class="mark failed">✗ FAILED') == 3
    assert "Ranked by instructions: tflm, tvm:o=1." in html
    figures = re.findall(r"<figure.*?</figure>", html, re.S)
    assert figures and not any(re.search(r"\btvm\b(?!:o)", figure) for figure in figures)


def test_markdown_goes_to_the_summary_of_a_github_job(tmp_path: Path, hilbench: Any, monkeypatch: pytest.MonkeyPatch):
    kept(tmp_path / "store")
    assert "### digits on" in hilbench("report", "store", "--markdown")[1]
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    (tmp_path / "summary").write_text("# before\n")
    assert hilbench("report", "store", "--markdown")[:2] == (0, "")
    found = (tmp_path / "summary").read_text()
    assert found.startswith("# before\n\n- failed: damaged: ") and "\n\n### digits on" in found


def test_the_command_ends_with_4_if_nothing_could_be_read_and_leaves_what_was_there(tmp_path: Path, hilbench: Any):
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "r.html").write_text("before")
    code, _, err = hilbench("report", "x.json", "-o", "r.html")
    assert code == 4 and (tmp_path / "r.html").read_text() == "before" and "Traceback" not in err
    assert hilbench("report", "nowhere")[0] == 4
    code, _, err = hilbench("report", "x.json", "-o", "r.pdf")
    assert code == 2 and ".html" in err
    kept(tmp_path / "store")
    code, _, err = hilbench("report", "store", "-o", "x.json/r.html")
    assert code == 4 and "the report could not be written" in err


def test_a_wrong_suffix_is_refused_before_anything_runs(pytester: pytest.Pytester):
    pytester.makepyfile("def test_x(): pass")
    done = pytester.runpytest_subprocess("--hil-report=x.pdf")
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*--hil-report=x.pdf: its suffix names no format*"])


def test_a_run_reports_what_failed_before_it_had_a_record(pytester: pytest.Pytester):
    pytester.path.joinpath("bad.hil.yaml").write_text("suite: [")
    done = pytester.runpytest_subprocess("--hil-report=r/r.md", "--hil-report=bad.hil.yaml/r.csv")
    assert done.ret != 0
    done.stdout.fnmatch_lines(["report: *r/r.md", "error: *bad.hil.yaml/r.csv: the report could not be written: *"])
    assert (
        (pytester.path / "r" / "r.md")
        .read_text()
        .replace("&#8203;", "")
        .startswith("- failed: bad.hil.yaml: bad.hil.yaml:1: not valid YAML")
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if missing():
        pytest.skip(missing())
    with chromium() as found:
        yield found


def opened(browser: Any, report: Path, width: int = 1280, scheme: str = "light") -> tuple[Any, list[str]]:
    """Return the page, and what went wrong on it or was asked for, now and later."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: trouble.append(request.url) if request.url != report.as_uri() else None)
    page.goto(report.as_uri())
    return page, trouble


def shown(page: Any, column: int) -> list[str]:
    rows = page.locator("#rows tbody tr:visible")
    return [rows.nth(i).locator("th, td").nth(column).inner_text().split("\n")[0] for i in range(rows.count())]


def test_it_sorts_and_filters_without_an_error_or_a_request(browser: Any, report: Path, records: tuple[Record, ...]):
    page, trouble = opened(browser, report)
    assert len(shown(page, 0)) == len(records)
    heading = page.locator("#rows thead th", has_text="flash")
    column = heading.evaluate("e => e.cellIndex")
    heading.get_by_role("button").click()
    values = page.locator("#rows tbody td[data-value]:visible").evaluate_all(
        f"cells => cells.filter(c => c.cellIndex === {column}).map(c => Number(c.dataset.value))"
    )
    assert len(values) > 5 and values == sorted(values)
    page.get_by_label("Filter").fill("bench-m7 tvm")
    assert set(shown(page, 2)) == {"bench-m7"}
    page.get_by_label("Filter").fill("no such row")
    assert shown(page, 0) == []
    assert trouble == []


def test_a_chart_tells_what_a_mark_is_by_mouse_and_by_keyboard(browser: Any, report: Path):
    page, trouble = opened(browser, report)
    mark = page.locator(".scatter .mark").first
    mark.scroll_into_view_if_needed()
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    mark.locator("circle").hover()
    tip = page.locator(".tip")
    tip.wait_for(state="visible")
    assert tip.inner_text() == mark.get_attribute("data-tip")
    page.mouse.move(0, 0)
    assert not tip.is_visible()
    page.locator(".scatter").first.locator("xpath=preceding::*[self::a or self::input][1]").focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.scatter .mark')"):
            break
    tip.wait_for(state="visible")
    assert "latency" in tip.inner_text()
    page.keyboard.press("Escape")
    assert not tip.is_visible() and trouble == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_width_and_can_be_read_in_both_themes(browser: Any, report: Path, width: int, scheme: str):
    page, trouble = opened(browser, report, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ink, paper = page.evaluate(
        "[getComputedStyle(document.querySelector('.plot text.name')).fill, "
        "getComputedStyle(document.documentElement).backgroundColor]"
    )
    bright = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert bright[0] < 200 < 600 < bright[1] if scheme == "light" else bright[1] < 200 < 600 < bright[0]
    assert page.locator(".plot").first.bounding_box()["width"] > 250
    assert trouble == []


def test_the_theme_can_be_chosen_and_the_commands_copied(browser: Any, report: Path):
    page, trouble = opened(browser, report)
    before = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.locator("[data-theme-toggle]").click()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != before
    button = page.locator("[data-copy]")
    button.click()
    page.wait_for_function("['Copied', 'Selected'].includes(document.querySelector('[data-copy]').textContent)")
    assert trouble == []
