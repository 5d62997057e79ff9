"""A whole run under a power meter: what it measured is in the record, and a meter that fails costs the energy alone.

The board is one of QEMU that the test calls silicon, so that it may be measured; the meter is a simulated PPK2 that
sees the inferences for as long as the board takes for them.
"""

import dataclasses
from collections.abc import Callable

import pytest

from hilbench import bench
from hilbench.meters.options import parse_meter
from hilbench.plan import Plan
from hilbench.plugins import load
from hilbench.records.record import Record
from hilbench.reports.columns import SHOWN
from hilbench.targets.qemu import Qemu, QemuSettings

from .simulated_meters.ppk2 import SimulatedPpk2
from .simulated_meters.server import Faults
from .simulated_meters.waveform import Board
from .test_end_to_end import plan
from .test_table import printed

VOLTS, ACTIVE_A = 3.0, 0.02
VISITS, REPEATS = 10, 3


class Silicon:
    """QEMU, as a target that may be measured and does not count."""

    name = "qemu"
    Settings = QemuSettings
    counters = frozenset({"cycles"})
    silicon = True
    available, version, run = Qemu.available, Qemu.version, Qemu.run


@pytest.fixture
def silicon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "load", lambda seam, name: Silicon if seam == "targets" else load(seam, name))


@pytest.fixture(scope="module")
def durations_s() -> tuple[float, ...]:
    """How long the timed inferences take, as the board's own counter says in each run."""
    record = bench.run(dataclasses.replace(plan(), samples=VISITS))
    return tuple(repeat[1] / 25e6 for visit in record.samples.times for repeat in visit)


def measured(meter: SimulatedPpk2) -> Plan:
    choice = parse_meter(f"ppk2:port={meter.port},voltage={VOLTS}")
    board = plan().board.model_copy(update={"counter": "cycles"})
    return dataclasses.replace(plan(), board=board, samples=VISITS, meter=choice)


def until(meter: SimulatedPpk2, wait_s: float) -> Callable[[str, int, int], None]:
    """The board waits after its last timed inference until the meter has sent what it saw."""

    def progress(phase: str, done: int, total: int) -> None:
        if phase == "timing" and done == total:
            meter.sent_all.wait(wait_s)

    return progress


def run(durations_s: tuple[float, ...], faults: Faults = Faults(), wait_s: float = 20) -> Record:  # noqa: B008
    seen = Board(durations_s, (0.005,) * (len(durations_s) + 1), active_a=ACTIVE_A, idle_a=0.001)
    with SimulatedPpk2(seen, faults) as meter:
        return bench.run(measured(meter), until(meter, wait_s))


@pytest.mark.usefixtures("silicon")
def test_energy_is_measured_beside_everything_else(durations_s: tuple[float, ...]):
    assert len(durations_s) == VISITS * REPEATS
    record = run(durations_s)
    energy, idle = record.metrics["energy"], record.metrics["idle_power"]
    assert (energy.basis, energy.unit, energy.n) == ("measured", "J", VISITS * REPEATS)
    assert energy.value == pytest.approx(ACTIVE_A * VOLTS * record.metrics["latency"].value, rel=0.01)
    assert idle.value == pytest.approx(0.001 * VOLTS, rel=0.01)
    assert record.metrics["latency"].basis == "measured"
    assert record.meter and "PPK2" in " ".join(record.meter.values())
    assert "energy" not in record.missing
    assert "energy" in SHOWN
    assert "measured" in printed([record])
    assert Record.from_json(record.to_json(), "x") == record


@pytest.mark.usefixtures("silicon")
def test_a_meter_unplugged_in_mid_run_costs_the_energy_alone(durations_s: tuple[float, ...]):
    record = run(durations_s, Faults(unplugged_at=9_000), wait_s=1)
    assert "energy" not in record.metrics
    assert record.missing["energy"]
    assert record.metrics["fidelity"].value == 1.0
    assert record.metrics["latency"].basis == "measured"
    assert "energy of digits" in printed([record])


@pytest.mark.usefixtures("silicon")
def test_a_trigger_that_is_not_wired_gives_no_number_but_the_reason(durations_s: tuple[float, ...]):
    seen = Board(durations_s, (0.005,) * (len(durations_s) + 1), wired=False)
    with SimulatedPpk2(seen) as meter:
        record = bench.run(measured(meter), until(meter, 20))
    assert "energy" not in record.metrics
    assert "trigger" in record.missing["energy"]
