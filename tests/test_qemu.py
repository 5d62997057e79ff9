import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path

import pytest

from hilbench import plugins
from hilbench.errors import ModelError, TargetError, Unavailable
from hilbench.targets.gdb_memory import GdbMemory
from hilbench.targets.qemu import Qemu, QemuSettings
from tests.bare_programs import BOARD, FOLDER, build, needs_compiler, needs_qemu

AN386 = QemuSettings(machine="mps2-an386")
READY = {"echo": b"hello\nready\n", "leave": b"hello\nready\n"}
HARNESS = """
import sys, time
from pathlib import Path
from hilbench.targets.qemu import Qemu, QemuSettings
from tests.bare_programs import BOARD
with Qemu().run(Path(sys.argv[1]), BOARD, QemuSettings(machine="mps2-an386")) as machine:
    print(machine.process.pid, flush=True)
    time.sleep(300)
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Builds each program once."""
    return cache(lambda name: build(name, tmp_path_factory.mktemp(name)))


@pytest.fixture
def run(programs):
    """Starts a program and waits until it is ready."""

    @contextlib.contextmanager
    def start(name):
        until = READY.get(name, b"hello\n")
        with Qemu().run(programs(name), BOARD, AN386) as machine:
            assert heard(machine, until).startswith(b"hello\n")
            yield machine

    return start


def heard(machine, until: bytes, within_s: float = 5) -> bytes:
    """What the machine sends, up to and with `until`."""
    received, end = b"", time.monotonic() + within_s
    while until not in received:
        assert time.monotonic() < end, f"{received!r} but no {until!r}: {machine.crash()}"
        received += machine.stream.read(0.2)
    return received


def wait_for_end(machine) -> None:
    with contextlib.suppress(EOFError):
        for _ in range(100):
            machine.stream.read(0.1)
        pytest.fail(f"it still runs: {machine.crash()}")


def line_of(file: str, text: str) -> int:
    lines = (FOLDER / file).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_the_target_is_found_by_its_name():
    assert plugins.load("targets", "qemu") is Qemu
    assert Qemu.Settings is QemuSettings


def test_a_typo_in_the_settings_is_an_error():
    with pytest.raises(ValueError, match="machin"):
        QemuSettings(machin="mps2-an386")
    with pytest.raises(ValueError, match="machine"):
        QemuSettings(machine="mps2-an386,secure=on")


@needs_qemu
def test_qemu_says_its_version_and_which_machines_it_knows():
    assert Qemu().version()[0].isdigit()
    assert Qemu().available(BOARD, AN386).ok
    unknown = Qemu().available(BOARD, QemuSettings(machine="mps2-an368"))
    assert not unknown.ok
    assert "mps2-an368" in unknown.reason
    assert "mps2-an386" in unknown.remedy


def test_without_qemu_the_remedy_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    support = Qemu().available(BOARD, AN386)
    assert (support.ok, support.remedy) == (False, "apt install qemu-system-arm")
    with pytest.raises(Unavailable, match="not on PATH"):
        Qemu().version()


@needs_compiler
@needs_qemu
class TestRunning:
    def test_every_byte_comes_back(self, run):
        sent = bytes(range(256)) * 40
        with run("echo") as machine:
            received = b""
            machine.stream.write(sent)
            while len(received) < len(sent):
                received += machine.stream.read(5) or pytest.fail(f"{len(received)} of {len(sent)}: {machine.crash()}")
        assert received == sent

    def test_a_reset_starts_the_image_again_and_it_answers_as_before(self, run):
        with run("echo") as machine:
            for _ in range(3):
                machine.reset()
                heard(machine, READY["echo"])
                machine.stream.write(b"again")
                heard(machine, b"again")

    def test_a_hanging_image_can_be_reset(self, run):
        with run("spin") as machine:
            machine.reset()
            heard(machine, b"hello\n")

    def test_machines_run_side_by_side_on_cpus_of_their_own(self, run):
        with run("echo") as one, run("echo") as other:
            for machine in (one, other):
                machine.stream.write(b"hi")
                heard(machine, b"hi")
            assert one.process.cpu is None or one.process.cpu != other.process.cpu

    def test_nothing_is_left_after_leaving(self, run, programs):
        programs("echo")
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(RuntimeError), run("echo") as machine:
            raise RuntimeError
        assert not Path(f"/proc/{machine.process.pid}").exists()
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    def test_qemu_does_not_outlive_a_killed_harness(self, programs):
        argv = [sys.executable, "-c", HARNESS, programs("echo")]
        root = Path(__file__).parent.parent
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=root) as harness:
            pid = int(harness.stdout.readline())
            assert "qemu" in Path(f"/proc/{pid}/comm").read_text()
            harness.kill()
        for _ in range(500):
            stat = Path(f"/proc/{pid}/stat")
            if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return
            time.sleep(0.01)
        pytest.fail("QEMU is still there")

    def test_the_firmware_has_no_semihosting(self, run):
        with run("echo") as machine:
            argv = Path(f"/proc/{machine.process.pid}/cmdline").read_bytes().decode()
        assert "semihosting" not in argv

    def test_qemu_is_shut_in(self, run):
        with run("echo") as machine:
            status = Path(f"/proc/{machine.process.pid}/status").read_text()
            argv = Path(f"/proc/{machine.process.pid}/cmdline").read_bytes().decode()
        if "-sandbox" not in argv:
            pytest.skip("this QEMU, or this kernel, has no seccomp")
        assert "spawn=deny" in argv
        assert "Seccomp:\t2\n" in status

    def test_a_qemu_without_seccomp_runs_without_it(self, programs, tmp_path, monkeypatch):
        program = tmp_path / "qemu-system-arm"
        refuses = 'case "$*" in *-sandbox*) echo "-sandbox support is not enabled" >&2; exit 1;; esac'
        program.write_text(f'#!/bin/sh\n{refuses}\nexec {shutil.which("qemu-system-arm")} "$@"\n')
        program.chmod(0o755)
        image = programs("echo")
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        with Qemu().run(image, BOARD, AN386) as machine:
            assert heard(machine, READY["echo"]) == READY["echo"]


@needs_compiler
@needs_qemu
class TestCrashes:
    @pytest.mark.parametrize("name", ["undefined", "nowhere"])
    def test_a_fault_without_a_handler_is_a_lock_up(self, run, name):
        with run(name) as machine:
            wait_for_end(machine)
            report = machine.crash()
        assert report.kind == "lock-up"
        assert "Lockup" in report.reason
        assert report.places[0].startswith(f"pc 0x{report.registers['pc']:08x} on_hard_fault at bare/start.c:")
        assert set(report.registers) == {*(f"r{n}" for n in range(13)), "sp", "lr", "pc", "xpsr"}
        assert report.registers["r3"] == {"undefined": 0, "nowhere": 0xDEAD0000}[name]

    def test_a_loop_is_a_hang_with_its_place(self, run):
        with run("spin") as machine:
            report = machine.crash()
            assert machine.crash().kind == "hang"
        assert report.kind == "hang"
        spins = line_of("spin.c", "count++")
        assert report.places[0].startswith("pc 0x")
        assert f" at bare/spin.c:{spins}" in report.places[0]
        assert report.places[1].startswith("lr 0x")
        assert f" reset at bare/start.c:{line_of('start.c', 'run();')}" in report.places[1]

    def test_a_loop_through_several_functions_shows_them(self, run):
        with run("wander") as machine:
            places = [place for _ in range(10) for place in machine.crash().places if not place.startswith("lr")]
        assert any(" one at bare/wander.c:" in place for place in places)
        assert any(" two at bare/wander.c:" in place for place in places)
        assert any(place.startswith("also 0x") for place in places)

    def test_looking_at_a_hang_does_not_disturb_it(self, run):
        with run("echo") as machine:
            for _ in range(5):
                machine.crash()
                machine.stream.write(b"still here")
                heard(machine, b"still here")

    def test_a_sleeping_image_waits_for_input(self, run):
        with run("echo") as machine:
            time.sleep(0.05)
            report = machine.crash()
        assert report.kind == "idle"
        assert "waiting for input" in report.reason
        assert "run at bare/echo.c:" in report.places[0]

    def test_sleep_in_an_interrupt_handler_is_a_hang(self, run):
        with run("asleep") as machine:
            time.sleep(0.05)
            report = machine.crash()
        assert report.kind == "hang"
        assert "handler of exception 16" in report.reason
        assert "on_uart_receive" in report.places[0]

    def test_a_reset_by_the_firmware_is_an_early_exit(self, run):
        with run("leave") as machine:
            machine.stream.write(b"x")
            wait_for_end(machine)
            assert str(machine.crash()) == "exit: the firmware reset itself"
            assert str(machine.crash()) == "exit: the firmware reset itself"
            with pytest.raises(TargetError, match="the firmware reset itself"):
                machine.reset()

    def test_a_reset_by_the_firmware_after_one_by_us_is_an_early_exit_too(self, run):
        with run("leave") as machine:
            machine.reset()
            heard(machine, READY["leave"])
            machine.stream.write(b"x")
            wait_for_end(machine)
            assert machine.crash().kind == "exit"

    def test_a_killed_qemu_is_told_with_its_signal(self, run):
        with run("echo") as machine:
            os.kill(machine.process.pid, signal.SIGKILL)
            wait_for_end(machine)
            assert str(machine.crash()) == "exit: QEMU ended: killed by SIGKILL"

    def test_a_stuck_qemu_is_told(self, run, monkeypatch):
        monkeypatch.setattr("hilbench.targets.qmp._TIMEOUT_S", 0.2)
        with run("echo") as machine:
            os.kill(machine.process.pid, signal.SIGSTOP)
            report = machine.crash()
        assert report.kind == "hang"
        assert "QEMU itself is stuck" in report.reason


@needs_qemu
class TestStart:
    @needs_compiler
    def test_an_unknown_machine_is_refused_in_the_words_of_qemu(self, programs):
        settings = QemuSettings(machine="no-such-machine")
        with (
            pytest.raises(TargetError, match="unsupported machine type"),
            Qemu().run(programs("echo"), BOARD, settings),
        ):
            pass

    def test_an_elf_for_another_processor_is_refused(self):
        with pytest.raises(ModelError, match="not for a Cortex-M"), Qemu().run(Path("/bin/true"), BOARD, AN386):
            pass

    def test_a_missing_image_is_refused(self, tmp_path):
        with pytest.raises(ModelError, match="No such file"), Qemu().run(tmp_path / "none.elf", BOARD, AN386):
            pass

    @needs_compiler
    def test_an_image_linked_for_other_memory_is_a_crash_report(self, programs):
        with Qemu().run(programs("echo"), BOARD, QemuSettings(machine="mps2-an505")) as machine:
            wait_for_end(machine)
            assert machine.crash().kind == "lock-up"


def test_nothing_reaches_the_gdbstub_once_the_guest_goes_on():
    """QEMU stops a guest for good at any byte its gdbstub reads while it runs, an acknowledgement among them."""
    ours, theirs = socket.socketpair()
    order = []

    class Control:
        def execute(self, command: str) -> None:
            order.append(command)

    def stub() -> None:
        theirs.sendall(b"$T02thread:01;#04")
        for _ in range(2):
            order.append(theirs.recv(1 << 16))
            theirs.sendall(b"+$OK#9a")
        theirs.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            order.append(theirs.recv(1 << 16))

    thread = threading.Thread(target=stub)
    with GdbMemory(ours, Control()) as memory, theirs:
        thread.start()
        memory.write(0x2000_0000, bytes(1500))
        thread.join()
    assert [order[0], order[-1]] == ["stop", "cont"] and len(order) == 4
    assert all(packet.startswith(b"$M") and packet.count(b"$") == 1 for packet in order[1:3])
