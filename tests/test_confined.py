"""A program that listens on every network is heard by hilbench alone, and is gone with it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hilbench.errors import TargetError
from hilbench.targets.confined import confined
from tests.test_process import is_gone

SERVER = """
import os, socket, subprocess, sys
print(subprocess.Popen(["sleep", "300"]).pid, flush=True)
server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
while True:
    with server.accept()[0] as client:
        client.sendall(os.getcwd().encode())
"""
HARNESS = """
import os, sys, time
from pathlib import Path
from hilbench.targets.confined import confined
with confined([sys.executable, "-c", sys.argv[1], sys.argv[2]], Path(sys.argv[3]), os.environ) as program:
    print(program.process.pid, flush=True)
    time.sleep(300)
"""


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def connected(program, port: int) -> socket.socket:
    for _ in range(200):
        try:
            return program.connect(port, 5)
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"nobody listens: {program.process.tail()}")


def group(pid: int) -> list[int]:
    """The processes of a process group, but zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == pid and fields[0] not in "ZX":
            found.append(int(stat.parent.name))
    return found


def test_the_program_is_reached_from_here_and_from_nowhere_else(tmp_path):
    port = free_port()
    with confined([sys.executable, "-c", SERVER, str(port)], tmp_path, os.environ) as program:
        with connected(program, port) as line:
            assert line.recv(1000).decode() == str(tmp_path)
        if not program.alone:
            pytest.skip("this kernel gives no network to a program of its own")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)
        members = group(program.process.pid)
        assert len(members) == 3, "the keeper, the server, and what that started"
    assert all(is_gone(pid) for pid in members)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_the_program_and_its_children_end_when_hilbench_is_killed(tmp_path, end):
    argv = [sys.executable, "-c", HARNESS, SERVER, str(free_port()), str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
        keeper = int(running.stdout.readline())
        deadline = time.monotonic() + 10
        while len(members := group(keeper)) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(members) == 3
        running.send_signal(end)
    assert all(is_gone(pid) for pid in members)


def test_a_program_that_ends_is_known_by_its_exit_code(tmp_path):
    with confined([sys.executable, "-c", "print('bye'); exit(7)"], tmp_path, os.environ) as program:
        assert program.process.wait(10) == 7
        assert program.process.tail() == "bye\n"
        with pytest.raises(OSError):  # noqa: PT011
            program.connect(1, 1)


def test_a_program_that_is_not_there_is_told(tmp_path):
    with (
        pytest.raises(TargetError, match=r"'/no/such/program' does not start: No such file"),
        confined(["/no/such/program"], tmp_path, os.environ),
    ):
        pytest.fail("it started")
