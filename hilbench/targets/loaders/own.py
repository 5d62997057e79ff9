"""Which of several boards that look alike on USB is meant: the only one, or one whose USB serial number was named."""

from __future__ import annotations

from collections.abc import Sequence

from hilbench.errors import Unavailable
from hilbench.targets.ports import AttachedPort, attached_ports

OPTION = "--hil-loader"


def only(usb: Sequence[str], own: Sequence[str], do: str) -> AttachedPort | None:
    """Return the attached port with one of the ids `usb`, and of the serial numbers `own` where any are given.

    None without one. Raises `Unavailable` for several, which `do` the same: nothing tells here which is meant.
    """
    ports = [port for port in alike(usb) if not own or port.serial_number in own]
    if len(ports) > 1:
        told = ", ".join(map(str, ports))
        raise Unavailable(f"several boards {do}: {told}", hint=f"unplug all but the one that is meant{named(ports)}")
    return ports[0] if ports else None


def alike(usb: Sequence[str]) -> list[AttachedPort]:
    """Return the attached ports with one of the ids `usb`."""
    return [port for port in attached_ports() if port.usb in usb]


def named(ports: Sequence[AttachedPort]) -> str:
    """Return as the end of a hint how one of `ports` is named; '' where none has a number that the others have not."""
    words = [f"{OPTION}={port.serial_number}" for port in ports if port.serial_number and not port.shared]
    return f", or name the board's own: {' or '.join(words)}" if words else ""
