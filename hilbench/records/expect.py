"""A suite's `expect:` against a record: which bounds do not hold, and which cannot be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hilbench.catalog.suite import Bound
from hilbench.measure.metric import Metric
from hilbench.records.record import Record


def broken(record: Record, expect: Mapping[Any, Bound]) -> list[str]:
    """Return one line for each bound that does not hold. Metrics that the record lacks are left to `unknown`."""
    lines = []
    for name, bound in expect.items():
        metric = record.metrics.get(name)
        if metric is None:
            continue
        unit = "" if metric.unit in ("share", "1") else f" {metric.unit}"
        found = f"{name} is {metric.value:.6g}{unit} ({metric.basis})"
        if bound.min is not None and metric.value < bound.min:
            lines.append(f"{found}, expected at least {bound.min:g}")
        if bound.max is not None and metric.value > bound.max:
            lines.append(f"{found}, expected at most {bound.max:g}")
    return lines


def unknown(record: Record, expect: Mapping[Any, Bound]) -> list[str]:
    """Return one line for each bound of which this run cannot tell whether it holds, with the reason."""
    otherwise = f"{record.board.id} on {record.target.kind} does not give it"
    lines = []
    for name, bound in expect.items():
        metric = record.metrics.get(name)
        if metric is None:
            reason = record.missing.get(name) or (record.missing.get("counts") if name == "cycles" else None)
            lines.append(f"{name} was expected but is not available: {reason or otherwise}")
        elif not _shows(metric, bound):
            lines.append(f"{name} ({metric.basis}) cannot show that it is within its bounds: {metric.error}")
    return lines


def _shows(metric: Metric, bound: Bound) -> bool:
    """Say whether a value within `bound` means anything: an estimate of unknown error may be anywhere."""
    if metric.basis != "estimated" or metric.bound is not None:
        return True
    return metric.lower_bound and (bound.max is None or metric.value > bound.max)
