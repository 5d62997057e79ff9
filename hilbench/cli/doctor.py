"""`hilbench doctor`: what this machine has of all that a benchmark may need, and the remedy for what is missing."""

from __future__ import annotations

import sys

import click

from hilbench.cli.output import json_option, print_json, print_table
from hilbench.doctor import Finding, examine
from hilbench.errors import Unavailable


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Say what is here, what is missing, and which boards are attached.

    Marks what the main job (`make bench`) needs and lacks with --, and then exits with 3. What only some boards need is
    marked with ?. No serial port is opened, and no chip touched.
    """
    findings = examine()
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        print_table(("", "what", "found", "remedy"), [(_mark(f), f.what, f.found, f.remedy) for f in findings])
    if any(not finding.ok and not finding.optional for finding in findings):
        sys.exit(Unavailable.exit_code)


def _mark(finding: Finding) -> str:
    if finding.ok:
        return "ok"
    return "?" if finding.optional else "--"
