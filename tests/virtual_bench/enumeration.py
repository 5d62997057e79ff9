"""Simulated USB enumeration: pyserial's `comports()` lists the serial ports of the boards that are plugged in."""

from __future__ import annotations

import serial.tools.list_ports
from serial.tools.list_ports_common import ListPortInfo

from .plugged import Plugged, attached


def comports(include_links: bool = False) -> list[ListPortInfo]:
    """Stand in for pyserial's function of this name."""
    return [_port(board) for board in attached() if board.port]


def install() -> None:
    """Replace pyserial's function in this process."""
    serial.tools.list_ports.comports = comports


def _port(board: Plugged) -> ListPortInfo:
    port = ListPortInfo(board.port)
    port.vid, port.pid, port.serial_number = board.adapter or (board.vid, board.pid, board.serial_number)
    if not board.adapter:
        port.manufacturer, port.product = board.manufacturer, board.product
    port.location = board.location
    port.description = port.usb_description()
    port.hwid = port.usb_info()
    return port
