"""Comparing runs: what differs is found, what does not stand on one ground is not compared, and noise is no finding."""

import dataclasses
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.catalog.power import Power
from hilbench.cli import cli
from hilbench.measure import change
from hilbench.measure.energy import estimated_energy
from hilbench.measure.latency import time_metrics
from hilbench.measure.metric import Metric
from hilbench.measure.statistics import exact
from hilbench.records.compare import Comparison, Difference, compare, row_of
from hilbench.records.directory import DirectoryStore
from hilbench.records.record import Record
from hilbench.records.thresholds import Thresholds, parse
from hilbench.reports.comparison import print_comparison
from hilbench.reports.console import console_for

from .conftest import made_record
from .generated_records import generated

BASE = made_record()
BOTH = tuple(generated(96))
RUNS, LATER = BOTH[:48], BOTH[48:]


def changed(record: Record = BASE, **values: float) -> Record:
    """The record with other values of metrics."""
    metrics = {name: record.metrics[name].model_copy(update={"value": value}) for name, value in values.items()}
    return record.model_copy(update={"metrics": {**record.metrics, **metrics}})


def part(name: str, **changes: Any) -> dict[str, Any]:
    return {name: getattr(BASE, name).model_copy(update=changes)}


def found(before: Record, after: Record, fail: str = "") -> dict[str, Difference]:
    (pair,) = compare([before], [after], parse([fail])).pairs
    return {difference.metric: difference for difference in pair.differences}


def silicon(visits: Sequence[float], framework: str = "tvm") -> Record:
    """A record of a measured board whose visits took so many cycles, in two repeats each."""
    times = tuple(((10, round(cycles), 10), (10, round(cycles) + 1, 10)) for cycles in visits)
    board = BASE.board.model_copy(update={"id": "bench-m4", "clock_hz": 64_000_000, "counter": "cycles"})
    target = BASE.target.model_copy(update={"kind": "probe", "silicon": True})
    kept = {name: BASE.metrics[name] for name in ("accuracy", "flash")}
    return BASE.model_copy(
        update={
            "board": board, "target": target, "metrics": {**kept, **time_metrics(times, board, None)},
            "samples": BASE.samples.model_copy(update={"times": times}),
            "framework": BASE.framework.model_copy(update={"name": framework, "variant": framework}),
        }
    )  # fmt: skip


def noisy_run(draw: np.random.Generator, visits: int = 30, slower: float = 1.0, drift: float = 0.002) -> Record:
    """A measured run: visits differ by 1 %, now and then one is disturbed, and the whole run by `drift`."""
    times = 100_000 * slower * (1 + draw.normal(0, drift)) * (1 + draw.normal(0, 0.01, visits))
    times[draw.random(visits) < 0.02] *= 1.5
    return silicon(times.tolist())


# ---- what differs, and which way


def test_the_same_records_do_not_differ():
    comparison = compare(RUNS, RUNS, Thresholds())
    assert comparison.failures == []
    assert {difference.verdict for pair in comparison.pairs for difference in pair.differences} == {"same"}


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["accuracy", "instructions", "flash", "latency"]),
    st.floats(0.001, 0.9),
    st.booleans(),
)
def test_swapping_the_sides_swaps_the_verdict(metric: str, share: float, up: bool):
    old = BASE.metrics[metric].value
    other = changed(**{metric: old * (1 + share if up and metric != "accuracy" else 1 - share)})
    forth, back = found(BASE, other)[metric], found(other, BASE)[metric]
    assert {forth.verdict, back.verdict} == {"better", "worse"}
    assert forth.failed == (forth.verdict == "worse")
    assert (forth.verdict == "worse") == ((other.metrics[metric].value > old) == (metric != "accuracy"))


def test_swapping_the_sides_swaps_the_verdict_of_noise_too():
    draw = np.random.default_rng(3)
    one, other = noisy_run(draw), noisy_run(draw, slower=1.05)
    assert found(one, other)["cycles"].verdict == "worse"
    assert found(other, one)["cycles"].verdict == "better"


def test_a_metric_of_which_nobody_knows_what_is_better_is_shown_and_never_judged():
    before = BASE.model_copy(update={"metrics": {"arena_asked": Metric(value=1, unit="B", basis="counted")}})
    assert found(before, changed(before, arena_asked=2))["arena_asked"].verdict == "shown"


def test_a_sum_in_another_order_is_no_difference():
    assert found(BASE, changed(accuracy=np.nextafter(0.982, 0)))["accuracy"].verdict == "same"


@pytest.mark.parametrize(
    ("fail", "after", "fails"),
    [
        ("instructions:1%", 1_222_100, False),
        ("instructions:1%", 1_222_101, True),
        ("instructions:500", 1_210_500, False),
        ("instructions:500", 1_210_501, True),
        ("instructions:any", 1_210_001, True),
        ("latency:any", 1_300_000, False),
        ("none", 1_300_000, False),
    ],
)
def test_an_exact_metric_fails_beyond_its_allowance_and_not_at_it(fail: str, after: float, fails: bool):
    comparison = compare([BASE], [changed(instructions=after)], parse([fail]))
    assert bool(comparison.failures) == fails


def test_an_allowance_of_points_is_one_of_shares():
    assert not compare([BASE], [changed(accuracy=0.977)], parse(["accuracy:-0.5pt"])).failures
    (line,) = compare([BASE], [changed(accuracy=0.9765)], parse(["accuracy:0.5pt"])).failures
    assert line == "WORSE digits on mps2-an386 with tvm: accuracy 98.20 % -> 97.65 % (-0.55 pt, allowed 0.5pt)"


def test_a_failure_is_one_line_with_metric_board_framework_before_and_after():
    (line,) = compare([BASE], [changed(instructions=1_222_100, latency=0.0489)], Thresholds()).failures
    assert line == (
        "WORSE digits on mps2-an386 with tvm: instructions 1,210,000 -> 1,222,100 (+1.0 %, allowed 0), latency too"
    )
    two = compare([BASE], [changed(instructions=1_222_100, flash=31_864)], Thresholds()).failures
    assert len(two) == 2, "slower and larger are two things"


# ---- never judged across


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (part("model", sha256="a" * 64), "differs in model"),
        (part("dataset", sha256="a" * 64), "differs in data set"),
        (part("dataset", inputs_sha256="a" * 64), "differs in streamed inputs"),
        (part("dataset", samples=1, inputs_sha256="a" * 64), "differs in number of samples (2, 1)"),
        (part("board", clock_hz=1), "differs in clock or core"),
        (part("board", counter="cycles"), "differs in counter"),
    ],
)
def test_another_ground_is_not_compared_and_says_why_in_one_line(changes: dict[str, Any], reason: str):
    after = changed(instructions=9e9).model_copy(update=changes)
    (pair,) = compare([BASE], [after], Thresholds()).pairs
    assert (pair.differences, pair.failures, pair.not_compared) == ((), (), (reason,))
    (asked,) = compare([BASE], [after], parse(["new"])).failures
    assert asked == f"NEW digits on mps2-an386 with tvm: not compared, {reason}"


@pytest.mark.parametrize(
    ("metric", "change", "reason"),
    [
        ("instructions", {"basis": "estimated", "model": "a guess"}, "basis (counted, estimated)"),
        ("latency", {"model": "another model"}, "estimate model"),
        ("latency", {"unit": "cycles"}, "unit (s, cycles)"),
    ],
)
def test_a_metric_on_another_basis_is_never_judged(metric: str, change: dict[str, Any], reason: str):
    worse = BASE.metrics[metric].model_copy(update={"value": 9e9, **change})
    after = BASE.model_copy(update={"metrics": {**BASE.metrics, metric: worse}})
    (pair,) = compare([BASE], [after], Thresholds()).pairs
    assert pair.failures == ()
    assert pair.not_compared == (f"{metric} differs in {reason}",)
    (line,) = compare([BASE], [after], parse([f"{metric}:any"])).failures
    assert line == f"GONE digits on mps2-an386 with tvm: {metric} not compared: differs in {reason}", "it was named"
    (asked,) = compare([BASE], [after], parse(["flash:any,new"])).failures
    assert asked == line.replace("GONE", "NEW")
    assert metric not in {difference.metric for difference in pair.differences}


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["measured", "counted", "estimated", "host"]), st.sampled_from(["measured", "counted", "host"]))
def test_no_two_bases_ever_meet(one: str, other: str):
    def on(basis: str, value: float) -> Record:
        metric = Metric(value=value, unit="s", basis=basis)
        return BASE.model_copy(update={"metrics": {"latency": metric}})

    (pair,) = compare([on(one, 1.0)], [on(other, 2.0)], parse(["latency:any"])).pairs
    assert bool(pair.differences) == (one == other)
    worse = [line for line in pair.failures if line.startswith("WORSE")]
    assert bool(worse) == (one == other == "counted"), "one noisy number alone shows nothing"
    assert bool(pair.warnings) == (one == other != "counted"), "but somebody named it"


def test_other_samples_timed_are_not_compared():
    longer = BASE.samples.model_copy(update={"times": BASE.samples.times * 2})
    (pair,) = compare([BASE], [BASE.model_copy(update={"samples": longer})], Thresholds()).pairs
    assert pair.not_compared == ("instructions, latency differs in number of timed samples",)


def test_another_emulator_version_or_compiler_is_compared_and_told():
    after = BASE.model_copy(update={**part("target", version="8.0"), **part("image", flags=("-O3",))})
    (pair,) = compare([BASE], [after], Thresholds()).pairs
    assert len(pair.differences) == len(BASE.metrics)
    assert pair.notes == ("also differs: qemu 7.2.22 -> 8.0; flags -O2 -> -O3",)


# ---- rows and metrics of one side


def test_rows_of_one_side_are_told_and_fail_where_that_is_asked():
    other = BASE.model_copy(update=part("framework", variant="tflm"))
    comparison = compare([BASE], [other], Thresholds())
    assert [pair.state for pair in comparison.pairs] == ["new", "gone"]
    assert comparison.failures == []
    asked = compare([BASE], [other], parse(["gone", "new"])).failures
    assert asked == ["NEW digits on mps2-an386 with tflm", "GONE digits on mps2-an386 with tvm"]


def test_a_metric_that_is_gone_is_told_with_the_reason():
    less = {name: metric for name, metric in BASE.metrics.items() if name != "accuracy"}
    after = BASE.model_copy(update={"metrics": less, "missing": {"accuracy": "no labels"}})
    comparison = compare([BASE], [after], Thresholds())
    assert comparison.pairs[0].notes == ("accuracy is gone: no labels",)
    assert comparison.failures == []
    for asked in ("gone", "accuracy:0.5pt"):
        (line,) = compare([BASE], [after], parse([asked])).failures
        assert line == "GONE digits on mps2-an386 with tvm: accuracy is gone: no labels"
    assert compare([BASE], [after], parse(["flash:1"])).failures == []


def scored(by: str | None, detail: str, value: float) -> Record:
    """The record with another accuracy; one of the first schema does not say what it was scored by."""
    accuracy = BASE.metrics["accuracy"].model_copy(update={"value": value, "detail": detail})
    return BASE.model_copy(update={"scored_by": by, "metrics": {**BASE.metrics, "accuracy": accuracy}})


def test_accuracies_that_mean_two_things_are_never_compared_and_old_records_say_what_they_mean_too():
    (pair,) = compare([scored(None, "AUC", 0.99)], [scored("top1", "top-1", 0.98)], Thresholds()).pairs
    assert pair.not_compared == ("accuracy differs in what it means (AUC, top-1)",)
    assert pair.failures == ()
    (line,) = compare([scored(None, "top-1", 0.99)], [scored("top1", "top-1", 0.98)], Thresholds()).failures
    assert "accuracy 99.00 % -> 98.00 %" in line
    assert found(scored(None, "balanced, 3 of 4 classes", 0.9), scored("balanced", "balanced", 0.9))["accuracy"]


def test_what_stands_in_for_a_board_is_a_row_of_its_own():
    other = BASE.model_copy(update=part("target", stand_in="nano33"))
    assert row_of(other) != row_of(BASE)


# ---- answers to the same samples


def test_changed_answers_are_counted_both_ways():
    assert BASE.tensors is not None
    two = dataclasses.replace(BASE.tensors.outputs[0], shape=(1, 2))
    tensors = BASE.tensors.model_copy(update={"outputs": (two,)})

    def answering(text: str) -> Record:
        samples = BASE.samples.model_copy(update={"outputs": text, "labels": (0, 1)})
        return BASE.model_copy(update={"tensors": tensors, "samples": samples})

    (pair,) = compare([answering("AQAAAQ==")], [answering("AAEAAQ==")], Thresholds()).pairs
    assert pair.notes == ("outputs of 1 of 2 samples changed: 1 right to wrong, 0 wrong to right (McNemar p = 1)",)


@pytest.mark.parametrize(("to_wrong", "to_right", "p"), [(0, 0, 1.0), (6, 0, 0.03125), (10, 2, 0.03857421875)])
def test_mcnemars_p_is_the_exact_one(to_wrong: int, to_right: int, p: float):
    assert change.Answers(100, 50, to_wrong, to_right).p == pytest.approx(p)


@pytest.mark.parametrize(
    "samples",
    [
        {"outputs": "no base64"},
        {"outputs": ""},
        {"times": (((1, 2, 3),), ((1, 2, 3), (1, 2, 3)))},
        {"times": ()},
        {"labels": (7, 7, 7)},
    ],
)
def test_samples_that_make_no_sense_are_no_traceback(samples: dict[str, Any]):
    noise = silicon([1e5] * 8)
    after = noise.model_copy(update={"samples": noise.samples.model_copy(update=samples)})
    for pair in (*compare([noise], [after], Thresholds()).pairs, *compare([after], [noise], Thresholds()).pairs):
        assert pair.failures == ()


# ---- noise


@pytest.mark.parametrize(
    ("t", "freedom", "p"), [(2.571, 5, 0.025), (3.365, 5, 0.01), (2.552, 18, 0.01), (4.3, 30, 8e-5)]
)
def test_the_tail_is_students(t: float, freedom: float, p: float):
    assert change._tail(t, freedom) == pytest.approx(p, rel=0.06)


def test_holm_bounds_the_chance_of_any_false_alarm():
    assert change.holm({"a": 0.004, "b": 0.004, "c": 0.02, "d": 0.5}, 0.05) == {"a", "b", "c"}
    assert change.holm({"a": 0.004}, 0.01) == {"a"}
    assert change.holm({"a": 0.006, "b": 0.5}, 0.01) == set()
    assert change.holm({}, 0.01) == set()


def test_few_visits_are_never_sure_of_what_is_just_beyond_the_allowance():
    assert change.ratio([[100.0]] * 5, [[200.0]] * 5) is None
    ratio = change.ratio([[100.0]] * 6, [[103.0]] * 6)
    assert ratio is not None
    assert ratio.worse(0.02, lower=True) == pytest.approx(1 / 924), "one of all ways to part twelve visits"
    assert ratio.worse(0.01, lower=True) < 1e-9, "three times what is allowed"
    assert ratio.worse(0.03, lower=True) > 0.01
    assert ratio.worse(0.02, lower=False) == 1


@pytest.mark.parametrize("visits", [6, 7, 8, 10])
@pytest.mark.parametrize("runs", [1, 10, 50])
def test_twice_the_latency_fails_with_few_visits_and_many_benchmarks(visits: int, runs: int):
    draw = np.random.default_rng(13)
    sides = [noisy_run(draw, visits)], [noisy_run(draw, visits, slower=2)]
    assert compare(*sides, parse(["latency:2%"]), 0.01 / runs).failures


def test_what_few_visits_cannot_be_sure_of_is_untested_and_told():
    before, after = silicon([1e5] * 6), silicon([1.035e5] * 6)
    assert compare([before], [after], parse(["latency:2%"]), 0.01).failures
    (pair,) = compare([before], [after], parse(["latency:2%"]), 0.01 / 20).pairs
    assert pair.failures == ()
    (line,) = pair.warnings
    assert line.startswith("UNTESTED digits on bench-m4 with tvm: latency ") and line.endswith("too few visits (6)")


def test_clean_reruns_with_few_visits_and_many_benchmarks_do_not_fail():
    draw = np.random.default_rng(17)
    pairs = [(noisy_run(draw, 6), noisy_run(draw, 6)) for _ in range(100)]
    assert not [line for pair in pairs for line in compare([pair[0]], [pair[1]], Thresholds(), 0.01 / 20).failures]


# ---- what no test can judge


def energy(record: Record) -> Record:
    """The record with the energy that is estimated from its latency."""
    power = Power(active_a=0.0042, voltage_v=3.3, source="a made-up data sheet, table 1")
    return record.model_copy(
        update={"metrics": {**record.metrics, "energy": estimated_energy(record.metrics["latency"], power)}}
    )


@pytest.mark.parametrize("visits", [1, 4, 5, 8])
def test_energy_estimated_from_a_measured_latency_is_as_noisy_as_that(visits: int):
    draw = np.random.default_rng(19)
    runs = [energy(noisy_run(draw, visits)) for _ in range(20)]
    assert not any(exact(run.metrics["energy"]) for run in runs)
    assert not [line for run in runs for line in compare(runs[:1], [run], Thresholds()).failures]
    assert exact(energy(BASE).metrics["energy"]), "counts are behind it"


def test_energy_is_tested_as_the_latency_that_it_was_estimated_from():
    draw = np.random.default_rng(23)
    before, after = energy(noisy_run(draw)), energy(noisy_run(draw, slower=1.05))
    assert compare([before], [after], parse(["energy:2%"])).failures
    (line,) = compare([before], [after], Thresholds()).failures
    assert line.startswith("WORSE") and line.endswith("latency too, energy too")


def test_too_few_visits_are_never_silent():
    draw = np.random.default_rng(29)
    before, after = noisy_run(draw, 5), noisy_run(draw, 5, slower=2)
    comparison = compare([before], [after], Thresholds())
    assert (comparison.failures, comparison.warnings) == ([], [])
    text = shown(comparison)
    assert "untested" in next(line for line in text.splitlines() if line.startswith("  latency"))
    assert "cycles, latency not tested: too few visits (5)" in text
    assert "1 row compared: 1 untested" in text
    (warning,) = compare([before], [after], parse(["latency:2%"])).warnings
    assert "latency" in warning and "allowed 2%" in warning


def net_energy(value: float, noise: float = 1e-7) -> Record:
    metric = Metric(value=value, unit="J", basis="measured", n=16, ci95=(value - noise, value + noise), ci_method="x")
    run = silicon([1e5] * 8)
    return run.model_copy(update={"metrics": {**run.metrics, "net_energy": metric}})


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [(-1e-7, 5e-3, "worse"), (5e-3, -1e-7, "better"), (-1e-7, 1e-8, "same"), (0.0, 5e-3, "worse")],
)
def test_a_value_that_is_not_above_0_is_judged_by_the_difference(before: float, after: float, verdict: str):
    sides = net_energy(before), net_energy(after)
    assert found(*sides)["net_energy"].verdict == verdict
    assert bool(compare(sides[:1], sides[1:], parse(["net_energy:2%"])).failures) == (verdict == "worse")
    assert not compare(sides[:1], sides[1:], parse(["net_energy:6mJ"])).failures


def test_repeats_within_a_visit_are_no_witnesses_of_their_own():
    draw = np.random.default_rng(5)
    visits = 1e5 * (1 + draw.normal(0, 0.01, 10))
    once, often = (
        change.ratio(visits[:, None], visits[:, None]),
        change.ratio(np.tile(visits[:, None], 9), visits[:, None]),
    )
    assert once is not None and often is not None
    assert often.error == pytest.approx(once.error, rel=0.1)


def test_one_observation_and_the_clock_of_this_computer_never_fail_unless_named():
    draw = np.random.default_rng(9)
    fast, slow = noisy_run(draw), noisy_run(draw, slower=2)

    def of_host(record: Record) -> Record:
        metrics = {
            n: m.model_copy(update={"basis": "host"}) if n == "latency" else m for n, m in record.metrics.items()
        }
        return record.model_copy(update={"metrics": {name: metrics[name] for name in ("latency", "flash")}})

    assert not compare([of_host(fast)], [of_host(slow)], Thresholds()).failures
    assert compare([of_host(fast)], [of_host(slow)], parse(["latency:5%"])).failures


def test_the_test_is_against_the_allowance_and_not_against_zero():
    draw = np.random.default_rng(11)
    before, after = noisy_run(draw, 200, drift=0), noisy_run(draw, 200, slower=1.02, drift=0)
    assert compare([before], [after], parse(["cycles:any"])).failures
    assert not compare([before], [after], parse(["cycles:2%"])).failures, "it is the allowance: nobody can be sure"
    assert not compare([before], [after], parse(["cycles:5%"])).failures


def rerun(runs: int, seed: int) -> list[str]:
    """Compare simulated runs that differ in nothing but noise and drift; return the failures."""
    draw = np.random.default_rng(seed)
    before = noisy_run(draw)
    return [line for _ in range(runs) for line in compare([before], [noisy_run(draw)], Thresholds()).failures]


def test_clean_reruns_of_a_measured_board_do_not_fail():
    assert rerun(60, seed=1) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_clean_reruns_of_a_measured_board_do_not_fail(seed: int):
    assert rerun(100, seed=100 + seed) == []


def test_a_true_slowdown_of_3_percent_in_1_percent_noise_is_found():
    draw = np.random.default_rng(21)
    runs = 40
    hits = sum(
        bool(compare([noisy_run(draw)], [noisy_run(draw, slower=1.03)], Thresholds()).failures) for _ in range(runs)
    )
    assert hits >= 0.9 * runs


# ---- what people see


def shown(comparison: Comparison, width: int = 80) -> str:
    file = io.StringIO()
    print_comparison(console_for(file, width), comparison)
    return file.getvalue()


def test_a_table_shows_only_what_differs_and_fits_into_80_columns():
    text = shown(compare(RUNS, LATER, Thresholds()))
    rows = [line for line in text.splitlines() if not line.startswith(("WORSE", "  also"))]
    assert max(map(len, rows)) <= 80
    assert " same" not in "\n".join(line for line in rows if "compared" not in line)
    assert shown(compare(RUNS, RUNS, Thresholds())) == "48 rows compared: 48 the same\n"


@pytest.fixture
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.chdir(tmp_path)
    first = RUNS[0]
    slower = changed(first, instructions=first.metrics["instructions"].value * 1.01)
    for name, runs in (("a", RUNS[:8]), ("b", (slower.model_copy(update={"id": LATER[0].id}), *RUNS[1:8]))):
        for record in runs:
            DirectoryStore(name).put(record)
    return lambda *arguments: CliRunner().invoke(cli, [*arguments])


def test_the_command_ends_with_1_for_a_failure_and_0_else(in_a_folder: Callable[..., Any]):
    same, worse = in_a_folder("compare", "a", "a"), in_a_folder("compare", "a", "b")
    assert (same.exit_code, same.output) == (0, "8 rows compared: 8 the same\n")
    assert worse.exit_code == 1
    assert "WORSE digits on mps2-an386 with tvm: instructions " in worse.output
    assert in_a_folder("compare", "a", "b", "--fail", "none").exit_code == 0


def test_where_one_record_is_named_only_its_row_is_looked_at(in_a_folder: Callable[..., Any]):
    done = in_a_folder("compare", f"a/{RUNS[1].id}.json", "b")
    assert (done.exit_code, done.output) == (0, "1 row compared: 1 the same\n")


def test_the_command_prints_json_for_programs(in_a_folder: Callable[..., Any]):
    done = in_a_folder("compare", "a", "b", "--json")
    document = json.loads(done.output)
    assert done.exit_code == 1
    assert document["failures"][0].startswith("WORSE ")
    assert document["rows"][0]["row"]["board"] == "mps2-an386"


def test_the_baseline_command_says_what_changed(in_a_folder: Callable[..., Any]):
    first = in_a_folder("baseline", "a", "--baseline", "base")
    assert first.output.count("(new)") == 8
    again = in_a_folder("baseline", "b", "--baseline", "base")
    assert again.output.count(f"(in place of {RUNS[0].id})") == 1
    assert in_a_folder("compare", "baseline", "b", "--baseline", "base").exit_code == 0
