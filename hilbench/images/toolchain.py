"""Finds the cross compiler and the build tools, and says how to get them when they are not here."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hilbench import programs
from hilbench.catalog.core import Core
from hilbench.errors import Unavailable

_PACKAGES = {"arm-none-eabi-gcc": "gcc-arm-none-eabi", "cmake": "cmake", "ninja": "ninja-build"}
_ANSWER_S = 60.0
# CMake and GCC read all of these (cmake-env-variables(7); GCC manual, "Environment Variables").
_SHAPES_A_BUILD = re.compile(
    r"\w*FLAGS|CC|CXX|ASM|AR|LD|CMAKE_\w+|CPATH|\w*_INCLUDE_PATH|LIBRARY_PATH|GCC_\w+|COMPILER_PATH|SOURCE_DATE_EPOCH"
)


@dataclass(frozen=True)
class Toolchain:
    """The compiler that images are built with, and what else of it shapes an image.

    `version` and `linker` are the first lines of what gcc and ld say of themselves; `libraries` is the hash of the
    libraries that it links for one core.
    """

    gcc: str
    cmake: str
    version: str
    linker: str
    libraries: str


def find_toolchain(core: Core) -> Toolchain:
    """Return the tools on the PATH, for `core`. Raises `Unavailable`, naming what is missing and its packages."""
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
    digest = hashlib.sha256()
    for library in ("libc.a", "libm.a", "libgcc.a", "libstdc++.a", "libsupc++.a"):
        path = Path(_first_line(gcc, *core.gcc_flags, f"-print-file-name={library}"))
        digest.update(path.read_bytes() if path.is_file() else b"")
    linker = _first_line(_first_line(gcc, "-print-prog-name=ld"), "--version")
    return Toolchain(gcc, cmake, _first_line(gcc, "--version"), linker, digest.hexdigest())


def require_cxx(toolchain: Toolchain, core: Core) -> None:
    """Raise `Unavailable` when the compiler has no C++ library for `core`: distributions package it by itself."""
    if not Path(_first_line(toolchain.gcc, *core.gcc_flags, "-print-file-name=libstdc++.a")).is_absolute():
        raise Unavailable(
            "arm-none-eabi-gcc has no C++ library, which this framework's code needs",
            hint="apt install libstdc++-arm-none-eabi-newlib",
        )


def clean_environment() -> dict[str, str]:
    """Return the environment without what would silently change an image: compilers, flags, and search paths.

    Tools speak English in it: some of what they say is understood here.
    """
    kept = {name: value for name, value in os.environ.items() if not _SHAPES_A_BUILD.fullmatch(name)}
    return {**kept, "LC_ALL": "C"}


def _first_line(*command: str) -> str:
    try:
        done = programs.run(command, clean_environment(), _ANSWER_S)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"'{' '.join(command)}' does not come to an end") from None
    return done.stdout.partition("\n")[0].strip()


def _words(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
