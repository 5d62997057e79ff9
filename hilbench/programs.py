"""Runs a program to its end, within limits of time and disk; whatever it started ends with it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

FILE_LIMIT_BYTES = 256 << 20
"""No file of a build comes near it: the largest images are a few MB with all their debug information."""


def run(
    argv: Sequence[str], env: Mapping[str, str], timeout_s: float, text: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `argv` in `folder` with `text` on stdin, in a process group of its own; return what it printed, and its code.

    A program that writes more than `FILE_LIMIT_BYTES` into one file is ended by the kernel (SIGXFSZ). Raises
    `subprocess.TimeoutExpired`.
    """
    # Files and not pipes: whatever keeps a pipe open, or a kernel that wakes no reader, would keep us waiting.
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(text.encode())
        given.seek(0)
        with subprocess.Popen(
            argv,
            stdin=given,
            stdout=out,
            stderr=err,
            cwd=folder,
            env=env,
            start_new_session=True,
            preexec_fn=_limit_files,
        ) as process:
            try:
                process.wait(timeout_s)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(argv, process.returncode, _text(out), _text(err))


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace").replace("\r\n", "\n")


def _limit_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = FILE_LIMIT_BYTES if most == resource.RLIM_INFINITY else min(FILE_LIMIT_BYTES, most)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
