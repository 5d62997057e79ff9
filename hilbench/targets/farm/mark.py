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


def made(process: int, keeper: int) -> str:
    """Return the mark of a run on this computer: its process, the computer's boot, and its network namespace.

    Then the process that holds the place for it (`keeper`), and when that was started: ids of processes come again.
    """
    here = f"{_BOOT.read_text()[:8]}-{_NETWORK.stat().st_ino}"
    return f"{_BEGIN}{process}-{here}-{keeper}-{_started(str(keeper)) or 0}"


def found(allowed: Iterable[str]) -> str | None:
    """Return the mark among the users that a place is allowed to; None without one."""
    return next((user for user in allowed if user.startswith(_BEGIN)), None)


def process(mark: str) -> str:
    """Return the process in a mark."""
    return mark.removeprefix(_BEGIN).partition("-")[0]


def is_of_dead_run(mark: str) -> bool:
    """Whether the run that left a mark, of our user and host name, has ended. For who holds our lock for the place.

    That lock reaches as far as a network namespace, and only if both runs know the coordinator by one address: so the
    keeper must be gone as well, which ends no sooner than its run. A boot before ours has no runs left, unless the host
    name is one that several computers share.
    """
    run, boot, network, keeper, started = [*mark.removeprefix(_BEGIN).split("-"), *[""] * 4][:5]
    if boot != _BOOT.read_text()[:8]:
        return "LG_HOSTNAME" not in os.environ
    if network != str(_NETWORK.stat().st_ino):
        return False
    now = _started(keeper or run)
    return now is None or (started != "" and now != started)


def _started(process: str) -> str | None:
    """Return when a process was started, in clock ticks since boot (proc(5), stat); None for one that has ended."""
    try:
        fields = Path(f"/proc/{int(process)}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in "ZX" else fields[19]
