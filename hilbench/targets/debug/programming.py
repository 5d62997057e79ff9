"""Writes an image into flash by pyOCD: only sectors that the image is in, never a whole chip, and read back afterwards.

pyOCD 0.46 does not look at what it has written, and cuts off without an error what does not fit. Both is checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pyocd.core import exceptions
from pyocd.flash.flash import Flash
from pyocd.flash.loader import FlashLoader

from hilbench.errors import TargetError

Segments = Sequence[tuple[int, bytes]]
Tell = Callable[[float], None]

_CHUNK_BYTES = 4096
"""Read at once: at 1 MHz, in about 50 ms."""


def check_map(memory_map: Any, segments: Segments, target: str) -> None:
    """Raise `TargetError` where the chip has, as far as pyOCD knows, no flash for `segments`."""
    for address, data in segments:
        for _ in _regions(memory_map, address, len(data), target):
            pass


def is_there(target: Any, segments: Segments, tell: Tell) -> bool:
    """Whether the chip has these bytes already."""
    try:
        return _difference(target, segments, tell) is None
    except exceptions.TransferFaultError:  # flash that is not mapped yet, or that cannot be read while erased
        return False


def program(session: Any, segments: Segments, code: tuple[int, int], tell: Tell) -> None:
    """Reset the chip, erase the sectors that `segments` are in, and program them.

    What else is in these sectors is kept only if one of them reaches out of `code`, which is a board's for its image.
    """
    target = session.target
    target.reset_and_halt()  # from here on no clock, cache or watchdog of the old image is in the way
    loader = FlashLoader(
        session,
        progress=tell,
        chip_erase="sector",
        smart_flash=True,
        trust_crc=False,
        keep_unwritten=_reaches_out(target.memory_map, segments, code),
    )
    for address, data in segments:
        loader.add_data(address, data)
    loader.commit()


def verify(target: Any, segments: Segments, tell: Tell) -> None:
    """Raise `TargetError` if what can be read is not what was written."""
    try:
        wrong = _difference(target, segments, tell)
    except exceptions.TransferFaultError:
        wrong = segments[0][0]
    if wrong is None:
        return
    flash = _mapped(target, wrong)
    wrong = _difference(target, segments, tell)
    flash.cleanup()
    if wrong is not None:
        raise TargetError(
            f"the flash at 0x{wrong:08x} reads back other bytes than were written",
            hint="is it protected, or worn out? Give the board its power anew, and try a lower frequency_hz",
        )


def _regions(memory_map: Any, address: int, size: int, target: str) -> Iterator[Any]:
    """Yield the regions of flash, one after the other, that a segment is in."""
    end = address + size
    while address < end:
        region = memory_map.get_region_for_address(address)
        if region is None or not region.is_flash or getattr(region, "flash", None) is None:
            raise TargetError(
                f"pyOCD's target '{target}' has no flash to program at 0x{address:08x}, where the image goes",
                hint="is `target:` in the board's file right, and `memory:`?",
            )
        yield region
        address = region.end + 1


def _reaches_out(memory_map: Any, segments: Segments, code: tuple[int, int]) -> bool:
    """Whether a sector that one of `segments` is in has bytes that are not in `code`."""
    for address, data in segments:
        for at in (address, address + len(data) - 1):
            sector = memory_map.get_region_for_address(at).flash.get_sector_info(at)
            if sector.base_addr < code[0] or sector.base_addr + sector.size > code[1]:
                return True
    return False


def _difference(target: Any, segments: Segments, tell: Tell) -> int | None:
    """Return the first address at which the chip has another byte; None if there is none."""
    total, done = sum(len(data) for _, data in segments), 0
    for address, data in segments:
        for offset in range(0, len(data), _CHUNK_BYTES):
            wanted = data[offset : offset + _CHUNK_BYTES]
            found = bytes(target.read_memory_block8(address + offset, len(wanted)))
            if found != wanted:
                return address + offset + next(i for i, byte in enumerate(wanted) if found[i] != byte)
            done += len(wanted)
            tell(done / total)
    return None


def _mapped(target: Any, address: int) -> Any:
    """Make flash readable that is not so by itself (QSPI), in the way of pyOCD's own FlashBuilder, and return it."""
    flash = target.memory_map.get_region_for_address(address).flash
    try:
        flash.init(Flash.Operation.VERIFY)
    except exceptions.FlashFailure:
        flash.init(Flash.Operation.ERASE)
    return flash
