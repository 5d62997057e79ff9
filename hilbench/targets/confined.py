"""Runs a program that opens ports to the whole network where nobody else can reach them, and that ends with hilbench.

Linux lets a process have a network of its own, with nothing in it but a loopback device: there the program listens,
and only sockets that were made in there reach it. A small process of ours makes them, between hilbench and the program;
it also kills the program, and all that this has started, when hilbench is gone, however that ended. Where the kernel
allows no such network (a container without the right, a hardened kernel), the program runs in the common one.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hilbench.errors import TargetError
from hilbench.targets.process import Child, child, end_with_parent

_START_S = 20.0
_ALONE, _COMMON, _WANTED = b"1", b"0", b"?"
_CLONE_NEWUSER, _CLONE_NEWNET = 0x1000_0000, 0x4000_0000  # linux/sched.h
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # linux/sockios.h, linux/if.h
_IFREQ = "16sH22x"  # struct ifreq with its flags


@dataclass(frozen=True)
class Confined:
    """A program that runs. `alone` says whether it has a network of its own, in which any port is free."""

    process: Child
    alone: bool
    _control: socket.socket

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        """Return a connection to `port` on the program's loopback; `OSError` when nobody listens there yet."""
        connection = self._socket()
        try:
            connection.settimeout(timeout_s)
            connection.connect(("127.0.0.1", port))
        except OSError:
            connection.close()
            raise
        return connection

    def _socket(self) -> socket.socket:
        self._control.sendall(_WANTED)
        _, fds, *_ = socket.recv_fds(self._control, 1, 1)
        if not fds:
            raise ConnectionResetError("the program is gone")
        return socket.socket(fileno=fds[0])


@contextlib.contextmanager
def confined(argv: Sequence[str | Path], folder: Path, env: Mapping[str, str]) -> Iterator[Confined]:
    """Run `argv` in `folder` while the context is open; on leaving it, the program and all that it started are killed.

    Raises `TargetError` when it cannot be started.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            ours.settimeout(_START_S)
            words = [sys.executable, "-P", "-m", __name__, str(theirs.fileno()), str(folder), *map(str, argv)]
            started = child(words, pass_fds=[theirs.fileno()], pin=False, env=env)
            process = started.__enter__()
        try:
            yield Confined(process, _told(ours, process), ours)
        finally:
            started.__exit__(None, None, None)


def _told(control: socket.socket, process: Child) -> bool:
    """Return whether the program has a network of its own."""
    try:
        word = control.recv(1)
    except OSError:
        word = b""
    if not word:
        process.wait(_START_S)
        raise TargetError(f"'{sys.executable} -m {__name__}' does not start: {process.tail().strip()}")
    return word == _ALONE


def _own_network() -> bool:
    """Move to a network that has only a loopback device. False, and nothing changed, where the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        # The same user inside as outside: files stay readable, and `exec` drops the rights that the new one has.
        for name, text in {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}.items():
            Path(f"/proc/self/{name}").write_text(text)
    elif libc.unshare(_CLONE_NEWNET) != 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", _IFF_UP))
    return True


def _serve(control: socket.socket, program: subprocess.Popen[bytes]) -> int:
    """Hand out sockets until the program has ended, which gives its exit code, or hilbench: that ends us all."""
    pidfd = os.pidfd_open(program.pid)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if pidfd in ready:
            code = program.wait()
            return code if code >= 0 else 128 - code
        if control.fileno() in ready:
            if not control.recv(1):
                os.killpg(0, signal.SIGKILL)
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as wanted:
                socket.send_fds(control, [_WANTED], [wanted.fileno()])


def main(fd: str, folder: str, *argv: str) -> int:
    """Run `argv` in `folder`, with `fd` as the way to hilbench; return its exit code."""
    control = socket.socket(fileno=int(fd))
    control.set_inheritable(False)
    os.chdir(folder)
    alone = _own_network()
    # From now on we see hilbench's end by `control`, and live long enough to end the program, too.
    end_with_parent(0)
    try:
        program = subprocess.Popen(argv)
    except OSError as error:
        print(f"'{argv[0]}' does not start: {error.strerror}", flush=True)
        return 127
    control.sendall(_ALONE if alone else _COMMON)
    return _serve(control, program)


if __name__ == "__main__":
    with contextlib.suppress(ConnectionError):
        sys.exit(main(*sys.argv[1:]))
    os.killpg(0, signal.SIGKILL)
