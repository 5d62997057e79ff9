"""Where a run happened: the computer, its Python, and the state of the repository that the suite is in."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path


def host_facts() -> dict[str, str]:
    """Return what could make a difference on another computer. No user, host or folder names."""
    return {
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def source_facts(path: Path) -> dict[str, str]:
    """Return the `commit` of the git repository around `path`, and whether it is `dirty`; empty when there is none.

    "yes" means that a tracked file has changed, or that `path` itself is in no commit.
    """
    folder = path.resolve().parent
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    tracked = _git(folder, "ls-files", "--error-unmatch", path.name)
    return {"commit": commit, "dirty": "yes" if changed or tracked is None else "no"}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
