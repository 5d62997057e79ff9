"""`hilbench doctor`: what this machine has of all that a benchmark may need, and the remedy for what is missing."""

from __future__ import annotations

import sys

import click

from hilbench.cli.output import json_option, print_json, print_table
from hilbench.doctor import examine


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Say what is here and what is missing. Exits with 3 when the main job (`make bench`) could not run."""
    findings = examine()
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        print_table(("", "what", "found", "remedy"), [
            ("ok" if f.ok else "--", f.what, f.found, f.remedy) for f in findings])  # fmt: skip
    if not all(finding.ok for finding in findings):
        sys.exit(3)
