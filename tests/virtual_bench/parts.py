"""The chips of the bench: which machine of QEMU each is, and what a debugger finds that the machine does not have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .flash_controllers import Controller, Nvmc, Stm32F4

_M0_DPIDR, _M4_DPIDR = 0x0BB1_1477, 0x2BA0_1477  # Cortex-M0 TRM DDI 0432C, 8.3; Cortex-M4 TRM 100166, 11.2


@dataclass(frozen=True)
class Part:
    """A chip. `overlay` maps an address to a word that only debuggers see.

    `controller` makes, of what is in flash, the flash controller that the machine lacks.
    """

    machine: str
    dpidr: int
    flash_base: int
    flash_bytes: int
    overlay: Mapping[int, int] = field(default_factory=dict)
    ctrl_ap: bool = False
    controller: Callable[[bytes], Controller] | None = None


# FICR of an nRF52840 QIAA D0: nRF52840 Product Specification v1.8, 4.4.1.
_NRF52840_FICR = {
    0x1000_0010: 0x1000,  # CODEPAGESIZE
    0x1000_0014: 256,  # CODESIZE
    0x1000_0100: 0x52840,  # INFO.PART
    0x1000_0104: 0x4141_4430,  # INFO.VARIANT
    0x1000_0108: 0x2004,  # INFO.PACKAGE
    0x1000_010C: 256,  # INFO.RAM
    0x1000_0110: 1024,  # INFO.FLASH
}
_STM32F405_IDCODE = {0xE004_2000: 0x1007_6413}  # RM0090 rev 19, 38.6.1

PARTS = {
    "microbit": Part("microbit", _M0_DPIDR, 0, 256 << 10),
    "netduinoplus2": Part(
        "netduinoplus2", _M4_DPIDR, 0x0800_0000, 1 << 20, overlay=_STM32F405_IDCODE, controller=Stm32F4
    ),
    "nrf52840": Part("mps2-an386", _M4_DPIDR, 0, 1 << 20, overlay=_NRF52840_FICR, ctrl_ap=True, controller=Nvmc),
    "mps2-an386": Part("mps2-an386", _M4_DPIDR, 0, 4 << 20),
}
