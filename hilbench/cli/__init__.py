"""The command line: one command a module of this folder. No logic here."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

import click

from hilbench import __version__
from hilbench.cli.boards import boards
from hilbench.cli.build import build
from hilbench.cli.compare import baseline_command, compare_command
from hilbench.cli.doctor import doctor
from hilbench.cli.lists import frameworks, suites
from hilbench.cli.new import new
from hilbench.cli.publish import publish
from hilbench.cli.report import report
from hilbench.cli.schema import schema
from hilbench.cli.store import store
from hilbench.cli.trend import trend
from hilbench.cli.tune import tune
from hilbench.cli.verify import sign, verify
from hilbench.errors import HilbenchError, StoreError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hilbench")
def cli() -> None:
    """Hardware-in-the-loop benchmarks for TinyML.

    Benchmarks run through pytest: `pytest SUITE --board=BOARD`. These commands show what there is, build images and
    tune kernels, and compare, report, publish and check the records of runs.
    """


for command in (
    boards,
    suites,
    frameworks,
    doctor,
    build,
    tune,
    new,
    report,
    schema,
    store,
    verify,
    sign,
    compare_command,
    baseline_command,
    trend,
    publish,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; our own errors become one message and their exit code.

    Where the output goes and how full its disk is, only writing tells: that is one message too.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 loses a dash, not the message
    try:
        cli()
    except HilbenchError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is not None:
            raise
        _drop_output()
        with suppress(OSError):
            click.echo(f"error: the output could not be written: {error.strerror or error}", err=True)
        sys.exit(StoreError.exit_code)


def _drop_output() -> None:
    """Let what is still to be written go nowhere: Python tries again at its end, and tells of that failure too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
