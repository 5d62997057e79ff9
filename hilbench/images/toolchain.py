"""Finds the cross compiler and the build tools, and says how to get them when they are not here."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from hilbench.errors import Unavailable

_PACKAGES = {"arm-none-eabi-gcc": "gcc-arm-none-eabi", "cmake": "cmake", "ninja": "ninja-build"}


@dataclass(frozen=True)
class Toolchain:
    """The compiler that images are built with. `version` is the first line of its `--version`."""

    gcc: str
    cmake: str
    version: str


def find_toolchain() -> Toolchain:
    """Return the tools on the PATH. Raises `Unavailable`, naming all that are missing and their Debian packages."""
    found = {tool: shutil.which(tool) for tool in _PACKAGES}
    missing = [tool for tool, path in found.items() if path is None]
    if missing:
        packages = " ".join(_PACKAGES[tool] for tool in missing)
        raise Unavailable(
            f"to build an image, {_words(missing)} must be on the PATH",
            hint=f"apt install {packages}, or run precompiled images with --hil-firmware",
        )
    gcc, cmake = found["arm-none-eabi-gcc"], found["cmake"]
    assert gcc is not None and cmake is not None
    output = subprocess.run([gcc, "--version"], capture_output=True, text=True, check=False).stdout
    return Toolchain(gcc, cmake, output.partition("\n")[0].strip())


def _words(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
