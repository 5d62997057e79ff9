"""Whole runs on a bench of boards: pyOCD flashes emulated chips, and pytest streams the suite over their serial ports.

The bench is virtual (tests/virtual_bench), everything else is what a lab has: `pytest --board=…` in a process of its
own, pyOCD with its flash algorithms, ports found by their USB serial numbers.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hilbench.records.record import Record
from hilbench.targets.locks import held

from .conftest import DIGITS, ROOT
from .test_virtual_bench import needs_bench
from .virtual_bench import VirtualBench, VirtualBoard

pytestmark = needs_bench

# Of this process alone: who runs a board has it for the whole computer.
MICROBIT, NETDUINO = f"9900{os.getpid():012x}", f"066eff{os.getpid():018x}"
SAMPLES = 40
RUN_S = 300


@pytest.fixture
def bench(tmp_path: Path, firmware: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualBench]:
    monkeypatch.setenv("PYTEST_ADDOPTS", f"--hil-firmware={firmware}")
    with VirtualBench(tmp_path / "bench") as bench:
        yield bench


@pytest.fixture
def microbit(bench: VirtualBench) -> VirtualBoard:
    return bench.plug("microbit", serial_number=MICROBIT, usb="0d28:0204")


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory, image_cache: Path) -> Path:
    """Images as a bench has them: built somewhere else."""
    folder = tmp_path_factory.mktemp("firmware")
    subprocess.run(
        [sys.executable, "-c", "import hilbench.cli; hilbench.cli.main()", "build", str(DIGITS),
         "--board=microbit,netduinoplus2", "--framework=tvm", "-o", str(folder)], check=True, cwd=ROOT
    )  # fmt: skip
    return folder


def command(store: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(DIGITS), f"--hil-store={store}",
            "--framework=tvm", "--hil-require", f"--hil-samples={SAMPLES}", *options]  # fmt: skip


def started(bench: VirtualBench, store: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command(store, *options), env=bench.environment, cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip


def ran(bench: VirtualBench, store: Path, *options: str) -> str:
    process = started(bench, store, *options)
    said, _ = process.communicate(timeout=RUN_S)
    assert process.returncode == 0, said
    return said


def records(store: Path) -> list[Record]:
    return [Record.from_json(path.read_text(), str(path)) for path in sorted(store.rglob("*.json"))]


@pytest.mark.parametrize(
    ("board", "serial_number", "usb"),
    [("microbit", MICROBIT, "0d28:0204"), ("netduinoplus2", NETDUINO, "")],
    ids=["microbit", "netduinoplus2"],
)
def test_a_run_on_the_bench_equals_the_one_on_the_emulator(
    bench: VirtualBench, tmp_path: Path, board: str, serial_number: str, usb: str
):
    plugged = bench.plug(board, serial_number=serial_number, usb=usb or "0483:374b")
    where = [f"--hil-port={serial_number}", f"--hil-probe={serial_number}"] if not usb else []
    ran(bench, tmp_path / "store", f"--board={board}@probe,{board}@qemu", *where)
    on_bench, in_qemu = sorted(records(tmp_path / "store"), key=lambda record: record.target.kind)
    assert (on_bench.target.kind, in_qemu.target.kind) == ("probe", "qemu")
    assert on_bench.samples.outputs == in_qemu.samples.outputs
    assert on_bench.metrics["accuracy"] == in_qemu.metrics["accuracy"]
    assert on_bench.image.build_id == in_qemu.image.build_id, "another image was flashed"
    assert plugged.status()["resets"] >= 1
    assert not on_bench.recoveries


def test_two_runs_on_one_board_take_turns(bench: VirtualBench, microbit: VirtualBoard, tmp_path: Path):
    runs = [started(bench, tmp_path / name, "--board=microbit", "--hil-wait=200") for name in ("one", "other")]
    said = [run.communicate(timeout=RUN_S)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    one, other = records(tmp_path / "one"), records(tmp_path / "other")
    assert one[0].samples.outputs == other[0].samples.outputs
    assert not one[0].recoveries and not other[0].recoveries, "one run disturbed the other"


def test_who_does_not_wait_is_told_who_has_the_board(bench: VirtualBench, microbit: VirtualBoard, tmp_path: Path):
    with held(MICROBIT, 0):
        run = started(bench, tmp_path / "store", "--board=microbit", "--hil-wait=0")
        said, _ = run.communicate(timeout=RUN_S)
    assert run.returncode == 1 and str(os.getpid()) in said, said
    assert "Traceback" not in said


def test_two_boards_run_side_by_side(bench: VirtualBench, microbit: VirtualBoard, tmp_path: Path):
    bench.plug("netduinoplus2", serial_number=NETDUINO, usb="0483:374b")
    ran(bench, tmp_path / "store", "-n2", "--board=microbit,netduinoplus2",
        f"--hil-port=netduinoplus2={NETDUINO}", f"--hil-probe=netduinoplus2={NETDUINO}")  # fmt: skip
    both = records(tmp_path / "store")
    assert {record.board.id for record in both} == {"microbit", "netduinoplus2"}
    first, second = sorted(both, key=lambda record: record.started)
    assert first.samples.outputs and second.samples.outputs


def alive(session: int) -> list[str]:
    """Return the commands of the processes that a run of this session has started and that are still there."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(") ")[2].split()
            environment = (entry / "environ").read_bytes()
            if fields[0] != "Z" and f"HILBENCH_KILLED_RUN={session}".encode() in environment:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_a_run_may_be_killed_at_any_time(bench: VirtualBench, microbit: VirtualBoard, tmp_path: Path, kills: int):
    store = tmp_path / "store"
    begun = time.monotonic()
    ran(bench, store, "--board=microbit")
    whole_s = time.monotonic() - begun
    moments = random.Random(7)
    for kill in range(kills):
        environment = {**bench.environment, "HILBENCH_KILLED_RUN": str(kill)}
        run = subprocess.Popen(command(store, "--board=microbit"), env=environment, cwd=ROOT, start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(moments.uniform(0.3, whole_s))
        run.send_signal(moments.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        run.wait(30)
        deadline = time.monotonic() + 5
        while (left := alive(kill)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == [], f"kill {kill} left processes behind"
        with held(MICROBIT, 0):
            pass
    for path in store.rglob("*"):
        assert path.is_dir() or json.loads(path.read_text())["schema"], f"half a record: {path}"
    before = len(records(store))
    ran(bench, store, "--board=microbit")
    assert len(records(store)) == before + 1
