"""`hilbench compare` and `hilbench baseline`: two sets of records side by side, and the one that others are held to."""

from __future__ import annotations

import sys
from typing import Any

import click

from hilbench.cli.output import json_option, print_json, say
from hilbench.records.baseline import promote
from hilbench.records.compare import Comparison, compare, row_of
from hilbench.records.refs import BASELINE, Found, Places, resolve
from hilbench.records.store import DEFAULT
from hilbench.records.thresholds import parse
from hilbench.reports.comparison import print_comparison
from hilbench.reports.console import console_for

_FAILED = 1
_store = click.option(
    "--store", default=str(DEFAULT), show_default=True, metavar="STORE", help="Where names are looked up."
)
_baseline = click.option(
    "--baseline", "baseline_store", default=str(BASELINE), show_default=True, metavar="STORE", help="The baseline."
)


@click.command("compare")
@click.argument("before")
@click.argument("after")
@_store
@_baseline
@click.option("--fail", multiple=True, metavar="WHEN", help="How much worse is allowed: METRIC:2%, …; repeatable.")
@click.option("--all", "everything", is_flag=True, help="Also show what does not differ.")
@json_option
def compare_command(
    before: str, after: str, store: str, baseline_store: str, fail: tuple[str, ...], everything: bool, as_json: bool
) -> None:
    """Compare the records BEFORE with those AFTER. Ends with 1 if one got worse than allowed.

    Each is a record's file or id, a folder or store, a commit, a branch, or the word latest or baseline; of a store,
    the newest record of each row counts. Where one side is one record, only its row is looked at.
    """
    thresholds = parse(fail)
    places = Places(store, baseline_store)
    sides = resolve(before, places), resolve(after, places)
    rows = {row_of(record) for side in sides if side.one for record in side.records}  # all, if no record is named
    old, new = ([record for record in side.records if not rows or row_of(record) in rows] for side in sides)
    found = compare(old, new, thresholds)
    if as_json:
        print_json(_as_json(found, sides))
    else:
        console = console_for(sys.stdout)
        for name, side in zip((before, after), sides, strict=True):
            for note in side.notes:
                say(f"{name}: {note}")
        print_comparison(console, found, everything=everything)
    if found.failures:
        sys.exit(_FAILED)


@click.command("baseline")
@click.argument("ref", default="latest")
@_store
@_baseline
def baseline_command(ref: str, store: str, baseline_store: str) -> None:
    """Make the records REF the baseline of their rows; other rows of the baseline stay. All of them, or none."""
    found = resolve(ref, Places(store, baseline_store))
    for note in found.notes:
        say(f"{ref}: {note}")
    for one in promote(found.records, baseline_store):
        if one.before == (one.record.id,):
            change = "is it already"
        else:
            change = f"in place of {', '.join(one.before)}" if one.before else "new"
        say(f"{one.row}: {one.record.id} ({change})")
    say(f"{len(found.records)} rows of the baseline in {baseline_store}")


def _as_json(found: Comparison, sides: tuple[Found, Found]) -> dict[str, Any]:
    rows = [{**pair.model_dump(mode="json"), "row": pair.row._asdict()} for pair in found.pairs]
    return {
        "failures": found.failures,
        "warnings": found.warnings,
        "rows": rows,
        "notes": [[*side.notes] for side in sides],
    }
