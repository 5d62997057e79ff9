"""A UF2 drive: a folder that a table of mounts names, with a reader of UF2 files that is nobody's encoder."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

BLOCK = struct.Struct("<IIIIIIII476sI")
INFO = "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: {}\r\n"


@dataclass
class Drive:
    """A drive under `root`; while it is plugged in, `root`/mounts has it."""

    root: Path
    board_id: str = "RPI-RP2"
    name: str = "RPI-RP2"

    @property
    def folder(self) -> Path:
        return self.root / f"media {self.name}"

    @property
    def mounts(self) -> Path:
        return self.root / "mounts"

    def plug(self) -> None:
        self.folder.mkdir()
        (self.folder / "INFO_UF2.TXT").write_text(INFO.format(self.board_id))
        (self.root / self.name).write_text("")
        with self.mounts.open("a") as file:
            file.write(f"{self.root / self.name} {str(self.folder).replace(' ', chr(92) + '040')} vfat rw 0 0\n")

    def unplug(self) -> None:
        """Take it off, as a board does: its mount stays where nobody unmounts it."""
        (self.root / self.name).unlink()
        for file in self.folder.iterdir():
            file.unlink()
        self.folder.rmdir()

    def taken(self, family: int) -> dict[int, bytes] | None:
        """Return the pages of a file that is whole, by address; None as long as there is none."""
        for path in self.folder.glob("*.[uU][fF]2"):
            content = path.read_bytes()
            if len(content) >= BLOCK.size and len(content) == BLOCK.size * BLOCK.unpack_from(content)[6]:
                return decode(content, family)
        return None


def decode(content: bytes, family: int) -> dict[int, bytes]:
    """Return the pages of a UF2 file by address, as the RP2040's boot ROM reads it (datasheet 2.8.4.2)."""
    pages: dict[int, bytes] = {}
    count = len(content) // BLOCK.size
    assert len(content) == count * BLOCK.size
    for index, block in enumerate(BLOCK.iter_unpack(content)):
        start0, start1, flags, address, size, number, blocks, tag, data, end = block
        assert (start0, start1, end) == (0x0A324655, 0x9E5D5157, 0x0AB16F30)
        assert (flags, size, number, blocks, tag) == (0x2000, 256, index, count, family)
        assert address % 256 == 0 and address not in pages
        assert data[256:] == bytes(220)
        pages[address] = data[:256]
    return pages
