"""`hilbench trend`: the history of each metric in a store, and where it changed."""

from __future__ import annotations

import itertools
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from hilbench.cli.output import json_option, print_json, say
from hilbench.cli.query import require_known, require_time
from hilbench.errors import StoreError, UsageError
from hilbench.measure.metric import Metric
from hilbench.measure.units import friendly, with_precision
from hilbench.records.history import Point, Series, histories
from hilbench.records.record import Record
from hilbench.records.refs import yet_to_come
from hilbench.records.store import DEFAULT, Query, open_store, select
from hilbench.records.trend import Change
from hilbench.reports.console import console_for

SHOWN = ("accuracy", "fidelity", "cycles", "instructions", "latency", "energy", "flash", "ram")
"""The metrics that are shown when none is asked for: those that tables have and that change for a reason."""
_BLOCKS = "▁▂▃▄▅▆▇█"
_PLAIN = "12345678"
"""Where a terminal cannot show blocks."""
_WIDEST = 24
_VERDICTS = {True: "worse", False: "better", None: "changed"}


@click.command()
@click.argument("store", default=str(DEFAULT))
@click.option("--task", metavar="TASK", help="Only this task.")
@click.option("--board", metavar="BOARD", help="Only this board.")
@click.option("--framework", metavar="NAME", help="Only this framework, with its options as tables show them.")
@click.option("--branch", metavar="BRANCH", help="Only runs of this branch.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="These metrics; repeatable, or 'all'.")
@click.option("--since", metavar="DATE", help="Only runs since this time, such as 2026-01-31.")
@click.option("--fail-since", type=click.IntRange(min=1), metavar="N", help="End with 1 if a series' level is worse "
              "than before its last N values.")  # fmt: skip
@click.option("--fail-on-latest", is_flag=True, help="The same for the last value; only exact values change in one.")
@json_option
def trend(
    store: str,
    metrics: tuple[str, ...],
    fail_since: int | None,
    fail_on_latest: bool,
    as_json: bool,
    **wanted: str | None,
) -> None:
    """Show how each metric went in STORE (default: .hilbench/records), and where it changed.

    Each series has a line: its course, its latest value with its basis, and how many values it has; below it are its
    changes, with the commits between which they came. Values that cannot be compared are never in one series.
    """
    if fail_since and fail_on_latest:
        raise UsageError("--fail-since and --fail-on-latest exclude each other", hint="--fail-on-latest is for N = 1")
    require_time(wanted["since"])
    damaged: list[StoreError] = []
    ahead: list[str] = []
    kept, query = open_store(store), Query(**wanted)
    found = histories(_past(select(kept, query, damaged.append), ahead), None if "all" in metrics else metrics or SHOWN)
    if not found:
        require_known(kept, query, metrics)
    last = 1 if fail_on_latest else fail_since
    failed = [series for series in found if last and series.worsened_within(last)]
    if as_json:
        print_json([_as_json(series) for series in found])
    else:
        _print(found)
    if damaged:
        click.echo(f"warning: {_count(len(damaged), 'record')} cannot be read; the first: {damaged[0]}", err=True)
    if ahead:
        click.echo(f"warning: left out: {_count(len(ahead), 'record')} dated in the future: {ahead[0]}", err=True)
    if failed:
        names = "; ".join(f"{series.metric} of {series.row}" for series in failed)
        say(f"error: worse within the last {_count(last or 1)}: {names}", err=True)
        sys.exit(1)


def _past(records: Iterable[Record], ahead: list[str]) -> Iterator[Record]:
    """Yield the records whose time has come; the ids of others go to `ahead`."""
    for record in records:
        if yet_to_come(record):
            ahead.append(record.id)
        else:
            yield record


def _print(found: Sequence[Series]) -> None:
    console, row = console_for(sys.stdout), None
    if not found:
        click.echo("no values: nothing in the store is what was asked for")
    for series in found:
        if series.row != row:
            console.print(f"{'' if row is None else chr(10)}{series.row} ({series.row.target})", soft_wrap=True)
            row = series.row
        for line in _lines(series, console.encoding.lower().startswith("utf")):
            console.print(line, soft_wrap=True)


def _lines(series: Series, blocks: bool) -> Iterator[str]:
    if series.new:
        yield f"  {series.points[0].started[:10]}  {' and '.join(series.new)} changed: {series.metric} begins anew"
    latest = series.points[-1].metric
    course = sparkline(series.values, _BLOCKS if blocks else _PLAIN)
    steps = f", {len(series.changes)} changes" if len(series.changes) > 1 else ", 1 change" * len(series.changes)
    value = f"{with_precision(latest)} {latest.basis}"
    yield f"  {series.metric:<12}  {course:<{_WIDEST}}  {value}, {_count(len(series.points))}{steps}"
    for change in series.changes:
        before, after = (friendly(_with(latest, value)) for value in (change.before, change.after))
        if before == after:
            before, after = f"{change.before:.10g}", f"{change.after:.10g}"
        share = "" if change.relative is None else f"  {change.relative * 100:+.3g} %"
        one, other = series.commits(change)
        point = series.points[change.index]
        what = f"{before} -> {after}{share}  {_VERDICTS[series.worse(change)]}"
        yield f"    {point.started[:10]}  {what}  {_commits(one, other)}"


def _commits(one: str, other: str) -> str:
    return f"at {one}" if one == other else f"{one}..{other}"


def _with(metric: Metric, value: float) -> Metric:
    return Metric(value=value, unit=metric.unit, basis=metric.basis)


def _count(count: int, what: str = "value") -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"


def sparkline(values: Sequence[float], levels: str = _BLOCKS) -> str:
    """Return the course of `values`, the lowest as the first of `levels`; of many, medians of equal stretches."""
    count = min(len(values), _WIDEST)
    edges = [round(i * len(values) / count) for i in range(count + 1)]
    shown = [statistics.median_low(values[start:end]) for start, end in itertools.pairwise(edges)]
    low, high = min(shown), max(shown)
    if low == high:
        return levels[0] * count
    span = high / 2 - low / 2  # the whole of it may be more than a number can be
    return "".join(levels[int((value / 2 - low / 2) / span * (len(levels) - 1) + 0.5)] for value in shown)


def _as_json(series: Series) -> dict[str, Any]:
    row = series.row
    return {
        "suite": row.suite,
        "task": row.task,
        "board": row.board,
        "target": row.target,
        "framework": row.framework,
        "metric": series.metric,
        "unit": series.basics.unit,
        "basis": series.basics.basis,
        "model": series.basics.estimate or None,
        "new": list(series.new),
        "values": [_point(point) for point in series.points],
        "changes": [_change(series, change) for change in series.changes],
    }


def _point(point: Point) -> dict[str, Any]:
    return {"record": point.record, "started": point.started, "commit": point.commit or None, "dirty": point.dirty,
            "value": point.metric.value}  # fmt: skip


def _change(series: Series, change: Change) -> dict[str, Any]:
    one, other = series.points[change.index - 1], series.points[change.index]
    return {"index": change.index, "started": other.started, "before": change.before, "after": change.after,
            "relative": change.relative, "worse": series.worse(change), "commits": [one.commit or None,
            other.commit or None]}  # fmt: skip
