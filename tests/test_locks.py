"""A board has one user at a time, across processes and users, and is free when its user ends, however that is."""

import logging
import multiprocessing
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from hilbench.errors import Unavailable
from hilbench.targets import locks
from hilbench.targets.locks import held, holder

HOLD = """
import sys
from hilbench.targets.locks import held
with held(sys.argv[1], float(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def unit() -> str:
    """A board of this test's own."""
    return f"test-{secrets.token_hex(8)}"


@contextmanager
def another(unit: str, program: str = HOLD):
    """A process that holds the board until its stdin ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, unit, "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "held\n", process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


def test_who_cannot_have_the_board_is_told_who_has_it(unit: str):
    with another(unit) as other:
        with pytest.raises(Unavailable) as error, held(unit, 0):
            pass
        assert f"board {unit} is in use by root (process {other.pid}: " in str(error.value) or os.geteuid() != 0
        assert f"(process {other.pid}: {sys.executable} -c" in str(error.value)
        assert "--hil-wait" in str(error.value)
        assert holder(unit).pid == other.pid
    assert holder(unit) is None
    with held(unit, 0):
        assert str(holder(unit)) == "this process"


def test_boards_are_held_apart(unit: str):
    with held(unit, 0), held(unit + "1", 0), held("/dev/serial/by-id/" + "x" * 300, 0):
        pass
    with held(unit, 0):
        pass


def test_the_deadline_is_kept_without_a_busy_loop(unit: str):
    with another(unit):
        start, spent = time.monotonic(), time.thread_time()
        with pytest.raises(Unavailable, match=r"after 0.4 s of waiting"), held(unit, 0.4):
            pass
        assert 0.39 < time.monotonic() - start < 2
        assert time.thread_time() - spent < 0.1


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_holder_leaves_nothing_and_wakes_who_waits(unit: str, end: signal.Signals):
    with another(unit) as other:
        threading.Timer(0.3, other.send_signal, [end]).start()
        start = time.monotonic()
        with held(unit, 30):
            assert time.monotonic() - start < 5


def test_a_board_is_free_when_its_run_failed(unit: str):
    with pytest.raises(ZeroDivisionError), held(unit, 0):
        raise ZeroDivisionError
    with held(unit, 0):
        pass


def test_who_waits_is_told_for_whom_while_it_waits(
    unit: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(locks, "TELL_AFTER_S", 0.2)
    with another(unit) as other, caplog.at_level(logging.WARNING):
        threading.Timer(0.6, other.kill).start()
        with held(unit, 30):
            pass
        (record,) = caplog.records
        assert f"waiting for board {unit}, which is in use by" in record.getMessage()
        assert f"process {other.pid}" in record.getMessage()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # this process has threads, as runs of hilbench do
def test_a_fork_of_the_holder_does_not_keep_the_board(unit: str):
    context = multiprocessing.get_context("fork")
    with held(unit, 0):
        child = context.Process(target=time.sleep, args=(30,))
        child.start()
    try:
        with held(unit, 0):
            pass
    finally:
        child.kill()
        child.join()


def test_a_program_that_the_holder_started_does_not_keep_the_board(unit: str):
    start = 'import subprocess\n    print(subprocess.Popen(["sleep", "30"], close_fds=False).pid, file=sys.stderr)\n'
    with another(unit, HOLD.replace("    print", f"    {start}    print")) as other:
        sleeper = int(other.stderr.readline())
        other.kill()
        other.wait()
        try:
            with held(unit, 0.5):
                pass
        finally:
            os.kill(sleeper, signal.SIGKILL)


CONTEND = """
import os, sys, time
from hilbench.targets.locks import held
unit, log = sys.argv[1:]
for _ in range(4):
    with held(unit, 60):
        with open(log, "a") as file:
            file.write(f"+{os.getpid()}\\n"); file.flush()
            time.sleep(0.005)
            file.write(f"-{os.getpid()}\\n"); file.flush()
"""


def test_eight_contenders_have_it_one_after_the_other(unit: str, tmp_path):
    log = tmp_path / "log"
    processes = [subprocess.Popen([sys.executable, "-c", CONTEND, unit, str(log)]) for _ in range(8)]
    assert [process.wait(60) for process in processes] == [0] * 8
    lines = log.read_text().split()
    assert len(lines) == 64
    for taken, left in zip(lines[::2], lines[1::2], strict=True):
        assert taken[0] == "+" and left == "-" + taken[1:]


def test_threads_of_one_process_have_it_one_after_the_other(unit: str):
    inside, most = [], []

    def run() -> None:
        with held(unit, 20):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == [1] * 6


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_the_lock_holds_across_users(unit: str):
    code = "import os, pwd\nfrom hilbench.targets import locks\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    with another(unit, code + HOLD) as other, pytest.raises(Unavailable) as error, held(unit, 0):
        pass
    assert f"is in use by nobody (process {other.pid}" in str(error.value)
    with held(unit, 0):
        code += f"with locks.held({unit!r}, 0): pass"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"is in use by root (process {os.getpid()}" in done.stderr
