"""Builds firmware/echo.c, a small program that talks over its UART, for the chips of the bench."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_FOLDER = Path(__file__).parent / "firmware"
_COMPILER = "arm-none-eabi-gcc"
_RAM = 0x2000_0000
_CHIPS = {  # core, start of flash, UART
    "microbit": ("cortex-m0", 0, "NRF51"),
    "netduinoplus2": ("cortex-m4", 0x0800_0000, "STM32"),
    "nrf52840": ("cortex-m4", 0, "MPS2"),
    "mps2-an386": ("cortex-m4", 0, "MPS2"),
}


def missing() -> str | None:
    """Say why nothing can be built."""
    return None if shutil.which(_COMPILER) else f"no {_COMPILER} on PATH"


def build(part: str, into: Path, *, filler: str = "1", size: int = 4000) -> Path:
    """Return the ELF for a chip; `filler` and `size` make programs that differ."""
    core, flash, uart = _CHIPS[part]
    elf = into / f"{part}-{filler}-{size}.elf"
    flags = [f"-mcpu={core}", "-mthumb", "-Os", "-g", "-ffreestanding", "-nostdlib", "-Wall", "-Wextra", "-Werror"]
    defines = [f"-D{uart}", f"-DFILLER={filler}", f"-DFILLER_BYTES={size}"]
    link = ["-T", str(_FOLDER / "echo.ld"), f"-Wl,--defsym=FLASH={flash},--defsym=RAM={_RAM}"]
    subprocess.run([_COMPILER, *flags, *defines, _FOLDER / "echo.c", *link, "-o", elf], check=True)
    return elf
