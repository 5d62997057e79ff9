"""Puts a section beside what an ELF loads: what runs on the device is not changed by a bit."""

from __future__ import annotations

from pathlib import Path

from hilbench.images.run import run
from hilbench.images.toolchain import Toolchain


def put(
    section: str, content: Path, elf: Path, made: Path, toolchain: Toolchain, without: tuple[str, ...] = ()
) -> tuple[int, str]:
    """Write to `made` the ELF with the file `content` as its `section`, which is never loaded, and without others.

    Returns the exit code of objcopy and what it printed.
    """
    removed = (f"--remove-section={name}" for name in (section, *without))
    flags = f"--set-section-flags={section}=noload,readonly"
    return binutil(toolchain, "objcopy", *removed, f"--add-section={section}={content}", flags, str(elf), str(made))


def binutil(toolchain: Toolchain, tool: str, *arguments: str) -> tuple[int, str]:
    """Run a tool of the compiler's own binutils; return its exit code and what it printed. Raises `BuildError`."""
    _, program = run([toolchain.gcc, f"-print-prog-name={tool}"])
    return run([program.strip(), *arguments])
