"""A suite's `expect:` against a record: which bounds do not hold, and which cannot be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hilbench.catalog.suite import Bound
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
    """Return one line for each expected metric that this run does not have, with the reason."""
    otherwise = f"{record.board.id} on {record.target.kind} does not give it"
    return [
        f"{name} was expected but is not available: {record.missing.get(name, otherwise)}"
        for name in expect
        if name not in record.metrics
    ]
