"""Records of real runs for the tests of reports: digits through TVM on QEMU, profiled, and through TFLM on the host."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from hilbench.records.record import Record
from hilbench.records.store import open_store, select

from .conftest import DIGITS, ROOT

SAMPLES = 24


@cache
def ran(folder: Path) -> tuple[tuple[Record, ...], str]:
    """Run once a session; return the records, and what pytest printed. Reports lie in `folder`."""
    arguments = [str(DIGITS), "--board=qemu,host", "--framework=tvm,tflm", "--hil-profile", f"--hil-samples={SAMPLES}"]
    kept = [
        f"--hil-store={folder / 'store'}",
        *(f"--hil-report={folder / 'run'}.{kind}" for kind in ("html", "md", "csv")),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, *kept, "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return tuple(select(open_store(folder / "store"))), done.stdout + done.stderr


def real(factory: pytest.TempPathFactory) -> tuple[Path, tuple[Record, ...]]:
    """Return the folder with store and reports, and the records; skip where nothing could be run."""
    folder = factory.getbasetemp() / "report-records"
    folder.mkdir(exist_ok=True)
    records, told = ran(folder)
    if not records:
        pytest.skip(f"digits cannot be run here: {told[-400:]}")
    return folder, records
