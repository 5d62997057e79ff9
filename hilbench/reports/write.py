"""Reports as files: HTML, Markdown or CSV by the file's suffix, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hilbench.errors import StoreError
from hilbench.records.record import Record
from hilbench.records.verify import Verdict
from hilbench.reports.columns import Failure, NotRun
from hilbench.reports.csv_table import csv_table
from hilbench.reports.markdown import markdown
from hilbench.reports.verified import failures

KINDS = {".html": "html", ".htm": "html", ".md": "md", ".markdown": "md", ".csv": "csv"}
"""The format that a suffix names."""
SUMMARY_BYTES = 2**20
"""What GitHub takes of a step's summary; of a longer one it shows nothing ("Workflow commands", job summaries)."""
_CUT = "\n…and more: a summary holds 1 MiB. `hilbench report --html FILE` writes all of it.\n"


@dataclass(frozen=True)
class Contents:
    """What a report is of. `failures` have no record, or say more than it; `verdicts` are by a record's id."""

    records: tuple[Record, ...]
    not_run: tuple[NotRun, ...] = ()
    failures: tuple[Failure, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)


def render(kind: str, contents: Contents) -> str:
    """Return the text of a report; `kind` is one of the values of `KINDS`.

    Raises `Unavailable` when it is HTML and Jinja2 is not installed.
    """
    told = (*contents.failures, *failures(contents.records, contents.verdicts))
    if kind == "md":
        return markdown(contents.records, contents.not_run, told, contents.verdicts)
    if kind == "csv":
        return csv_table(contents.records, contents.not_run, told, contents.verdicts)
    from hilbench.reports.html import page

    return page(contents.records, contents.not_run, told, contents.verdicts)


def write(path: Path, text: str) -> None:
    """Write a file wholly or leave what was there. Raises `StoreError`."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(text.encode())  # a device or a pipe
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            new.write_bytes(text.encode())
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        what = f"the report could not be written: {error.strerror or error}"
        raise StoreError(what, where=str(path), hint="name another file; nothing half-written was left") from error


def append_summary(path: Path, text: str) -> None:
    """Append Markdown to the summary of a GitHub job's step, as much of it as fits. Raises `StoreError`."""
    try:
        with path.open("ab") as file:
            apart = "\n" if file.tell() else ""
            file.write(fitting(apart + text, SUMMARY_BYTES - file.tell()).encode())
    except OSError as error:
        raise StoreError(f"the summary could not be written: {error.strerror or error}", where=str(path)) from error


def fitting(text: str, room: int) -> str:
    """Return as many lines of `text` as fit into `room` bytes, and if some do not, a last one that says so."""
    if len(text.encode()) <= room:
        return text
    left, kept = room - len(_CUT.encode()), []
    for line in text.splitlines(keepends=True):
        left -= len(line.encode())
        if left < 0:
            break
        kept.append(line)
    return "".join(kept) + _CUT if room >= len(_CUT.encode()) else ""
