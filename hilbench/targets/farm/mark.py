"""The mark at a place that hilbench holds: it tells it from one acquired by hand, and a dead run's from a live one's.

A place has a list of users that it is also allowed to, which labgrid empties when it is released. The mark is put
there, as a user that nobody is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_BEGIN = "hilbench/process-"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NETWORK = Path("/proc/self/ns/net")


def made(process: int) -> str:
    """Return the mark of a run on this computer: its process, the computer's boot, and its network namespace."""
    return f"{_BEGIN}{process}-{_BOOT.read_text()[:8]}-{_NETWORK.stat().st_ino}"


def found(allowed: Iterable[str]) -> str | None:
    """Return the mark among the users that a place is allowed to; None without one."""
    return next((user for user in allowed if user.startswith(_BEGIN)), None)


def process(mark: str) -> str:
    """Return the process in a mark."""
    return mark.removeprefix(_BEGIN).partition("-")[0]


def is_of_dead_run(mark: str) -> bool:
    """Whether the run that left a mark, of our user and host name, has ended. For who holds our lock for the place.

    That lock reaches as far as a network namespace. A boot before ours has no runs left, unless the host name is one
    that several computers share.
    """
    _, boot, network = [*mark.removeprefix(_BEGIN).split("-"), "", ""][:3]
    ours = made(0).removeprefix(_BEGIN).split("-")
    return [boot, network] == ours[1:] or (boot != ours[1] and "LG_HOSTNAME" not in os.environ)
