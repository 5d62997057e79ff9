"""Records as one HTML file that needs nothing else: style, script and charts are in it, and nothing is requested.

Its Content-Security-Policy names the one style sheet and the scripts by their hash: nothing else runs or paints, also
if a record could smuggle it in. Every string is escaped by the templates.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hilbench import __version__
from hilbench.measure.metric import Metric
from hilbench.measure.units import friendly
from hilbench.records import fair
from hilbench.records.expect import broken
from hilbench.records.record import Record, time_of
from hilbench.records.verify import Check, State, Verdict
from hilbench.reports.columns import (
    NONE,
    SHOWN,
    Column,
    Failure,
    NotRun,
    build_lines,
    columns_of,
    group_lines,
    notes_of,
    one_line,
    place_of,
    samples_of,
    unranked_lines,
    where_of,
)
from hilbench.reports.figures import figures_of
from hilbench.reports.reproduce import commands
from hilbench.reports.verified import Verdicts, ranked, sound, unverified_lines
from hilbench.reports.web import asset, environment

_STYLES = ("style.css", "charts.css", "report.css")
_SCRIPTS = ("app.js", "report.js")
_FIRST = ("cycles", "instructions", "latency", "accuracy", "flash", "ram")
"""The columns that a window is wide enough for."""
_Heading = tuple[str, str, str]
"""A column of the table of all rows: metric, title, basis."""
_Fact = tuple[str, str, bool]
"""A name, a text, and whether that is for programs: a hash, an id or flags."""


@dataclass(frozen=True)
class Cell:
    """A value as it is shown, what it sorts by, and its estimate's model where its column has several."""

    text: str
    value: float | None = None
    model: str = ""


@dataclass(frozen=True)
class Row:
    """A row of the table of all rows."""

    record: Record
    place: str
    reason: str
    verdict: Verdict | None
    cells: Sequence[Cell]


@dataclass
class Rows:
    """The table of all rows: headings in their order, and the rows, best first within each group."""

    headings: dict[_Heading, list[Column]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


def page(
    records: Sequence[Record],
    not_run: Sequence[NotRun] = (),
    failures: Sequence[Failure] = (),
    verdicts: Mapping[str, Verdict] | None = None,
) -> str:
    """Return the page. `failures` are those that records do not tell, `verdicts` what is known of which record.

    Records that failed verification have no place; `hilbench.reports.verified.failures` makes failures of them.

    Raises `Unavailable` when Jinja2 is not installed.
    """
    jinja = environment()
    known = verdicts or {}
    groups = [ranked(group, known) for group in fair.groups(records)]
    style = "\n".join(map(asset, _STYLES))
    scripts = [asset(name) for name in _SCRIPTS]
    common, facts = _all_facts(records, known)
    jinja.globals.update(when=when, dash=NONE)
    return jinja.get_template("report.html.j2").render(
        title=_title(records),
        root="",
        style=style,
        scripts=scripts,
        policy=_policy([style], scripts),
        version=__version__,
        records=records,
        span=_span(records),
        counts=_counts(records),
        failures=list(_failures(records, failures)),
        table=_table(groups, known),
        groups=_groups(groups, known),
        notes=[*group_lines([[s.record for s in ranking.standings] for ranking in groups]), *notes_of(records)],
        not_run=not_run,
        facts=facts,
        common=common,
        commands=commands(records),
    )


def _policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """Return the Content-Security-Policy that allows these texts and nothing else."""
    style, script = (" ".join(f"'sha256-{_hash(text)}'" for text in texts) for texts in (styles, scripts))
    rest = "img-src data:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {script}; style-src {style}; {rest}"


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def when(started: str) -> str:
    """Return a time of a record as people write it, in UTC: `2026-11-21 22:22 UTC`."""
    return f"{time_of(started):%Y-%m-%d %H:%M} UTC"


def _title(records: Sequence[Record]) -> str:
    tasks = list(dict.fromkeys(record.task for record in records))
    return f"Benchmarks of {', '.join(tasks)}" if 0 < len(tasks) <= 3 else "Benchmark report"


def _span(records: Sequence[Record]) -> str:
    times = list(dict.fromkeys(when(record.started) for record in sorted(records, key=lambda r: r.started)))
    if not times:
        return ""
    first, last = times[0], times[-1]
    if first == last:
        return first
    return f"{first.removesuffix(' UTC')} to {last.removeprefix(first[:11]) if first[:10] == last[:10] else last}"


def _counts(records: Sequence[Record]) -> list[tuple[int, str]]:
    """Return how many there are of what."""
    found = (
        (len(records), "run"),
        (len({(r.suite, r.task) for r in records}), "task"),
        (len({r.board.id for r in records}), "board"),
        (len({r.framework.variant for r in records}), "framework"),
    )
    return [(count, name if count == 1 else f"{name}s") for count, name in found]


def _failures(records: Sequence[Record], told: Sequence[Failure]) -> Iterator[Failure]:
    yield from (Failure(failure.where, one_line(failure.what)) for failure in told)
    for record in records:
        for line in broken(record, record.bars):
            if not any(line in failure.what for failure in told):
                yield Failure(record.label, line)


def _table(groups: Sequence[fair.Ranking], known: Mapping[str, Verdict]) -> Rows:
    """Return the table of all rows. A column has one basis; where it has several models, each value names its own."""
    table, own = Rows(), []
    for ranking in groups:
        columns = {(c.metric, c.title, c.basis, c.model): c for c in columns_of([s.record for s in ranking.standings])}
        own.append(columns)
        for (metric, title, basis, _), column in columns.items():
            others = table.headings.setdefault((metric, title, basis), [])
            if all(column.model != other.model for other in others):
                others.append(column)
    table.headings = dict(sorted(table.headings.items(), key=lambda each: _order_of(each[0], each[1], groups)))
    for ranking, columns in zip(groups, own, strict=True):
        for standing in ranking.standings:
            cells = [_cell(standing.record, heading, shared, columns) for heading, shared in table.headings.items()]
            several = len(ranking.standings) > 1
            place, reason = (place_of(standing), standing.reason) if several else ("", "")
            table.rows.append(Row(standing.record, place, reason, known.get(standing.record.id), cells))
    return table


def _order_of(heading: _Heading, columns: Sequence[Column], groups: Sequence[fair.Ranking]) -> tuple[bool, int]:
    """Return what orders columns: those that most rows lack come last, and what is asked for most comes first."""
    records = [standing.record for ranking in groups for standing in ranking.standings]
    filled = sum(any(column.metric_of(record) for column in columns) for record in records)
    return 2 * filled < len(records), (*_FIRST, *(name for name in SHOWN if name not in _FIRST)).index(heading[0])


def _cell(
    record: Record,
    heading: _Heading,
    shared: Sequence[Column],
    columns: Mapping[tuple[str, str, str, str | None], Column],
) -> Cell:
    for column in shared:
        mine = columns.get((*heading, column.model))
        if mine and (metric := mine.metric_of(record)):
            return Cell(mine.show(metric), metric.value, (metric.model or "") if len(shared) > 1 else "")
    return Cell(NONE)


def _groups(rankings: Sequence[fair.Ranking], known: Verdicts) -> list[dict[str, object]]:
    names = [(ranking.standings[0].record.task, ranking.standings[0].record.board.id) for ranking in rankings]
    return [_group(ranking, names.count(name) > 1, known) for ranking, name in zip(rankings, names, strict=True)]


def _group(ranking: fair.Ranking, alike: bool, known: Verdicts) -> dict[str, object]:
    """Return what a group's part of the page needs; `alike`: another group is of the same task and board."""
    records = [standing.record for standing in ranking.standings]
    first = records[0]
    return {
        "name": f"{first.task} on {first.board.id}" + (f", {samples_of(first)}" if alike else ""),
        "where": where_of(first),
        "samples": samples_of(first),
        "metric": ranking.metric if len(records) > 1 else "",
        "order": [standing.record.framework.variant for standing in ranking.standings if standing.place],
        "lines": [*unranked_lines(ranking), *unverified_lines(records, known), *build_lines(records)],
        "figures": figures_of(sound(records, known)),
    }


def _all_facts(
    records: Sequence[Record], known: Mapping[str, Verdict]
) -> tuple[list[_Fact], list[tuple[Record, Verdict | None, list[_Fact], list[Check]]]]:
    """Return the facts that all of several records share, and of each record its verdict, the rest, and its checks."""
    facts = [list(_facts(record)) for record in records]
    shared = set(facts[0]).intersection(*facts[1:]) if len(facts) > 1 else set()
    each = [
        (record, known.get(record.id), [fact for fact in own if fact not in shared], _checks(known.get(record.id)))
        for record, own in zip(records, facts, strict=True)
    ]
    return [fact for fact in facts[0] if fact in shared] if facts else [], each


def _checks(verdict: Verdict | None) -> list[Check]:
    """Return the checks of a verdict, those that say the same as one."""
    found: dict[tuple[str, str], list[str]] = {}
    for check in verdict.checks if verdict else ():
        found.setdefault((check.state, "" if check.state == "ok" else check.detail), []).append(check.name)
    states: tuple[State, ...] = ("failed", "unknown", "ok")
    return [
        Check(", ".join(dict.fromkeys(names)), state, detail)
        for state in states
        for (of, detail), names in found.items()
        if of == state
    ]


def _facts(record: Record) -> Iterator[_Fact]:
    """Yield what made `record`."""
    board, target, framework, data, image = record.board, record.target, record.framework, record.dataset, record.image
    clock = f", {board.clock_hz / 1e6:g} MHz" if board.clock_hz else ""
    yield "record", record.id, True
    yield "started", f"{when(record.started)}, took {record.duration_s:.1f} s", False
    yield "hilbench", record.hilbench, False
    yield "board", f"{board.name} ({board.core}{clock}; counts {board.counter})", False
    stand_in = f", standing in: {target.stand_in}" if target.stand_in else ""
    yield "target", f"{target.kind} {target.version}{stand_in}{_pairs(target.attached, ': ')}", False
    yield "framework", f"{framework.name} {framework.version}{_pairs(framework.options, ': ')}", False
    yield "versions", _pairs(framework.versions), False
    yield "model", f"{record.model.name}" + (f", {record.model.macs:,} MACs" if record.model.macs else ""), False
    yield "model hash", record.model.sha256, True
    yield "data", f"{data.name}; {data.samples} of {data.of} samples", False
    yield "data hash", data.sha256, True
    yield "inputs hash", data.inputs_sha256, True
    yield "image hash", image.sha256, True
    yield "build id", image.build_id, True
    yield "compiler", image.compiler or "", False
    yield "flags", " ".join(image.flags), True
    if record.reference:
        yield "reference", f"{record.reference.name}{_pairs(record.reference.versions, ': ')}", False
    yield "source", _pairs(record.source), False
    yield "host", _pairs(record.host), False
    yield "link", ", ".join(f"{name.replace('_', ' ')} {_amount(name, n)}" for name, n in record.link.items()), False
    yield "meter", _pairs(record.meter or {}), False


def _pairs(facts: Mapping[str, str], before: str = "") -> str:
    text = ", ".join(f"{name} {value}" for name, value in facts.items())
    return before + text if text else ""


def _amount(name: str, count: int) -> str:
    return friendly(Metric(value=count, unit="B", basis="counted")) if name.startswith("bytes") else f"{count:,}"
