"""`hilbench verify` and `sign`: whether records hold what they claim, and who vouches for them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from hilbench import catalog
from hilbench.cli.output import json_option, place_options, print_json
from hilbench.errors import NoStore, StoreError, UsageError, printable
from hilbench.records.directory import read_document
from hilbench.records.evidence import Evidence
from hilbench.records.refs import Places, resolve
from hilbench.records.sign import check_signers
from hilbench.records.sign import sign as sign_record
from hilbench.records.store import DEFAULT, Document, open_store
from hilbench.records.verify import Verdict, check
from hilbench.records.versions import OtherSchema, is_record
from hilbench.rerun import rerun
from hilbench.selection import find_places

_MARKS = {"ok": "✓", "failed": "✗", "unknown": "○"}
_FAILED, _UNREADABLE = 1, StoreError.exit_code
_SHOWN = 3
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
    """Check that every RECORD (a file, a folder or store, or the beginning of an id in --store) holds what it claims.

    Each number is made again from the record's own raw samples. Models, data and images are checked where they are
    here. Ends with 1 if a claim does not hold, with 4 if a record cannot be read or there is none.
    """
    if signers is not None:
        check_signers(signers)
    evidence = Evidence(catalog.suites(suites), bool(suites), catalog.model_folders(models), firmware, signers)
    places = find_places(given) if again else ()
    rows: list[dict[str, Any]] = []
    codes = {0}
    for document in (document for name in records for document in _documents(name, store)):
        verdict = check(document, evidence=evidence)
        if verdict.record is None:
            document = _unreadable(document)
            verdict = check(document)
        if again and verdict.record is not None:
            verdict = Verdict(verdict.record, (*verdict.checks, *rerun(verdict.record, evidence, places)))
        codes.add(_UNREADABLE if document.problem else _FAILED if verdict.state == "failed" else 0)
        rows.append(_row(document, verdict))
        if not as_json:
            _show(document, verdict)
    if as_json:
        print_json(rows)
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
    path, none = Path(name), True
    if path.is_file():
        found: Iterable[Document] = [read_document(path)]
    elif path.is_dir() or ":" in name:
        found = open_store(name).documents()
    else:
        found = _looked_up(name, store)
    for document in found:
        none = False
        yield document
    if none:
        raise StoreError("there is no record here", where=name, hint="records are files that end with .json")


def _looked_up(name: str, store: str) -> list[Document]:
    """Return the documents that `name` stands for in `store`: an id or its beginning, a commit, a branch, `latest`.

    Raises `StoreError` when it is nothing of these, `UsageError` when it may be several.
    """
    unknown = f"'{name}' is no file, folder or store, and no record's id"
    alike: list[str] = []
    try:
        for document in open_store(store).documents():
            if document.id == name:
                return [document]
            if document.id.startswith(name):
                alike.append(document.id)
    except NoStore as error:
        raise StoreError(f"{unknown}; and there is no store", where=store, hint="--store says where it is") from error
    if len(alike) > 1:
        some = f"{', '.join(alike[:_SHOWN])}{' …' if alike[_SHOWN:] else ''}"
        raise UsageError(f"'{name}' may be any of {len(alike)} records", where=store, hint=f"write more of it: {some}")
    if not alike:
        try:
            alike = [record.id for record in resolve(name, Places(store)).records]
        except UsageError as error:
            raise StoreError(unknown, where=store, hint=error.hint) from error
    return [document for document in open_store(store).documents() if document.id in alike]


def _unreadable(document: Document) -> Document:
    """Return a document with its problem, where it is no record, or one of a schema that is not read here."""
    if document.problem is None and not is_record(document.text):
        hint = "a record is the JSON file that a run writes; reports are only made of records"
        return replace(document, problem=StoreError("this is no record", where=document.where, hint=hint))
    try:
        document.record()
    except OtherSchema as error:
        return replace(document, problem=error)
    except StoreError:
        pass  # it is damaged, which is a claim that does not hold
    return document


def _row(document: Document, verdict: Verdict) -> dict[str, Any]:
    return {
        "record": document.id,
        "where": document.where,
        "state": "unreadable" if document.problem else verdict.mark,
        "checks": [vars(one) for one in verdict.checks],
    }


def _show(document: Document, verdict: Verdict) -> None:
    """Print one line of the record, and one of each claim that does not hold or that a place rests on."""
    if document.problem:
        click.echo(printable(f"{_MARKS['failed']} {document.id}  {document.problem}"))
        return
    failed, unknown = verdict.of("failed"), verdict.of("unknown")
    line = f"{_MARKS[verdict.mark]} {document.id}  "
    if verdict.mark == "failed":
        line += f"FAILED: {len(failed)} of {len(verdict.checks)} checks"
    else:
        line += f"{len(verdict.of('ok'))} checks hold"
    if unknown:
        words = "not fully checked" if verdict.mark == "unknown" else "not checked"
        line += f"; {words}: {', '.join(one.name for one in unknown)}"
    if verdict.signed and verdict.signed.state == "ok":
        line += f"; signed {verdict.signed.detail}"
    click.echo(printable(line))
    for one in failed:
        click.echo(printable(f"  ✗ {one.name}: {one.detail}"))
    if verdict.mark != "ok":
        for one in unknown:
            click.echo(printable(f"  ○ {one.name}: {one.detail}"))
