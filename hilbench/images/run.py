"""Runs one step of a build, in an environment that does not shape the image."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from hilbench import programs
from hilbench.errors import BuildError
from hilbench.images.toolchain import clean_environment

TIMEOUT_S = 600.0


def run(argv: Sequence[str], timeout_s: float = TIMEOUT_S) -> tuple[int, str]:
    """Run `argv`; return its exit code and all that it printed. Raises `BuildError` when it takes too long."""
    try:
        done = programs.run(argv, clean_environment(), timeout_s)
    except subprocess.TimeoutExpired:
        raise BuildError(f"'{Path(argv[0]).name}' took longer than {timeout_s:g} s and was stopped") from None
    return done.returncode, done.stdout + done.stderr
