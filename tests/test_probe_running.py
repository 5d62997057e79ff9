"""A board on the virtual bench that runs an image, flashed by the target `probe`: its line, its memory, how it died."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hilbench.catalog.board import Region
from hilbench.errors import TargetCrashed, TargetError, Unavailable
from hilbench.images.elf import Elf
from hilbench.targets import probe
from hilbench.targets.base import Addressable
from hilbench.targets.debug import post_mortem
from hilbench.targets.debug.client import Look
from hilbench.targets.hello import answers
from hilbench.targets.probe import Probe

from .conftest import DIGITS, ROOT
from .firmware_images import make
from .microbit_bench import built, in_use, microbit, needs_qemu, noise, plugged, reads, settings
from .test_process import is_gone

ONE_RUN = """
import sys, time
from pathlib import Path
from hilbench import catalog
from hilbench.targets.probe import Probe

settings = ProbeSettings(target="nrf51", probe=sys.argv[2], wait_s=0)
with Probe().run(Path(sys.argv[1]), catalog.board("microbit"), settings) as running:
    running.crash()
    time.sleep(300)
"""

pytest.importorskip("pyocd")
pytestmark = needs_qemu


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with in_use(tmp_path_factory.mktemp("bench")) as bench:
        yield bench


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return built(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def board(bench):
    with plugged(bench) as board:
        yield board


@pytest.fixture(scope="module")
def same_run(bench, board, program):
    with Probe().run(program, microbit(), settings()) as running:
        yield running


@pytest.fixture
def running(same_run):
    """The run that all tests here share, in which the image has just started."""
    same_run.reset()
    assert reads(same_run.stream, b"hello\n")
    return same_run


def test_an_image_is_flashed_and_starts_with_its_line_open(running, board, program):
    flash = Elf.open(program).contents()
    assert all(board.read(address, len(data)) == data for address, data in flash)
    assert f"{len(flash[0][1])} bytes in" in running.facts["flashed"]
    told = [running.facts[name] for name in ("target", "cpuid", "probe_board_id")]
    assert told == ["nrf51", "0x410cc200", "9900"]
    assert running.facts["probe_id"] == board.serial_number and running.facts["port"] == board.port
    running.stream.write(b"ping")
    assert reads(running.stream, b"ping")


def test_memory_is_read_and_written_while_it_runs(running):
    assert isinstance(running, Addressable)
    turns = [running.memory.read(0x2000_0004, 4) + running.memory.read(0x2000_0000, 4) for _ in range(2)]
    assert turns[0] != turns[1]
    data = noise(2000)
    running.memory.write(0x2000_1000, data)
    assert running.memory.read(0x2000_1000, 2000) == data
    with pytest.raises(TargetError, match="bus fault"):
        running.memory.read(0x3000_0000, 4)


@pytest.mark.parametrize(
    ("command", "kind", "reason", "place"),
    [
        (b"h", "hang", "runs but does not answer", "hang at"),
        (b"s", "idle", "waiting for input: what is sent to /dev/", "sleep_for_good at"),
        (b"f", "fault", "stays in HardFault", "fault at"),
    ],
)
def test_how_the_firmware_died_is_told_and_a_reset_revives_it(running, command, kind, reason, place):
    died(running, command, kind, reason, place)


def died(running, command: bytes, kind: str, reason: str, place: str):
    """Have the firmware die, look at it, and start it again."""
    running.stream.write(command)
    assert reads(running.stream, command)
    time.sleep(0.1)
    report = running.crash()
    assert report.kind == kind, report
    assert reason in report.reason
    assert place in report.places[0]
    running.reset()
    assert reads(running.stream, b"hello\n")


def test_a_board_that_was_unplugged_is_found_again(running, board):
    before = board.port
    board.unplug()
    with pytest.raises(Unavailable, match="no probe has the unique id"):
        running.crash()
    threading.Timer(0.5, board.plug_in).start()
    running.reset()
    assert running.facts["port"] == board.port != before
    assert reads(running.stream, b"hello\n")


def test_a_board_that_does_not_come_back_is_told_of(running, board, monkeypatch):
    monkeypatch.setattr(probe, "RETURN_S", 0.6)
    board.unplug()
    with pytest.raises(Unavailable, match=r"after 0.6 s of waiting, no probe has the unique id"):
        running.reset()
    board.plug_in()
    running.reset()
    assert reads(running.stream, b"hello\n")


def test_pyocd_may_die_while_an_image_runs(running):
    os.kill(running._pyocd._process.pid, signal.SIGKILL)
    running.stream.write(b"h")
    assert reads(running.stream, b"h")
    assert running.crash().kind == "hang"
    running.reset()
    assert reads(running.stream, b"hello\n")


def test_a_board_is_one_runs_at_a_time(running, board, program):
    with (
        pytest.raises(Unavailable, match=f"board {board.serial_number} is in use by this process"),
        Probe().run(program, microbit(), settings()),
    ):
        pass
    running.stream.write(b"ping")
    assert reads(running.stream, b"ping")


def test_an_image_that_is_in_flash_is_started_and_not_flashed(bench, program):
    with plugged(bench) as other:
        other.program(program)
        with Probe().run(program, microbit(), settings(probe=other.serial_number)) as running:
            assert running.facts["flashed"] == "nothing: the image was there"
            assert reads(running.stream, b"hello\n")
            died(running, b"l", "lock-up", "a fault that nothing could handle", "pc 0x")


def test_the_line_of_another_board_that_runs_the_same_image_is_refused(bench, image_cache):
    image = make("microbit", image_cache, "echo").path
    with plugged(bench) as board, plugged(bench) as other:
        other.program(image)
        wrong = settings(probe=board.serial_number, port=other.port)
        with (
            pytest.raises(TargetError, match=f"{other.port} .*is the line of another board: it answers while") as told,
            Probe().run(image, microbit(), wrong),
        ):
            pass
        assert "--hil-port" in told.value.hint
        right = settings(probe=board.serial_number, port=board.port)
        with Probe().run(image, microbit(), right) as running:
            assert "line" not in running.facts, "one USB device needs no proof"
            assert answers(running.stream, 5)


def test_a_line_over_an_adapter_is_proven_to_be_that_of_the_chip(bench, image_cache, monkeypatch):
    image = make("microbit", image_cache, "echo").path
    with plugged(bench, adapter=("10c4:ea60", "0001")) as board:
        given = settings(probe=board.serial_number, port=board.port)
        with Probe().run(image, microbit(), given) as running:
            assert running.facts["line"] == "is silent while the probe halts the chip"
            assert answers(running.stream, 5)
        monkeypatch.setattr(probe, "_ANSWER_S", 0.5)
        board.fault("line", silent=True)
        with pytest.raises(TargetCrashed, match="idle: the firmware sleeps"), Probe().run(image, microbit(), given):
            pass


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_nothing_and_the_next_one_works(bench, tmp_path):
    images = [built(tmp_path / name, first) for name, first in (("a", 0), ("b", 0x400))]
    rng = random.Random(5)
    with plugged(bench) as board:
        for turn in range(10):
            argv = [sys.executable, "-c", ONE_RUN, images[turn % 2], board.serial_number]
            mark = f"{board.serial_number}-{turn}"
            with subprocess.Popen(argv, env={**os.environ, "TURN": mark}) as run:
                time.sleep(rng.uniform(0.2, 3))
                run.kill()
            assert all(is_gone(pid) for pid in processes_with(f"TURN={mark}")), turn
        with Probe().run(images[0], microbit(), settings(probe=board.serial_number)) as running:
            assert reads(running.stream, b"hello\n")


def processes_with(variable: str) -> list[int]:
    """The processes that have `variable` (NAME=VALUE) in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            found += [int(path.parent.name)] if variable.encode() in path.read_bytes().split(b"\0") else []
    return found


@pytest.mark.slow
def test_a_suite_runs_on_a_board_as_it_does_in_its_emulator(bench, tmp_path):
    found = {}
    with plugged(bench) as board:
        for target in ("probe", "qemu"):
            store = tmp_path / target
            options = ["--hil-samples=100", "--hil-require", f"--hil-store={store}", "-p", "no:cacheprovider"]
            argv = [sys.executable, "-m", "pytest", DIGITS, f"--board=microbit@{target}", *options]
            done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout
            (path,) = store.rglob("*.json")
            found[target] = json.loads(path.read_text())
        assert board.status()["security"]["mass_erases"] == 0
    assert found["probe"]["samples"]["outputs"] == found["qemu"]["samples"]["outputs"]
    assert found["probe"]["metrics"]["accuracy"]["value"] == found["qemu"]["metrics"]["accuracy"]["value"]


def looked(state: str = "running", pcs: tuple[int, ...] = (0x100,), xpsr: int = 0x0100_0000, **more) -> Look:
    looks = tuple({"pc": pc, "lr": 0xFFFF_FFF9, "xpsr": xpsr} for pc in pcs)
    return Look(**{"state": state, "halted_by": "", "looks": looks, "before_pc": 0, "fault": {}, "frame": {}, **more})


def test_a_look_is_put_into_words(program):
    elf = Elf.open(program)
    fault = elf.symbol("fault")

    def told(*given, **more) -> str:
        return str(post_mortem.report(looked(*given, **more), elf, "/dev/ttyX (a port)"))

    assert "idle: the firmware sleeps, waiting for input: what is sent to /dev/ttyX" in told(before_pc=0xBF30)
    assert "idle: " in told("sleeping")
    assert "hang: the firmware runs" in told(pcs=(0x100, 0x102), before_pc=0xBF30)
    assert "hang: the firmware sleeps in the handler of exception 20" in told(before_pc=0xBF30, xpsr=0x0100_0014)
    assert "hang: the chip stands still (breakpoint)" in told("halted", halted_by="breakpoint")
    status = {"cfsr": 1 << 9 | 1 << 15, "hfsr": 1 << 30, "mmfar": 0, "bfar": 0x3000_0000}
    frame = {"r0": 1, "pc": fault, "lr": 0, "xpsr": 0x0100_0000}
    found = told(xpsr=0x0100_0003, fault=status, frame=frame)
    assert "fault: it stays in HardFault: BusFault: PRECISERR" in found and "0x30000000" in found
    assert f"pc 0x{fault:08x} fault at microbit_program/main.c" in found
    found = told("lockup", xpsr=0x0100_0003, fault=status)
    assert "lock-up: a fault that nothing could handle, in HardFault: BusFault" in found and "pc 0x00000100" in found


def filled(path: Path, address: int, byte: int) -> Path:
    """Write an ELF of 64 equal bytes."""
    place = f"-Wl,-Ttext={address:#x},-e{address:#x}"
    assemble = ["arm-none-eabi-gcc", "-nostdlib", place, "-x", "assembler", "-", "-o", str(path)]
    subprocess.run(assemble, input=f".fill 64, 1, {byte}\n", text=True, check=True)
    return path


def test_an_image_whose_boot_loader_is_gone_is_not_flashed(bench, tmp_path: Path):
    image, erased = filled(tmp_path / "image.elf", 0x1_0000, 0x5A), filled(tmp_path / "erased.elf", 0, 0xFF)
    memory = microbit().memory
    assert memory
    behind = memory.model_copy(update={"code": Region(base=0x1_0000, size=192 << 10)})
    with plugged(bench) as board:
        where = settings(probe=board.serial_number, port=board.serial_number)
        with Probe().run(erased, microbit(), where):
            pass
        with (
            pytest.raises(TargetError, match=r"flash is empty at 0, where .* has the boot loader"),
            Probe().run(image, microbit().model_copy(update={"memory": behind}), where),
        ):
            pass
        assert board.read(0x1_0000, 16) != b"\x5a" * 16, "it was flashed"
