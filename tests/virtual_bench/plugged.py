"""What is plugged in: a folder, named by an environment variable, with one small JSON file a board.

Imported in the processes under test, by pyOCD's plug-in and by the enumeration: it imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from pathlib import Path

VARIABLE = "VIRTUAL_BENCH"


@dataclasses.dataclass(frozen=True)
class Plugged:
    """A board on USB. `address` is the (abstract) Unix socket of its debug probe, `port` the pty of its serial port.

    `adapter`: (vid, pid, serial number) of the serial port, where that is a USB device of its own.
    """

    serial_number: str
    vid: int
    pid: int
    manufacturer: str
    product: str
    address: str
    port: str | None
    probe: bool
    location: str
    adapter: tuple[int, int, str] | None = None

    def write(self, folder: Path) -> None:
        """Plug it in. There is never half a file."""
        temporary = folder / f".{self.location}"
        temporary.write_text(json.dumps(dataclasses.asdict(self)))
        temporary.rename(folder / f"{self.location}.json")

    def remove(self, folder: Path) -> None:
        """Unplug it."""
        (folder / f"{self.location}.json").unlink(missing_ok=True)


def attached() -> list[Plugged]:
    """Return what is plugged into the bench of this process; nothing when it has none."""
    folder = os.environ.get(VARIABLE)
    boards = []
    for path in sorted(Path(folder).glob("*.json")) if folder else []:
        with contextlib.suppress(FileNotFoundError):  # just unplugged
            boards.append(Plugged(**json.loads(path.read_text())))
    return boards
