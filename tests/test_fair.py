"""Fairness: what may stand in one table, and what has a place in its ranking."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.catalog.suite import Bound
from hilbench.measure.metric import Metric
from hilbench.records import fair
from hilbench.records.record import Record
from hilbench.records.store import Document

from .conftest import made_record
from .generated_records import generated
from .test_table import printed

BASE = made_record()


def variant(name: str, instructions: float = 1e6, fidelity: float | None = 1.0, **changes: Any) -> Record:
    """A record of the framework `name`, under a suite that wants fidelity 1."""
    metrics = {
        **BASE.metrics,
        "instructions": Metric(value=instructions, unit="instructions", basis="counted"),
    }
    if fidelity is not None:
        metrics["fidelity"] = Metric(value=fidelity, unit="share", basis="counted")
    framework = BASE.framework.model_copy(update={"name": name, "variant": name})
    update = {"framework": framework, "metrics": metrics, "bars": {"fidelity": Bound(min=1.0)}, **changes}
    return BASE.model_copy(update=update)


def part(name: str, **changes: Any) -> dict[str, Any]:
    return {name: getattr(BASE, name).model_copy(update=changes)}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        (part("model", sha256="a" * 64), "model"),
        (part("dataset", sha256="b" * 64), "data"),
        (part("dataset", inputs_sha256="c" * 64), "inputs"),
        (part("board", clock_hz=50_000_000), "board"),
        (part("board", counter="cycles"), "counter"),
        (part("target", version="9.0"), "target"),
        ({"suite": "other"}, "suite"),
    ],
)
def test_records_on_other_ground_are_never_in_one_table_and_the_reader_learns_why(changes: dict[str, Any], what: str):
    one, other = variant("tvm"), variant("tflm", **changes)
    assert fair.differences(one, other) == [what]
    assert fair.groups([one, other]) == [[one], [other]]
    assert f"has several tables: they differ in {what}" in " ".join(printed([one, other]).split())


def test_compiler_version_and_flags_do_not_part_records_but_are_told():
    slow = variant("tflm", 2e6, **part("image", flags=("-Os",)))
    text = printed([slow, variant("tvm")])
    assert text.count("digits on ") == 1
    assert "built by gcc, -Os: tflm" in text
    assert "built by gcc, -O2: tvm" in text
    assert "built by" not in printed([variant("tflm"), variant("tvm")])


def test_the_best_row_comes_first():
    rows = [line for line in printed([variant("slow", 3e6), variant("fast", 1e6)]).splitlines() if "0.27" in line]
    assert [row.split("│")[1].strip() for row in rows] == ["1", "2"]
    assert "fast" in rows[0]


def test_a_row_below_the_bar_for_fidelity_is_shown_marked_and_not_ranked():
    ranking = fair.rank([variant("wrong", 1.0, fidelity=0.95), variant("right", 1e6)])
    assert [(each.record.framework.name, each.place) for each in ranking.standings] == [("right", 1), ("wrong", None)]
    text = printed([variant("wrong", 1.0, fidelity=0.95), variant("right", 1e6)])
    assert "not ranked: wrong: fidelity is 0.95 (counted), expected at least 1" in text
    row = next(line for line in text.splitlines() if "wrong 0.27" in line)
    assert "0.950" in row
    assert row.split("│")[1].strip() == "—"


def test_a_row_whose_fidelity_is_not_known_is_not_ranked_either():
    (_, unsure) = fair.rank([variant("known"), variant("unsure", 1.0, fidelity=None)]).standings
    assert unsure.place is None
    assert unsure.reason.startswith("fidelity was expected but is not available")


def test_estimates_of_two_models_are_neither_ranked_by_nor_in_one_column():
    def by(model: str, value: float) -> Record:
        cycles = Metric(value=value, unit="cycles", basis="estimated", model=model, bound=0.15)
        record = variant(model, instructions=value)
        return record.model_copy(update={"metrics": {**record.metrics, "cycles": cycles}})

    assert fair.rank([by("one", 2e6), by("one", 1e6)]).metric == "cycles"
    assert fair.rank([by("one", 2e6), by("other", 1e6)]).metric == "instructions"
    heading = next(line for line in printed([by("one", 2e6), by("other", 1e6)]).splitlines() if "framework" in line)
    assert heading.count("cycles") == 2


def test_values_of_two_bases_are_not_ranked_by():
    measured = {"instructions": Metric(value=1.0, unit="instructions", basis="estimated")}
    other = variant("other")
    other = other.model_copy(update={"metrics": {**other.metrics, **measured}})
    assert fair.rank([variant("one"), other]).metric == "latency"


def test_equal_counts_share_a_place():
    places = [each.place for each in fair.rank([variant("a", 5), variant("b", 5), variant("c", 9)]).standings]
    assert places == [1, 1, 3]


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from([1.0, 0.5])), min_size=1, max_size=6))
def test_a_ranking_loses_no_row_and_rows_below_the_bar_move_nobody(rows: list[tuple[int, float]]):
    records = [variant(f"f{i}", count, fidelity) for i, (count, fidelity) in enumerate(rows)]
    standings = fair.rank(records).standings
    assert {each.record.framework.name for each in standings} == {each.framework.name for each in records}
    good = [record for record in records if record.metrics["fidelity"].value == 1.0]
    alone = {each.record.framework.name: each.place for each in fair.rank(good).standings}
    assert {each.record.framework.name: each.place for each in standings if each.place} == alone


def test_without_a_bar_a_row_has_to_equal_the_reference_to_be_ranked():
    wrong = variant("noop", 8, fidelity=0.0, bars={})
    ranking = fair.rank([wrong, variant("right", 112, bars={}), variant("unknown", 200, fidelity=None, bars={})])
    assert [(each.record.framework.name, each.place) for each in ranking.standings] == [
        ("right", 1), ("unknown", 2), ("noop", None)]  # fmt: skip


def without(record: Record, *names: str) -> Record:
    return record.model_copy(update={"metrics": {n: m for n, m in record.metrics.items() if n not in names}})


def test_a_row_that_lacks_what_the_others_are_ranked_by_takes_nobodys_place():
    bare = without(variant("bare"), "instructions", "latency")
    ranking = fair.rank([bare, variant("slow", 2e6), variant("fast", 1e6)])
    assert ranking.metric == "instructions"
    assert [(each.record.framework.name, each.place) for each in ranking.standings] == [
        ("fast", 1), ("slow", 2), ("bare", None)]  # fmt: skip
    assert ranking.standings[-1].reason == "the others are ranked by instructions, and it has none"
    assert "not ranked: bare: the others are ranked by instructions, and it has none" in printed(
        [bare, variant("fast")]
    )


def test_those_of_the_commonest_basis_and_model_are_ranked_and_no_others():
    def by(name: str, basis: str, model: str | None = None) -> Record:
        metric = Metric.model_validate({"value": 1.0, "unit": "cycles", "basis": basis, "model": model})
        record = without(variant(name), "instructions", "latency")
        return record.model_copy(update={"metrics": {**record.metrics, "cycles": metric}})

    rows = [by("a", "estimated", "one"), by("b", "measured"), by("c", "estimated", "two"), by("d", "estimated", "one")]
    ranking = fair.rank(rows)
    assert ranking.by == fair.Kind("cycles", "estimated", "one")
    assert [record.framework.name for record in ranking.ranked] == ["a", "d"]
    assert [each.reason for each in ranking.standings if each.place is None] == [
        "the others are ranked by estimated cycles, and it has measured",
        "the others are ranked by cycles that another model estimated; its own: two",
    ]
    assert fair.rank([rows[1], rows[2]]).by == fair.Kind("cycles", "measured", None), "silicon before a model"


def test_rows_below_the_bar_do_not_choose_what_is_ranked_by():
    wrong = [without(variant(f"w{i}", fidelity=0.5), "instructions") for i in range(3)]
    assert fair.rank([*wrong, variant("right")]).metric == "instructions"


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from(["counted", "estimated"])), max_size=6))
def test_all_that_are_ranked_have_one_kind_of_number(rows: list[tuple[bool, bool, str]]):
    records = []
    for i, (instructions, latency, basis) in enumerate(rows):
        record = without(variant(f"f{i}", i), *["latency"] * (not latency), *["instructions"] * (not instructions))
        made = {
            n: m.model_copy(update={"basis": basis} if n == "instructions" else {}) for n, m in record.metrics.items()
        }
        records.append(record.model_copy(update={"metrics": made}))
    ranking = fair.rank(records)
    assert len(ranking.standings) == len(records)
    assert {fair.kind(record, ranking.metric) for record in ranking.ranked} <= {ranking.by}
    assert bool(ranking.ranked) == any(instructions or latency for instructions, latency, _ in rows)
    assert all(each.place or each.reason for each in ranking.standings)


def test_accuracies_of_two_kinds_are_two_histories_of_the_site():
    pytest.importorskip("markupsafe", reason="the site is not installed")
    from hilbench.reports.site.rows import read_one
    from hilbench.reports.site.views import histories

    first, second = generated(2, tasks=("digits",), boards=("mps2-an386",), frameworks=("tvm",))
    accuracy = second.metrics["accuracy"].model_copy(update={"value": 0.5, "ci95": None, "detail": "balanced"})
    update = {"scored_by": "balanced", "metrics": {**second.metrics, "accuracy": accuracy}}
    rows = [first, second.model_copy(update=update)]
    runs = [read_one(Document(one.id, "here", one.to_json())).run for one in rows]
    found = [each for each in histories([run for run in runs if run]) if each.kind.name == "accuracy"]
    assert [(each.kind.meaning, each.runs) for each in found] == [("top-1", 1), ("balanced", 1)]
    assert all(each.chart is None for each in found), "no step is drawn between them"
