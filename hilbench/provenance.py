"""Where a run happened: the computer, its Python, and the state of the repository that the suite is in."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

_BRANCH = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME")
"""Environment variables that name the branch: of GitHub Actions (a pull request's, another's) and of GitLab."""


def host_facts() -> dict[str, str]:
    """Return what could make a difference on another computer. No user, host or folder names."""
    return {
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def source_facts(path: Path) -> dict[str, str]:
    """Return `commit` and `branch` of the git repository around `path`, and if it is `dirty`; empty if there is none.

    "yes" means that a tracked file has changed, or that `path` itself is in no commit. Where no branch is checked out,
    as in CI, it is what the CI service calls it; it may be missing.
    """
    folder = path.resolve().parent
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    tracked = _git(folder, "ls-files", "--error-unmatch", path.name)
    branch = _git(folder, "branch", "--show-current") or next(filter(None, map(os.environ.get, _BRANCH)), "")
    facts = {"commit": commit, "dirty": "yes" if changed or tracked is None else "no"}
    return {**facts, "branch": branch} if branch else facts


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
