"""Runs one step of a build, within limits of time and disk, in an environment that does not shape the image."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hilbench.errors import BuildError
from hilbench.images.toolchain import clean_environment

TIMEOUT_S = 600.0
FILE_LIMIT_BYTES = 256 << 20
"""No file of a build comes near it: the largest images are a few MB with all their debug information."""


def run(argv: Sequence[str], timeout_s: float = TIMEOUT_S) -> tuple[int, str]:
    """Run `argv` in a process group of its own, so that its compilers end with it. Returns exit code and output.

    A tool that writes more than `FILE_LIMIT_BYTES` into one file is ended by the kernel (SIGXFSZ). Raises `BuildError`
    when the step takes longer than `timeout_s`.
    """
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=clean_environment(),
        start_new_session=True,
        preexec_fn=_limit_files,
    ) as process:
        try:
            text, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise BuildError(f"'{Path(argv[0]).name}' took longer than {timeout_s:g} s and was stopped") from None
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, text


def _limit_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = FILE_LIMIT_BYTES if most == resource.RLIM_INFINITY else min(FILE_LIMIT_BYTES, most)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
