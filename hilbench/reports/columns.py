"""What reports have in common: columns with their basis, how a run is called, and the lines of small print."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from hilbench.errors import HINT
from hilbench.measure.latency import shortfall
from hilbench.measure.metric import Metric
from hilbench.measure.units import accuracy, friendly, with_precision
from hilbench.records import fair
from hilbench.records.record import Record

NONE = "—"
"""What stands in a cell that has no value."""


@dataclass(frozen=True)
class NotRun:
    """A combination that could not be run here, why, and what to do about it. `framework` comes with its options."""

    task: str
    board: str
    framework: str
    reason: str
    hint: str = ""


@dataclass(frozen=True)
class Failure:
    """Something that went wrong: where, such as a run's label, and what."""

    where: str
    what: str


@dataclass(frozen=True)
class Column:
    """A kind of number with its heading: all values here share their basis, an estimate's model, and their meaning."""

    kind: fair.Kind
    title: str
    show: Callable[[Metric], str]

    @property
    def metric(self) -> str:
        """The metric's name."""
        return self.kind.name

    @property
    def basis(self) -> str:
        """The basis of all values."""
        return self.kind.basis

    @property
    def model(self) -> str | None:
        """The model that all estimates are by."""
        return self.kind.model

    def metric_of(self, record: Record) -> Metric | None:
        """Return the metric of `record` that stands in this column."""
        return record.metrics[self.metric] if fair.kind(record, self.metric) == self.kind else None

    def cell(self, record: Record) -> str:
        """Return how it is shown, a dash for none."""
        value = self.metric_of(record)
        return self.show(value) if value else NONE


SHOWN: dict[str, tuple[str, Callable[[Metric], str]]] = {
    "accuracy": ("accuracy", accuracy),
    "fidelity": ("fidelity to TFLM", friendly),
    "cycles": ("cycles", with_precision),
    "instructions": ("instructions", friendly),
    "latency": ("latency", with_precision),
    "energy": ("energy", with_precision),
    "flash": ("flash", friendly),
    "ram": ("RAM", friendly),
    "arena": ("arena", friendly),
    "stack": ("stack", friendly),
}


def title_of(record: Record) -> str:
    """Return the heading of a group: the task, what it ran on, and on how many samples."""
    return f"{record.task} on {record.board.id} ({where_of(record)}), {samples_of(record)}"


def where_of(record: Record) -> str:
    """Return the board's name and what stood for it."""
    runs_as = f"as {record.target.stand_in} on " if record.target.stand_in else ""
    return f"{record.board.name}; {runs_as}{record.target.kind} {record.target.version}"


def samples_of(record: Record) -> str:
    """Return how many samples were run, of how many."""
    samples, of = record.dataset.samples, record.dataset.of
    some = f"first {samples} of {of}" if samples < of else f"{of}"
    return f"{some} sample{'s' if of > 1 else ''}"


def columns_of(records: Iterable[Record]) -> list[Column]:
    """Return the columns that these records need: two for a metric that has two bases, or two meanings."""
    found: dict[fair.Kind, Column] = {}
    rows = list(records)
    for name, (title, show) in SHOWN.items():
        for record in rows:
            if kind := fair.kind(record, name):
                found.setdefault(kind, Column(kind, _heading(kind, record) or title, show))
    return list(found.values())


def _heading(kind: fair.Kind, record: Record) -> str:
    """Return the heading of a metric that says more than its name; empty for the others."""
    if kind.name == "accuracy":
        detail = record.metrics[kind.name].detail  # such as "balanced, 3 of 4 classes"
        return f"{detail if detail.startswith(kind.meaning) and detail else kind.meaning or kind.name} [95 %]"
    if kind.name == "fidelity" and kind.meaning not in ("", "TensorFlow Lite Micro"):
        return f"{kind.name} to {kind.meaning}"
    return ""


def name_of(record: Record) -> str:
    """Return the name of a row: the framework with its options and version."""
    return f"{record.framework.variant} {record.framework.version}"


def place_of(standing: fair.Standing) -> str:
    """Return a place, a dash for none."""
    return str(standing.place or NONE)


def unranked_lines(ranking: fair.Ranking) -> list[str]:
    """Return a line for each row without a place, with the reason. A row alone has no ranking to be kept out of."""
    return [
        f"not ranked: {standing.record.framework.variant}: {standing.reason}"
        for standing in ranking.standings
        if standing.place is None and len(ranking.standings) > 1
    ]


def build_lines(group: Sequence[Record]) -> list[str]:
    """Return how each row was compiled, if they were not compiled alike."""
    builds: dict[str, list[str]] = {}
    for record in group:
        build = f"{record.image.compiler}, {' '.join(record.image.flags)}"
        builds.setdefault(build, []).append(record.framework.variant)
    if len(builds) < 2:
        return []
    return [f"built by {build}: {', '.join(dict.fromkeys(which))}" for build, which in builds.items()]


def group_lines(groups: Sequence[Sequence[Record]]) -> list[str]:
    """Return why one task on one board has several tables."""
    lines, first = [], dict[tuple[str, str, str], Record]()
    for group in groups:
        record = group[0]
        other = first.setdefault((record.task, record.board.id, record.target.kind), record)
        if other is not record:
            what = ", ".join(fair.differences(other, record))
            lines.append(f"{record.task} on {record.board.id} has several tables: they differ in {what}")
    return lines


def not_run_lines(not_run: Iterable[NotRun]) -> list[str]:
    """Return one line for each reason, with all that it stopped and what to do about it."""
    stopped: dict[tuple[str, str], list[NotRun]] = {}
    for one in not_run:
        stopped.setdefault((one.reason, one.hint), []).append(one)
    lines = []
    for (reason, hint), which in stopped.items():
        frameworks, boards, tasks = (
            ", ".join(dict.fromkeys(getattr(one, name) for one in which)) for name in ("framework", "board", "task")
        )
        lines.append(f"not run: {frameworks} on {boards} ({tasks}): {reason}" + (f"; {hint}" if hint else ""))
    return lines


def failure_lines(failures: Iterable[Failure]) -> list[str]:
    """Return a line for each failure."""
    return [f"failed: {failure.where}: {one_line(failure.what)}" for failure in failures]


def one_line(text: str) -> str:
    """Return `text`, which may be an error with its hint, on one line."""
    return " ".join(text.replace(HINT, "; ").split())


def notes_of(records: Iterable[Record]) -> list[str]:
    """Return the small print: what estimates rest on, and what is missing. Each line once."""
    notes: dict[str, None] = {}
    for record in records:
        latency, energy = record.metrics.get("latency"), record.metrics.get("energy")
        if latency and latency.model:
            clock = f" at {Decimal(record.board.clock_hz) / 10**6:.6g} MHz" if record.board.clock_hz else ""
            notes[f"latency on {record.board.id} is estimated: {latency.model}{clock}; {latency.error}"] = None
        if energy and energy.model:
            notes[f"energy on {record.board.id} is estimated: {energy.model}; {energy.error}"] = None
        if latency and (known := shortfall(latency)):
            notes[f"latency of {record.label}: {known}"] = None
        for recovery in record.recoveries:
            died = recovery.report.partition("\n")[0]
            notes[f"{record.label} was reset in its {recovery.phase}, at sample {recovery.sample}: {died}"] = None
        for name, reason in record.missing.items():
            notes[f"{_lacks(name, record.label)}: {one_line(reason)}"] = None
    return list(notes)


def _lacks(name: str, label: str) -> str:
    """Return that a run lacks something. Names come from records: they are text, and no format."""
    return f"no cycles of {label} are estimated" if name == "counts" else f"{name} of {label} is not available"
