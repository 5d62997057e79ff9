"""Charts: well-formed whatever is drawn, nothing in them that a strict policy refuses, and values where they belong."""

import itertools
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.reports.charts import Axis, Bar, Point, bars, confusion, history, pareto, scatter
from hilbench.reports.charts.axes import Scale, scale
from hilbench.reports.charts.svg import WIDTH, wide

SVG = "{http://www.w3.org/2000/svg}"
PLAIN = Axis("latency, estimated", "{:g} s".format)
LOG = Axis("latency, counted", "{:g} s".format, log=True)
HOSTILE = """<script>alert(1)</script>"' onload=x & ]]> \x00\x1b\ufffe\ud800 javascript:x"""
WORDS = st.text(st.characters(), max_size=12) | st.just(HOSTILE)
VALUES = st.floats() | st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, 1.0])
POINTS = st.lists(
    st.builds(Point, VALUES, VALUES, WORDS, group=WORDS, href=WORDS, note=WORDS, front=st.booleans()), max_size=9
)


def drawn(svg: str) -> ElementTree.Element:
    """Parse a chart and hold what holds for all of them."""
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg" and root.get("viewBox") and root.get("aria-label") is not None
    for element in root.iter():
        assert element.tag in {
            SVG + name for name in ("svg", "g", "a", "title", "text", "rect", "circle", "line", "path")
        }
        for name, value in element.attrib.items():
            assert name != "style" and not name.startswith("on")
            if name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height"):
                assert math.isfinite(float(value)) and abs(float(value)) < 1e5
            if name == "href":
                assert not value.strip().lower().startswith(("javascript", "data", "vbscript"))
        if "data-tip" in element.attrib:
            assert element.get("aria-label") == element.get("data-tip") == element.findtext(f"{SVG}title")
            assert element.get("tabindex") == "0" or element.tag == f"{SVG}a"
    return root


def marks(root: ElementTree.Element) -> list[str]:
    return [element.get("data-tip") or "" for element in root.iter() if "data-tip" in element.attrib]


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


@settings(max_examples=40, deadline=None)
@given(POINTS, st.booleans(), WORDS, st.booleans())
def test_any_points_make_a_well_formed_scatter_chart(points: list[Point], log: bool, title: str, low: bool):
    axis = Axis(title, "{:g} s".format, log)
    drawn(scatter(pareto(points, low_y=low), axis, axis, title))


@settings(max_examples=30, deadline=None)
@given(POINTS, st.lists(st.integers(-3, 25), max_size=5), st.sampled_from([True, False, None]))
def test_any_values_make_a_well_formed_history(points: list[Point], changes: list[int], lower: bool | None):
    drawn(history(points, PLAIN, changes, "history", lower))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.builds(Bar, WORDS, st.lists(st.tuples(WORDS, VALUES), max_size=4).map(tuple), WORDS), max_size=6))
def test_any_parts_make_well_formed_bars(rows: list[Bar]):
    drawn(bars(rows, PLAIN, HOSTILE))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 12).flatmap(lambda n: st.tuples(
    st.none() | st.lists(WORDS, min_size=n, max_size=n),
    st.lists(st.lists(st.integers(0, 10**9), min_size=n, max_size=n), min_size=n, max_size=n))))  # fmt: skip
def test_any_counts_make_a_well_formed_matrix(matrix: tuple[list[str] | None, list[list[int]]]):
    drawn(confusion(matrix[0], matrix[1], HOSTILE))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.booleans())
def test_ticks_are_few_rise_and_lie_on_the_axis(values: list[float], log: bool):
    axis = Axis("", str, log)
    found = scale(values, axis, 0, 100)
    ticks = found.ticks()
    assert len(ticks) <= 13 and ticks == sorted(set(ticks))
    assert all(-1e-3 <= found.at(tick) <= 100 + 1e-3 for tick in ticks)
    assert all(0 <= found.at(value) <= 100 for value in values)


def test_ticks_are_one_two_or_five_times_a_power_of_ten():
    assert Scale(0, 10, 0, 1).ticks() == [0, 2, 4, 6, 8, 10]
    assert Scale(0.93, 1.01, 0, 1).ticks(4) == [0.94, 0.96, 0.98, 1.0]
    assert Scale(0.9, 60, 0, 1, log=True).ticks() == [1, 2, 5, 10, 20, 50]
    assert Scale(0.5, 2e6, 0, 1, log=True).ticks() == [1, 100, 1e4, 1e6]


def test_a_tick_has_no_spare_zeros_and_the_axis_its_unit():
    assert Axis("", lambda v: f"{v:.2f} ms").tick(10) == "10 ms"
    assert Axis("", lambda v: f"{v:.2f} ms").tick(9.5) == "9.5 ms"
    assert Axis("", lambda v: f"{v:.0f}").tick(100) == "100"


def test_no_tick_claims_more_than_all():
    points = [Point(1, 1.0, "a"), Point(2, 0.999, "b")]
    percent = Axis("top-1, counted", lambda v: f"{100 * v:.1f} %", within=(0, 1))
    shown = [text for text in texts(drawn(scatter(points, PLAIN, percent, ""))) if text.endswith("%")]
    assert shown and all(float(text[:-2]) <= 100 for text in shown)


def test_the_front_is_what_no_other_beats():
    points = [Point(1, 0.5, "fast"), Point(2, 0.4, "beaten"), Point(3, 0.9, "right"), Point(3, 0.9, "equal"),
              Point(4, 0.9, "slower"), Point(math.nan, 1.0, "unknown")]  # fmt: skip
    assert [p.label for p in pareto(points) if p.front] == ["fast", "right", "equal"]
    assert [p.label for p in pareto(points, low_y=True) if p.front] == ["fast", "beaten"]


def test_the_front_is_drawn_as_steps_through_its_points():
    points = pareto([Point(1, 0.5, "a"), Point(2, 0.4, "b"), Point(3, 0.9, "c")])
    root = drawn(scatter(points, PLAIN, PLAIN, ""))
    path = next(element.get("d") for element in root.iter(f"{SVG}path") if element.get("class") == "front")
    circles = {
        group.get("data-tip", "")[0]: (group.find(f"{SVG}circle").get("cx"), group.find(f"{SVG}circle").get("cy"))
        for group in root.iter(f"{SVG}g")
    }
    assert all(f"H{x}" in path and f"V{y}" in path for x, y in (circles["a"], circles["c"]))
    assert not re.search("[LC]", path) and f"V{circles['b'][1]}" not in path


def test_a_point_says_what_it_is_with_both_bases():
    point = Point(0.008, 0.988, "tvm", note="98.8 % [97.4, 99.4]")
    [tip] = marks(drawn(scatter([point], PLAIN, Axis("top-1, counted", str), "")))
    assert tip.split("\n") == ["tvm", "latency, estimated: 0.008 s", "top-1, counted: 0.988", "98.8 % [97.4, 99.4]"]


def test_few_points_are_labelled_and_labels_do_not_meet():
    root = drawn(scatter([Point(1 + i / 1e6, 1, f"framework {i}") for i in range(9)], PLAIN, PLAIN, ""))
    lines = [element for element in root.iter(f"{SVG}text") if "direct" in (element.get("class") or "")]
    assert 1 <= len(lines) < 9
    boxes = [(float(line.get("x")), float(line.get("y"))) for line in lines]
    assert all(abs(a[1] - b[1]) >= 12 or abs(a[0] - b[0]) > 50 for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize("href", ["javascript:alert(1)", " jAvascript:x", "java\nscript:x", "data:text/html,x", "x:y"])
def test_a_link_is_one_of_the_web_or_of_the_site(href: str):
    assert "<a " not in scatter([Point(1, 1, "p", href=href)], PLAIN, PLAIN, "")
    assert '<a class="mark' in scatter([Point(1, 1, "p", href="rows/tvm.html?a:b")], PLAIN, PLAIN, "")


def test_bars_are_as_long_as_their_values():
    root = drawn(bars([Bar("a", (("x", 1.0), ("y", 3.0))), Bar("b", (("x", 2.0),))], PLAIN, ""))
    widths = [float(e.get("width")) for e in root.iter(f"{SVG}rect") if e.get("height") == "16"]
    assert widths[1] / widths[0] == pytest.approx(3, rel=0.02) and widths[2] / widths[0] == pytest.approx(2, rel=0.02)
    assert marks(root) == ["a: 4 s\nx: 1 s, 25.0 %\ny: 3 s, 75.0 %", "b: 2 s\nx: 2 s, 100.0 %"]
    assert {"x", "y", "4 s", "2 s"} <= set(texts(root))


def test_a_history_marks_its_changes_with_how_much():
    values = [10.0] * 5 + [12.0] * 5 + [9.0] * 3
    points = [Point(i, value, f"day {i}") for i, value in enumerate(values)]
    root = drawn(history(points, PLAIN, [5, 10], "h", lower_is_better=True))
    changes = [e for e in root.iter(f"{SVG}g") if "change" in (e.get("class") or "").split()]
    assert [e.get("data-tip") for e in changes] == ["change: 10 s to 12 s (+20 %)", "change: 12 s to 9 s (-25 %)"]
    assert [e.get("class").split()[-1] for e in changes] == ["worse", "better"]
    assert "day 0" in texts(root) and "day 12" in texts(root)


def test_a_long_history_stays_small_and_keeps_the_marks_at_changes():
    points = [Point(i, 1.0 + (i > 5003), f"day {i}") for i in range(10_000)]
    chart = history(points, PLAIN, [5004], "h")
    assert len(marks(drawn(chart))) < 300 and "day 5004" in chart


def test_a_matrix_shows_its_numbers_and_says_what_they_are():
    root = drawn(confusion(["yes", "no"], [[9, 1], [0, 4]], ""))
    assert marks(root) == ["yes taken for yes: 9 of 10", "yes taken for no: 1 of 10", "no taken for no: 4 of 4"]
    assert {"9", "1", "4", "yes", "no"} <= set(texts(root))


def test_nothing_is_said_to_be_nothing():
    for chart in (
        scatter([], PLAIN, PLAIN, "t"),
        bars([], PLAIN, "t"),
        history([], PLAIN, [], "t"),
        confusion(None, [], "t"),
    ):
        assert "nothing to show" in texts(drawn(chart))
    assert "nothing to show" in texts(drawn(scatter([Point(math.inf, 1, "x")], LOG, PLAIN, "t")))


def test_a_long_title_is_cut_before_its_basis():
    title = f"{'the energy of one inference, ' * 4}estimated"
    axis = Axis(title, "{:g} J".format)
    assert len(title) > 120
    charts = scatter([Point(1, 2, "x")], axis, axis, "t"), history([Point(0, 1, "x")], axis, [], "t")
    for svg in (*charts, bars([Bar("x", (("", 1.0),))], axis, "t")):
        (shown, *_) = [text for text in texts(drawn(svg)) if text.endswith("…, estimated")]
        assert 40 < len(shown) < 60, "as much as a chart is wide"
    assert Axis("latency, estimated", str).heading == "latency, estimated"
    assert wide(Axis("語" * 120, str).heading) < WIDTH, "wide letters too"


def test_dates_below_a_history_are_at_even_distances():
    for count in range(2, 60):
        root = drawn(history([Point(i, i, f"2026-01-{i:02}") for i in range(count)], PLAIN, [], "t"))
        at = [float(e.get("x") or 0) for e in root.iter(f"{SVG}text") if (e.text or "").startswith("2026")]
        steps = [b - a for a, b in itertools.pairwise(at)]
        assert steps and max(steps) - min(steps) <= 0.13 * max(steps) + 0.11, count
        assert min(steps) > wide("2026-01-01"), "and none meets another"


@pytest.mark.parametrize("bad", ["\u202e", "\u2066", "\x9b", "\x85", "\x1b", "\x00", "\u200b", "\ud800", "\ufffe"])
def test_what_turns_text_round_or_commands_a_terminal_is_shown_as_an_escape(bad: str):
    name = f"a{bad}b"
    shown = name.encode("unicode_escape").decode()
    for svg in (
        scatter([Point(1, 2, name, note=name)], PLAIN, PLAIN, name),
        bars([Bar(name, ((name, 1.0),), name)], PLAIN, name),
        history([Point(0, 1, name), Point(1, 2, name)], PLAIN, [], name),
        confusion([name], [[1]], name),
    ):
        assert bad not in svg
        assert any(shown in tip for tip in marks(drawn(svg)))
