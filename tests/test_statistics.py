"""Statistics: right intervals out of known distributions, one value for exact counts, outliers that are named."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench import catalog
from hilbench.catalog.board import Board
from hilbench.catalog.suite import Latency
from hilbench.measure.latency import shortfall, time_metrics
from hilbench.measure.rounds import enough, warm_up
from hilbench.measure.statistics import (
    FEWEST,
    Floats,
    mean_interval,
    median_interval,
    narrow,
    outliers,
    summary,
)

HOST = catalog.board("host")
EMULATED = catalog.board("mps2-an386")
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]


def bimodal(draw: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Two modes of 70 % and 25 %, and 5 % far off: a processor with two clocks and an operating system."""
    kind = draw.random(shape)
    slow = np.where(kind < 0.95, draw.normal(14, 0.3, shape), draw.uniform(50, 100, shape))
    return np.where(kind < 0.7, draw.normal(10, 0.3, shape), slow)


# The 5/7 quantile of a normal distribution is 0.565948821932863 deviations above its mean.
DISTRIBUTIONS: dict[str, tuple[Draw, float]] = {
    "normal": (lambda draw, shape: draw.normal(10, 1, shape), 10.0),
    "log-normal": (lambda draw, shape: draw.lognormal(0, 1, shape), 1.0),
    "exponential": (lambda draw, shape: draw.exponential(1, shape), math.log(2)),
    "bimodal": (bimodal, 10 + 0.3 * 0.565948821932863),
}


def coverage(name: str, visits: int, repeats: int, alike: float, trials: int) -> float:
    """The share of `trials` whose interval holds the true median; repeats equal their visit's first that often."""
    draw, (values, truth) = np.random.default_rng([visits, repeats, trials]), DISTRIBUTIONS[name]
    held = 0
    for _ in range(trials):
        found = values(draw, (visits, repeats))
        interval = median_interval(np.where(draw.random((visits, 1)) < alike, found[:, :1], found))
        assert interval is not None
        held += interval[0] <= truth <= interval[1]
    return held / trials


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_nineteen_of_twenty_intervals_hold_the_median(name: str):
    assert 0.89 <= coverage(name, 30, 3, 0.5, 120) <= 1  # 120 trials tell it to 6 % (3 deviations)


@pytest.mark.slow
@pytest.mark.parametrize(("visits", "repeats", "alike"), [(30, 1, 0.0), (40, 3, 0.5)])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_intervals_of_thirty_visits_and_more_hold_what_they_say(name: str, visits: int, repeats: int, alike: float):
    assert 0.93 <= coverage(name, visits, repeats, alike, 1500) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("visits", [FEWEST, 10])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_intervals_of_few_visits_are_rather_too_wide_than_too_narrow(name: str, visits: int):
    assert 0.93 <= coverage(name, visits, 3, 0.5, 1000) <= 0.985


def test_observations_that_repeat_one_another_are_not_taken_for_more():
    """What a bootstrap of single observations gets wrong: ten copies of each say no more than one."""
    values = np.random.default_rng(1).normal(10, 1, (30, 1))
    assert median_interval(np.repeat(values, 9, axis=1)) == pytest.approx(median_interval(values), abs=1e-12)
    low, high = median_interval(np.repeat(values, 9, axis=0)) or (0, 0)
    assert high - low < 0.6 * np.ptp(median_interval(values) or (0, 0)), "as visits they would be"


@pytest.mark.parametrize("name", ["normal", "exponential"])
def test_an_interval_of_a_mean_holds_it(name: str):
    draw, mean = np.random.default_rng(4), {"normal": 10.0, "exponential": 1.0}[name]
    intervals = [mean_interval(DISTRIBUTIONS[name][0](draw, (1, 50))[0]) or (0, 0) for _ in range(400)]
    assert 0.90 <= np.mean([low <= mean <= high for low, high in intervals]) <= 0.985


def test_the_bootstrap_agrees_with_the_textbook_on_a_mean():
    values = np.random.default_rng(5).normal(0, 1, 400)
    half = 1.9659 * values.std(ddof=1) / 20  # Student's t of 399 degrees of freedom
    assert mean_interval(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)


def test_an_interval_is_the_same_for_ever():
    """To the bit, on any machine: the draws are numpy's raw stream, which never changes, and not its methods'."""
    visits = [[(7 * i * i + 3 * j) % 101 for j in range(3)] for i in range(12)]
    assert median_interval(visits) == (14.0, 66.0)
    assert mean_interval([visit[0] for visit in visits]) == (25.5, 59.75)


def test_how_much_fits_in_memory_does_not_change_the_interval(monkeypatch: pytest.MonkeyPatch):
    visits = np.random.default_rng(2).normal(0, 1, (40, 3))
    whole = median_interval(visits)
    monkeypatch.setattr("hilbench.measure.statistics._CHUNK", 777)
    assert median_interval(visits) == whole


VISITS = st.integers(1, 4).flatmap(
    lambda repeats: st.lists(
        st.lists(st.integers(1, 10**9), min_size=repeats, max_size=repeats), min_size=FEWEST, max_size=14
    )
)


@settings(deadline=None, max_examples=60)
@given(VISITS)
def test_an_interval_lies_within_what_was_seen_and_holds_the_median(visits: list[list[int]]):
    metric = summary(visits, "cycles", "measured", precision=0.02)
    flat = sorted(value for visit in visits for value in visit)
    assert metric.n == len(flat)
    assert metric.value in flat
    if metric.ci95 is None:
        assert flat[0] == flat[-1]
        return
    assert flat[0] <= metric.ci95[0] <= metric.value <= metric.ci95[1] <= flat[-1]
    assert metric.precise == ((metric.ci95[1] - metric.ci95[0]) / 2 <= 0.02 * metric.value)


@settings(deadline=None, max_examples=30)
@given(VISITS, st.randoms())
def test_the_order_of_repeats_does_not_matter(visits: list[list[int]], random: object):
    shuffled = [sorted(visit, key=lambda _: random.random()) for visit in visits]  # type: ignore[attr-defined]
    assert median_interval(shuffled) == median_interval(visits)


def test_five_visits_have_no_interval():
    assert median_interval([[1, 2], [2, 3], [3, 4], [4, 5], [5, 6]]) is None
    assert mean_interval([1, 2, 3, 4, 5]) is None
    assert not narrow([[100, 101]] * 5, 0.5)


def test_an_outlier_is_named_by_its_index_and_counts_all_the_same():
    visits = [[100 + i, 101 + i, 102 + i] for i in range(10)]
    visits[4][1] = 900
    metric = summary(visits, "s", "host", 1e-9)
    assert metric.outliers == (13,)
    assert (metric.n, metric.max) == (30, pytest.approx(900e-9))
    assert summary(visits, "instructions", "counted").outliers is None, "a count that differs is no accident"


def test_the_fences_are_tukeys():
    most = [[float(i)] for i in range(1, 101)]  # with one more at each end, the quartiles are 25.25 and 75.75
    assert outliers([*most, [227.0], [-126.0]]) == ()
    assert outliers([*most, [227.5], [-126.5]]) == (100, 101)


@given(st.integers(1, 20), st.integers(1, 4), st.integers(0, 10**12))
def test_equal_counts_are_one_value_without_a_spread(visits: int, repeats: int, count: int):
    for unit, basis in (("instructions", "counted"), ("cycles", "measured")):
        metric = summary([[count] * repeats] * visits, unit, basis, precision=0.02)  # type: ignore[arg-type]
        assert (metric.value, metric.n) == (count, visits * repeats)
        assert (metric.ci95, metric.min, metric.median, metric.p99, metric.max) == (None,) * 5
        assert metric.precise in (None, True)


def test_counts_that_depend_on_the_input_have_a_spread_but_no_interval():
    metric = summary([[5, 5], [9, 9], [7, 7]], "instructions", "counted", precision=0.02)
    assert (metric.min, metric.value, metric.median, metric.max) == (5, 7, 7, 9)
    assert (metric.ci95, metric.precise, metric.detail) == (None, None, "")


def test_an_exact_counter_that_is_none_is_told():
    assert summary([[5, 5], [9, 8]], "instructions", "counted").detail == "repeats of one input differ"


def test_a_record_is_scored_again_to_the_bit():
    times = [[(1, int(t), 2) for t in visit] for visit in np.random.default_rng(8).normal(2e5, 3e3, (40, 3))]
    first, again = (time_metrics(times, HOST, 300_000, 0.02) for _ in range(2))
    assert first == again
    assert first["latency"].ci95
    assert first["first_latency"].ci95 is None
    assert first["first_latency"].precise is None
    assert type(first["latency"]).model_validate_json(first["latency"].model_dump_json()) == first["latency"]


def drawn(rounds: int, spread: float, seed: int = 9) -> list[list[tuple[int, int, int]]]:
    """`rounds` of 10 inputs with 3 repeats each, of 1 ms and this relative deviation."""
    noise = np.random.default_rng(seed).normal(1, spread, (10 * rounds, 3))
    return [[(1, int(1e6 * value), 1) for value in visit] for visit in noise]


def rounds_taken(spread: float, latency: Latency, board: Board = HOST) -> int:
    rounds = 0
    while not enough(drawn(rounds, spread), 10, latency, board):
        rounds += 1
    return rounds


def test_a_noisy_median_takes_more_rounds_until_it_is_known_well_enough():
    taken = [rounds_taken(spread, Latency()) for spread in (0.001, 0.1, 0.5)]
    assert taken == [1, pytest.approx(6, abs=3), 20]
    assert rounds_taken(0.5, Latency(max_rounds=3)) == 3
    assert rounds_taken(0.1, Latency(precision=0.2)) == 1


def test_an_exact_counter_takes_one_inference_and_one_round():
    assert rounds_taken(0.5, Latency(), EMULATED) == 1
    assert warm_up(Latency(), EMULATED) == 1
    assert warm_up(Latency(warmup=7), HOST) == 7


def test_two_inputs_are_timed_until_there_is_an_interval():
    latency, times = Latency(samples=2), drawn(1, 0.001)
    assert [enough(times[:visits], 2, latency, HOST) for visits in (0, 2, 4, 6)] == [False, False, False, True]
    assert enough([[(1, 1000, 1)] * 3] * 2, 2, latency, HOST), "they are all equal"


def test_a_record_that_is_not_as_precise_as_asked_says_so():
    noisy = time_metrics(drawn(1, 0.3), HOST, None, 0.02)["latency"]
    assert noisy.precise is False
    assert shortfall(noisy).startswith("known to ±")
    assert "not to the ±2 % asked for" in shortfall(noisy)
    assert shortfall(time_metrics(drawn(1, 0.001), HOST, None, 0.02)["latency"]) == ""
    assert shortfall(time_metrics(drawn(1, 0.3), EMULATED, None, 0.02)["latency"]) == ""
    few = time_metrics(drawn(1, 0.3)[:2], HOST, None, 0.02)["latency"]
    assert shortfall(few).startswith("timed too seldom for an interval")


@pytest.mark.slow
def test_stopping_when_it_is_narrow_costs_little_coverage():
    """An interval that was looked at after every round is right a little less often than it says: docs/trust.md."""
    latency, held, trials = Latency(), 0, 500
    for seed in range(trials):
        times, rounds = drawn(20, 0.06, seed), 1
        while not enough(times[: 10 * rounds], 10, latency, HOST):
            rounds += 1
        low, high = median_interval([[t for _, t, _ in visit] for visit in times[: 10 * rounds]]) or (0, 0)
        held += low <= 1e6 <= high
    assert 0.90 <= held / trials <= 0.97
