"""The image cache: finished images by build id. A file is there whole or not at all, so that runs may share it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hilbench.errors import ModelError, StoreError, UsageError
from hilbench.images.image import Image, digest_file

_STALE_S = 24 * 3600
"""No build takes a day."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def cache_folder() -> Path:
    """Return the folder of the cache: `HILBENCH_CACHE`, else `hilbench` in the user's cache folder.

    Raises `UsageError` for a folder in which nothing can be built.
    """
    if place := os.environ.get("HILBENCH_CACHE"):
        folder = Path(place).expanduser().absolute()
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "hilbench"
    if wrong := set(str(folder)) & set(";="):
        # CMake splits lists at one, and GCC's -ffile-prefix-map its argument at the other.
        raise UsageError(f"the image cache cannot be in '{folder}': builds stumble over '{wrong.pop()}'",
                         hint="name another folder with HILBENCH_CACHE")  # fmt: skip
    return folder


def cached(folder: Path, build_id: str, suffix: str) -> Image | None:
    """Return the image with this build id, or None when it is not there or not whole: then it is built again."""
    path = folder / f"{build_id}{suffix}"
    try:
        image = Image.open(path)
        whole = digest_file(path).read_text() == image.sha256
    except (ModelError, OSError):
        return None
    return image if whole and image.manifest.build_id == build_id else None


def keep(folder: Path, built: Path, build_id: str) -> Image:
    """Move a finished image into the cache. Raises `StoreError` when that fails."""
    path = folder / f"{build_id}{built.suffix}"
    try:
        digest_file(path).write_text(Image.open(built).sha256)
        built.replace(path)
    except OSError as error:
        raise _full(folder, error) from error
    return Image.open(path)


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """Give an empty folder on the cache's own disk that is gone afterwards. Raises `StoreError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        place = tempfile.TemporaryDirectory(dir=folder, prefix="build-", ignore_cleanup_errors=True)
    except OSError as error:
        raise _full(folder, error) from error
    with place as name:
        try:
            yield Path(name)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise _full(folder, error) from error


def _sweep(folder: Path) -> None:
    """Remove what killed builds left behind."""
    for left in folder.glob("build-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_S:
                shutil.rmtree(left)


def _full(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"the image cache cannot be written: {error.strerror or error}",
        where=str(folder),
        hint="free some space, or name another folder with HILBENCH_CACHE",
    )
