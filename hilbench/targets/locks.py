"""One user at a time for a physical board, across processes and users of this computer.

The lock is the name of a listening Unix socket in the abstract namespace: the kernel gives it to one process at a
time, tells others who that is, and takes it back when that process ends, however it ends. So there is no file, no
clean-up and no stale lock. A process that waits stays connected, and is woken when the holder is gone.

Names are those of a network namespace: containers with a network of their own do not see each other's locks (run them
with `--network=host`), nor do several computers that reach one serial server. Where that is needed, use a farm.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import pwd
import select
import socket
import struct
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hilbench.errors import Unavailable

LOCK_NAME = "hilbench-board"
TELL_AFTER_S = 2.0
"""Who waits longer than this is told for whom."""
_RETRY_S = (0.005, 0.5)
"""Pauses where nobody can be waited for: the holder has bound its name and not yet listened, or too many wait."""
_GRACE_S = 1.0
"""A name whose holder cannot be reached is about to be held, or to be free: worth this much even of no time to wait."""
_COMMAND_CHARACTERS = 120
_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid
_PAST_REACH = (errno.ECONNREFUSED, errno.EAGAIN, errno.ECONNRESET)

_log = logging.getLogger(__name__)
_ours: weakref.WeakSet[socket.socket] = weakref.WeakSet()


@dataclass(frozen=True)
class Holder:
    """Who holds a board. `pid` is 0 when that process cannot be seen from here (another container)."""

    pid: int
    user: str
    command: str = ""

    def __str__(self) -> str:
        if self.pid == os.getpid():
            return "this process"
        command = f": {self.command}" if self.command else ""
        return f"{self.user} (process {self.pid}{command})" if self.pid else f"{self.user} (in another container)"


@contextlib.contextmanager
def held(unit: str, wait_s: float) -> Iterator[None]:
    """Hold the board `unit` (`hilbench.targets.ports.Port.unit`), waiting at most `wait_s` until it is free.

    Not reentrant. Whoever waits longer than `TELL_AFTER_S` logs a warning that names the holder. Raises `Unavailable`
    with the holder's user, process and command when the board is not free in time.
    """
    with _acquired(unit, wait_s) as lock:
        try:
            yield
        finally:
            # A child that was forked just now has not yet closed its copy: others see that it is of no use any more.
            with contextlib.suppress(OSError):
                lock.shutdown(socket.SHUT_RDWR)


def holder(unit: str) -> Holder | None:
    """Return who holds the board `unit` now; None when nobody does, or when that is not to be known."""
    with _connection(unit) as connected:
        return _peer(connected) if connected else None


def _acquired(unit: str, wait_s: float) -> socket.socket:
    start = time.monotonic()
    pause_s, told, last = _RETRY_S[0], False, None
    while True:
        if (lock := _try(unit)) is not None:
            return lock
        waited_s = time.monotonic() - start
        with _connection(unit) as connected:
            last = _peer(connected) if connected else last
            if waited_s >= (wait_s if connected else max(wait_s, _GRACE_S)):
                raise _taken(unit, last, wait_s)
            if not told and waited_s >= TELL_AFTER_S:
                _log.warning("waiting for board %s, which is in use by %s", unit, last or "somebody")
                told = True
            until_s = wait_s if told else min(TELL_AFTER_S, wait_s)
            if connected:
                _wait_for_end(connected, until_s - waited_s)
                pause_s = _RETRY_S[0]
            else:
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _RETRY_S[1])


def _try(unit: str) -> socket.socket | None:
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    _ours.add(lock)  # before it holds anything: another thread may fork at any time
    try:
        lock.bind(_name(unit))
        lock.listen(socket.SOMAXCONN)
    except OSError as error:
        lock.close()
        if error.errno != errno.EADDRINUSE:
            raise Unavailable(f"board {unit} cannot be locked: {error}", hint="locks need Linux") from error
        return None
    return lock


@contextlib.contextmanager
def _connection(unit: str) -> Iterator[socket.socket | None]:
    """Give a connection to the holder, which ends when the lock does; None where there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connected:
        connected.setblocking(False)
        try:
            connected.connect(_name(unit))
        except OSError as error:
            if error.errno not in _PAST_REACH:
                raise
            yield None
            return
        yield connected


def _wait_for_end(connected: socket.socket, timeout_s: float) -> None:
    waiter = select.poll()
    waiter.register(connected, select.POLLIN)
    waiter.poll(max(0.0, timeout_s) * 1000)


def _peer(connected: socket.socket) -> Holder:
    """Return who was it that called listen() at the other end."""
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(credentials)
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"user {uid}"
    command = b""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    words = " ".join(command.decode(errors="replace").split("\0")).strip()
    return Holder(pid, user, words if len(words) <= _COMMAND_CHARACTERS else f"{words[:_COMMAND_CHARACTERS]}…")


def _taken(unit: str, by: Holder | None, wait_s: float) -> Unavailable:
    waited = f" after {wait_s:g} s of waiting" if wait_s else ""
    return Unavailable(
        f"board {unit} is in use by {by or 'somebody'}{waited}",
        hint="--hil-wait=SECONDS waits longer; `hilbench doctor` tells who holds which board",
    )


def _name(unit: str) -> str:
    # An abstract name has at most 107 bytes, and a unit may be a long path.
    return f"\0{LOCK_NAME}-{hashlib.sha256(unit.encode()).hexdigest()[:32]}"


def _let_go_in_child() -> None:
    """Close a forked child's copies: the lock is its parent's, and would outlive it."""
    for lock in tuple(_ours):
        lock.close()


os.register_at_fork(after_in_child=_let_go_in_child)
