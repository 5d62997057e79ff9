"""A suite's `expect:` against a record: which bounds do not hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hilbench.catalog.suite import Bound
from hilbench.measure.units import friendly
from hilbench.records.record import Record


def broken(record: Record, expect: Mapping[Any, Bound]) -> list[str]:
    """Return one line for each bound that does not hold. Metrics that the record lacks are left to `unknown`."""
    lines = []
    for name, bound in expect.items():
        metric = record.metrics.get(name)
        if metric is None:
            continue
        if bound.min is not None and metric.value < bound.min:
            lines.append(
                f"{name} is {friendly(metric)} ({metric.basis}), expected at least {bound.min:g} {metric.unit}"
            )
        if bound.max is not None and metric.value > bound.max:
            lines.append(f"{name} is {friendly(metric)} ({metric.basis}), expected at most {bound.max:g} {metric.unit}")
    return lines


def unknown(record: Record, expect: Mapping[Any, Bound]) -> list[str]:
    """Return one line for each expected metric that this run should have had but could not have, with the reason."""
    return [f"{name} is not available: {record.missing[name]}" for name in expect if name in record.missing]
