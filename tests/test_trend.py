"""Steps in a history are found where they are, and noise is never one: `benchmarks/trend.py` has the whole picture."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.records.trend import SHORTEST, Change, changes, rank_evidence

from .noisy_series import KINDS, alarms, clean, f1, stepped

FINITE = st.floats(-1e6, 1e6)


def found(values) -> list[int]:
    return [change.index for change in changes(values, exact=False)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_series_raises_no_alarm(kind: str):
    assert alarms(found, clean(kind, 150, seed=2)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_of_a_thousand_clean_series_none_raises_an_alarm(kind: str):
    assert alarms(found, clean(kind, 1000, seed=3)) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_most_steps_of_two_percent_are_found_where_they_are(kind: str):
    score, precision, _ = f1(found, stepped(kind, 100, seed=4, step=0.02))
    floors = {"normal": 0.7, "heavy tails": 0.8, "outliers": 0.5, "neighbours": 0.35}
    assert score > floors[kind] and precision > 0.75


@pytest.mark.slow
@pytest.mark.parametrize("step", [0.01, 0.02])
@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_found_better_than_by_asv(kind: str, step: float):
    detect_steps = pytest.importorskip("asv.step_detect").detect_steps
    theirs, *_ = f1(lambda v: [each[0] for each in detect_steps(list(v))][1:], stepped(kind, 100, seed=5, step=step))
    ours, *_ = f1(found, stepped(kind, 100, seed=5, step=step))
    assert ours > theirs


def test_a_step_is_told_with_its_levels():
    values = np.random.default_rng(1).normal(100, 1, 80)
    values[50:] *= 1.05
    (change,) = changes(values, exact=False)
    assert abs(change.index - 50) <= 1
    assert change.relative == pytest.approx(0.05, abs=0.005)
    assert (change.before, change.after) == (np.median(values[: change.index]), np.median(values[change.index :]))


def test_five_values_after_many_are_a_level_and_four_are_none():
    values = np.random.default_rng(2).normal(100, 1, 100)
    values[95:] += 20
    assert found(values) == [95]
    values[95] -= 20
    assert found(values) == []


@pytest.mark.parametrize(
    ("before", "after", "least", "most"),
    [(11, 11, 0, 0), (12, 12, 0.3, 0.75), (46, 5, 0.3, 0.75), (25, 25, 0.95, 1), (100, 8, 0.95, 1)],
)
def test_how_many_values_a_step_takes_is_what_the_document_says(before: int, after: int, least: float, most: float):
    draw = np.random.default_rng(3)
    hits = [bool(found([*draw.normal(100, 1, before), *draw.normal(150, 1, after)])) for _ in range(60)]
    assert least <= sum(hits) / len(hits) <= most


def test_a_short_stretch_that_returns_is_two_steps():
    values = np.random.default_rng(3).normal(100, 1, 200)
    values[90:110] += 4
    places = found(values)
    assert len(places) == 2 and abs(places[0] - 90) <= 2 and abs(places[1] - 110) <= 2


def test_every_difference_of_exact_values_is_a_step():
    assert changes([7, 7, 9, 7, 7], exact=True) == [Change(2, 7.0, 9.0), Change(3, 9.0, 7.0)]
    assert changes([0.1 + 0.2, 0.3], exact=True) == []
    assert changes([0, 3], exact=True)[0].relative is None


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 50, [1.0, 2.0] * 4])
def test_what_says_too_little_says_nothing(values: list[float]):
    assert changes(values, exact=False) == []


@given(st.lists(FINITE, max_size=60))
def test_steps_are_in_order_with_whole_levels_between(values: list[float]):
    places = [0, *found(values), len(values)]
    if len(places) > 2:
        assert all(after - before >= SHORTEST for before, after in itertools.pairwise(places))


@given(st.integers(0, 2**32), st.floats(1e-9, 1e9), st.floats(-1e3, 1e3))
def test_steps_do_not_depend_on_the_unit(seed: int, factor: float, offset: float):
    values = np.random.default_rng(seed).normal(0, 1, 60)
    values[30:] += 4
    assert found(values * factor + offset * factor) == found(values)


def test_a_clock_of_few_ticks_is_no_trouble():
    values = np.random.default_rng(4).integers(0, 2, 120) * 1.0 + 100
    assert found(values) == []
    values[60:] += 3
    assert found(values) == [60]


def test_evidence_of_samples_apart_is_exact():
    z = rank_evidence(np.arange(5.0), np.arange(10.0, 50.0))
    assert np.exp(-z * z / 2) == pytest.approx(1 / 1_221_759, rel=0.02)  # of the C(45, 5) ways to part them, one


@given(st.lists(FINITE, min_size=1, max_size=40), st.lists(FINITE, min_size=1, max_size=40))
def test_evidence_is_the_same_from_both_sides(one: list[float], other: list[float]):
    a, b = np.array(one), np.array(other)
    assert rank_evidence(a, b) == pytest.approx(rank_evidence(b, a), abs=1e-9)


def test_a_step_is_found_among_ten_thousand_values():
    values = np.random.default_rng(5).normal(100, 1, 10_000)
    values[4_000:] += 1
    (place,) = found(values)
    assert abs(place - 4_000) < 20
