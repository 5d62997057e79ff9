"""A debug probe at another computer: a real `pyocd server` with a board of the virtual bench, and all its ends."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hilbench.errors import TargetError, Unavailable, UsageError
from hilbench.targets.debug import choose, client
from hilbench.targets.debug.client import PyOcd
from hilbench.targets.hello import answers
from hilbench.targets.probe import Probe

from .conftest import DIGITS
from .firmware_images import make
from .microbit_bench import CODE, NRF51, in_use, microbit, needs_qemu, noise, plugged, settings
from .virtual_bench import VirtualBench, VirtualBoard

pytest.importorskip("pyocd")
pytestmark = needs_qemu

START_S = 30


class Server:
    """`pyocd server` for a board, always at the same port."""

    def __init__(self, board: VirtualBoard) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.probe = f"remote:127.0.0.1:{self.port}"
        self._board = board
        self.start()

    def start(self) -> None:
        command = [*(sys.executable, "-m", "pyocd", "server", "--no-config"), f"--port={self.port}"]
        self.process = subprocess.Popen(
            [*command, f"--uid={self._board.serial_number}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        end = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self.process.poll() is None and time.monotonic() < end, self.process.communicate()
            time.sleep(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualBench]:
    with in_use(tmp_path_factory.mktemp("bench")) as bench:
        yield bench


@pytest.fixture(scope="module")
def board(bench: VirtualBench) -> Iterator[VirtualBoard]:
    with plugged(bench) as board:
        yield board


@pytest.fixture(scope="module")
def server(board: VirtualBoard) -> Iterator[Server]:
    server = Server(board)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def pyocd(bench: VirtualBench) -> Iterator[PyOcd]:
    with client.started() as pyocd:
        yield pyocd


@contextlib.contextmanager
def answering(says: bytes) -> Iterator[str]:
    """Give the address of something that answers each connection with `says` and ends it."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                with listening.accept()[0] as connection:
                    connection.sendall(says)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield f"remote:127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def test_an_image_is_flashed_and_runs_and_goes_on_when_its_server_is_back(
    server: Server, board: VirtualBoard, image_cache: Path
):
    program = make("microbit", image_cache, "echo").path
    given = settings(probe=server.probe, port=board.port)
    with Probe().run(program, microbit(), given) as running:
        assert answers(running.stream, 5)
        assert "bytes in" in running.facts["flashed"] and running.facts["probe_id"] == server.probe
        running.memory.write(0x2000_3000, b"four")
        assert running.memory.read(0x2000_3000, 4) == b"four"
        for another_way in (server.probe, server.probe.replace("remote", "REMOTE").replace("127.0.0.1", "localhost")):
            with pytest.raises(Unavailable, match=f"{server.probe} is in use by this process"):
                Probe().run(program, microbit(), settings(probe=another_way, port=board.port)).__enter__()
        server.kill()
        start = time.monotonic()
        with pytest.raises(TargetError, match=f"127.0.0.1:{server.port} went away while reading 0x20000000"):
            running.memory.read(0x2000_0000, 8)
        assert time.monotonic() - start < 5
        server.start()
        running.reset()
        assert answers(running.stream, 5)
    with Probe().run(program, microbit(), given) as running:
        assert running.facts["flashed"].startswith("nothing")


@pytest.mark.parametrize("delay_s", [0.02, 0.3])
def test_a_server_that_is_killed_while_it_flashes_is_told_at_once(
    server: Server, board: VirtualBoard, pyocd: PyOcd, delay_s: float
):
    pyocd.open(server.probe, NRF51)
    data = noise(60_000)
    threading.Timer(delay_s, server.process.kill).start()
    start = time.monotonic()
    with pytest.raises(TargetError, match=f"the pyOCD server 127.0.0.1:{server.port} went away while ") as told:
        pyocd.flash([(0, data)], CODE)
    assert time.monotonic() - start < 10 and "next run" in told.value.hint
    server.kill()
    server.start()
    pyocd.open(server.probe, NRF51)
    assert pyocd.flash([(0, data[:4000])], CODE)
    assert board.read(0, 4000) == data[:4000]


def test_a_probe_that_is_unplugged_at_its_server(bench: VirtualBench, pyocd: PyOcd):
    with plugged(bench) as board:
        server = Server(board)
        try:
            pyocd.open(server.probe, NRF51)
            board.fault("unplug", after=60)
            with pytest.raises(TargetError, match=f"probe '{server.probe}' went away while"):
                pyocd.flash([(0, noise(8000))], CODE)
        finally:
            server.kill()


def test_what_is_no_server_is_told(pyocd: PyOcd):
    for probe, why in (
        ("remote:127.0.0.1:1", r"the pyOCD server 127.0.0.1:1 does not answer: ConnectionRefusedError"),
        ("remote:nowhere.invalid:5555", r"the host of the pyOCD server nowhere.invalid:5555 is not known|not answer"),
    ):
        with pytest.raises(Unavailable, match=why) as told:
            pyocd.open(probe, NRF51)
        assert "run `pyocd server` there" in told.value.hint
    for says, why in (
        (b"", "does not answer: ConnectionResetError: it has closed the connection"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "is no pyOCD server: it says b'SSH-2.0-OpenSSH_9.2p1"),
        (b"{}\n", "malformed response from server"),
    ):
        with answering(says) as probe, pytest.raises(Unavailable, match=why):
            pyocd.open(probe, NRF51)


@pytest.mark.slow
def test_a_server_that_says_nothing_is_not_waited_for_long(pyocd: PyOcd):
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable, match="not answered for 10 s"):
        pyocd.open(f"remote:127.0.0.1:{silent.getsockname()[1]}", NRF51)


def test_one_server_has_one_name(pyocd: PyOcd):
    for written in ("remote:lab-pc", "Remote:Lab-PC:5555", "remote: lab-pc:05555"):
        assert choose.find_probe(pyocd, microbit(), written).unique_id == "remote:lab-pc:5555"
    for wrong in (
        "remote:",
        "remote:lab-pc:",
        "remote:lab-pc:port",
        "remote:lab-pc:70000",
        "remote::1",
        "remote:lab..pc",
    ):
        with pytest.raises(UsageError, match="is no pyOCD server") as told:
            choose.find_probe(pyocd, microbit(), wrong)
        assert told.value.hint == "--hil-probe=remote:HOST:PORT"


@pytest.mark.slow
def test_pytest_runs_a_suite_over_a_remote_probe(
    pytester: pytest.Pytester, server: Server, board: VirtualBoard, image_cache: Path
):
    assert os.environ["HILBENCH_CACHE"] == str(image_cache)
    done = pytester.runpytest_subprocess(
        "-p", "tests.virtual_bench.plugin", str(DIGITS), "--board=microbit", "--hil-samples=20", "--hil-wait=0",
        f"--hil-probe={server.probe}", f"--hil-port={board.port}",
    )  # fmt: skip
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*digits on microbit (BBC micro:bit*"])
