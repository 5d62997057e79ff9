"""The leaderboard in a real browser: a thousand made-up records, and those of real runs where there are some here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hilbench.records.directory import DirectoryStore
from hilbench.records.record import Record
from hilbench.reports.charts import Axis, Bar, Point, bars, history, scatter
from hilbench.reports.site.build import publish

from .generated_records import generated, write
from .site_browser import chromium, missing, served

pytest.importorskip("jinja2")
if missing():
    pytest.skip(missing(), allow_module_level=True)

REAL = Path(__file__).resolve().parent.parent / ".hilbench" / "records"
CHECK = """() => {
  const problems = [];
  const named = (e) => (e.getAttribute("aria-label") || e.textContent || e.getAttribute("title") || "").trim();
  const shown = (e) => e.getClientRects().length > 0;
  for (const e of document.querySelectorAll("a[href], button, summary")) {
    if (shown(e) && !named(e)) problems.push("no name: " + e.outerHTML.slice(0, 80));
  }
  for (const e of document.querySelectorAll("input, select")) {
    if (!e.labels.length && !e.getAttribute("aria-label")) problems.push("no label: " + e.outerHTML.slice(0, 80));
  }
  for (const e of document.querySelectorAll("th")) if (!e.scope) problems.push("no scope: " + e.textContent);
  for (const e of document.querySelectorAll("table")) {
    if (!e.caption && !e.closest(".card")) problems.push("no caption: " + e.id);
  }
  for (const e of document.querySelectorAll("svg [tabindex], svg a")) {
    if (!e.getAttribute("aria-label")) problems.push("a mark without a name");
  }
  for (const e of document.querySelectorAll(".scroll")) {
    if (e.tabIndex !== 0 || !e.getAttribute("aria-label")) problems.push("cannot be scrolled by keyboard");
  }
  const levels = Array.from(document.querySelectorAll("h1, h2, h3"), (e) => Number(e.tagName[1]));
  levels.forEach((level, i) => { if (i && level > levels[i - 1] + 1) problems.push("a heading is skipped"); });
  if (document.querySelectorAll("main, h1").length !== 2) problems.push("one main and one h1");
  return problems;
}"""
CONTRAST = """() => {
  const channel = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = (rgb) => rgb.reduce((sum, c, i) => sum + [0.2126, 0.7152, 0.0722][i] * channel(c / 255), 0);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const found = parse(getComputedStyle(e).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  let worst = 21;
  for (const e of document.querySelectorAll("p, td, th, a, .mark, .basis, small, dd, figcaption, li, button")) {
    if (!e.getClientRects().length || !e.textContent.trim() || e.closest(".for-ears") || e.disabled) continue;
    const [one, other] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((a, b) => b - a);
    worst = Math.min(worst, (one + 0.05) / (other + 0.05));
  }
  return worst;
}"""


def _on_some(board: str, samples: int, of: int) -> Record:
    """Return a run on the first `samples`; only of 24 of them follows what it claims."""
    (record,) = generated(1, tasks=("gestures",), boards=("bench-m4",), frameworks=("tflm",))
    data = record.dataset.model_copy(update={"samples": samples, "of": of, "inputs_sha256": f"{of:064}"})
    facts = record.board.model_copy(update={"id": board})
    name = f"20250106T080000-gestures-{board}-tflm-{of:08x}"
    return record.model_copy(update={"id": name, "board": facts, "dataset": data})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write(folder / "store", 1000)
    for path in sorted(REAL.glob("*.json"))[-3:]:
        (folder / "store" / path.name).write_bytes(path.read_bytes())
    for board, samples, of in (("part", 24, 500), ("twice", 24, 500), ("twice", 24, 24), ("few", 8, 24)):
        DirectoryStore(folder / "store").put(_on_some(board, samples, of))
    return publish(DirectoryStore(folder / "store"), folder / "site", 1).folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with served(site) as found:
        yield found


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page that fails the test for anything in its console and for a request to another host."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    found = context.new_page()
    problems: list[str] = []
    found.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
    found.on("pageerror", lambda error: problems.append(str(error)))
    found.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    found.on("request", lambda r: None if r.url.startswith((address, "data:", "file:")) else problems.append(r.url))
    yield found
    context.close()
    assert problems == []


def first(site: Path, pattern: str) -> str:
    return sorted(site.glob(pattern))[0].relative_to(site).as_posix()


def every_kind(site: Path) -> list[str]:
    rows = [path.stem for path in sorted((site / "rows").glob("*bench-m4*.html"))]
    return ["index.html", "tasks/digits.html", "boards/bench-m4.html", "frameworks/tvm.html", f"rows/{rows[0]}.html",
            "rows.html", "refused.html", f"compare.html#a={rows[0]}&b={rows[1]}"]  # fmt: skip


def test_a_heading_sorts_its_column_and_says_so(page: Any, address: str):
    page.goto(f"{address}tasks/digits.html")
    table = page.locator("table#t1")
    heading = table.locator("th", has_text="flash")
    column = heading.evaluate("e => e.cellIndex")

    def values() -> list[float]:
        cells = table.locator(f"tbody tr > :nth-child({column + 1})")
        return [float(cells.nth(i).get_attribute("data-value")) for i in range(cells.count())]

    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending" and values() == sorted(values())
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending" and values() == sorted(values(), reverse=True)


def test_a_filter_leaves_the_rows_that_have_all_its_words_and_tells_how_many(page: Any, address: str):
    page.goto(f"{address}tasks/digits.html")
    total = page.locator("table.data tbody tr").count()
    page.get_by_label("Filter").fill("codegen VERIFIED")
    shown = page.locator("table.data tbody tr:visible")
    assert 0 < shown.count() < total
    assert all("codegen" in text for text in shown.all_inner_texts())
    assert page.get_by_role("status").first.inner_text() == f"{shown.count()} of {total} rows"
    page.get_by_label("Filter").fill("")
    assert page.locator("table.data tbody tr:visible").count() == total


def test_all_rows_are_found_sorted_and_filtered_a_page_at_a_time(page: Any, address: str):
    page.goto(f"{address}rows.html")
    rows = page.locator("#all-rows tbody tr")
    rows.first.wait_for()
    assert page.locator("#row-status").inner_text().endswith(" rows")
    page.get_by_label("Filter").fill("bench-m7 tflm")
    assert rows.count() == 3 and page.locator("#row-status").inner_text().startswith("3 of ")
    page.get_by_role("button", name="task").click()
    assert rows.first.inner_text().startswith("digits")
    page.get_by_role("button", name="task").click()
    assert rows.first.inner_text().startswith("keywords")
    rows.first.get_by_role("link").click()
    assert page.locator("h1").inner_text().startswith("tflm on bench-m7 for keywords")


def test_two_rows_chosen_in_a_table_are_compared(page: Any, address: str):
    page.goto(f"{address}tasks/digits.html")
    boxes = page.locator("table#t1 [data-pick]")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("link", name="Compare these two").click()
    page.locator("#compared table").wait_for()
    text = page.locator("#compared").inner_text()
    assert "stand on the same ground" in text and "% " in text
    line = page.locator("#compared tr", has=page.get_by_role("rowheader", name="cycles", exact=True))
    assert "B is +" in line.inner_text() and "worse" in line.inner_text()
    before = line.inner_text()
    page.get_by_role("button", name="Swap").click()
    page.wait_for_function("before => !document.querySelector('#compared').innerText.includes(before)", arg=before)
    assert "B is -" in line.inner_text()


def test_rows_on_other_ground_are_shown_but_not_compared(page: Any, address: str, site: Path):
    one, other = (Path(first(site, f"rows/digits-{board}-tvm_*.html")).stem for board in ("bench-m4", "mps2-an386"))
    page.goto(f"{address}compare.html#a={one}&b={other}")
    page.locator("#compared table").first.wait_for()
    text = page.locator("#compared").inner_text()
    assert "cannot be compared: another board or clock, another target, another counter" in text
    assert "bench-m4, cortex-m4f at 64 MHz" in text
    assert "B is" not in text and text.count("compared") == 1, "the reason is said once"


def test_shares_are_compared_in_points_and_what_is_exact_exactly(page: Any, address: str, site: Path):
    """A drop is a drop, however few samples there were; and a number of samples is told by itself, once."""
    one, other = (Path(first(site, f"rows/digits-bench-m4-{name}_*.html")).stem for name in ("tvm", "emlearn"))
    page.goto(f"{address}compare.html#a={one}&b={other}")
    line = page.locator("#compared tr", has=page.get_by_role("rowheader", name="accuracy", exact=True))
    assert "B is -4.17 pt, worse" in line.inner_text()
    one, other = (Path(first(site, f"rows/gestures-{board}-tflm_*.html")).stem for board in ("few", "part"))
    page.goto("about:blank")
    page.goto(f"{address}compare.html#a={one}&b={other}")
    page.locator("#compared table").first.wait_for()
    assert "number of samples (8, 24)" in page.locator("#compared .note").first.inner_text()


def test_runs_on_some_samples_are_told_apart_and_lead_only_where_there_are_no_others(page: Any, address: str):
    page.goto(f"{address}rows.html")
    page.get_by_label("Filter").fill("twice tflm")
    rows = page.locator("#all-rows tbody tr")
    assert rows.count() == 2 and rows.get_by_text("probe, first 24 of 500 samples", exact=True).count() == 1
    page.goto(f"{address}compare.html")
    page.locator("#choices option").first.wait_for(state="attached")
    options = page.locator("#choices option").evaluate_all("all => all.map((e) => e.value)")
    assert len(options) == len(set(options)) and "gestures · twice, probe, first 24 of 500 samples · tflm" in options
    page.goto(f"{address}index.html")
    leaders = page.locator(".card", has=page.get_by_role("link", name="gestures", exact=True)).locator("tr")
    assert "first 24" not in leaders.filter(has_text="twice").inner_text()
    assert "first 24 of 500 samples" in leaders.filter(has_text="part").inner_text()
    assert "the only one so far" in leaders.filter(has_text="part").inner_text()


def test_on_a_phone_the_number_that_ranks_is_seen_and_the_rest_is_hinted_at(page: Any, address: str, site: Path):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}tasks/digits.html")
    table = page.locator("table#t1")
    assert table.locator("thead th").nth(2).inner_text().split()[-2:] == ["cycles", "measured"]
    box = table.locator("tbody tr").first.locator("td").nth(1).bounding_box()
    assert box["x"] + box["width"] < 390 - 16
    scroller = page.locator(".scroll").first
    assert scroller.get_attribute("class") == "scroll more"
    scroller.evaluate("e => e.scrollTo(9999, 0)")
    page.wait_for_function("document.querySelector('.scroll').className === 'scroll less'")
    page.goto(f"{address}{first(site, 'rows/digits-bench-m4-tvm_*.html')}")
    for cell in page.locator("#metrics td").all():
        if (at := cell.bounding_box()) and at["width"]:
            assert at["x"] >= 16 and at["x"] + at["width"] <= 390 - 16, "nothing is clipped"


def test_no_text_runs_out_of_its_chart(page: Any, address: str, site: Path):
    outside = """() => [...document.querySelectorAll("svg text")].filter((e) => {
      const own = e.getBoundingClientRect(), all = e.closest("svg").getBoundingClientRect();
      return own.left < all.left - 2 || own.right > all.right + 2;
    }).map((e) => e.textContent)"""
    axis = Axis(f"{'the energy of one inference in joules ' * 3}, estimated", "{:.0f} J".format)
    assert len(axis.title) > 120
    charts = (
        scatter([Point(1, 2, "one"), Point(3, 4, "other")], axis, axis, "t"),
        bars([Bar("tvm", (("", 2.0),))], axis, "t"),
        history([Point(i, i, "2026-01-01") for i in range(9)], axis, [], "t"),
    )
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(f"{address}{first(site, 'rows/digits-bench-m4-tvm_*.html')}")
        assert page.evaluate(outside) == []
        page.locator(".charts").evaluate("(e, charts) => { e.innerHTML = charts; }", "".join(charts))
        assert page.locator(".charts text").count() > 9 and page.evaluate(outside) == []


def test_an_address_that_is_no_row_of_ours_loads_nothing(page: Any, address: str, site: Path):
    slug = Path(first(site, "rows/*.html")).stem
    page.goto(f"{address}compare.html#a=https://evil.example/x&b={slug}")
    page.get_by_text("Choose another row").wait_for()


def test_a_mark_of_a_chart_tells_its_values_by_mouse_and_by_keyboard(page: Any, address: str, site: Path):
    page.goto(f"{address}{first(site, 'rows/digits-bench-m4-tvm_*.html')}")
    mark = page.locator("svg [data-tip]").nth(3)
    mark.hover()
    tip = page.get_by_role("tooltip")
    assert tip.is_visible() and tip.inner_text() == mark.get_attribute("data-tip")
    page.mouse.move(0, 0)
    assert not tip.is_visible()
    mark.focus()
    assert tip.is_visible()
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_the_theme_follows_the_system_until_the_reader_chooses(browser: Any, address: str):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(address)
    dark = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.get_by_role("button", name="Use the light theme").click()
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert dark != light
    page.goto(f"{address}rows.html")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == light
    context.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_its_window_and_each_can_be_used_without_eyes(
    page: Any, address: str, site: Path, width: int
):
    page.set_viewport_size({"width": width, "height": 844})
    for name in every_kind(site):
        page.goto("about:blank")  # else another fragment of the same page would not load anew
        page.goto(address + name)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate(CHECK) == [], name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page: Any, address: str, site: Path, scheme: str):
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for name in every_kind(site):
        page.goto("about:blank")
        page.goto(address + name)
        page.wait_for_load_state("networkidle")
        assert page.evaluate(CONTRAST) >= 4.5, name  # WCAG 2.2, 1.4.3


def test_the_keyboard_skips_to_the_content(page: Any, address: str):
    page.goto(f"{address}tasks/digits.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_a_copy_on_disk_works_without_a_server(page: Any, site: Path):
    rows = [path.stem for path in sorted((site / "rows").glob("*bench-m4*.html"))]
    page.goto(f"{site.as_uri()}/compare.html#a={rows[0]}&b={rows[1]}")
    page.locator("#compared table").wait_for()
    page.goto(f"{site.as_uri()}/rows.html")
    page.locator("#all-rows tbody tr").first.wait_for()
    page.goto(f"{site.as_uri()}/tasks/digits.html")
    page.get_by_label("Filter").fill("tflm")
    assert page.locator("table.data tbody tr:visible").count() < page.locator("table.data tbody tr").count()
