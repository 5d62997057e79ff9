"""Loads by copying a UF2 file to the drive that a boot loader is: RP2040 and others.

The format is https://github.com/microsoft/uf2; a drive tells by its INFO_UF2.TXT which board it is.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import struct
import time
from pathlib import Path

from hilbench.errors import TargetError, Unavailable
from hilbench.frameworks.base import YES, Support
from hilbench.targets.loaders.base import ERASED, Binary, run_tool

RP2040 = 0xE48BFF56
"""The family id of the RP2040, in uf2families.json of the format."""
PAGE_BYTES = 256
SECTOR_BYTES = 4096
"""A whole sector is sent or none of it: the RP2040's boot ROM erases one at its first page (its erratum E14)."""
_BLOCK = struct.Struct("<8I476sI")
_MAGIC = 0x0A324655, 0x9E5D5157, 0x0AB16F30
_FAMILY_ID_PRESENT = 0x2000

MOUNTS = Path("/proc/mounts")
LABELS = Path("/dev/disk/by-label")
_FAT = ("vfat", "msdos", "fuseblk")
_FILE = "HILBENCH.UF2"
_LEAVES_S = 15.0
"""A drive is gone a second after its last block; its file system may have more to write."""
_MOUNT_S = 20.0
_LOOK_EVERY_S = 0.1
_GONE = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ENOTCONN)

_log = logging.getLogger(__name__)


def encode(binary: Binary, family: int) -> bytes:
    """Return the UF2 file of `binary`: blocks of 512 bytes, each with a page of 256; sectors filled up as erased."""
    data = binary.data + ERASED * (-len(binary.data) % SECTOR_BYTES)
    count = len(data) // PAGE_BYTES
    blocks = []
    for index in range(count):
        offset = index * PAGE_BYTES
        head = (*_MAGIC[:2], _FAMILY_ID_PRESENT, binary.base + offset, PAGE_BYTES, index, count, family)
        blocks.append(_BLOCK.pack(*head, data[offset : offset + PAGE_BYTES], _MAGIC[2]))
    return b"".join(blocks)


class Uf2:
    """The drive of a board whose Board-ID, and volume label, is `drive`; its chip is of the UF2 family `family`."""

    on_line = False
    press = "hold its BOOTSEL button down while you plug in its USB cable"

    def __init__(self, drive: str, family: int) -> None:
        self._drive, self._family = drive, family
        self.exclusive = f"drive {drive}"

    def available(self) -> Support:
        """Say that nothing is needed."""
        return YES

    def find(self) -> str | None:
        """Return the folder where the drive is mounted; mount it with udisksctl if that is here and it is not."""
        if not (folders := self._mounted()) and self._device().exists() and shutil.which("udisksctl"):
            # Where a desktop mounts it at the same moment, one of both fails, and it is mounted.
            said = run_tool(["udisksctl", "mount", "--no-user-interaction", "-b", str(self._device())], _MOUNT_S)
            _log.info("udisksctl: %s", said.last)
            folders = self._mounted()
        if len(folders) > 1:
            raise Unavailable(
                f"several drives {self._drive} are mounted: {', '.join(folders)}",
                hint="unplug all but the board that is meant",
            )
        return folders[0] if folders else None

    def unit(self, place: str) -> str:
        """Return the drive's name: who has that has all drives of the kind."""
        return self.exclusive

    def missing(self) -> Unavailable:
        """Return the error that says that there is no such drive, or that it is not mounted."""
        if self._device().exists():
            return Unavailable(
                f"the board's drive {self._drive} is there and not mounted",
                hint=f"{self._mount_command()}; then run again",
            )
        return Unavailable(
            f"the board's boot loader does not come: there is no drive {self._drive}",
            hint=f"{self.press}; then run again",
        )

    def load(self, binary: Binary, place: str) -> None:
        """Copy `binary` to the drive, and wait until it leaves: the board then has all of it, and starts."""
        content = encode(binary, self._family)
        path, left = Path(place) / _FILE, memoryview(content)
        try:
            with path.open("wb", buffering=0) as file:
                while len(left):
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
        except OSError as error:
            # With its last block the board leaves at once: what the file system then still has to write finds no drive.
            if len(left) or error.errno not in _GONE or not self._left(place, _LEAVES_S):
                raise self._failed(error, place, len(content)) from None
            _log.info("%s left while it was written to: %s", self._drive, error)
        if not self._left(place, _LEAVES_S):
            raise TargetError(
                f"the drive {self._drive} at {place} has the image and does not start it",
                hint=f"is it the right board? Else: {self.press}; then run again",
            )

    def _left(self, place: str, within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while place in self._mounted():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_EVERY_S)
        return True

    def _failed(self, error: OSError, place: str, size: int) -> TargetError | Unavailable:
        drive = f"the drive {self._drive} at {place}"
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            return Unavailable(
                f"{drive} may not be written to: {error.strerror}",
                hint=f"sudo umount {place}; {self._mount_command()}; then run again",
            )
        if error.errno == errno.ENOSPC:
            return TargetError(
                f"{drive} has no room for the image's {size} bytes",
                hint=f"{self.press}, which gives an empty drive; then run again",
            )
        if error.errno in _GONE:
            return TargetError(
                f"{drive} left while it was written to: {error.strerror}",
                hint=f"check the cable; {self.press}; then run again",
            )
        return TargetError(f"{drive} cannot be written to: {error.strerror}", hint=f"{self.press}; then run again")

    def _mount_command(self) -> str:
        return f"sudo mount -o uid=$(id -u),flush {self._device()} /mnt"

    def _device(self) -> Path:
        return LABELS / self._drive

    def _mounted(self) -> list[str]:
        """Return where drives of this Board-ID are mounted: not of a device that has left."""
        mounts = [line.split() for line in MOUNTS.read_text().splitlines()]
        here = [_unescaped(folder) for device, folder, kind, *_ in mounts if kind in _FAT and Path(device).exists()]
        return sorted({folder for folder in here if _board_id(Path(folder)) == self._drive})


def _board_id(folder: Path) -> str | None:
    """Return what INFO_UF2.TXT says; None where there is none."""
    try:
        text = (folder / "INFO_UF2.TXT").read_text(errors="replace")
    except OSError:
        return None
    found = re.search(r"^Board-ID:[ \t]*(\S+)", text, re.MULTILINE)
    return found[1] if found else None


def _unescaped(field: str) -> str:
    """Return a field of /proc/mounts: blanks and backslashes are octal there (getmntent(3))."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
