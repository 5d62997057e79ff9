"""Counts what runs in QEMU, by a plug-in that is built here once (firmware/qemu) and finds its windows by the
firmware's marks. Where that cannot be, it says why.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hilbench import resources
from hilbench.catalog.board import Board
from hilbench.counts import Cache, Probe, Window
from hilbench.errors import Unavailable
from hilbench.images.cache import workspace
from hilbench.images.elf import Elf
from hilbench.images.image import digest_file
from hilbench.images.toolchain import clean_environment
from hilbench.programs import run
from hilbench.targets.count_records import HEADER_BYTES, read_windows, records_bytes
from hilbench.targets.process import OUTPUT_LIMIT_BYTES

FLAGS = ("-std=c11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra")
MARKS = ("calibrates", "opens", "closes")
_SOURCES = resources.FIRMWARE / "qemu"
_LIMIT_BYTES = OUTPUT_LIMIT_BYTES // 2
"""The kernel ends a child that writes a file of `OUTPUT_LIMIT_BYTES`; a window takes 20 bytes for each block in it."""
_TIMEOUT_S = 60.0
_READY = "hb-count: ready"
_FIRST_WITH_API_2 = 9
"""QEMU 9.0 takes plug-ins from version 2 of its API on, and no earlier one."""


@dataclass(frozen=True)
class Counter:
    """A plug-in to start QEMU with, and the file that it writes into. Make one with `counter()`."""

    library: Path
    marks: dict[str, int]
    board: Board
    probe: Probe
    fd: int

    @property
    def arguments(self) -> list[str]:
        """The options of QEMU that load the plug-in; `fd` must be inherited."""
        values = {"fd": self.fd, "limit": _LIMIT_BYTES, **self.marks, **_regions(self.board), **_asked(self)}
        library = str(self.library).replace(",", ",,")  # QEMU splits its options at a single one
        return ["-plugin", ",".join([library, *(f"{name}=0x{value:x}" for name, value in values.items())])]

    def windows(self) -> list[Window]:
        """Return the windows that have closed so far, in their order; raises what `read_windows` raises."""
        header = os.pread(self.fd, HEADER_BYTES, 0)
        records = os.pread(self.fd, min(records_bytes(header), OUTPUT_LIMIT_BYTES), HEADER_BYTES)
        return read_windows(header + records, _sees_memory(self.probe), self.probe.caches is not None)


@contextlib.contextmanager
def counter(library: Path, elf: Elf, board: Board, probe: Probe) -> Iterator[Counter]:
    """Give a counter for one run of `elf`. Raises `Unavailable` for an image without marks."""
    marks = find_marks(elf)
    fd = os.memfd_create("hilbench-counts")
    try:
        yield Counter(library, marks, board, probe, fd)
    finally:
        os.close(fd)


def find_marks(elf: Elf) -> dict[str, int]:
    """Return the addresses of the marks where windows open and close. Raises `Unavailable` for an image without."""
    found = {mark: elf.symbol(f"hb_window_{mark}") for mark in MARKS}
    marks = {mark: address for mark, address in found.items() if address is not None}
    if len(marks) != len(MARKS):
        raise Unavailable(
            f"{elf.path.name} has no marks for counting",
            hint="build it with this version of hilbench, and do not strip its symbols",
        )
    return marks


def plugin(folder: Path, program: str, version: str) -> Path:
    """Return the plug-in for the QEMU `program` of this `version`, from `folder` or built there now.

    Raises `Unavailable` with the reason when there is no C compiler, or this QEMU does not load it.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise Unavailable("to count in QEMU, a C compiler (cc) must be on the PATH", hint="apt install gcc")
    api = 2 if int(version.partition(".")[0]) >= _FIRST_WITH_API_2 else 1
    library = _built(folder, compiler, api)
    _require_loads(program, version, library)
    return library


def _built(folder: Path, compiler: str, api: int) -> Path:
    """Return the plug-in, named by all that shapes it, its own hash beside it: a damaged one is built again."""
    sources = sorted(_SOURCES.glob("*.c"))
    flags = [*FLAGS, f"-DHB_PLUGIN_API={api}"]
    digest = hashlib.sha256("\0".join([_run(compiler, "--version")[1], *flags]).encode())
    for path in sorted(_SOURCES.glob("*.[ch]")):
        digest.update(b"\0" + path.name.encode() + b"\0" + path.read_bytes())
    library = folder / f"count-{digest.hexdigest()[:32]}.so"
    kept = digest_file(library)
    if library.is_file() and kept.is_file() and kept.read_text() == _sha256(library):
        return library
    with workspace(folder) as work:
        built = work / "count.so"
        code, text = _run(compiler, *flags, "-o", str(built), *map(str, sources))
        if code != 0:
            wrong = next((line for line in text.splitlines() if "error" in line), text[:200].strip())
            raise Unavailable(f"the counting plug-in does not build: {wrong}", hint=f"is {compiler} a whole compiler?")
        (work / "digest").write_text(_sha256(built))
        (work / "digest").replace(kept)
        built.replace(library)
    return library


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _require_loads(program: str, version: str, library: Path) -> None:
    """Raise `Unavailable` unless QEMU loads the plug-in: it may have no support for them, or for others only."""
    _, text = _run(program, "-M", "none", "-display", "none", "-nodefaults",
                   "-plugin", f"{str(library).replace(',', ',,')},trial=1")  # fmt: skip
    if _READY not in text:
        said = text.strip().splitlines()
        raise Unavailable(
            f"QEMU {version} does not load the counting plug-in: {said[0] if said else 'it says nothing'}",
            hint="counting needs a QEMU of version 7.2 to 10.0 that was built with --enable-plugins",
        )


def _run(*argv: str) -> tuple[int, str]:
    try:
        done = run(argv, clean_environment(), _TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"'{argv[0]}' does not run: {error}") from error
    return done.returncode, done.stdout + done.stderr


def _regions(board: Board) -> dict[str, int]:
    assert board.memory is not None, "the catalog refuses a board with a core but no memory"
    code, data = board.memory.code, board.memory.data
    return {"code": code.base, "code_end": code.end, "data": data.base, "data_end": data.end}


def _sees_memory(probe: Probe) -> bool:
    return probe.memory or (probe.caches is not None and probe.caches.data is not None)


def _asked(counter: Counter) -> dict[str, int]:
    """Return the arguments that say what to count besides blocks."""
    caches = counter.probe.caches
    values = {"memory": int(_sees_memory(counter.probe))}
    if caches is not None:
        values |= _cache("fetch", caches.instruction) | _cache("read", caches.data)
        if caches.cached_data is not None:
            data = _regions(counter.board)["data"]
            values |= {"cached": data + caches.cached_data[0], "cached_end": data + caches.cached_data[1]}
    return values


def _cache(name: str, shape: Cache | None) -> dict[str, int]:
    if shape is None:
        return {}
    return {f"{name}_size": shape.size, f"{name}_line": shape.line, f"{name}_ways": shape.ways}
