"""Child processes that leave nothing behind: they die with hilbench, can have a CPU to themselves, and leave a tail.

For Linux. What a child prints goes to an unnamed file, so it never waits for a reader; `Child.tail()` reads its end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hilbench.errors import TargetError, Unavailable

TAIL_BYTES = 4000
"""How much of a child's last words is worth reading in a terminal."""
OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024
"""A child that prints more than this is out of control: the kernel ends it with SIGXFSZ before it fills the disk."""
LOCK_NAME = "hilbench-cpu"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Child:
    """A process started by `child()`. `cpu` is the CPU that it has to itself, None when none was free."""

    pid: int
    cpu: int | None
    _pidfd: int
    _output: BinaryIO

    def poll(self) -> int | None:
        """Return how the child ended: its exit code, or minus the signal that killed it; None while it lives."""
        # WNOWAIT leaves a zombie, so that nobody else can get its process (and group) id before `child()` is left.
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def wait(self, timeout_s: float) -> int | None:
        """Wait at most `timeout_s` for the child to end; then as `poll()`."""
        waiter = select.poll()
        waiter.register(self._pidfd, select.POLLIN)
        waiter.poll(max(0, timeout_s) * 1000)
        return self.poll()

    def tail(self, limit_bytes: int = TAIL_BYTES) -> str:
        """Return the last `limit_bytes` of what the child has written to stdout and stderr so far."""
        # pread, because the child writes at the file position that it shares with us.
        size = os.fstat(self._output.fileno()).st_size
        start = max(0, size - limit_bytes)
        return os.pread(self._output.fileno(), size - start, start).decode(errors="replace")


@contextlib.contextmanager
def child(
    argv: Sequence[str | Path],
    *,
    pass_fds: Sequence[int] = (),
    pin: bool = True,
    env: Mapping[str, str] | None = None,
    end_by: signal.Signals = signal.SIGKILL,
) -> Iterator[Child]:
    """Run `argv` while the context is open; on leaving it, the child and its process group are killed and reaped.

    The child also dies when the *thread* that called this ends (and so with the process, even by SIGKILL): by the
    signal `end_by`, for a child that has to clean up after itself. It is in a session of its own, so Ctrl-C in the
    terminal reaches only us. With `pin` it gets a CPU that no other pinned child of hilbench uses, if there is one.
    Raises `Unavailable` when there is no such program, and `TargetError` when it cannot be started for another reason.
    """
    with contextlib.ExitStack() as stack:
        cpu = stack.enter_context(free_cpu()) if pin else None
        output = stack.enter_context(tempfile.TemporaryFile())
        process = _start([str(word) for word in argv], output, pass_fds, env, _before_exec(cpu, end_by))
        stack.callback(_end, process)
        pidfd = os.pidfd_open(process.pid)
        stack.callback(os.close, pidfd)
        yield Child(process.pid, cpu, pidfd, output)


@contextlib.contextmanager
def free_cpu() -> Iterator[int | None]:
    """Hold the first of our CPUs that no other process holds this way; None when all are taken.

    The lock is an abstract Unix socket name: it vanishes with its holder and leaves no file.
    """
    for cpu in sorted(os.sched_getaffinity(0)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
            try:
                lock.bind(f"\0{LOCK_NAME}-{cpu}")
            except OSError:
                continue
            yield cpu
            return
    yield None


def end_with_parent(by: int) -> None:
    """Have the kernel send this process the signal `by` when the thread that started it ends; 0: no signal."""
    _libc.prctl(_PR_SET_PDEATHSIG, by, 0, 0, 0)


def _start(
    argv: list[str],
    output: BinaryIO,
    pass_fds: Sequence[int],
    env: Mapping[str, str] | None,
    before_exec: Callable[[], None],
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
            env=env,
            start_new_session=True,
            preexec_fn=before_exec,
        )
    except FileNotFoundError as error:
        raise Unavailable(f"there is no program '{argv[0]}'", hint="is it installed, and on PATH?") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise TargetError(f"'{argv[0]}' does not start: {error}") from error


def _before_exec(cpu: int | None, end_by: signal.Signals) -> Callable[[], None]:
    """Return what the child does between fork and exec."""
    parent = os.getpid()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = OUTPUT_LIMIT_BYTES if hard == resource.RLIM_INFINITY else min(OUTPUT_LIMIT_BYTES, hard)

    def prepare() -> None:
        end_with_parent(end_by)
        if os.getppid() != parent:  # it died before prctl: nobody would tell us
            os._exit(1)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})

    return prepare


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
