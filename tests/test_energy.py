"""Energy: what a board's file may say of its current, what is estimated from it, and what measured windows give."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from hilbench import catalog
from hilbench.catalog.power import Power
from hilbench.errors import CatalogError
from hilbench.measure.energy import Window, estimated_energy, measured_energy
from hilbench.measure.metric import Metric
from hilbench.measure.units import friendly

from .conftest import ROOT

POWER = Power(active_a=0.1, voltage_v=3.3, source="DS0000 rev 1, table 2: run mode, 100 MHz, 25 °C")
LATENCY = Metric(value=0.02, unit="s", basis="estimated", n=30, min=0.019, median=0.02, max=0.021,
                 ci95=(0.0195, 0.0205), model="one cycle an instruction", error="a lower bound")  # fmt: skip


def test_an_estimate_is_current_times_voltage_times_latency_and_names_its_source():
    energy = estimated_energy(LATENCY, POWER)
    assert (energy.unit, energy.basis, energy.n) == ("J", "estimated", 30)
    assert energy.value == pytest.approx(0.1 * 3.3 * 0.02)
    assert [energy.min, energy.max] == pytest.approx([0.1 * 3.3 * 0.019, 0.1 * 3.3 * 0.021])
    assert energy.ci95 == pytest.approx((0.33 * 0.0195, 0.33 * 0.0205))
    assert "estimated latency" in energy.model and "DS0000 rev 1" in energy.model
    assert "not known" in energy.error and "the error of the latency comes on top" in energy.error


def test_energy_of_a_measured_latency_is_an_estimate_all_the_same():
    measured = LATENCY.model_copy(update={"basis": "measured", "model": None, "error": None})
    energy = estimated_energy(measured, POWER)
    assert energy.basis == "estimated"
    assert "measured latency" in energy.model


@pytest.mark.parametrize("wrong", [{"basis": "host"}, {"unit": "cycles"}])
def test_no_energy_from_what_is_no_board_s_latency(wrong: dict[str, str]):
    with pytest.raises(ValueError, match="board's latency"):
        estimated_energy(LATENCY.model_copy(update=wrong), POWER)


@pytest.mark.parametrize(
    "wrong",
    [{"source": ""}, {"active_a": 108}, {"active_a": 0}, {"voltage_v": 3300}, {"current": 1}, {"idle_a": 0.001}],
)
def test_a_current_needs_a_source_and_a_sensible_size(wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        Power.model_validate({"active_a": 0.1, "voltage_v": 3.3, "source": "DS0000 rev 1, table 2"} | wrong)
    without = {"active_a": 0.1, "voltage_v": 3.3}
    with pytest.raises(ValidationError, match="source"):
        Power.model_validate(without)


def test_a_board_file_without_a_source_is_told_where(tmp_path: Path):
    text = (ROOT / "boards" / "mps2-an386.yaml").read_text() + "power: {active_a: 0.1, voltage_v: 3.3}\n"
    file = tmp_path / "mps2-an386.yaml"
    file.write_text(text)
    with pytest.raises(CatalogError, match=r"mps2-an386.yaml:\d+: power: 'source' is missing"):
        catalog.load_board(file)
    file.write_text(text.replace("3.3}", "3.3, source: 'DS0000 rev 1, table 2'}"))
    assert catalog.load_board(file).power.active_w == pytest.approx(0.33)


def test_measured_energy_keeps_idle_apart():
    windows = [Window(e, 0.01, 1000) for e in (1e-3, 1.2e-3, 1.1e-3)]
    metrics = measured_energy([windows], [Window(2e-5, 0.01, 1000), Window(4e-5, 0.02, 2000)])
    energy, idle, net = (metrics[name] for name in ("energy", "idle_power", "net_energy"))
    assert (energy.value, energy.min, energy.max, energy.n, energy.basis) == (1.1e-3, 1e-3, 1.2e-3, 3, "measured")
    assert idle.value == pytest.approx(2e-3) and idle.unit == "W"
    assert net.value == pytest.approx(1.1e-3 - 2e-3 * 0.01)
    assert "0.10%" in energy.error
    assert set(measured_energy([windows], [])) == {"energy"}


@pytest.mark.parametrize(
    ("value", "unit", "text"), [(6.6e-4, "J", "660 µJ"), (0.0123, "J", "12.3 mJ"), (3.3e-3, "W", "3.30 mW")]
)
def test_joules_and_watts_read_easily(value: float, unit: str, text: str):
    assert friendly(Metric(value=value, unit=unit, basis="measured")) == text
