"""`hilbench verify` and `sign`: whether records hold what they claim, and who vouches for them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from hilbench import catalog
from hilbench.cli.output import json_option, place_options, print_json
from hilbench.errors import StoreError, printable
from hilbench.records.directory import read_document
from hilbench.records.evidence import Evidence
from hilbench.records.sign import sign as sign_record
from hilbench.records.store import DEFAULT, Document, open_store
from hilbench.records.verify import Verdict, check
from hilbench.rerun import rerun
from hilbench.selection import find_places

_MARKS = {"ok": "✓", "failed": "✗", "unknown": "?"}
_FAILED, _UNREADABLE = 1, StoreError.exit_code
_PATH = click.Path(path_type=Path)

_store_option = click.option(
    "--store", default=str(DEFAULT), show_default=True, metavar="STORE", help="Where RECORD is looked up by its id."
)


@click.command()
@click.argument("records", nargs=-1, required=True, metavar="RECORD...")
@_store_option
@click.option("--suite", "suites", multiple=True, type=_PATH, help="The suite that they are of; repeatable.")
@click.option("--models", multiple=True, type=_PATH, metavar="DIR", help="Where models are that are not shipped.")
@click.option("--firmware", type=_PATH, metavar="DIR", help="A folder with the images that were run.")
@click.option("--signers", type=_PATH, metavar="FILE", help="Who may sign: `man ssh-keygen`, ALLOWED SIGNERS.")
@click.option("--rerun", "again", is_flag=True, help="Run them again, on an emulator, and compare what comes out.")
@place_options
@json_option
def verify(
    records: tuple[str, ...],
    store: str,
    suites: tuple[Path, ...],
    models: tuple[Path, ...],
    firmware: Path | None,
    signers: Path | None,
    again: bool,
    as_json: bool,
    **given: Path | None,
) -> None:
    """Check that every RECORD (a file, a folder or store, or an id in the store) holds what it claims.

    Each number is made again from the record's own raw samples. Models, data and images are checked where they are
    here. Ends with 1 if a claim does not hold, with 4 if a record cannot be read.
    """
    evidence = Evidence(catalog.suites(suites), bool(suites), catalog.model_folders(models), firmware, signers)
    places = find_places(given) if again else ()
    rows: list[dict[str, Any]] = []
    codes = {0}
    for document in (document for name in records for document in _documents(name, store)):
        verdict = check(document, evidence=evidence)
        if again and verdict.record is not None:
            verdict = Verdict(verdict.record, (*verdict.checks, *rerun(verdict.record, evidence, places)))
        codes.add(_UNREADABLE if document.problem else _FAILED if verdict.state == "failed" else 0)
        rows.append(_row(document, verdict))
        if not as_json:
            _show(document, verdict)
    if as_json:
        print_json(rows)
    if not rows:
        click.echo("no records", err=True)
    sys.exit(_FAILED if _FAILED in codes else max(codes))


@click.command()
@click.argument("records", nargs=-1, required=True, metavar="RECORD...")
@click.option("--key", required=True, type=_PATH, help="A private key of OpenSSH, or the public one of an agent's.")
@_store_option
def sign(records: tuple[str, ...], key: Path, store: str) -> None:
    """Sign every RECORD with an SSH key: ID.json.sig beside its file, for `hilbench verify --signers`."""
    for document in (document for name in records for document in _documents(name, store)):
        click.echo(f"signed: {sign_record(document, key)}")


def _documents(name: str, store: str) -> Iterator[Document]:
    """Yield the documents that `name` names. Raises `StoreError` when there is none."""
    path = Path(name)
    if path.is_file():
        yield read_document(path)
    elif path.is_dir() or ":" in name:
        yield from open_store(name).documents()
    else:
        found = [document for document in open_store(store).documents() if document.id == name]
        if not found:
            raise StoreError(f"'{name}' is no file, folder or store, and no record's id", where=store)
        yield from found


def _row(document: Document, verdict: Verdict) -> dict[str, Any]:
    return {
        "record": document.id,
        "where": document.where,
        "state": "unreadable" if document.problem else verdict.state,
        "checks": [vars(one) for one in verdict.checks],
    }


def _show(document: Document, verdict: Verdict) -> None:
    """Print one line of the record, and one of each claim that does not hold."""
    failed, unknown = verdict.of("failed"), verdict.of("unknown")
    line = f"{_MARKS[verdict.state]} {document.id}  "
    if verdict.state == "failed":
        line += f"{len(failed)} of {len(verdict.checks)} checks failed"
    else:
        line += f"{len(verdict.of('ok'))} checks hold"
    if unknown:
        line += f"; not checked: {', '.join(one.name for one in unknown)}"
    if verdict.signed and verdict.signed.state == "ok":
        line += f"; signed {verdict.signed.detail}"
    click.echo(printable(line))
    for one in failed:
        click.echo(printable(f"  ✗ {one.name}: {one.detail}"))
    if verdict.state != "ok":
        for one in unknown:
            click.echo(printable(f"  ? {one.name}: {one.detail}"))
