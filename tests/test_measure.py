"""Numbers: known answers for accuracy, fidelity and time, and a basis beside each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench import catalog
from hilbench.catalog.suite import Bound
from hilbench.images.elf import Sizes
from hilbench.measure.accuracy import fidelity, top1, wilson
from hilbench.measure.latency import time_metrics
from hilbench.measure.memory import memory_metrics
from hilbench.measure.metric import Metric
from hilbench.measure.units import accuracy, friendly, percent, with_precision
from hilbench.records.expect import broken, unknown
from hilbench.records.record import Record
from hilbench.tensors import TensorInfo

INT8 = (TensorInfo(name="y", dtype="int8", shape=(1, 3), scale=1 / 256, zero_point=-128),)


def outputs(*rows: list[int]) -> list[bytes]:
    return [np.array(row, np.int8).tobytes() for row in rows]


def test_top1_counts_the_largest_and_a_tie_goes_to_the_lower_class():
    metric = top1(outputs([1, 2, 3], [5, 5, -1], [-3, -2, -1]), [2, 0, 0], INT8)
    assert metric.value == pytest.approx(2 / 3)
    assert (metric.basis, metric.n) == ("counted", 3)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # Newcombe 1998, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_intervals(right: int, n: int, low: float, high: float):
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_within_0_and_1(case: tuple[int, int]):
    right, n = case
    low, high = wilson(right, n)
    assert 0 <= low <= right / n + 1e-12
    assert right / n - 1e-12 <= high <= 1


def test_fidelity_is_the_share_of_equal_outputs_and_the_largest_step():
    metrics = fidelity(outputs([1, 2, 3], [127, 0, 0]), outputs([1, 2, 3], [-128, 0, 1]), INT8)
    assert metrics["fidelity"].value == 0.5
    assert metrics["fidelity_lsb"].value == 255


def test_every_output_counts_for_the_largest_difference():
    two = (*INT8, TensorInfo("z", "int8", (1, 2), 1.0, 0))
    ours, theirs = outputs([1, 2, 3, 0, 97]), outputs([1, 2, 3, 0, 0])
    assert fidelity(ours, theirs, two)["fidelity_lsb"].value == 97
    assert fidelity(ours, theirs, two)["fidelity"].value == 0


def test_an_emulators_seconds_are_estimated_and_say_how():
    metrics = time_metrics([[(1, 100, 3), (1, 100, 3)], [(1, 300, 3), (1, 300, 3)]], catalog.board("mps2-an386"), 100)
    assert metrics["instructions"].value in (100, 300), "the median of counts is a count that was made"
    assert metrics["instructions"].basis == "counted"
    assert metrics["latency"].basis == "estimated"
    assert metrics["latency"].model
    assert metrics["latency"].value == pytest.approx(metrics["instructions"].value / 25e6)
    assert metrics["first_latency"].n == 1


def test_the_spread_of_many_times_is_that_of_the_observations():
    metric = time_metrics([[(0, n, 0)] for n in range(1, 101)], catalog.board("mps2-an386"), None)["instructions"]
    assert (metric.min, metric.median, metric.p90, metric.p99, metric.max) == (1, 50, 90, 99, 100)
    assert metric.value == metric.median


def test_memory_is_the_models_and_its_stack_and_never_the_agents():
    sizes = Sizes(flash_model=1000, flash_agent=70, ram_model=300, ram_agent=40, stack_reserved=16384, sections={})
    metrics = memory_metrics(sizes, 250, 108)
    assert {name: metric.value for name, metric in metrics.items()} == {
        "flash": 1000, "ram": 408, "stack": 108, "arena": 250,
    }  # fmt: skip
    assert {metric.basis for metric in metrics.values()} == {"counted"}
    assert "arena" not in memory_metrics(sizes, None, 108)


def test_silicon_is_measured_and_the_host_is_only_a_host():
    silicon = catalog.board("mps2-an386").model_copy(update={"counter": "cycles", "clock_hz": 64_000_000})
    metrics = time_metrics([[(1, 64_000, 1)]], silicon, None)
    assert (metrics["cycles"].basis, metrics["latency"].basis) == ("measured", "measured")
    assert metrics["latency"].value == pytest.approx(1e-3)
    assert "instructions" not in metrics
    assert "first_latency" not in metrics
    host = time_metrics([[(1, 2_000_000, 1)]], catalog.board("host"), None)
    assert host["latency"].basis == "host"
    assert host["latency"].value == pytest.approx(2e-3)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1_210_000, "instructions", "1.21 M"),
        (999, "instructions", "999"),
        (0.0104, "s", "10.4 ms"),
        (2.5e-7, "s", "250 ns"),
        (0, "s", "0.00 ns"),
        (31_800, "B", "31.8 kB"),
        (512, "B", "512 B"),
        (1.0, "share", "1.000"),
        (0.9998, "share", "0.999"),
        (0.029, "share", "0.029"),
    ],
)
def test_numbers_are_written_for_people(value: float, unit: str, text: str):
    assert friendly(Metric.model_validate({"value": value, "unit": unit, "basis": "counted"})) == text


def test_a_share_shows_its_interval():
    metric = Metric(value=0.982, unit="share", basis="counted", ci95=(0.966, 0.991))
    assert percent(metric) == "98.2 % [96.6, 99.1]"
    assert percent(Metric(value=0.9998, unit="share", basis="counted")) == "99.9 %"


def test_expectations_name_metric_value_and_bound(record: Record):
    lines = broken(record, {"accuracy": Bound(min=0.99), "flash": Bound(max=30_000), "instructions": Bound(max=2e6)})
    assert lines == [
        "accuracy is 0.982 (counted), expected at least 0.99",
        "flash is 31800 B (counted), expected at most 30000",
    ]
    assert unknown(record, {"fidelity": Bound(min=1), "cycles": Bound(max=1), "flash": Bound(max=1)}) == [
        "fidelity was expected but is not available: no tflite-micro",
        "cycles was expected but is not available: mps2-an386 on qemu does not give it",
    ]


def test_an_area_under_a_curve_is_no_percentage():
    area = Metric(value=0.9466, unit="share", basis="counted", ci95=(0.924, 0.962), detail="AUC")
    assert accuracy(area) == "0.946 [0.924, 0.962]"
    assert accuracy(area.model_copy(update={"detail": "top-1"})) == "94.6 % [92.4, 96.2]"


@pytest.mark.parametrize(
    ("value", "text"),
    [(9.696e6, "9.70 M"), (9.996e6, "10.0 M"), (999_600, "1.00 M"), (999, "999"), (12, "12"), (12.5, "12.5")],
)
def test_three_digits_are_shown_of_a_count(value: float, text: str):
    assert friendly(Metric(value=value, unit="instructions", basis="counted")) == text


@pytest.mark.parametrize(
    ("changes", "limits", "says"),
    [
        ({"lower_bound": True}, {"max": 0.06}, "cannot show"),
        ({"lower_bound": True}, {"max": 0.04}, "expected at most"),
        ({"lower_bound": True}, {"min": 0.04}, ""),
        ({}, {"min": 0.04}, "cannot show"),
        ({"bound": 0.15}, {"max": 0.06}, ""),
    ],
)
def test_an_estimate_of_unknown_error_cannot_show_that_it_is_within_bounds(
    record: Record, changes: dict[str, object], limits: dict[str, float], says: str
):
    latency = Metric(value=0.05, unit="s", basis="estimated", model="m", error="not known", **changes)
    run = record.model_copy(update={"metrics": {**record.metrics, "latency": latency}})
    expect = {"latency": Bound(**limits)}
    lines = [*broken(run, expect), *unknown(run, expect)]
    assert [says in line for line in lines] == ([True] if says else [])


@pytest.mark.parametrize(
    ("changes", "text"),
    [({"bound": 0.15}, "50.0 ms ±15 %"), ({}, "50.0 ms ±?"), ({"lower_bound": True}, "≥ 50.0 ms")],
)
def test_an_estimate_says_how_well_it_is_known(changes: dict[str, object], text: str):
    assert with_precision(Metric(value=0.05, unit="s", basis="estimated", **changes)) == text
