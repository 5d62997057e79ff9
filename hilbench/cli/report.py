"""`hilbench report`: records as a table, one HTML page, Markdown or CSV."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from hilbench.errors import StoreError, UsageError, printable
from hilbench.records.compare import row_of
from hilbench.records.directory import read_document
from hilbench.records.record import Record
from hilbench.records.store import DEFAULT, Document, Query, open_store
from hilbench.records.verify import check
from hilbench.reports.columns import Failure, failure_lines, one_line
from hilbench.reports.console import WIDTH_ELSEWHERE, console_for
from hilbench.reports.table import print_tables
from hilbench.reports.verified import failures
from hilbench.reports.write import KINDS, Contents, append_summary, render, write

_STDOUT = "-"
_SUMMARY = "GITHUB_STEP_SUMMARY"


@dataclass
class _Read:
    """What was read: records with their documents, and what could not be."""

    documents: dict[str, Document] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    damaged: list[Failure] = field(default_factory=list)
    readable: int = 0


@click.command()
@click.argument("sources", nargs=-1, metavar="[STORE or RECORD]...")
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write FILE: .html, .md or .csv.")
@click.option("--html", "html", metavar="FILE", help="Write one HTML page that needs nothing else.")
@click.option(
    "--markdown", "markdown", is_flag=False, flag_value="", metavar="[FILE]",
    help="Write Markdown; without FILE to the summary of a GitHub job, else to the terminal.",
)  # fmt: skip
@click.option("--csv", "csv", metavar="FILE", help="Write a table with a row a record and metric.")
@click.option("--suite", help="Only this suite.")
@click.option("--task", help="Only this task.")
@click.option("--board", help="Only this board.")
@click.option("--framework", help="Only this framework, with its options.")
@click.option("--since", metavar="TIME", help="Only what started then or later, such as 2026-11-21.")
@click.option(
    "--latest/--all", "latest", default=None,
    help="The newest record of each row, or all. Default: the newest of a store, all of those named.",
)  # fmt: skip
def report(
    sources: tuple[str, ...], outputs: tuple[str, ...], html: str | None, markdown: str | None, csv: str | None,
    suite: str | None, task: str | None, board: str | None, framework: str | None, since: str | None,
    latest: bool | None,
) -> None:  # fmt: skip
    """Report records: as tables on the terminal, or as one HTML page, Markdown or CSV.

    Each source is a store (default: .hilbench/records) or the file of a record. A FILE of `-` is the terminal. Records
    that are damaged are named on stderr; ends with 4 when nothing could be read.
    """
    targets = [(_kind(name), name) for name in outputs]
    targets += [(kind, name) for kind, name in (("html", html), ("csv", csv)) if name is not None]
    targets += [("md", markdown or os.environ.get(_SUMMARY) or _STDOUT)] if markdown is not None else []
    if markdown and Path(markdown).is_dir():
        raise UsageError(f"--markdown: '{markdown}' is a folder", hint="name stores before --markdown, or write --")
    query = Query(suite=suite, task=task, board=board, framework=framework, since=since)
    read = _read(sources or (str(DEFAULT),), query)
    keep_all = bool(sources) and all(Path(source).is_file() for source in sources)
    records = newest(read.records) if latest or (latest is None and not keep_all) else read.records
    if not read.readable and read.damaged:
        raise StoreError("no record could be read", hint="the lines above say why")
    if not records:
        click.echo("there is no record of that kind; `hilbench store list` tells which there are", err=True)
    verdicts = {record.id: check(read.documents[record.id]) for record in records}
    if not targets:
        print_tables(
            console_for(sys.stdout, None if sys.stdout.isatty() else WIDTH_ELSEWHERE), records, verdicts=verdicts
        )
        for line in failure_lines(failures(records, verdicts)):
            click.echo(printable(line), err=True)
    contents = Contents(tuple(records), failures=tuple(read.damaged), verdicts=verdicts)
    summary = markdown == "" and os.environ.get(_SUMMARY)
    for kind, name in targets:
        if name == _STDOUT:
            click.echo(render(kind, contents), nl=False)
        elif kind == "md" and summary and name == summary:
            append_summary(Path(name), render(kind, contents))
        else:
            write(Path(name), render(kind, contents))
            click.echo(f"{name}: {len(records)} record{'' if len(records) == 1 else 's'}", err=True)


def newest(records: Iterable[Record]) -> list[Record]:
    """Return the newest record of each row: of each task, board, target and framework with its options."""
    found = {row_of(record): record for record in sorted(records, key=lambda record: (record.started, record.id))}
    return sorted(found.values(), key=lambda record: (record.suite, record.started, record.id))


def _kind(name: str) -> str:
    kind = KINDS.get(Path(name).suffix.lower())
    if kind is None:
        raise UsageError(f"-o {name}: its suffix names no format", hint=f"one of: {', '.join(KINDS)}")
    return kind


def _read(sources: Sequence[str], query: Query) -> _Read:
    """Read all sources, each record once; say on stderr, a line each, which could not be read."""
    read = _Read()
    for document in (each for source in sources for each in _documents(source, query)):
        try:
            record = document.record()
        except StoreError as error:
            line = one_line(str(error))
            click.echo(f"damaged: {line}", err=True)
            read.damaged.append(Failure("damaged", line))
            continue
        read.readable += 1
        if query.wants(record) and record.id not in read.documents:
            read.documents[record.id] = document
            read.records.append(record)
    return read


def _documents(source: str, query: Query) -> Iterator[Document]:
    path = Path(source)
    if not path.is_file():
        yield from open_store(source).documents(query)
        return
    document = read_document(path)
    if document.problem is None:  # a file that is named may have any name
        with contextlib.suppress(StoreError):
            document = replace(document, id=Record.from_json(document.text, source).id)
    yield document
