"""Looks at this machine: which tools and packages are here, and which boards are attached. Changes nothing."""

from __future__ import annotations

import platform

from hilbench import __version__
from hilbench.doctor import attached, tools, usb
from hilbench.doctor.finding import Finding

__all__ = ["Finding", "examine"]


def examine() -> list[Finding]:
    """Look for everything and return what was found. Starts each tool once; opens no port and connects to no chip."""
    return [
        Finding("hilbench", True, f"{__version__} on Python {platform.python_version()}"),
        *tools.needed(),
        *tools.optional(),
        *attached.serial_ports(),
        *attached.probes(),
        *usb.closed_probes(),
    ]
