"""A board that is not at hand, on an emulator: its time is estimated, says by what and how well, never measured."""

import dataclasses

import pytest

from hilbench import bench, catalog
from hilbench.counts import Window
from hilbench.errors import StoreError, Unavailable, UsageError
from hilbench.measure.counted import matched, operator_windows
from hilbench.meters.options import parse_meter
from hilbench.plan import Plan
from hilbench.records.record import Record
from hilbench.targets.qemu import Qemu

from .conftest import made_record
from .real_records import forged
from .test_end_to_end import plan

STOOD_IN = ("nano33", "nucleo-l4r5zi", "stm32f746g-disco")


def on(name: str, **changes: object) -> Plan:
    (choice,) = catalog.resolve([f"{name}@qemu"])
    return dataclasses.replace(plan(), board=choice.board, samples=3, **changes)


@pytest.fixture(scope="module")
def nano33() -> Record:
    return bench.run(on("nano33", profile=True))


def test_the_code_is_counted_on_the_machine_of_the_board_that_stands_in(nano33: Record):
    there = bench.run(dataclasses.replace(plan(), samples=3))
    assert (nano33.board.id, nano33.target.stand_in) == ("nano33", "mps2-an386")
    assert nano33.metrics["instructions"] == there.metrics["instructions"]
    assert nano33.samples.outputs == there.samples.outputs
    assert nano33.counts is not None and there.counts is not None
    assert sum(nano33.counts.mix.values()) == nano33.metrics["instructions"].value
    assert nano33.counts.mix == there.counts.mix
    assert nano33.counts.unknown == 0


@pytest.mark.parametrize("name", STOOD_IN)
def test_time_is_estimated_with_a_model_and_a_bound(name: str):
    record = bench.run(on(name))
    board, latency, cycles = catalog.board(name), record.metrics["latency"], record.metrics["cycles"]
    assert (latency.basis, cycles.basis) == ("estimated", "estimated")
    assert latency.model and latency.error and latency.bound and 0 < latency.bound <= 0.5
    assert latency.value == pytest.approx(cycles.value / board.clock_hz)
    assert record.samples.cycles is not None
    assert {len(visit) for visit in record.samples.cycles} == {3}
    energy = record.metrics.get("energy")
    assert (energy is not None) == (board.power is not None), "no current with a source, no energy"
    if energy is not None:
        assert energy.basis == "estimated"
        assert energy.value == pytest.approx(latency.value * board.power.active_w)


def test_memories_of_the_real_board_make_it_wait(nano33: Record):
    assert nano33.counts is not None
    assert sum(nano33.counts.stalls.values()) > 0
    assert nano33.metrics["cycles"].value > nano33.metrics["instructions"].value


def test_operators_take_estimated_cycles_that_make_up_the_whole(nano33: Record):
    profile = nano33.profile
    assert profile is not None and profile.total_cycles is not None
    assert profile.total_cycles == pytest.approx(nano33.metrics["cycles"].value, rel=0.01)
    assert sum(profile.shares()) == pytest.approx(1)
    assert profile.error == nano33.metrics["cycles"].error
    assert "nobody publishes" in (profile.error or ""), "the doubt about its memories is told"


def test_without_a_compiler_for_the_counter_there_is_a_lower_bound_and_the_reason(monkeypatch: pytest.MonkeyPatch):
    def nothing(*_: object) -> None:
        raise Unavailable("to count in QEMU, a C compiler (cc) must be on the PATH")

    monkeypatch.setattr(Qemu, "count", nothing)
    record = bench.run(on("nano33"))
    assert "a C compiler" in record.missing["counts"]
    assert record.counts is None
    assert record.metrics["latency"].bound is None
    assert "lower bound" in (record.metrics["latency"].error or "")
    assert "energy" not in record.metrics, "it would be a lower bound that looks like an estimate"


@pytest.mark.parametrize("name", ["latency", "energy"])
def test_nothing_on_an_emulator_is_ever_measured(name: str):
    document = made_record().model_dump(mode="json", by_alias=True)
    metric = {"value": 0.01, "unit": "s" if name == "latency" else "J", "basis": "measured"}
    with pytest.raises(StoreError, match=f"{name} is called measured, but qemu is no silicon"):
        Record.from_json(forged(document, ("metrics", name), metric), "forged.json")
    document["target"]["silicon"] = True
    real = Record.from_json(forged(document, ("metrics", name), metric), "real.json")
    assert real.metrics[name].basis == "measured"


def test_a_target_that_lies_about_its_counter_gets_no_record(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Qemu, "counters", frozenset({"cycles"}))
    forced = dataclasses.replace(plan(), samples=2, board=plan().board.model_copy(update={"counter": "cycles"}))
    with pytest.raises(ValueError, match="is called measured, but qemu is no silicon"):
        bench.run(forced)


def test_a_meter_on_an_emulator_is_refused():
    meter = parse_meter("ppk2:port=/dev/null,voltage=3.3")
    with pytest.raises(UsageError, match="'qemu' is no board"):
        bench.run(dataclasses.replace(plan(), meter=meter))


def windows(*instructions: int) -> list[Window]:
    return [Window(count, {}) for count in instructions]


def test_windows_of_visits_are_found_among_those_of_disturbed_ones():
    found = matched(windows(1, 50, 2, 1, 51, 2, 1, 60, 2), [[(1, 51, 2)], [(1, 60, 2)]])
    assert [[tuple(part.instructions for part in repeat) for repeat in visit] for visit in found] == [
        [(1, 51, 2)],
        [(1, 60, 2)],
    ]


@pytest.mark.parametrize("times", [[[(1, 52, 2)]], [[(1, 51, 2)], [(1, 51, 2)]], [[(51, 2, 1)], [(1, 60, 2)]]])
def test_windows_that_disagree_with_the_clock_are_not_used(times: list[list[tuple[int, int, int]]]):
    with pytest.raises(Unavailable, match="disagree from timed sample"):
        matched(windows(1, 51, 2, 1, 60), times)


def test_an_operator_is_all_windows_that_it_ran_in():
    found = operator_windows(windows(9, 10, 20, 5, 1, 9), (30, 0, 5, 1))
    assert [[part.instructions for part in parts] for parts in found] == [[10, 20], [], [5], [1]]


def test_what_an_interpreter_does_between_operators_is_the_rest():
    found = operator_windows(windows(9, 3, 30, 4, 5, 1, 9), (30, 5, 8))
    assert [[part.instructions for part in parts] for parts in found] == [[30], [5], [3, 4, 1]]


@pytest.mark.parametrize("counts", [(10, 26, 1), (31, 5, 1), (30, 5), (30, 5, 1, 4)])
def test_operators_that_cannot_be_told_apart_have_no_cycles(counts: tuple[int, ...]):
    with pytest.raises(Unavailable, match="cannot be told apart"):
        operator_windows(windows(9, 10, 20, 5, 1, 9), counts)
