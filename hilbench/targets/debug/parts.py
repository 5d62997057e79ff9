"""Reads from a chip itself which part it is, where its maker has put that at a known address.

Runs where pyOCD runs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pyocd.core import exceptions


class _Id(NamedTuple):
    """A word that identifies a part: of which targets (the beginning of pyOCD's name), its name and its address."""

    targets: str
    name: str
    address: int


# Only what the configured target says is there is read: a read may do something on another chip.
_IDS = (
    _Id("stm32h7", "DBGMCU_IDCODE", 0x5C00_1000),  # RM0433, 60.5.8
    # RM0090 rev 19, 38.6.1, and the same place in the manuals of the others.
    *(_Id(f"stm32{family}", "DBGMCU_IDCODE", 0xE004_2000) for family in ("f1", "f2", "f3", "f4", "f7", "l1", "l4")),
    _Id("nrf52", "FICR INFO.PART", 0x1000_0100),  # nRF52840 Product Specification v1.8, 4.4.1
)


def part_id(target: str, core: Any) -> str:
    """Return the word that says which part it is, with its name; '' where none is known or it cannot be read."""
    for known in _IDS:
        if target.lower().startswith(known.targets):
            try:
                return f"{known.name} 0x{core.read32(known.address):08x}"
            except exceptions.TransferError:
                return ""
    return ""
