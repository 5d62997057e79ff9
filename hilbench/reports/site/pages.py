"""The pages: each a function from what is known to the text of one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from hilbench import __version__
from hilbench.measure.direction import lower_is_better
from hilbench.measure.statistics import exact
from hilbench.measure.units import accuracy, friendly, with_precision
from hilbench.records import fair
from hilbench.records.record import Record
from hilbench.records.sign import signature_of
from hilbench.reports.columns import samples_of
from hilbench.reports.site import names, script_data, views
from hilbench.reports.site.rows import Kind, Refused, Run
from hilbench.reports.site.standings import UNVERIFIED, Entry, Group, groups_of
from hilbench.reports.web import environment

if TYPE_CHECKING:
    pass

_MOST_RUNS = 1000
"""Runs in a page's table; older ones are in the row's archive."""
_MOST_REFUSED = 1000
_MOST_METRICS = 100
_SPOKEN = {"ram": "RAM", "fidelity_lsb": "largest difference to the reference"}


@dataclass(frozen=True)
class Standing:
    """What a row is told of others: its place in words, its group's heading, and its group's other rows."""

    place: str
    where: str
    rivals: tuple[tuple[str, str], ...]


_templates = cache(environment)


def render(template: str, root: str, here: str, **given: Any) -> str:
    """Return a page. `root` is the way up to the site's own folder, `here` its entry of the navigation."""
    return (
        _templates()
        .get_template(f"site/{template}.html.j2")
        .render(root=root, here=here, hilbench=__version__, page=names.page, **given)
    )


def task_key(record: Record) -> str:
    """Return a task's name among all suites: its own where its suite has the same."""
    return record.task if record.task == record.suite else f"{record.suite}/{record.task}"


def index_page(groups: Sequence[Group], entries: Sequence[Entry], runs: int, refused: Sequence[Refused]) -> str:
    """Return the first page: what there is, and who leads where."""
    tasks: dict[str, list[dict[str, Any]]] = {}
    newest: dict[tuple[str, str, str], Group] = {}  # of runs on all samples, as long as there is one
    for group in groups:
        record = group.any
        key = (task_key(record), record.board.id, record.target.kind)
        if key not in newest or (_whole(group), group.when) > (_whole(newest[key]), newest[key].when):
            newest[key] = group
    for (task, _, _), group in newest.items():
        tasks.setdefault(task, []).append(_leader(group))
    counted = {
        "boards": _count((entry.record.board.id, entry.record.board.name) for entry in entries),
        "frameworks": _count((entry.record.framework.name, "") for entry in entries),
    }
    marks = {state: sum(entry.mark == state for entry in entries) for state in ("ok", "unknown", "failed")}
    return render("index", "", "overview", title="Leaderboard", tasks=sorted(tasks.items()), rows=len(entries),
                  runs=runs, refused=len(refused), marks=marks,
                  newest=max(entry.when for entry in entries), **counted)  # fmt: skip


def tables_page(kind: str, name: str, groups: Sequence[Group], about: str = "") -> str:
    """Return the page of a task or a board: a table for each group."""
    link = "../rows/{}.html".format
    tables = [views.table_of(group, number, link) for number, group in enumerate(groups, start=1)]
    others = sorted({task_key(group.any) for group in groups} if kind == "board" else
                    {group.any.board.id for group in groups})  # fmt: skip
    return render("tables", "../", "", title=f"{views.short(name)} · leaderboard", kind=kind, name=name, tables=tables,
                  about=about, others=others, many=len(tables) > 1)  # fmt: skip


def check_in_tables(entry: Entry) -> None:
    """Show a row in each table that it may stand in, alone: raises what it would raise there."""
    (group,) = groups_of([entry])
    tables_page("task", task_key(entry.record), [group])
    framework_page(entry.record.framework.name, [(entry, group)])
    rows_script([(entry, group)])
    index_page([group], [entry], len(entry.runs), ())


def framework_page(name: str, entries: Sequence[tuple[Entry, Group]]) -> str:
    """Return the page of a framework: each of its rows with its place. Values of unlike rows are not put in order."""
    lines = [_listed(entry, group) for entry, group in entries]
    versions = sorted({entry.record.framework.version for entry, _ in entries})
    return render(
        "framework", "../", "", title=f"{views.short(name)} · leaderboard", name=name, lines=lines, versions=versions
    )


def row_page(entry: Entry, standing: Standing) -> str:
    """Return the page of a row: its newest record, its history, how to make it again."""
    record = entry.record
    histories = views.histories(entry.runs)
    columns = _run_columns(entry)
    return render(
        "row",
        "../",
        "",
        title=" ".join(
            views.short(part) for part in (record.framework.variant, "on", record.board.id, "for", record.task)
        ),
        entry=entry,
        record=record,
        task=task_key(record),
        standing=standing,
        mark=views.mark_of(entry),
        metrics=_metrics(record),
        facts=_facts(record),
        histories=histories,
        columns=columns,
        runs=[_run(run, columns) for run in reversed(entry.runs[-_MOST_RUNS:])],
        commands="\n".join(views.cut(line, 400) for line in (*entry.found.commands, _check_command(record))),
        file=names.file(record.id),
        signed=signature_of(entry.newest) is not None,
    )


def all_rows_page(count: int) -> str:
    """Return the page of all rows; its data comes as `rows.js`."""
    return render("rows", "", "rows", title="All rows", count=count)


def rows_script(entries: Sequence[tuple[Entry, Group]]) -> str:
    """Return the data of the page of all rows, of the choices on the page that compares too."""
    lines = []
    for entry, group in entries:
        line = _listed(entry, group)
        lines.append([line["slug"], line["task"], line["board"], line["name"], line["version"], line["place"],
                      line["value"], line["basis"], line["date"], *line["mark"][:3], line["ran"]])  # fmt: skip
    return script_data.call("hilbenchRows", lines)


def compare_page() -> str:
    """Return the page that compares two rows; all it does, its script does."""
    return render("compare", "", "compare", title="Compare")


def row_script(entry: Entry, standing: Standing) -> str:
    """Return what the page that compares needs of a row."""
    record = entry.record
    return script_data.call(
        "hilbenchRow",
        {
            "slug": entry.slug,
            "name": f"{views.short(record.framework.variant)} {views.short(record.framework.version)}",
            "where": standing.where,
            "place": standing.place[:200],
            "date": f"{entry.when:%Y-%m-%d}",
            "mark": views.mark_of(entry)[:3],
            "ground": _ground(record),
            "samples": record.dataset.samples,
            "identity": list(vars(fair.ground(record)).values()),
            "compiler": views.short(f"{record.image.compiler} {' '.join(record.image.flags)}"),
            "metrics": _metrics(record),
        },
    )


def _ground(record: Record) -> dict[str, str]:
    """Return what a row stands on, in the fields and the order of `fair.Ground`, for people."""
    words = {**vars(fair.ground(record)), "board": f"{record.board.id}, {record.board.core}{_clock(record)}",
             "model": f"{record.model.name}, SHA-256 {record.model.sha256[:12]}…",
             "data": f"{record.dataset.name}, SHA-256 {record.dataset.sha256[:12]}…",
             "inputs": f"{samples_of(record)}, SHA-256 {record.dataset.inputs_sha256[:12]}…"}  # fmt: skip
    return {key: views.cut(value, 160) for key, value in words.items()}


def _clock(record: Record) -> str:
    return f" at {Decimal(record.board.clock_hz) / 10**6:.6g} MHz" if record.board.clock_hz else ""


def refused_page(refused: Sequence[Refused]) -> str:
    """Return the page of what is not shown, and why."""
    return render("refused", "", "refused", title="Refused", refused=refused[:_MOST_REFUSED], count=len(refused))


def _whole(group: Group) -> bool:
    return group.any.dataset.samples >= group.any.dataset.of


def _ran(record: Record) -> str:
    """Return what tells rows of one board and framework apart: the target, and how many samples unless it was all."""
    target, data = record.target, record.dataset
    on = f"as {target.stand_in} on {target.kind}" if target.stand_in else target.kind
    return views.short(", ".join([on, *([samples_of(record)] if data.samples < data.of else [])]))


def _leader(group: Group) -> dict[str, Any]:
    record = group.any
    best = [standing for standing in group.ranking.standings if standing.place == 1]
    found: dict[str, Any] = {"board": record.board.id, "ran": _ran(record), "best": None, "rows": len(group.entries)}
    if best:
        entry = group.entries[best[0].record.id]
        value, basis = views.headline(entry.record.metrics, group.ranking.metric)
        found["best"] = {"slug": entry.slug, "name": views.short(entry.record.framework.variant), "value": value,
                         "basis": basis, "more": len(best) - 1,
                         "unverified": UNVERIFIED if entry.mark == "unknown" else ""}  # fmt: skip
    return found


def _count(named: Any) -> list[tuple[str, str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for name, title in named:
        found[name] = (title, found.get(name, ("", 0))[1] + 1)
    return [(name, title, count) for name, (title, count) in sorted(found.items())]


def _listed(entry: Entry, group: Group) -> dict[str, Any]:
    record = entry.record
    value, basis = views.headline(record.metrics, group.ranking.metric if entry.mark != "failed" else "")
    return {"slug": entry.slug, "task": views.short(task_key(record)), "board": views.short(record.board.id),
            "name": views.short(record.framework.variant), "version": views.short(record.framework.version),
            "ran": _ran(record), "place": views.cut(group.standing(entry), 160), "value": value, "basis": basis,
            "date": f"{entry.when:%Y-%m-%d}", "mark": views.mark_of(entry)}  # fmt: skip


def _metrics(record: Record) -> list[dict[str, Any]]:
    found = []
    for name, metric in list(record.metrics.items())[:_MOST_METRICS]:
        write = accuracy if name == "accuracy" else with_precision if metric.unit in ("s", "J", "cycles") else friendly
        found.append(
            {
                "name": views.short(name),
                "title": _SPOKEN.get(name, views.short(name.replace("_", " "))),
                "text": views.short(write(metric)),
                "value": metric.value,
                "unit": metric.unit,
                "basis": metric.basis,
                "model": views.cut(metric.model or "", 200),
                "error": views.cut(metric.error or "", 300),
                "detail": views.cut(metric.detail, 200),
                "ci95": metric.ci95,
                "exact": exact(metric),
                "lower": lower_is_better(name, metric.unit),
            }
        )
    return found


def _facts(record: Record) -> list[tuple[str, str]]:
    board, target, dataset = record.board, record.target, record.dataset
    clock = _clock(record)
    runs_as = f", as {target.stand_in}" if target.stand_in else ""
    versions = ", ".join(f"{name} {version}" for name, version in record.framework.versions.items())
    options = ", ".join(f"{key}={value}" for key, value in record.framework.options.items())
    source = record.source.get("commit", "") + (" with changes" if record.source.get("dirty") == "yes" else "")
    facts = [
        ("task", f"{record.task} of the suite {record.suite}"),
        ("board", f"{board.name} ({board.id}), {board.core}{clock}"),
        ("ran on", f"{target.kind} {target.version}{runs_as}{', silicon' if target.silicon else ', no silicon'}"),
        ("framework", f"{record.framework.variant} {record.framework.version}"),
        ("options", options),
        ("versions", versions),
        ("model", f"{record.model.name}, SHA-256 {record.model.sha256}"),
        ("data", f"{dataset.name}: {dataset.samples} of {dataset.of} samples, SHA-256 {dataset.sha256}"),
        ("compiler", f"{record.image.compiler or 'not known'} {' '.join(record.image.flags)}"),
        ("image", f"SHA-256 {record.image.sha256}"),
        ("reference", record.reference.name if record.reference else "none"),
        ("source", source),
        ("started", record.started),
        ("hilbench", record.hilbench),
        *((f"no {name}", reason) for name, reason in record.missing.items()),
    ]
    return [(views.cut(name, _MOST_METRICS), views.cut(text, 600)) for name, text in facts if text.strip()]


def _check_command(record: Record) -> str:
    return f"hilbench verify {names.file(record.id)}.json"  # a file's name needs no quotes


def _run_columns(entry: Entry) -> list[Kind]:
    """Return the kinds of the newest run that its table shows: older runs may have others, which it then lacks."""
    wanted = ("accuracy", "fidelity", "cycles", "instructions", "latency", "energy", "flash", "ram")
    return [kind for kind, _, _ in entry.runs[-1].values if kind.name in wanted]


def _run(run: Run, columns: Sequence[Kind]) -> dict[str, Any]:
    values = {kind: value for kind, value, _ in run.values}
    cells = [
        views.Cell(views.show(kind)(values[kind]), values[kind]) if kind in values else views.Cell("—")
        for kind in columns
    ]
    return {"date": f"{run.started:%Y-%m-%d %H:%M}", "version": views.short(run.version), "cells": cells,
            "commit": views.short(run.commit[:10]), "dirty": run.dirty, "id": run.id[:200]}  # fmt: skip
