"""Energy per inference: integrated by a power meter in the windows of its trigger, or estimated from a latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hilbench.catalog.power import Power
from hilbench.measure.metric import Int, Metric, Number, Part
from hilbench.measure.statistics import summary

DATA_SHEET = "latency at the data sheet's run-mode current"
"""The model behind an estimated energy: one current for all code, times the supply's voltage, times the latency."""
_CURRENT_ERROR = (
    "the current is that of the data sheet's own test code with peripherals off; what this model draws is not known"
)


@dataclass(frozen=True)
class Window:
    """A stretch of time that a meter integrated: an inference, or a pause between two.

    `energy_j` and `duration_s` are the whole stretch's; `samples` are those in it, `lost` how many of them the meter
    did not deliver (they count with the mean of the others).
    """

    energy_j: Number
    duration_s: Number
    samples: Int
    lost: Int = 0

    @property
    def power_w(self) -> float:
        """Mean power."""
        return self.energy_j / self.duration_s


class Metered(Part):
    """What a meter integrated: a row a visit of an input with the window of each repeat, and pauses (`idle`)."""

    visits: tuple[tuple[Window, ...], ...]
    idle: tuple[Window, ...]


def estimated_energy(latency: Metric, power: Power) -> Metric:
    """Return the energy of an inference of this `latency` (s) at the current that the board's file gives.

    Always `estimated`, also of a measured latency. Raises `ValueError` for a latency of this computer (basis `host`).
    """
    if latency.basis == "host" or latency.unit != "s":
        raise ValueError(f"energy is estimated from a board's latency in s, not from {latency.basis} {latency.unit}")
    watts = power.active_w
    told = {name: getattr(latency, name) for name in ("value", "min", "median", "p90", "p99", "max")}
    scaled = {name: value * watts for name, value in told.items() if value is not None}
    if latency.ci95 is not None:
        scaled["ci95"] = (latency.ci95[0] * watts, latency.ci95[1] * watts)
    how = "estimated" if latency.model else latency.basis
    current = f"{power.active_a * 1e3:g} mA at {power.voltage_v:g} V ({power.source})"
    error = f"{_CURRENT_ERROR}, and the error of the latency comes on top" if latency.error else _CURRENT_ERROR
    words = {"unit": "J", "basis": "estimated", "model": f"{how} {DATA_SHEET}, {current}", "error": error}
    # The bound of the latency is none of the energy: how far the current is off, nobody knows.
    return Metric.model_validate(latency.model_dump(exclude={"bound", "precision", "precise"}) | scaled | words)


def measured_energy(visits: Sequence[Sequence[Window]], idle: Sequence[Window]) -> dict[str, Metric]:
    """Return what a meter measured: `energy` per inference, and where there were pauses `idle_power` and `net_energy`.

    `visits` has a row a visit of an input, with the window of each repeat; `energy` is all that the board drew in it.
    `idle` are pauses in which the agent waits. `net_energy` is energy less idle power over the same time: what the
    inference added.
    """
    windows = [window for visit in visits for window in visit]
    lost = sum(window.lost for window in windows)
    detail = f"{lost} of {sum(window.samples for window in windows)} samples lost" if lost else ""
    # Both edges of a window are known to a sample: a window may be one too long or too short.
    sample = 1 / min(window.samples for window in windows)
    error = f"edges are known to a sample, {sample:.2%} of the shortest window; the meter's own error comes on top"
    energy = summary([[window.energy_j for window in visit] for visit in visits], "J", "measured")
    metrics = {"energy": energy.model_copy(update={"error": error, "detail": detail})}
    if idle:
        pause = summary([[window.power_w] for window in idle], "W", "measured")
        net = [[window.energy_j - pause.value * window.duration_s for window in visit] for visit in visits]
        metrics["idle_power"] = pause.model_copy(update={"detail": "between inferences, while the agent waits"})
        metrics["net_energy"] = summary(net, "J", "measured").model_copy(
            update={"error": error, "detail": "energy less idle power over the same time"}
        )
    return metrics
