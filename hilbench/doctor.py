"""Looks at this machine: which tools and packages are here that builds, emulators and the reference need."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hilbench import __version__
from hilbench.images.cache import cache_folder

_TOOLS = (
    ("qemu-system-arm", "qemu-system-arm", "emulated Cortex-M boards"),
    ("arm-none-eabi-gcc", "gcc-arm-none-eabi", "building images"),
    ("cmake", "cmake", "building images"),
    ("ninja", "ninja-build", "building images"),
    ("cc", "gcc libc6-dev", "counting in QEMU, for estimates of time"),
)
_PACKAGES = (
    ("apache-tvm", "tvm", "the tvm framework"),
    ("tflite-micro", "tflm", "the reference for fidelity"),
)
_ENOUGH_BYTES = 500_000_000


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for, without which the main job cannot run."""

    what: str
    ok: bool
    found: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Look for everything and return what was found. Starts each tool once to ask its version; changes nothing."""
    return [
        Finding("hilbench", True, f"{__version__} on Python {platform.python_version()}"),
        *(_tool(*tool) for tool in _TOOLS),
        *(_package(*package) for package in _PACKAGES),
        _cache(cache_folder()),
    ]


def _tool(name: str, package: str, purpose: str) -> Finding:
    what = f"{name} ({purpose})"
    path = shutil.which(name)
    if path is None:
        return Finding(what, False, "not on the PATH", f"apt install {package}")
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(what, False, f"does not start: {error}", f"apt install --reinstall {package}")
    return Finding(what, done.returncode == 0, done.stdout.partition("\n")[0].strip())


def _package(name: str, extra: str, purpose: str) -> Finding:
    what = f"{name} ({purpose})"
    try:
        return Finding(what, True, version(name))
    except PackageNotFoundError:
        return Finding(what, False, "not installed", f"pip install 'hilbench[{extra}]'")


def _cache(folder: Path) -> Finding:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    writable = os.access(there, os.W_OK)
    found = f"{folder}: {free / 1e9:.1f} GB free" + ("" if writable else ", not writable")
    remedy = "" if writable and free > _ENOUGH_BYTES else "free some space or set HILBENCH_CACHE to another folder"
    return Finding("image cache", not remedy, found, remedy)
