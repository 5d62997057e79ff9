"""What of records is drawn: accuracy against latency and energy, memory, operators, and what was taken for what.

All functions take one group of `fair.groups`. A chart never has two bases, nor estimates of two models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hilbench.measure.direction import lower_is_better
from hilbench.measure.metric import Metric
from hilbench.measure.units import accuracy, friendly, with_precision
from hilbench.records.record import Record
from hilbench.reports.charts import Axis, Bar, Point, bars, confusion, pareto, scatter

_FLASH = ("model", "kernels", "runtime", "agent")
_RAM = (*_FLASH, "stack")
_WIDE_RANGE = 8.0
"""From this ratio of the largest to the smallest value on, an axis is logarithmic."""
_MOST_OPERATORS = 30


@dataclass(frozen=True)
class Figure:
    """A chart with its caption; `words` say how it was estimated, or where `svg` is empty why there is none."""

    caption: str
    svg: str
    words: str = ""


def fronts(group: Sequence[Record], cost: str) -> list[Figure]:
    """Return accuracy against `cost`, "latency" or "energy", with the Pareto front; a chart a basis and model."""
    found: dict[tuple[object, ...], list[Record]] = {}
    for record in group:
        x, y = record.metrics.get(cost), record.metrics.get("accuracy")
        if x and y:
            found.setdefault((x.basis, x.model, y.basis, y.model, y.unit, y.detail), []).append(record)
    return [_front(records, cost) for records in found.values()]


def _front(records: Sequence[Record], cost: str) -> Figure:
    x, y = records[0].metrics[cost], records[0].metrics["accuracy"]
    caption = f"Accuracy against {cost}"
    if len(records) == 1:
        words = (
            f"{records[0].framework.variant}: {accuracy(y)} at {with_precision(x)} ({x.basis}); nothing to compare with"
        )
        return Figure(caption, "", words)
    across = Axis(f"{cost}, {x.basis}", shown(x), log=_wide([r.metrics[cost].value for r in records]))
    shares = y.unit == "share"
    show = _percent if shares and "AUC" not in y.detail else shown(y)
    up = Axis(f"{y.detail or 'accuracy'}, {y.basis}", show, within=(0.0, 1.0) if shares else None)
    points = [
        Point(
            r.metrics[cost].value,
            r.metrics["accuracy"].value,
            r.framework.variant,
            r.framework.name,
            note=_known(r, cost),
        )
        for r in records
    ]
    lower = lower_is_better("accuracy", y.unit) is True
    made_by = f"{cost} {x.basis} by: {x.model}" if x.model else ""
    return Figure(caption, scatter(pareto(points, low_y=lower), across, up, caption), made_by)


def _known(record: Record, cost: str) -> str:
    """Return how well both are known, for a tool tip."""
    return f"{accuracy(record.metrics['accuracy'])} at {with_precision(record.metrics[cost])}"


def _percent(value: float) -> str:
    return f"{100 * value:.4g} %"


def _wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) >= _WIDE_RANGE


def shown(metric: Metric) -> Callable[[float], str]:
    """Return what writes a value of the unit of `metric`."""
    return lambda value: friendly(Metric(value=value, unit=metric.unit, basis=metric.basis))


def memory(group: Sequence[Record]) -> list[Figure]:
    """Return flash and RAM by part, one above the other; nothing for images whose parts are not known."""
    drawn = [_memory(group, "flash", "flash", _FLASH), _memory(group, "RAM", "ram", _RAM)]
    return [Figure("Memory by part", "".join(drawn))] if any(drawn) else []


def _memory(group: Sequence[Record], title: str, key: str, parts: Sequence[str]) -> str:
    rows = []
    for record in group:
        known = record.image.parts_bytes
        if any(f"{key}_{part}" in known for part in parts):
            rows.append(Bar(record.framework.variant, tuple((p, float(known.get(f"{key}_{p}", 0))) for p in parts)))
    axis = Axis(f"{title}, counted in the image", shown(Metric(value=0, unit="B", basis="counted")))
    return bars(rows, axis, f"{title} by part") if rows else ""


def operators(group: Sequence[Record]) -> list[Figure]:
    """Return the share of each operator, a chart a record that was profiled."""
    return [figure for record in group if (figure := _operators(record))]


def _operators(record: Record) -> Figure | None:
    if (profile := record.profile) is None:
        return None
    whole, unit, basis, made_by = profile.total, profile.unit, str(profile.basis), ""
    values = [*(operator.value for operator in profile.operators), profile.rest]
    if profile.total_cycles is not None:
        whole, unit, basis, made_by = profile.total_cycles, "cycles", "estimated", f"estimated by: {profile.model}"
        values = [*(operator.cycles or 0.0 for operator in profile.operators), profile.rest_cycles or 0.0]
    names = [*(operator.name for operator in profile.operators), "between operators"]
    show = shown(Metric(value=0, unit=unit, basis=profile.basis))
    rows = [
        (share, Bar(name, (("", share),), note=f"{show(value)} {unit}"))
        for name, value, share in zip(names, values, profile.shares(), strict=True)
    ]
    left_out = ""
    if len(rows) > _MOST_OPERATORS:
        least = sorted((share for share, _ in rows), reverse=True)[_MOST_OPERATORS - 1]
        left_out = f"; the {_MOST_OPERATORS} largest of {len(rows)}"
        rows = [row for row in rows if row[0] >= least]
    caption = f"Operators of {record.framework.variant}: {show(whole)} {unit}{left_out}"
    axis = Axis(f"share of {unit}, {basis}", lambda share: f"{100 * share:.1f} %")
    return Figure(caption, bars([bar for _, bar in rows], axis, caption), made_by)


def confusions(group: Sequence[Record]) -> list[Figure]:
    """Return the confusion matrices, one for all records that have the same."""
    found: dict[tuple[object, ...], list[Record]] = {}
    for record in group:
        if record.confusion:
            found.setdefault((record.confusion.classes, record.confusion.counts), []).append(record)
    figures = []
    for records in found.values():
        matrix = records[0].confusion
        assert matrix, "only records with one were put in"
        names = ", ".join(dict.fromkeys(record.framework.variant for record in records))
        caption = f"Taken for what by {names}: {_right(matrix.counts)}"
        figures.append(Figure(caption, confusion(matrix.classes, matrix.counts, f"confusion matrix of {names}")))
    return figures


def _right(counts: Sequence[Sequence[int]]) -> str:
    """Return how many samples were taken for what they are, counted."""
    right, whole = sum(row[i] for i, row in enumerate(counts)), sum(map(sum, counts))
    return f"{right} of {whole} right, counted"


def figures_of(group: Sequence[Record]) -> list[Figure]:
    """Return all figures of a group."""
    return [*fronts(group, "latency"), *fronts(group, "energy"), *memory(group), *confusions(group), *operators(group)]
