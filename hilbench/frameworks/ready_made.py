"""Ready-made code for a model: where it lies, what it is made of, and whether its tensors are those of the model.

Shared by the frameworks that make nothing themselves: microtvm and external. What lies there was written by others: it
is read within bounds, its links are not followed, and nothing of it is ever run on this computer.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from hilbench.catalog.core import Core
from hilbench.errors import ModelError, Unavailable
from hilbench.frameworks.base import YES, Request, Support
from hilbench.places import PLACES

MAX_FILES = 10_000
MAX_BYTES = 64 << 20
"""The code of one model: the largest MLPerf Tiny model is 3 MB of C as TVM writes it."""

# What CMake, Ninja and GCC take literally, as a part of a path.
_SAFE_PART = re.compile(r"[\w+-][\w.+-]*|\.[\w+-][\w.+-]*", re.ASCII)
_ELF32_LITTLE, _RELOCATABLE, _ARM = b"\x7fELF\x01\x01", 1, 40  # ELF specification 1.2 and its supplement for Arm
_STATIC_LIBRARY = b"!<arch>\n"
_MAX_PATH = 240
"""Characters of a path: file systems take 255 bytes for a name, and what walks folders must not go too deep."""
PARTS_OF_OURS = tuple(f"lib{name}.a" for name in ("hb_agent", "c", "m", "gcc", "stdc++", "supc++"))
"""The libraries that linker scripts (firmware/ports/*/image.ld) tell by the end of their names from a model's code."""
_IN_THE_WAY = (errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)

Files = Mapping[str, bytes]
"""Contents by path: relative, with '/' between its parts."""


def available(name: str, what: str, core: Core, paths: Mapping[str, Path]) -> Support:
    """Say whether the place `name` is given and there, and whether `core` is one for code that others wrote."""
    place = next(place for place in PLACES if place.name == name)
    if core.is_host:
        reason = "code that others wrote runs in an emulator or on a board, never on this computer"
        return Support(False, reason, "choose a board")
    if name not in paths:
        return Support(False, f"{place.flag} names no code", f"{place.flag} or {place.variable} names {what}")
    if not paths[name].exists():
        return Support(False, f"there is no '{paths[name]}'", f"{place.flag} or {place.variable} names {what}")
    return YES


def find(name: str, request: Request, mark: str, suffixes: tuple[str, ...]) -> Path:
    """Return the file or folder for the request's model.

    The place `name` is it when it is a file or a folder that holds the file `mark`; else it is a folder with an entry
    of the model's name and one of `suffixes`. Raises `Unavailable`.
    """
    place = request.paths[name]
    if not place.is_dir() or (place / mark).is_file():
        return place
    entries = [place / f"{request.model.name}{suffix}" for suffix in suffixes]
    for entry in entries:
        if entry.is_file() or (entry / mark).is_file():
            return entry
    raise Unavailable(
        f"nothing here is for the model '{request.model.name}'",
        where=str(place),
        hint=f"it holds neither {mark} nor " + " nor ".join(entry.name for entry in entries),
    )


def read_tree(root: Path) -> Files:
    """Return all files below `root`, without hidden ones. Raises `ModelError` for links, devices, and too much."""
    found: dict[str, bytes] = {}
    budget = Budget(root)
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in [*folders, *sorted(name for name in files if not name.startswith("."))]:
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            if not relative.isprintable():
                raise ModelError(f"the file name {relative!r} cannot be shown", where=str(root), hint="rename the file")
            check_inside(relative, root)
            try:
                about = path.lstat()
                budget.take(about.st_size if stat.S_ISREG(about.st_mode) else 0)
                if stat.S_ISREG(about.st_mode):
                    found[relative] = path.read_bytes()
                elif not stat.S_ISDIR(about.st_mode):
                    kind = "a link" if stat.S_ISLNK(about.st_mode) else "neither a file nor a folder"
                    raise ModelError(f"'{relative}' is {kind}", where=str(root), hint="put the file itself there")
            except OSError as error:
                raise ModelError(f"'{relative}' cannot be read: {error.strerror}", where=str(root)) from error
    return found


class Budget:
    """Counts files and bytes of one piece of code, and stops at what no model for a microcontroller has."""

    def __init__(self, where: Path) -> None:
        self._where, self._files, self._bytes = where, 0, 0

    def take(self, size: int) -> None:
        """Count one file of `size` bytes. Raises `ModelError`."""
        self._files += 1
        self._bytes += size
        if self._files > MAX_FILES or self._bytes > MAX_BYTES:
            raise too_much(self._where)


def too_much(where: Path) -> ModelError:
    """Return the error for more than the code of one model."""
    what = f"it holds more than {MAX_FILES:,} files or {MAX_BYTES >> 20} MiB: not the code of one model"
    return ModelError(what, where=str(where))


def check_inside(path: str, where: Path) -> None:
    """Raise `ModelError` unless `path` stays below where it is put, and is short enough to be put there."""
    if len(path) > _MAX_PATH:
        raise ModelError(f"'{path[:40]}…' is longer than {_MAX_PATH} characters", where=str(where), hint="shorten it")
    if path.startswith("/") or ".." in path.split("/"):
        raise ModelError(f"{path!r} leads out of it", where=str(where), hint="paths in it are relative, without '..'")


def check_names(paths: Iterable[str], where: Path) -> None:
    """Raise `ModelError` for the first of `paths` that build tools would not take literally."""
    for path in paths:
        if not all(_SAFE_PART.fullmatch(part) for part in path.split("/")):
            raise ModelError(
                f"the file name {path!r} would be misread by build tools",
                where=str(where),
                hint="use letters, digits and . _ + -",
            )


def check_object(path: str, data: bytes, where: Path) -> None:
    """Raise `ModelError` unless `data` is code for a Cortex-M that the linker will take as such.

    The linker would read anything else as a script, and hand code for link-time optimisation to a compiler. A library
    with the name of one of ours would be counted as that, not as the model's.
    """
    if path.endswith(PARTS_OF_OURS):
        ours = next(name for name in PARTS_OF_OURS if path.endswith(name))
        raise ModelError(
            f"'{path}' has the name of a part of every image, {ours}", where=str(where), hint="rename the library"
        )
    library = data.startswith(_STATIC_LIBRARY)
    if not library:
        kind, machine = struct.unpack_from("<HH", data, 16) if len(data) >= 20 else (0, 0)
        if not data.startswith(_ELF32_LITTLE) or (kind, machine) != (_RELOCATABLE, _ARM):
            raise ModelError(f"'{path}' is not an object file for Arm", where=str(where), hint="build it for the board")
    if b".gnu.lto_" in data:
        raise ModelError(f"'{path}' is not machine code yet (-flto)", where=str(where), hint="build it without -flto")


def digest(files: Files) -> str:
    """Return one SHA-256 for names and contents."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{len(files[name])}\0".encode(errors="surrogateescape"))
        total.update(files[name])
    return total.hexdigest()


def write(files: Files, names: Iterable[str], into: Path) -> tuple[Path, ...]:
    """Write the files `names` below the folder `into`; return where each is. Raises `ModelError` when one cannot be."""
    places = []
    for name in names:
        place = into / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(files[name])
        except OSError as error:
            if error.errno not in _IN_THE_WAY:
                raise
            raise ModelError(f"the file {name!r} cannot be written: {error.strerror}", hint="rename it") from error
        places.append(place)
    return tuple(places)
