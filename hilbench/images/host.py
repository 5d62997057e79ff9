"""Host images: a zip of a program's name, its data and the manifest, the same bytes for the same contents."""

from __future__ import annotations

import zipfile
from pathlib import Path

from hilbench.frameworks.base import Emitted

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest date that a zip can hold: a fixed one, so that the same contents make the same file."""


def pack(emitted: Emitted, manifest_json: bytes, into: Path) -> Path:
    """Write `image.pyz` into the folder `into` and return its path."""
    path = into / "image.pyz"
    members = {"manifest.json": manifest_json, "program.txt": f"{emitted.program}\n".encode()}
    members |= {f"data/{file.name}": file.read_bytes() for file in emitted.data}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    return path
