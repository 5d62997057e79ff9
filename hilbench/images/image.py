"""An image file: an ELF for a Cortex-M, or a zip for the host, either with its manifest inside."""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from hilbench.errors import ModelError
from hilbench.images.elf import Elf
from hilbench.images.manifest import Manifest

ELF_SUFFIX = ".elf"
HOST_SUFFIX = ".pyz"
_REBUILD = "build it again with `hilbench build`"
_MAX_TEXT_BYTES = 4 << 20
"""Of a manifest: those of the largest models have some 10 KB."""
_BROKEN_ZIP = (
    *(OSError, EOFError, LookupError, ValueError, ArithmeticError, RuntimeError, MemoryError),
    *(struct.error, zlib.error, zipfile.BadZipFile),
)
"""What zipfile raises on damaged input: its own errors, and those of numbers and methods that it trusted."""


def digest_file(path: Path) -> Path:
    """Return where the SHA-256 of the image at `path` is kept: beside it."""
    return path.with_suffix(".sha256")


@dataclass(frozen=True)
class Image:
    """A file that a target can run, and what it says of itself."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> Image:
        """Read the manifest of the image at `path`. Raises `ModelError` when it is not one of our images."""
        try:
            raw = _member(path, "manifest.json") if path.suffix == HOST_SUFFIX else Elf.open(path).manifest()
            return cls(path, Manifest.model_validate_json(raw))
        except OSError as error:
            raise _unreadable(path, error) from error
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "manifest"
            raise ModelError(
                f"its manifest is damaged: {field}: {first['msg']}", where=str(path), hint=_REBUILD
            ) from None

    @property
    def sha256(self) -> str:
        """The hash of the whole file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @property
    def elf(self) -> Elf | None:
        """The image as an ELF, or None for one of the host."""
        return None if self.path.suffix == HOST_SUFFIX else Elf.open(self.path)

    @property
    def program(self) -> str | None:
        """The dotted name of the module that an image for the host runs; None for an ELF. Raises `ModelError`."""
        if self.path.suffix != HOST_SUFFIX:
            return None
        return _member(self.path, "program.txt").decode(errors="replace").strip()


def _member(path: Path, name: str) -> bytes:
    """Return one of the texts in an image for the host. Raises `ModelError`."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as file:
            data = file.read(_MAX_TEXT_BYTES + 1)  # within bounds, whatever the zip says of its size
    except _BROKEN_ZIP as error:
        raise _unreadable(path, error) from error
    if len(data) > _MAX_TEXT_BYTES:
        raise _unreadable(path, f"its {name} holds more than {_MAX_TEXT_BYTES >> 20} MiB")
    return data


def _unreadable(path: Path, why: object) -> ModelError:
    return ModelError(f"the image cannot be read: {why}", where=str(path), hint=_REBUILD)
