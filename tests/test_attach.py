"""A board that is flashed already runs over a port, a socket or RFC 2217: the whole run, and what can go wrong.

The board is QEMU's mps2-an386 at the other end of a serial line, which the test's own board file calls silicon.
"""

import dataclasses
import os
import shutil
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from hilbench import bench, catalog
from hilbench.catalog.board import Board
from hilbench.errors import LinkTimeout, Unavailable, WrongImage
from hilbench.images.image import Image
from hilbench.link.client import Client
from hilbench.link.framing import END, encode
from hilbench.link.protocol import Frame
from hilbench.plan import Plan
from hilbench.records.record import Record
from hilbench.targets.attach import RESET_FRAMES, Attach, AttachSettings
from hilbench.targets.base import CrashReport
from hilbench.targets.locks import held
from hilbench.targets.qemu import Machine, Qemu, QemuSettings

from .conftest import DIGITS
from .firmware_images import make, needs_qemu
from .serial_lines import KINDS, ServedLine, bench_board_file, served, wired
from .test_end_to_end import plan

pytestmark = needs_qemu


@pytest.fixture(scope="module")
def board_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board file of this test's own: QEMU's board, as if it were on a bench."""
    return bench_board_file(tmp_path_factory.mktemp("boards"), "  attach:")


@pytest.fixture(scope="module")
def bench_board(board_file: Path) -> Board:
    return catalog.boards([board_file.parent])["mybench"]


@pytest.fixture(scope="module")
def emulated() -> Record:
    return bench.run(plan())


@contextmanager
def powered(image: Image) -> Iterator[Machine]:
    """The board, running `image`; as on silicon, its firmware may reset it."""
    with Qemu().run(image.path, catalog.board("mps2-an386"), QemuSettings(machine="mps2-an386")) as machine:
        machine.qmp.execute("set-action", reboot="reset")
        yield machine


@contextmanager
def on_a_line(image: Image, kind: str) -> Iterator[tuple[ServedLine, Machine]]:
    with powered(image) as machine, served(kind) as line, wired(line, machine.stream):
        yield line, machine


def planned(board: Board, url: str = "") -> Plan:
    attached = (("port", url), ("wait_s", "0")) if url else ()
    return dataclasses.replace(plan(), board=board, target="attach", attached=attached)


def at(url: str) -> AttachSettings:
    return AttachSettings(port=url, wait_s=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_run_is_measured_on_a_board_that_was_flashed_by_other_means(
    bench_board: Board, emulated: Record, kind: str
):
    with on_a_line(bench.built_image(planned(bench_board)), kind) as (line, _):
        record = bench.run(planned(bench_board, line.url))
    assert record.samples.outputs == emulated.samples.outputs
    assert record.metrics["accuracy"].value == emulated.metrics["accuracy"].value
    assert record.metrics["latency"].basis == record.metrics["cycles"].basis == "measured"
    assert record.target.kind == "attach"
    assert record.link["frames_resent"] == record.link["damaged_in"] == record.link["damaged_out"] == 0


def test_pytest_runs_it_by_its_board_file(pytester: pytest.Pytester, board_file: Path, bench_board: Board):
    shutil.copy(board_file, pytester.mkdir("boards"))
    image = bench.built_image(planned(bench_board))
    arguments = (str(DIGITS), "--board=mybench", "--hil-samples=20")
    with on_a_line(image, "socket") as (line, _):
        done = pytester.runpytest_subprocess(*arguments, f"--hil-port=mybench={line.url}")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*measured*"])
    done = pytester.runpytest_subprocess(*arguments)
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*takes a serial adapter of your own*"])


def test_another_image_on_the_board_is_told_with_what_to_flash(bench_board: Board, image_cache: Path):
    wanted = make("mps2-an386", image_cache, "echo")
    other = make("mps2-an386", image_cache, "echo", output_bytes=8)

    def ask(url: str) -> None:
        with Attach().run(wanted.path, bench_board, at(url)) as running:
            client = Client(running.stream, 5)
            client.hello(5)
            client.require(wanted.manifest.build_id)

    with on_a_line(other, "pty") as (line, _), pytest.raises(WrongImage) as error:
        ask(line.url)
    assert line.url in error.value.what
    assert error.value.hint == f"the target attach flashes nothing: flash {wanted.path} yourself"


def test_a_silent_line_is_told_with_what_to_flash(bench_board: Board, image_cache: Path):
    image = make("mps2-an386", image_cache, "echo")

    def ask(url: str) -> None:
        with Attach().run(image.path, bench_board, at(url)) as running:
            assert running.crash() is None
            Client(running.stream, 5).hello(0.3)

    with served("pty") as line, pytest.raises(LinkTimeout) as error:
        ask(line.url)
    assert f"({line.url})" in error.value.what
    assert "is it running, and connected?" in error.value.hint and f"flash {image.path}" in error.value.hint


def test_another_program_on_the_board_is_told_by_what_it_says(bench_board: Board, image_cache: Path):
    image = make("mps2-an386", image_cache, "echo")
    with served("pty") as line, Attach().run(image.path, bench_board, at(line.url)) as running:
        line.send(b"*** Booting Zephyr OS ***\r\n")
        assert running.stream.read(5)
        report = running.crash()
        assert isinstance(report, CrashReport)
        assert "*** Booting Zephyr OS ***" in str(report) and str(image.path) in str(report)
        line.send(encode(Frame.ACK, 1, 1, os.urandom(200)))
        assert running.stream.read(5)
        running.reset()
        assert running.crash() is None


def test_a_server_that_closes_the_line_is_told_with_its_last_words(bench_board: Board, image_cache: Path):
    image = make("mps2-an386", image_cache, "echo")
    with served("socket") as line, Attach().run(image.path, bench_board, at(line.url)) as running:
        running.stream.write(b"?")
        assert line.receive(1) == b"?"
        line.send(b"Port already in use\r\n")
        assert running.stream.read(5)
        line.ending.set()
        with pytest.raises(EOFError):
            running.stream.read(5)
        assert str(running.crash()) == f"gone: its line is closed: {line.url}\n  Port already in use"


def test_the_frame_that_resets_is_the_protocols():
    assert END + encode(Frame.RESET, 0, 0, b"") == RESET_FRAMES


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_starts_the_image_again(bench_board: Board, image_cache: Path, kind: str):
    image = make("mps2-an386", image_cache, "echo")
    with on_a_line(image, kind) as (line, _), Attach().run(image.path, bench_board, at(line.url)) as running:
        for _ in range(2):
            client = Client(running.stream, 10)
            client.hello(10)
            assert [inference.invocation for inference in client.infer([bytes(64)] * 2)] == [0, 1]
            running.reset()


def test_a_hung_board_is_reset_by_dtr_where_that_is_wired(bench_board: Board, image_cache: Path):
    image = make("mps2-an386", image_cache, "hangs")
    ended = threading.Event()

    def wire(line: ServedLine, machine: Machine) -> None:
        while not ended.wait(0.02):
            if False in line.dtr:
                line.dtr.clear()
                machine.qmp.execute("system_reset")

    with (
        on_a_line(image, "rfc2217") as (line, machine),
        Attach().run(image.path, bench_board, at(line.url)) as running,
    ):
        wiring = threading.Thread(target=wire, args=(line, machine))
        wiring.start()
        client = Client(running.stream, 1)
        client.hello(10)
        with pytest.raises(LinkTimeout):
            list(client.infer([bytes(64)]))
        running.reset()
        Client(running.stream, 1).hello(10)
        ended.set()
        wiring.join()


def test_a_board_that_was_unplugged_goes_on_under_another_name(
    bench_board: Board, image_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its USB serial number is what stays."""
    plugged: list[ListPortInfo] = []
    monkeypatch.setattr(list_ports, "comports", lambda: list(plugged))

    def plug(device: str) -> None:
        port = ListPortInfo(device)
        port.serial_number = "066F"
        plugged[:] = [port]

    image = make("mps2-an386", image_cache, "echo")
    master, slave = os.openpty()
    tty.setraw(slave)
    plug(os.ttyname(slave))
    first = ServedLine(os.ttyname(slave), master)
    with powered(image) as machine, Attach().run(image.path, bench_board, at("066F")) as running:
        with wired(first, machine.stream):
            Client(running.stream, 5).hello(10)
        plugged.clear()
        os.close(slave)
        os.close(master)
        with pytest.raises(EOFError):
            running.stream.read(1)
        assert running.crash().kind == "gone"
        with served("pty") as second, wired(second, machine.stream):
            threading.Timer(0.3, plug, [second.url]).start()
            running.reset()
            assert running.port.url == second.url
            Client(running.stream, 5).hello(10)


def test_a_board_in_use_is_waited_for_or_told(bench_board: Board, image_cache: Path):
    image = make("mps2-an386", image_cache, "echo")

    def run(url: str, wait_s: float):
        return Attach().run(image.path, bench_board, AttachSettings(port=url, wait_s=wait_s))

    with served("pty") as line, run(line.url, 0):
        with pytest.raises(Unavailable, match="is in use by this process"):
            run(line.url, 0).__enter__()
        with pytest.raises(Unavailable, match=r"after 0.2 s of waiting"):
            run(line.url, 0.2).__enter__()
    with served("pty") as line:
        other = held(line.url, 0)
        other.__enter__()
        threading.Timer(0.3, other.__exit__, [None, None, None]).start()
        start = time.monotonic()
        with run(line.url, 30):
            assert 0.2 < time.monotonic() - start < 10


def test_who_runs_pytest_is_told_at_once_who_has_the_board(
    pytester: pytest.Pytester, board_file: Path, bench_board: Board
):
    shutil.copy(board_file, pytester.mkdir("boards"))
    bench.built_image(planned(bench_board))
    with served("pty") as line, held(line.url, 0):
        done = pytester.runpytest_subprocess(str(DIGITS), "--board=mybench", f"--hil-port={line.url}", "--hil-wait=2.2")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines([
        f"digits?mybench-tvm?: waiting for board {line.url}, which is in use by * (process {os.getpid()}: *",
        f"SKIPPED *board {line.url} is in use by * after 2.2 s of waiting*",
    ])  # fmt: skip


def test_what_is_available_is_said_without_opening_anything(bench_board: Board):
    with served("pty") as line:
        assert Attach().available(bench_board, AttachSettings(port=line.url)).ok
    gone = Attach().available(bench_board, AttachSettings(port=line.url))
    assert not gone.ok and f"there is no {line.url}" in gone.reason
    assert not Attach().available(bench_board, AttachSettings(port="tcp://x:1")).ok
    assert not Attach().available(catalog.board("host"), AttachSettings()).ok
    assert Attach().version()
