"""How to run again what records tell: the commands, to be typed or pasted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from hilbench.records.record import Record

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_EXTRAS = ("emlearn", "tflm", "tvm")
"""Frameworks that `pip install hilbench[NAME]` brings along."""


def commands(records: Sequence[Record]) -> list[str]:
    """Return the lines of a shell that run all of `records` again, alike ones with one command.

    They belong into the folder that holds `suites/`. A line beginning with `#` says what they cannot do.
    """
    states: dict[tuple[str, str, bool], list[Record]] = {}
    for record in records:
        source = record.source
        states.setdefault((record.hilbench, source.get("commit", ""), source.get("dirty") == "yes"), []).append(record)
    lines = [line for state, those in states.items() for line in (*_checked_out(*state, those), *_runs(those))]
    return ["".join(c if c.isprintable() else "?" for c in line) for line in lines]


def _checked_out(version: str, commit: str, dirty: bool, records: Sequence[Record]) -> Iterator[str]:
    extras = ",".join(name for name in _EXTRAS if any(record.framework.name == name for record in records))
    yield f"pip install {shlex.quote(f'hilbench[{extras}]=={version}' if extras else f'hilbench=={version}')}"
    if _COMMIT.fullmatch(commit):  # nothing else is one: an option of git, for example
        yield f"git checkout {commit}"
    if dirty:
        yield "# files had changes then that are in no commit"


def _runs(records: Sequence[Record]) -> Iterator[str]:
    alike: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        alike.setdefault(_run(record), []).append(record)
    for run, those in alike.items():
        chosen = dict.fromkeys(f"--framework={record.framework.variant}" for record in those)
        yield " ".join(map(shlex.quote, (*run[:3], *chosen, *run[3:])))


def _run(record: Record) -> tuple[str, ...]:
    """Return the command that made `record`, without its framework."""
    data = record.dataset
    run = ["pytest", f"suites/{record.suite}.hil.yaml", f"--board={record.board.id}@{record.target.kind}"]
    run += ["-k", record.task] if record.task != record.suite else []
    run += [f"--hil-samples={data.samples}"] if data.samples < data.of else []
    run += ["--hil-profile"] if record.profile else []
    run += ["--hil-meter=METER"] if record.meter else []
    return tuple(run)
