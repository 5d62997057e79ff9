"""Looks for debug probes that are plugged in and may not be used: they need a udev rule, which is told."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hilbench import catalog
from hilbench.doctor.finding import Finding

RULES_FILE = "/etc/udev/rules.d/70-hilbench.rules"

_DEVICES = Path("/sys/bus/usb/devices")
_DEV = Path("/dev")
# SEGGER has one vendor id for its J-Links alone; ST's products, in pyOCD 0.46: pyocd/probe/stlink/usb.py.
_JLINK = "1366"
_STLINK = ("3748", "374a", "374b", "374e", "374f", "3752", "3753", "3754", "3755", "3757")
_CMSIS_DAP = "CMSIS-DAP"  # is part of a string of each such probe: CMSIS-DAP specification, "USB Peripheral"


@dataclass(frozen=True)
class UsbDevice:
    """A USB device: `usb` is its VID:PID, `nodes` the files under /dev that a program opens."""

    usb: str
    name: str
    nodes: tuple[Path, ...]

    @property
    def open_to_us(self) -> bool:
        """Whether we may use it."""
        return all(os.access(node, os.R_OK | os.W_OK) for node in self.nodes)


def closed_probes(devices: Path = _DEVICES, dev: Path = _DEV) -> list[Finding]:
    """Return a finding for each probe that we may not use. `devices` is where sysfs lists USB devices."""
    known = {usb for board in catalog.boards().good().values() if board.debugger for usb in board.debugger.usb}
    closed = [device for device in _probes(devices, dev, known) if not device.open_to_us]
    return [
        Finding(
            f"USB device {one.usb} ({one.name})", False, "your user may not use it", remedy([one.usb]), optional=True
        )
        for one in closed
    ]


def remedy(usb_ids: Iterable[str]) -> str:
    """Return the commands that give logged-in users, and the group plugdev, the USB devices with these VID:PID."""
    commands = (
        f"sudo tee -a {RULES_FILE} <<'END'",
        *rules(usb_ids),
        "END",
        "sudo udevadm control --reload && sudo udevadm trigger    # or plug it in again",
    )
    return "\n".join(commands)


def rules(usb_ids: Iterable[str]) -> list[str]:
    """Return udev's rules for debug probes with these VID:PID: for the device, and for its HID (CMSIS-DAP v1)."""
    lines = []
    for vendor, product in (usb.split(":") for usb in usb_ids):
        which = f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}"'
        access = 'MODE="0660", GROUP="plugdev", TAG+="uaccess"'
        lines += [f'SUBSYSTEM=="usb", {which}, {access}', f'KERNEL=="hidraw*", {which}, {access}']
    return lines


def _probes(devices: Path, dev: Path, known: Iterable[str]) -> Iterator[UsbDevice]:
    for path in sorted(devices.glob("*/idVendor")):
        folder = path.parent
        vendor, product = _line(path), _line(folder / "idProduct")
        usb = f"{vendor}:{product}"
        names = [_line(folder / "manufacturer"), _line(folder / "product")]
        interfaces = [_line(one) for one in folder.glob("*:*/interface")]
        is_stlink = vendor == "0483" and product in _STLINK
        if usb in known or vendor == _JLINK or is_stlink or _CMSIS_DAP in " ".join((*names, *interfaces)):
            yield UsbDevice(usb, " ".join(filter(None, names)) or "no name", tuple(_nodes(folder, dev)))


def _nodes(folder: Path, dev: Path) -> Iterator[Path]:
    bus, number = _line(folder / "busnum"), _line(folder / "devnum")
    if bus.isdigit() and number.isdigit():
        yield dev / "bus" / "usb" / f"{int(bus):03d}" / f"{int(number):03d}"
    for hidraw in folder.glob("*:*/*/hidraw/hidraw*"):
        yield dev / hidraw.name


def _line(path: Path) -> str:
    """Return a line of sysfs; '' where there is none, or no longer."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
