"""Builds the small programs in tests/bare for mps2-an386, which need no agent, no framework and no C library."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hilbench.catalog.board import Board, Memory, Port, Region

FOLDER = Path(__file__).parent / "bare"
COMPILER = "arm-none-eabi-gcc"
BOARD = Board(
    id="bare",
    name="a bare machine",
    core="cortex-m4f",
    clock_hz=25_000_000,
    counter="instructions",
    memory=Memory(code=Region(base=0, size=4 << 20), data=Region(base=0x2000_0000, size=4 << 20)),
    port=Port(name="none"),
    targets={"qemu": {"machine": "mps2-an386"}},
)

needs_compiler = pytest.mark.skipif(not shutil.which(COMPILER), reason=f"no {COMPILER} on PATH")
needs_qemu = pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="no qemu-system-arm on PATH")


def build(name: str, into: Path, *flags: str, script: str = "bare.ld") -> Path:
    """Compile tests/bare/<name>.c with DWARF, and return the ELF; `flags` go to the compiler."""
    elf = into / f"{name}.elf"
    base = ["-mcpu=cortex-m4", "-mthumb", "-O1", "-g", "-ffreestanding", "-nostdlib", "-Wall", "-Wextra", "-Werror"]
    sources = [FOLDER / "start.c", FOLDER / f"{name}.c"]
    subprocess.run([COMPILER, *base, *flags, "-T", FOLDER / script, *sources, "-o", elf], check=True)
    return elf
