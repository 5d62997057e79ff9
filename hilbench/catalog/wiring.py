"""How a board is wired to a computer: its serial line and its debugger, as a board file says it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from hilbench.catalog.fields import Strict


def _usb_id(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{4}", value.lower()):
        raise ValueError("this is no VID:PID, such as '2341:005a', four hexadecimal digits each")
    return value.lower()


UsbId = Annotated[str, AfterValidator(_usb_id)]
"""Vendor and product of a USB device, as in `2341:805a`."""

DEFAULT_BAUD = 115_200


class Serial(Strict):
    """The line to the agent: a UART of the board, and the USB devices that carry it to a computer.

    `usb` names what can carry it as it comes from its maker: an on-board debugger, say. Empty where it takes an
    adapter of the user's own, which is then named by `--hil-port`.
    """

    baud: int = Field(default=DEFAULT_BAUD, ge=1200, le=12_000_000, description="bits per second, such as 115200")
    usb: tuple[UsbId, ...] = Field(default=(), description="VID:PID of USB devices that carry the line")
    pins: str = Field(default="", description="the UART and its pins, such as 'USART2: PA2 (TX), PA3 (RX)'")


class Debugger(Strict):
    """A debug probe on the board itself. `board_ids` are what its firmware calls the board (ST-Link, DAPLink)."""

    name: str = Field(min_length=1, description="such as ST-LINK/V2-1")
    usb: tuple[UsbId, ...] = Field(default=(), description="VID:PID of the probe")
    board_ids: tuple[Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{4}$")], ...] = ()
