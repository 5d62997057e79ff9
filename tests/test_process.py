import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hilbench.errors import TargetError, Unavailable
from hilbench.targets import process
from hilbench.targets.process import child, free_cpu

SLEEP = ("sleep", "300")
HARNESS = """
import sys, time
from hilbench.targets import process
process.LOCK_NAME = sys.argv[1]
with process.child(["sleep", "300"]) as sleeper:
    print(sleeper.pid, flush=True)
    time.sleep(300)
"""


@pytest.fixture(autouse=True)
def own_locks(monkeypatch: pytest.MonkeyPatch) -> str:
    """Locks of this test alone: other runs of hilbench on this computer may hold the real ones."""
    name = f"hilbench-test-{os.getpid()}-{time.monotonic_ns()}"
    monkeypatch.setattr(process, "LOCK_NAME", name)
    return name


def is_gone(pid: int, within_s: float = 5) -> bool:
    """Whether the process is dead, reaped or not."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.01)
    return False


def test_a_process_is_told_of_its_parents_end_or_is_not():
    get = 2  # PR_GET_PDEATHSIG of linux/prctl.h
    code = f"""
import ctypes
from hilbench.targets.process import end_with_parent
now = ctypes.c_int()
for by in (10, 0):
    end_with_parent(by)
    ctypes.CDLL(None).prctl({get}, ctypes.byref(now))
    print(now.value)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["10", "0"]


def test_one_module_asks_to_be_told_of_its_parents_end():
    asking = [path.name for path in Path(process.__file__).parent.rglob("*.py") if "_PR_SET_" in path.read_text()]
    assert asking == ["process.py"]


def is_reaped(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.fixture
def harness(own_locks):
    """A process that runs a child and waits, and the child's process id."""
    argv = [sys.executable, "-c", HARNESS, own_locks]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
        yield running, int(running.stdout.readline())
        running.kill()


def test_a_child_dies_when_its_parent_is_killed(harness):
    running, pid = harness
    assert not is_gone(pid, within_s=0.05)
    running.kill()
    assert is_gone(pid)


def test_a_killed_parent_gives_its_cpu_back(harness):
    running, _ = harness
    cpus = os.sched_getaffinity(0)
    with contextlib.ExitStack() as stack:
        assert [stack.enter_context(free_cpu()) for _ in cpus].count(None) == 1
    running.kill()
    running.wait()
    with contextlib.ExitStack() as stack:
        assert {stack.enter_context(free_cpu()) for _ in cpus} == cpus


def test_a_child_that_ignores_signals_is_gone_after_leaving_and_its_own_child_too():
    script = "trap '' TERM INT HUP; sleep 300 & echo $!; wait"
    with child(["bash", "-c", script]) as bash:
        while not bash.tail():
            time.sleep(0.01)
        sleeper = int(bash.tail())
        assert bash.poll() is None
    assert is_reaped(bash.pid)
    assert is_gone(sleeper)


def test_what_an_ended_child_left_running_is_gone_after_leaving():
    with child(["bash", "-c", "sleep 300 & echo $!"]) as bash:
        assert bash.wait(5) == 0
        sleeper = int(bash.tail())
        assert not is_gone(sleeper, within_s=0.05)
    assert is_gone(sleeper)


def test_an_error_inside_ends_the_child_and_comes_through():
    with pytest.raises(KeyboardInterrupt), child(SLEEP) as sleeper:
        raise KeyboardInterrupt
    assert is_reaped(sleeper.pid)


def test_ctrl_c_in_the_terminal_does_not_reach_a_child():
    with child(SLEEP) as sleeper:
        assert os.getsid(sleeper.pid) == os.getpgid(sleeper.pid) == sleeper.pid != os.getsid(0)


def test_a_child_that_prints_much_never_waits_and_its_last_words_are_kept():
    script = "import sys; sys.stdout.write('x' * 8_000_000); sys.stdout.flush(); sys.stderr.write('the end')"
    with child([sys.executable, "-c", script]) as talker:
        assert talker.wait(10) == 0
        assert talker.tail(100) == "x" * 93 + "the end"
        assert len(talker.tail()) == process.TAIL_BYTES


def test_a_child_that_prints_without_end_is_ended(monkeypatch):
    monkeypatch.setattr(process, "OUTPUT_LIMIT_BYTES", 1 << 20)
    with child(["yes"]) as talker:
        assert talker.wait(10) == -signal.SIGXFSZ
        assert talker.tail(4) == "y\ny\n"


def test_bytes_that_are_no_text_can_be_read():
    with child(["printf", r"\377ok"]) as talker:
        assert talker.wait(5) == 0
        assert talker.tail() == "\ufffdok"


def test_a_child_reads_nothing_and_leaves_no_core_file():
    with child(["bash", "-c", "cat; ulimit -c; kill -ABRT $$"]) as bash:
        assert bash.wait(5) == -signal.SIGABRT
        assert bash.tail() == "0\n"


@pytest.mark.parametrize("status", [0, 3])
def test_the_exit_code_can_be_asked_for_again_and_again(status):
    with child(["bash", "-c", f"exit {status}"]) as bash:
        assert bash.wait(5) == status
        assert bash.wait(0) == bash.poll() == status


def test_waiting_ends_in_time():
    with child(SLEEP) as sleeper:
        start = time.monotonic()
        assert sleeper.wait(0.05) is None
        assert 0.04 < time.monotonic() - start < 2


def test_children_have_a_cpu_each_until_none_is_free():
    cpus = os.sched_getaffinity(0)
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(child(SLEEP)) for _ in range(len(cpus) + 1)]
        assert [one.cpu for one in children] == [*sorted(cpus), None]
        assert [os.sched_getaffinity(one.pid) for one in children] == [*({cpu} for cpu in sorted(cpus)), cpus]
    with child(SLEEP) as next_one:
        assert next_one.cpu == min(cpus)


def test_a_child_that_is_not_pinned_takes_no_cpu():
    with child(SLEEP, pin=False) as free, child(SLEEP) as pinned:
        assert free.cpu is None
        assert os.sched_getaffinity(free.pid) == os.sched_getaffinity(0)
        assert pinned.cpu == min(os.sched_getaffinity(0))


def test_only_passed_descriptors_are_open_in_a_child():
    near, far = os.pipe()
    try:
        with child(["bash", "-c", f"echo hi >&{far}; ls /proc/self/fd"], pass_fds=[far]) as bash:
            assert bash.wait(5) == 0
            assert os.read(near, 10) == b"hi\n"
            assert {0, 1, 2, far} <= set(map(int, bash.tail().split())) <= {0, 1, 2, far, 3, 4}
    finally:
        os.close(near)
        os.close(far)


def test_children_leave_no_descriptors_behind():
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with child(SLEEP):
            pass
        with pytest.raises(Unavailable), child(["no-such-program"]):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_missing_program_is_named():
    with pytest.raises(Unavailable, match="no program 'no-such-program'"), child(["no-such-program"]):
        pass


def test_a_file_that_cannot_be_run_is_named(tmp_path):
    with pytest.raises(TargetError, match=r"does not start: .*Permission denied"), child([tmp_path]):
        pass


def test_the_environment_can_be_given():
    with child(["/usr/bin/env"], env={"ONLY": "this"}) as env:
        assert env.wait(5) == 0
        assert env.tail() == "ONLY=this\n"
