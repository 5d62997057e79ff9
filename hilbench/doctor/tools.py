"""Looks for tools and packages: those that builds, emulators and the reference need, and those of some targets."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hilbench.doctor.finding import Finding
from hilbench.images.cache import cache_folder
from hilbench.targets.loaders.bossac import Bossac

RENODE_VARIABLE = "HILBENCH_RENODE"

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
_OPTIONAL_PACKAGES = (
    ("pyocd", "probe", "flashing boards over a debug probe"),
    ("labgrid", "farm", "boards of a lab"),
)
_ENOUGH_BYTES = 500_000_000


def needed() -> list[Finding]:
    """Return the tools and packages without which `make bench` cannot run."""
    return [*(_tool(*tool) for tool in _TOOLS), *(_package(*package) for package in _PACKAGES), _cache(cache_folder())]


def optional() -> list[Finding]:
    """Return the tools and packages that only some targets need."""
    packages = [_package(*package) for package in _OPTIONAL_PACKAGES]
    return [replace(finding, optional=True) for finding in (*packages, *_boot_loaders(), _renode())]


def _boot_loaders() -> list[Finding]:
    """Return what loads images through boot loaders. Only a certain bossac will do."""
    bossac = Bossac(()).available()
    stm32flash = shutil.which("stm32flash")
    return [
        Finding(
            "bossac (Nano 33 BLE, through its boot loader)", bossac.ok, bossac.reason or "Arduino's", bossac.remedy
        ),
        Finding(
            "stm32flash (STM32, through ST's boot loader)",
            stm32flash is not None,
            stm32flash or "not on the PATH",
            "" if stm32flash else "apt install stm32flash",
        ),
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


def _renode() -> Finding:
    """Renode is not started: that takes seconds."""
    what = "renode (emulated boards with their peripherals)"
    remedy = f"install it, or set {RENODE_VARIABLE} to where it is"
    named = os.environ.get(RENODE_VARIABLE)
    if named and not shutil.which(named) and not Path(named).exists():
        return Finding(what, False, f"{RENODE_VARIABLE} names '{named}', which is not there", remedy)
    path = named or shutil.which("renode")
    return Finding(what, True, path) if path else Finding(what, False, "not on the PATH", remedy)


def _cache(folder: Path) -> Finding:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    writable = os.access(there, os.W_OK)
    found = f"{folder}: {free / 1e9:.1f} GB free" + ("" if writable else ", not writable")
    remedy = "" if writable and free > _ENOUGH_BYTES else "free some space or set HILBENCH_CACHE to another folder"
    return Finding("image cache", not remedy, found, remedy)
