"""A virtual bench with micro:bits on it, for tests of what runs images on boards: environment, ports, a program."""

import contextlib
import itertools
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serial.tools import list_ports

from hilbench import catalog
from hilbench.catalog.board import Board
from hilbench.targets import locks
from hilbench.targets.debug.client import Link
from hilbench.targets.probe import ProbeSettings

from .virtual_bench import VirtualBench, enumeration

PROGRAM = Path(__file__).parent / "microbit_program"
COMPILER = "arm-none-eabi-gcc"
NRF51 = Link("nrf51")
CODE = (0, 256 << 10)
PAGE = 1024
_numbers = (f"9900{number:012x}" for number in itertools.count(1))
_seeds = itertools.count()

needs_qemu = pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="no qemu-system-arm on PATH")


@contextlib.contextmanager
def in_use(folder: Path) -> Iterator[VirtualBench]:
    """A bench whose boards this process and its children see."""
    with VirtualBench(folder) as bench, pytest.MonkeyPatch.context() as patch:
        for name in ("PYTHONPATH", "VIRTUAL_BENCH"):
            patch.setenv(name, bench.environment[name])
        patch.setattr(list_ports, "comports", enumeration.comports)
        patch.setattr(locks, "LOCK_NAME", f"hilbench-test-{os.getpid()}")
        yield bench


@contextlib.contextmanager
def plugged(bench: VirtualBench, part: str = "microbit", **details):
    """A board that is plugged in, and gone afterwards."""
    board = bench.plug(part, **{"serial_number": next(_numbers), **details})
    try:
        yield board
    finally:
        board.close()
        bench.boards.remove(board)


def built(into: Path, first: int = 0) -> Path:
    """Compile an image for a micro:bit that needs no agent: tests/microbit_program."""
    if not shutil.which(COMPILER):
        pytest.skip(f"no {COMPILER} on PATH")
    into.mkdir(exist_ok=True)
    elf = into / "main.elf"
    flags = ["-mcpu=cortex-m0", "-mthumb", "-O1", "-g", "-ffreestanding", "-nostdlib", "-Wall", "-Wextra", "-Werror"]
    sources = [f"-Wl,--defsym=FIRST={first}", "-T", PROGRAM / "main.ld", PROGRAM / "main.c"]
    subprocess.run([COMPILER, *flags, *sources, "-o", elf], check=True)
    return elf


def microbit(**changes) -> Board:
    return catalog.board("microbit").model_copy(update=changes)


def settings(**given) -> ProbeSettings:
    return ProbeSettings(target="nrf51", **{"wait_s": 0, **given})


def opened(pyocd, board):
    return pyocd.open(board.serial_number, NRF51)


def noise(size: int) -> bytes:
    """Bytes that no chip has in its flash yet."""
    return random.Random(next(_seeds)).randbytes(size)


def reads(stream, wanted: bytes, within_s: float = 5) -> bool:
    """Whether the stream gives `wanted`, after whatever else."""
    end, got = time.monotonic() + within_s, b""
    while wanted not in got and time.monotonic() < end:
        got += stream.read(0.1)
    return wanted in got
