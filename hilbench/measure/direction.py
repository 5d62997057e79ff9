"""Which way each metric gets better."""

from __future__ import annotations

from collections.abc import Mapping

_LOWER_IS_BETTER: Mapping[str, bool] = {
    "accuracy": False,
    "fidelity": False,
    "fidelity_lsb": True,
    "instructions": True,
    "cycles": True,
    "latency": True,
    "first_latency": True,
    "input_latency": True,
    "output_latency": True,
    "flash": True,
    "ram": True,
    "stack": True,
    "arena": True,
    "peak_tensors": True,
    "energy": True,
    "net_energy": True,
    "idle_power": True,
}


def lower_is_better(metric: str, unit: str = "share") -> bool | None:
    """Return whether less of `metric` is better; None for one of which nobody can say, such as `arena_asked`.

    `unit` is its `Metric.unit`: an `accuracy` that is no share is a squared error.
    """
    if metric == "accuracy" and unit != "share":
        return True
    return _LOWER_IS_BETTER.get(metric)


def worse(metric: str, before: float, after: float, unit: str = "share") -> bool | None:
    """Return whether `metric` got worse on its way from `before` to `after`; None where nobody can say."""
    lower = lower_is_better(metric, unit)
    return None if lower is None or before == after else (after > before) == lower
