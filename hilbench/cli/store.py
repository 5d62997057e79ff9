"""`hilbench store list | copy | send`: what a store holds, from one store to another, and what waits for a database."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from hilbench.cli.output import json_option, print_json, print_table, say
from hilbench.errors import HilbenchError, StoreError, UsageError
from hilbench.records.record import Record
from hilbench.records.sign import carry
from hilbench.records.spool import spools
from hilbench.records.sql import SqlStore
from hilbench.records.store import DEFAULT, Store, open_store, select


@click.group()
def store() -> None:
    """List, copy and send the records of a STORE: a folder, sqlite:FILE or postgresql://USER@HOST/DATABASE."""


@store.command("list")
@click.argument("name", metavar="[STORE]", default=str(DEFAULT))
@json_option
def list_(name: str, as_json: bool) -> None:
    """Count the records of STORE (default: .hilbench/records), and name those that are damaged."""
    opened = open_store(name)
    damaged: list[StoreError] = []
    groups: Counter[tuple[str, str, str, str]] = Counter()
    last: dict[tuple[str, str, str, str], str] = {}
    for record in select(opened, damaged=damaged.append):
        group = _group(record)
        groups[group] += 1
        last[group] = max(last.get(group, ""), record.started)
    rows = [(*group, str(count), last[group]) for group, count in sorted(groups.items())]
    waiting = len(opened.spool.waiting()) if isinstance(opened, SqlStore) else 0
    if as_json:
        headings = ("suite", "task", "board", "framework")
        print_json({"records": groups.total(), "groups": [_as_json(headings, row) for row in rows],
                    "damaged": [str(error) for error in damaged], "waiting": waiting})  # fmt: skip
        return
    if rows:
        print_table(("suite", "task", "board", "framework", "records", "last"), rows)
    for error in damaged:
        say(f"damaged: {error}", err=True)
    say(_counts(groups.total(), len(damaged), waiting))


@store.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy(source: str, target: str) -> None:
    """Copy the records of one STORE into another, to the byte. Doing it again changes nothing.

    From folder to folder their signatures go along; a database keeps none, which is told. What is damaged, or is there
    as another record, is reported and passed over; the exit code is 4 then.
    """
    from_, to = open_store(source), open_store(target)
    if isinstance(to, SqlStore):
        _send(to)  # a database that is away is an error here: nothing is to be spooled
    done, failed, unsigned = 0, 0, 0
    for document in from_.documents():
        try:
            kept = to.keep(document)
            done += 1
            unsigned += not carry(document, kept)
        except StoreError as error:
            failed += 1
            say(f"passed over: {error}", err=True)
    say(f"{_records(done)} of {_shown(from_, source)} in {_shown(to, target)}")
    if unsigned:
        of = f"the signature{'' if unsigned == 1 else 's'} of {_records(unsigned)}"
        say(f"left behind: {of}; only a folder keeps signatures, as ID.json.sig", err=True)
    if failed:
        say(f"{_records(failed)} passed over", err=True)
        sys.exit(StoreError.exit_code)


@store.command()
@click.argument("name", metavar="[STORE]", required=False)
def send(name: str | None) -> None:
    """Send the records that wait because their database was away: those for STORE, or all that wait here.

    Without STORE, passwords come from ~/.pgpass or PGPASSWORD: none is kept with what waits.
    """
    if name is not None:
        chosen = open_store(name)
        if not isinstance(chosen, SqlStore):
            raise UsageError(f"'{name}' is a folder, for which nothing ever waits", hint="name a database")
        stores = [chosen]
    else:
        stores = [SqlStore(spool.address) for spool in spools()]
        if not stores:
            say("no records wait here")
    failed = False
    for each in stores:
        try:
            failed = not _send(each) or failed
        except HilbenchError as error:
            say(f"error: {error}", err=True)
            failed = True
    if failed:
        sys.exit(StoreError.exit_code)


def _send(to: SqlStore) -> bool:
    """Send what waits for a database, say so, and return whether all went. Raises `HilbenchError`."""
    left: list[StoreError] = []
    sent = to.send(left.append)
    for error in left:
        say(f"not sent: {error}", err=True)
    if sent or left:
        say(f"{_records(sent)} sent to {to.place}" + (f", {len(left)} stay in {to.spool.folder}" if left else ""))
    return not left


def _shown(opened: Store, spec: str) -> str:
    """Return what may be shown of a store's name."""
    return opened.place if isinstance(opened, SqlStore) else str(Path(spec))


def _group(record: Record) -> tuple[str, str, str, str]:
    return record.suite, record.task, record.board.id, record.framework.variant


def _as_json(headings: tuple[str, ...], row: tuple[str, ...]) -> dict[str, Any]:
    *group, count, last = row
    return {**dict(zip(headings, group, strict=True)), "records": int(count), "last": last}


def _records(count: int) -> str:
    return f"{count} record{'' if count == 1 else 's'}"


def _counts(records: int, damaged: int, waiting: int) -> str:
    extra = [f"{damaged} damaged" if damaged else "", f"{waiting} waiting in the spool" if waiting else ""]
    return ", ".join([_records(records), *filter(None, extra)])
