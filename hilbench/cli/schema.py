"""`hilbench schema`: the JSON Schemas of boards, suites and records, for editors and for other programs."""

from __future__ import annotations

import click

from hilbench.catalog.schema import board_schema, suite_schema
from hilbench.cli.output import print_json
from hilbench.records.record import json_schema

_SCHEMAS = {"board": board_schema, "suite": suite_schema, "record": json_schema}


@click.command()
@click.argument("what", type=click.Choice(sorted(_SCHEMAS)))
def schema(what: str) -> None:
    """Print the JSON Schema of a board file, a suite file or a record."""
    print_json(_SCHEMAS[what]())
