"""Reads a Model Library Format archive (a plain tar, or the folder it was unpacked to) into memory.

Archives come from others. Nothing is ever unpacked to where the archive says: of its files only those that a build
needs are read, within bounds, and an archive with a link, a device or a path that leads out of it is refused whole.
"""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from hilbench.errors import ModelError
from hilbench.frameworks import ready_made
from hilbench.frameworks.ready_made import Budget, Files, check_inside, check_names, too_much

METADATA = "metadata.json"
_NEEDED = re.compile(rf"{re.escape(METADATA)}|codegen/host/(src|include|lib)/[^/]+|runtime/include/.+\.h")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"PK")
_BROKEN = (tarfile.TarError, ValueError, OverflowError, EOFError, IndexError, RecursionError, MemoryError)
"""What tarfile raises on damaged input: its own errors, and those of numbers and chains that it trusted."""
_MAX_TAR_BYTES = ready_made.MAX_BYTES + ready_made.MAX_FILES * 2048
"""With a header, a second one for a long name, and padding for each file."""
_EXPORT = "export it again with TVM's export_model_library_format"


@dataclass(frozen=True)
class Archive:
    """The files of an archive that a build needs. `path` is where it was read from."""

    path: Path
    files: Files

    @property
    def sha256(self) -> str:
        """The hash of those files: the same for an archive and for the folder that it was unpacked to."""
        return ready_made.digest(self.files)

    def sources(self) -> list[str]:
        """Return the paths of its C and C++ sources."""
        return self._below("src", (".c", ".cc", ".cpp"))

    def objects(self) -> list[str]:
        """Return the paths of its object files."""
        return self._below("lib", (".o",))

    def header(self, module: str) -> str | None:
        """Return the text of the C interface of `module`, or None when it was exported without one."""
        data = self.files.get(f"codegen/host/include/tvmgen_{module.lower()}.h")
        return None if data is None else data.decode(errors="replace")

    def _below(self, folder: str, suffixes: tuple[str, ...]) -> list[str]:
        prefix = f"codegen/host/{folder}/"
        return sorted(name for name in self.files if name.startswith(prefix) and name.endswith(suffixes))


def read(path: Path) -> Archive:
    """Read the archive at `path`. Raises `ModelError` when it cannot be read, or is not fit to be used."""
    if path.is_dir():
        files: Files = {name: data for name, data in ready_made.read_tree(path).items() if _NEEDED.fullmatch(name)}
    else:
        files = _read_tar(path)
    if METADATA not in files:
        raise ModelError(f"it holds no {METADATA}: not a Model Library Format archive", where=str(path), hint=_EXPORT)
    check_names(files, path)
    archive = Archive(path, files)
    for name in archive.objects():
        ready_made.check_object(name, files[name], path)
    return archive


def _read_tar(path: Path) -> Files:
    try:
        if not path.is_file():
            raise ModelError("this is neither a file nor a folder", where=str(path), hint=_EXPORT)
        if path.stat().st_size > _MAX_TAR_BYTES:
            raise too_much(path)
        with path.open("rb") as file:
            start = file.read(6)
            if start.startswith(_COMPRESSED):
                raise ModelError("it is compressed", where=str(path), hint="unpack it to the plain .tar that TVM wrote")
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:") as tar:
                return _members(tar, path)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    except _BROKEN as error:
        raise ModelError(f"this tar is damaged or cut short: {error}", where=str(path), hint=_EXPORT) from error


def _members(tar: tarfile.TarFile, path: Path) -> Files:
    found: dict[str, bytes] = {}
    budget = Budget(path)
    for member in tar:
        name = member.name.removeprefix("./")
        if member.isdir():
            budget.take(0)
            continue
        if not member.isreg() or member.issparse():
            kind = "a link" if member.issym() or member.islnk() else "not a plain file"
            raise ModelError(f"{name!r} is {kind}: it is refused", where=str(path), hint=_EXPORT)
        check_inside(name, path)
        budget.take(member.size)
        if not _NEEDED.fullmatch(name):
            continue
        if name in found:
            raise ModelError(f"it holds '{name}' twice", where=str(path), hint=_EXPORT)
        content = tar.extractfile(member)
        data = content.read() if content else b""
        if len(data) != member.size:
            raise ModelError(f"'{name}' is cut short", where=str(path), hint=_EXPORT)
        found[name] = data
    return found
