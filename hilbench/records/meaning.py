"""What a metric's number means beside its unit and basis: two that mean different things are never compared."""

from __future__ import annotations

from hilbench.records.record import Record

_SCORES = {
    "top1": "top-1",
    "balanced": "balanced",
    "auc": "AUC",
    "auc_binary": "AUC",
    "auc_file": "AUC by file",
    "auc_ovr": "AUC, one v. rest",
    "mse": "MSE",
}
"""What people call each `Record.scored_by`. `auc` and `auc_binary` are one area, of scores that no one model has both
of; records of the first schema call both AUC."""


def meaning(record: Record, metric: str) -> str:
    """Return what `metric` of `record` means: how accuracy was scored (`top-1`, `balanced`, …), and against which
    reference fidelity was. Empty for metrics of one meaning.

    `scored_by` tells; where a record of the first schema has none, the metric's `detail` does.
    """
    if metric == "accuracy" and metric in record.metrics:
        detail = record.metrics[metric].detail
        if record.scored_by is not None:
            return _SCORES.get(record.scored_by, record.scored_by)
        return "balanced" if detail.startswith("balanced") else detail
    if metric.startswith("fidelity") and record.reference is not None:
        return record.reference.name
    return ""
