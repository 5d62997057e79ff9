"""The target `renode`: without Renode each mistake is told; with it (HILBENCH_RENODE) images run and are counted.

What is run here was written for a machine of QEMU, and runs in Renode on tests/bare/mps2.repl, so that the two compare.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench import bench, catalog, plugins
from hilbench.catalog import board
from hilbench.counts import Probe
from hilbench.errors import ModelError, TargetError, Unavailable
from hilbench.targets import renode, renode_counts
from hilbench.targets.base import Counting
from hilbench.targets.qemu import Qemu, QemuSettings
from hilbench.targets.renode import VARIABLE, Renode, RenodeSettings
from tests.bare_programs import BOARD, FOLDER, build, needs_compiler, needs_qemu
from tests.test_counting import WINDOWS
from tests.test_end_to_end import plan
from tests.test_process import is_gone
from tests.test_qemu import heard, line_of

MPS2 = RenodeSettings(platform=str(FOLDER / "mps2.repl"))
NRF = RenodeSettings(platform="nrf52840")
VERSION = 'if [ "$1" = --version ]; then echo "Renode v1.16.0.1"; exit; fi\n'
HARNESS = """
import sys, time
from pathlib import Path
from hilbench.targets.renode import Renode, RenodeSettings
from tests.bare_programs import BOARD
with Renode().run(Path(sys.argv[1]), BOARD, RenodeSettings(platform=sys.argv[2])) as machine:
    print(machine.program.process.pid, machine.folder, flush=True)
    time.sleep(300)
"""
GARBAGE = """
import http.server, sys
class Any(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<p>hello")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--robot-server-port") + 1])), Any).serve_forever()
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Builds each program once."""
    return cache(lambda name: build(name, tmp_path_factory.mktemp(name)))


@pytest.fixture
def pretend(monkeypatch, tmp_path):
    """Makes a script the Renode of this test, and gives its path."""

    def make(script: str) -> Path:
        path = tmp_path / "renode"
        path.write_text(f"#!/bin/sh\n{script}")
        path.chmod(0o755)
        monkeypatch.setenv(VARIABLE, str(path))
        return path

    return make


def test_the_target_is_found_by_its_name_and_counts():
    assert plugins.load("targets", "renode") is Renode
    assert isinstance(Renode(), Counting)


def test_a_typo_in_the_settings_is_an_error():
    with pytest.raises(ValueError, match="platfrom"):
        RenodeSettings(platfrom="nrf52840")
    with pytest.raises(ValueError, match="uart"):
        RenodeSettings(platform="nrf52840", uart="uart0 line; quit")
    with pytest.raises(ValueError, match="platform"):
        RenodeSettings(platform="../nrf52840")


def test_an_unknown_platform_is_told_with_the_one_that_was_meant(pretend):
    pretend(VERSION)
    support = Renode().available(BOARD, RenodeSettings(platform="nrf52480"))
    assert (support.ok, support.reason) == (False, "there is no platform 'nrf52480' for Renode")
    assert "nrf52840" in support.remedy


def test_without_renode_the_remedy_is_told(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    support = Renode().available(BOARD, NRF)
    assert (support.ok, support.reason) == (False, "renode is not on PATH")
    assert VARIABLE in support.remedy


@pytest.mark.parametrize("given", ["/no/such/renode", "'unbalanced", " "])
def test_a_command_that_is_none_is_told(monkeypatch, given):
    monkeypatch.setenv(VARIABLE, given)
    support = Renode().available(BOARD, NRF)
    assert not support.ok
    assert VARIABLE in support.reason


@pytest.mark.parametrize(
    ("script", "reason"),
    [("echo hello", "is no Renode: 'hello'"), ("exit 3", "is no Renode: ''"), ("sleep 300", "says nothing in")],
)
def test_a_program_that_is_no_renode_is_told(pretend, monkeypatch, script, reason):
    path = pretend(f"{script}\n")
    monkeypatch.setattr(renode, "_ANSWER_S", 0.5)
    support = Renode().available(BOARD, NRF)
    assert not support.ok
    assert reason in support.reason
    assert str(path) in support.reason


@needs_compiler
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo no licence; exit 1", "Renode does not start: no licence"),
        ("echo thinking; exec sleep 300", "Renode is not up after 2 s: thinking"),
        (f"exec {sys.executable} -c '{GARBAGE}' \"$@\"", "is no Renode"),
    ],
)
def test_a_renode_that_does_not_work_is_told_and_leaves_nothing(
    programs, pretend, monkeypatch, tmp_path, script, reason
):
    monkeypatch.setattr(renode, "_UP_S", 2.0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pretend(VERSION + script)
    with pytest.raises(TargetError, match=reason), Renode().run(programs("echo"), BOARD, MPS2):
        pytest.fail("it runs")
    assert [path.name for path in tmp_path.iterdir()] == ["renode"]


@needs_compiler
def test_an_image_for_another_memory_is_refused_before_renode_starts(programs, pretend):
    pretend(VERSION)
    with (
        pytest.raises(TargetError, match=r"code at 0x00000000, outside of board nano33's, from 0x00010000 on"),
        Renode().run(programs("echo"), board("nano33"), NRF),
    ):
        pytest.fail("it runs")


def test_an_image_for_another_processor_is_refused_before_renode_starts(pretend):
    pretend(VERSION)
    with pytest.raises(ModelError, match="not for a Cortex-M"), Renode().run(Path(sys.executable), BOARD, MPS2):
        pytest.fail("it runs")


class TestWindows:
    """What the hooks wrote, without what a window itself takes."""

    START = "calibrates 10\nopens 100\ncloses 107\nopens 200\ncloses 1207\n"

    def test_a_window_is_what_ran_less_what_an_empty_one_has(self):
        text = self.START + "opens 5000\ncloses 5050\nopens 6000\ncloses 6007\n"
        assert [window.instructions for window in renode_counts.read_windows(text)] == [43, 0]

    def test_windows_go_on_after_a_reset(self):
        text = self.START + "opens 5000\ncloses 5050\n" + self.START + "opens 300\ncloses 327\n"
        assert [window.instructions for window in renode_counts.read_windows(text)] == [43, 20]

    def test_a_reset_within_a_window_leaves_none(self):
        text = self.START + "opens 5000\n" + self.START + "opens 300\ncloses 327\n"
        assert [window.instructions for window in renode_counts.read_windows(text)] == [20]

    def test_a_window_that_is_still_open_or_being_written_is_none(self):
        assert renode_counts.read_windows(self.START + "opens 5000\ncloses 50") == []

    def test_a_count_that_is_wrong_where_it_is_known_is_not_trusted(self):
        with pytest.raises(Unavailable, match="counts 1003 instructions where there are 1000"):
            renode_counts.read_windows(self.START.replace("1207", "1210"))

    @given(st.lists(st.sampled_from(["opens", "closes", "calibrates"]), max_size=12))
    def test_marks_out_of_turn_are_never_windows(self, marks):
        text = self.START + "".join(f"{mark} 7\n" for mark in marks)
        with contextlib.suppress(Unavailable):
            assert len(renode_counts.read_windows(text)) <= marks.count("closes")


@pytest.fixture(scope="module")
def real():
    """The command of a real Renode."""
    if not (os.environ.get(VARIABLE) or shutil.which("renode")):
        pytest.skip(f"no Renode: set {VARIABLE}")
    return Renode().version()


@needs_compiler
@pytest.mark.slow
@pytest.mark.usefixtures("real")
class TestRunning:
    @pytest.fixture
    def run(self, programs):
        @contextlib.contextmanager
        def start(name, until=b"hello\n"):
            with Renode().run(programs(name), BOARD, MPS2) as machine:
                assert heard(machine, until).startswith(b"hello\n")
                yield machine

        return start

    def test_every_byte_comes_back_and_so_after_a_reset(self, run):
        sent = bytes(range(256))
        with run("echo", b"hello\nready\n") as machine:
            for _ in range(2):
                machine.stream.write(sent)
                received = b""
                while len(received) < len(sent):
                    received += machine.stream.read(5) or pytest.fail(f"{len(received)}: {machine.crash()}")
                assert received == sent
                machine.reset()
                heard(machine, b"hello\nready\n")
            report = machine.crash()
        assert report.kind == "idle"
        assert f"run at bare/echo.c:{line_of('echo.c', 'for (;;)')}" in report.places[0]

    def test_a_fault_that_nothing_handles_names_its_cause_and_line(self, run):
        with run("undefined") as machine:
            report = machine.crash()
        assert report.kind == "fault"
        assert "UNDEFINSTR" in report.reason
        assert report.registers["xpsr"] & 0x1FF == 6

    def test_a_jump_to_nowhere_ends_in_a_report(self, run):
        with run("jump") as machine:
            time.sleep(1)
            report = machine.crash()
        assert report.kind in ("fault", "hang")
        assert "90000000" in f"{report}"

    def test_a_loop_is_caught_in_its_functions(self, run):
        with run("wander") as machine:
            report = machine.crash()
        assert report.kind == "hang"
        assert "wander.c" in " ".join(report.places)

    def test_a_platform_that_is_wrong_is_told_in_renodes_words(self, programs, tmp_path):
        wrong = tmp_path / "wrong.repl"
        wrong.write_text("cpu: CPU.CortexN @ sysbus\n")
        with (
            pytest.raises(TargetError, match=r"(?s)platform\.repl.*CortexN"),
            Renode().run(programs("echo"), BOARD, RenodeSettings(platform=str(wrong))),
        ):
            pytest.fail("it runs")

    def test_a_core_that_does_not_start_is_told(self, programs):
        elsewhere = BOARD.model_copy(deep=True)
        object.__setattr__(elsewhere.memory.code, "base", 0)
        platform = (FOLDER / "mps2.repl").read_text().replace("sysbus 0x00000000", "sysbus 0x10000000")
        path = programs("echo").with_suffix(".repl")
        path.write_text(platform)
        with (
            pytest.raises(TargetError, match="core does not start"),
            Renode().run(programs("echo"), elsewhere, RenodeSettings(platform=str(path))),
        ):
            pytest.fail("it runs")

    def test_a_renode_that_is_killed_is_told(self, run):
        with run("echo") as machine:
            os.killpg(machine.program.process.pid, signal.SIGKILL)
            assert machine.crash().kind == "exit"
            with pytest.raises(TargetError, match="it is gone"):
                machine.reset()

    def test_renode_ends_with_hilbench_even_when_that_is_killed(self, programs):
        argv = [sys.executable, "-c", HARNESS, str(programs("echo")), MPS2.platform]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
            keeper, folder = running.stdout.readline().split()
            running.kill()
        assert is_gone(int(keeper))
        shutil.rmtree(folder)

    @needs_qemu
    def test_windows_of_known_code_have_the_same_instructions_as_in_qemu(self, programs):
        counts = []  # but of those that interrupts run in, which come when a machine's clock says
        for target, settings in ((Renode(), MPS2), (Qemu(), QemuSettings(machine="mps2-an386"))):
            with target.count(programs("counted"), BOARD, settings, Probe()) as machine:
                heard(machine, b"done\n", 30)
                named = zip(WINDOWS, machine.windows(), strict=False)
                counts.append({name: it.instructions for name, it in named if not name.startswith("with_")})
        assert counts[0] == counts[1]


@needs_compiler
@pytest.mark.slow
@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("name", ["nano33", "stm32f746g-disco"])
def test_the_boards_own_image_gives_what_its_stand_in_in_qemu_gives(name):
    """One image, unchanged, against one of the same model code for a machine of QEMU."""
    choices = [catalog.resolve([f"{name}@{target}"])[0] for target in ("renode", "qemu")]
    plans = [replace(plan(), board=choice.board, target=choice.target, samples=40) for choice in choices]
    ours, theirs = (bench.run(each) for each in plans)
    assert (ours.target.kind, theirs.target.kind) == ("renode", "qemu")
    assert ours.samples.outputs == theirs.samples.outputs
    ratio = ours.metrics["instructions"].value / theirs.metrics["instructions"].value
    assert ratio == pytest.approx(1, abs=1e-6)
    assert "counts instructions, but does not tell which" in ours.missing["counts"]


def test_a_board_whose_platform_is_wrong_is_told_at_once():
    assert board("nano33").targets["renode"] == {"platform": "nrf52840"}
    for name in ("nano33", "nrf52840-dk", "netduinoplus2", "stm32f4-discovery", "nucleo-f446re", "stm32f746g-disco"):
        settings = RenodeSettings.model_validate(board(name).targets["renode"])
        text = (Path(renode.__file__).parent / "renode_platforms" / f"{settings.platform}.repl").read_text()
        assert f"\n{settings.uart}: UART." in text
