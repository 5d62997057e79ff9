"""An image file: an ELF for a Cortex-M, or a zip for the host, either with its manifest inside."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from hilbench.errors import ModelError
from hilbench.images.elf import Elf
from hilbench.images.manifest import Manifest

ELF_SUFFIX = ".elf"
HOST_SUFFIX = ".pyz"
_REBUILD = "build it again with `hilbench build`"


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
            raw = _host_manifest(path) if path.suffix == HOST_SUFFIX else Elf.open(path).manifest()
            return cls(path, Manifest.model_validate_json(raw))
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise ModelError(f"the image cannot be read: {error}", where=str(path), hint=_REBUILD) from error
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


def _host_manifest(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("manifest.json")
