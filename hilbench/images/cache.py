"""The image cache: finished images by build id. A file is there whole or not at all, so that runs may share it."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hilbench.errors import ModelError, StoreError
from hilbench.images.image import Image

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def cache_folder() -> Path:
    """Return the folder of the cache: `HILBENCH_CACHE`, else `hilbench` in the user's cache folder."""
    if place := os.environ.get("HILBENCH_CACHE"):
        return Path(place)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hilbench"


def cached(folder: Path, build_id: str, suffix: str) -> Image | None:
    """Return the image with this build id, or None when it is not there or not whole."""
    path = folder / f"{build_id}{suffix}"
    if not path.exists():
        return None
    try:
        image = Image.open(path)
    except ModelError:
        return None
    return image if image.manifest.build_id == build_id else None


def keep(folder: Path, built: Path, build_id: str) -> Image:
    """Move a finished image into the cache. Raises `StoreError` when that fails."""
    path = folder / f"{build_id}{built.suffix}"
    try:
        built.replace(path)
    except OSError as error:
        raise _full(folder, error) from error
    return Image.open(path)


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """Give an empty folder on the cache's own disk that is gone afterwards. Raises `StoreError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
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


def _full(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"the image cache cannot be written: {error.strerror or error}",
        where=str(folder),
        hint="free some space, or name another folder with HILBENCH_CACHE",
    )
