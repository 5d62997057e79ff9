"""Makes a folder beside the one it is to replace, and puts it there in one step: there is never none, nor half of one.

What a process that was killed has left beside it is cleared away by the next one.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from hilbench.records.directory import locked

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""Of Linux's fcntl.h and renameat2(2)."""
_NO_EXCHANGE = (errno.EINVAL, errno.ENOSYS)
"""What renameat2(2) says where kernel or file system cannot do that."""


@contextlib.contextmanager
def replacement(out: Path, whole: Callable[[Path], bool]) -> Iterator[Path]:
    """Give an empty folder on the file system of `out`, and put it in the place of `out` at the end of the block.

    If the block raises, `out` stays as it was. `whole` says whether a folder that a killed process left is complete:
    where there is no `out`, it becomes that. Raises OSError.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with locked(out.parent):
            _sweep(out, whole)
            folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=_prefix(out)))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            stack.enter_context(locked(folder))
        folder.chmod(0o755)
        yield folder
        put_in_place(folder, out)


def _prefix(out: Path) -> str:
    return f".{out.name}.publishing-"


def _sweep(out: Path, whole: Callable[[Path], bool]) -> None:
    """Clear away the folders of processes that are gone; a lock ends with the process that holds it."""
    for left in sorted(out.parent.iterdir()):
        if not left.name.startswith(_prefix(out)) or left.is_symlink() or not left.is_dir():
            continue
        with locked(left, wait=False) as had:
            if had and not out.exists() and whole(left):
                left.rename(out)
            elif had:
                shutil.rmtree(left, ignore_errors=True)


def put_in_place(folder: Path, out: Path) -> None:
    """Put `folder` in the place of `out`; an `out` that was there has the name of `folder` then, or is gone."""
    if not out.exists():
        folder.rename(out)
    elif not _exchanged(folder, out):
        old = Path(tempfile.mkdtemp(dir=out.parent, prefix=_prefix(out)))
        out.rename(old)  # over the empty folder
        try:
            folder.rename(out)
        except OSError:
            old.rename(out)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Let two folders swap their names in one step; False where that cannot be done."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(other))
