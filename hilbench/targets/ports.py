"""Finds a board's serial port: among what is attached by its USB serial number, else as a device path or a URL.

Nothing is opened here. A USB serial number is compared as a whole, never in part: a wrong board gives wrong numbers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from serial.tools import list_ports

from hilbench.catalog.board import Board
from hilbench.errors import Unavailable, UsageError, nearest
from hilbench.targets.addresses import one_name

OPTION = "--hil-port"
REMOTE = ("socket", "rfc2217")
"""The schemes of lines that another computer serves: its bytes alone, or with the port's settings (RFC 2217)."""

_LOOK_EVERY_S = 0.1
_SCANS = 5
_UDEV_S = 1.0
"""udev gives a new device its owner and mode within this time; who may not open it then, never may."""
_FACTORY_NUMBERS = ("0001",)
"""Of every CP2102 that nobody has programmed: Silicon Labs CP2102/9 data sheet, table of USB configuration data."""
_DOCTOR = "`hilbench doctor` lists what is attached"


@dataclass(frozen=True)
class AttachedPort:
    """A serial port of this computer. What its driver does not tell is empty: `usb` (VID:PID), `serial_number`, …

    `location` is the USB socket, such as `1-1.2`; `interface` tells the ports of one USB device apart. `shared` is
    whether the serial number is no device's own: another one that is attached has it too, or every one of the kind.
    """

    device: str
    usb: str = ""
    serial_number: str = ""
    description: str = ""
    interface: str = ""
    location: str = ""
    shared: bool = False

    @property
    def unit(self) -> str:
        """The physical thing: its USB serial number; else the USB socket that it is in; else its path."""
        if self.serial_number and not self.shared:
            return self.serial_number
        return _socket(self.location) if self.location else os.path.realpath(self.device)

    def __str__(self) -> str:
        known = (self.description, self.usb, f"serial number '{self.serial_number}'" if self.serial_number else "")
        told = ", ".join(word for word in known if word)
        return f"{self.device} ({told})" if told else self.device


@dataclass(frozen=True)
class Port:
    """A serial line to open: `url` is a device path or a URL.

    `unit` names the physical thing for as long as it exists, whatever its device is called after a reset: its USB
    serial number where that is its own, else the USB socket that it is in (`usb:1-1.2`), else the path, or
    `ADDRESS:PORT`. `interface` tells the ports of one USB device apart, `location` is its USB socket. `again` finds out
    within some seconds where the line is now, of one that a farm may serve elsewhere after a while.
    """

    url: str
    unit: str
    description: str = ""
    interface: str = ""
    location: str = ""
    again: Callable[[float], Port] | None = field(default=None, compare=False, repr=False)

    @property
    def remote(self) -> bool:
        """Whether another computer serves the line."""
        return is_url(self.url)

    def __str__(self) -> str:
        return f"{self.url} ({self.description})" if self.description else self.url


def attached_ports() -> tuple[AttachedPort, ...]:
    """Return the serial ports of this computer, in the order of their names."""
    for _ in range(_SCANS):
        try:
            # Through the module, so that there is one place where attached hardware can be simulated.
            return _marked([_attached(info) for info in sorted(list_ports.comports())])
        except (TypeError, ValueError, OSError):
            time.sleep(_LOOK_EVERY_S)  # pyserial stumbles over a device that is unplugged while it looks
    return ()


def is_url(text: str) -> bool:
    """Whether `text` is a URL, and no device path or serial number."""
    return "://" in text


def find_port(board: Board, wanted: str | None) -> Port:
    """Return the one port that is meant: `wanted` (device path, URL, USB serial number), or the board's own.

    Raises `Unavailable` when there is none or it could be several, with what is attached and what to type;
    `UsageError` for a URL that is none.
    """
    if wanted and is_url(wanted):
        return _remote(wanted)
    attached = attached_ports()
    if wanted and "/" in wanted:
        return _at_path(wanted, attached)
    if wanted:
        return _only(
            [port for port in attached if port.serial_number == wanted],
            f"no serial port has the USB serial number '{wanted}'",
            f"the USB serial number '{wanted}' belongs to several serial ports",
            attached,
            wanted,
        )
    usb = board.serial.usb if board.serial else ()
    if not usb:
        raise Unavailable(
            f"board {board.id} takes a serial adapter of your own, and its port was not named ({_told(attached)})",
            hint=f"{OPTION}={_words(attached)[0] if attached else '/dev/ttyUSB0'}, or another: {_DOCTOR}",
        )
    return _only(
        [port for port in attached if port.usb in usb],
        f"no serial port of a {board.name} is attached: none has the USB id {' or '.join(usb)}",
        f"several attached serial ports can be that of board {board.id}",
        attached,
    )


def could_be(port: AttachedPort, board: Board) -> bool:
    """Whether a port has the USB id of the board's serial line or debugger."""
    serial = board.serial.usb if board.serial else ()
    debugger = board.debugger.usb if board.debugger else ()
    return bool(port.usb) and port.usb in (*serial, *debugger)


def refound(port: Port, within_s: float) -> Port:
    """Return where a port is after its board was reset or flashed: the device may have another name now.

    Waits until it is back, and a moment until it may be opened. Raises `Unavailable` when it is not back `within_s`
    seconds from now.
    """
    if port.again is not None:
        return port.again(within_s)
    if port.remote:
        return port
    deadline = time.monotonic() + within_s
    seen_at = None
    while True:
        attached, now = attached_ports(), time.monotonic()
        if (found := _again(port, attached)) is not None:
            seen_at = now if seen_at is None else seen_at
            if os.access(found.url, os.R_OK | os.W_OK) or now >= min(deadline, seen_at + _UDEV_S):
                return found
        elif now >= deadline:
            raise Unavailable(
                f"{port} has not come back within {within_s:g} s ({_told(attached)})",
                hint="is it still plugged in, and did its firmware start?",
            )
        time.sleep(_LOOK_EVERY_S)


def _attached(info: Any) -> AttachedPort:
    usb = f"{info.vid:04x}:{info.pid:04x}" if info.vid is not None and info.pid is not None else ""
    words = dict.fromkeys(word for word in (info.manufacturer, info.product) if word)
    named = " ".join(words) or (info.description if info.description not in (None, "n/a", info.name) else "")
    location, _, interface = (info.location or "").partition(":")
    return AttachedPort(info.device, usb, info.serial_number or "", named, interface, location)


def _marked(ports: Sequence[AttachedPort]) -> tuple[AttachedPort, ...]:
    """Return the ports with `shared` set where a serial number is also that of a device in another USB socket."""
    sockets: dict[str, set[str]] = {}
    for one in ports:
        sockets.setdefault(one.serial_number, set()).update([one.location] if one.location else [])
    shared = {"", *_FACTORY_NUMBERS} | {number for number, where in sockets.items() if len(where) > 1}
    return tuple(replace(one, shared=bool(one.serial_number) and one.serial_number in shared) for one in ports)


def _again(port: Port, attached: Sequence[AttachedPort]) -> Port | None:
    same = [one for one in attached if one.serial_number and one.serial_number == port.unit]
    if any(one.shared for one in same):  # by a device that has come meanwhile
        same = [one for one in same if one.location and one.location == port.location]
    if same:
        # Of one device's several ports, the one of that interface, else the one of that name, else the first.
        name = os.path.realpath(port.url)
        found = min(same, key=lambda one: (one.interface != port.interface, os.path.realpath(one.device) != name))
        return replace(_local(found), unit=port.unit)
    if port.location and port.unit == _socket(port.location):
        there = [one for one in attached if one.location == port.location]
        known = [one for one in there if one.interface == port.interface]
        if not known and len(there) == 1 and "" in (port.interface, there[0].interface):
            known = there  # one port of a device that has several after a reset, or before it
        return replace(_local(known[0]), unit=port.unit) if len(known) == 1 else None
    return port if port.unit == os.path.realpath(port.url) and Path(port.url).exists() else None


def _socket(location: str) -> str:
    return f"usb:{location}"


def _local(port: AttachedPort, url: str = "") -> Port:
    return Port(url or port.device, port.unit, port.description, port.interface, port.location)


def _remote(url: str) -> Port:
    parts = checked_url(url)
    assert parts.hostname and parts.port is not None, "the URL was checked"
    return Port(url, one_name(parts.hostname, parts.port))


def checked_url(url: str) -> SplitResult:
    """Return the parts of `socket://HOST:PORT` or `rfc2217://HOST:PORT[?options]`. Raises `UsageError`."""
    hint = f"{OPTION}=socket://HOST:PORT or rfc2217://HOST:PORT"
    try:
        parts = urlsplit(url)
        complete = bool(parts.hostname) and parts.port is not None
    except ValueError as error:
        raise UsageError(f"'{url}' is not a URL: {error}", hint=hint) from None
    if parts.scheme not in REMOTE:
        raise UsageError(f"'{url}': there is no line by '{parts.scheme}://'", hint=hint)
    if not complete:
        raise UsageError(f"'{url}' names no {'port' if parts.hostname else 'host'}", hint=hint)
    if parts.path not in ("", "/") or parts.fragment or (parts.scheme == "socket" and parts.query):
        raise UsageError(f"'{url}': nothing may follow the port", hint=hint)
    return parts


def _at_path(path: str, attached: Sequence[AttachedPort]) -> Port:
    real = os.path.realpath(path)
    for port in attached:
        if os.path.realpath(port.device) == real:
            return _local(port, path)
    if not Path(path).exists():
        raise Unavailable(f"there is no {path} ({_told(attached)})", hint=_try_one_of(attached))
    return Port(path, real)


def _only(
    fitting: Sequence[AttachedPort], none: str, several: str, attached: Sequence[AttachedPort], wanted: str = ""
) -> Port:
    if not fitting:
        known = {port.serial_number for port in attached if port.serial_number}
        hint = nearest(wanted, known) if wanted and known else _try_one_of(attached)
        raise Unavailable(f"{none} ({_told(attached)})", hint=hint)
    if len(fitting) > 1:
        choices = " or ".join(f"{OPTION}={word}" for word in _words(fitting))
        raise Unavailable(f"{several}: {', '.join(map(str, fitting))}", hint=choices)
    return _local(fitting[0])


def _words(ports: Sequence[AttachedPort]) -> list[str]:
    """Return what to type for each port: its serial number, its path if that is not enough."""
    numbers = ["" if port.shared else port.serial_number for port in ports]
    return [
        number if number and numbers.count(number) == 1 else port.device
        for number, port in zip(numbers, ports, strict=True)
    ]


def _told(attached: Sequence[AttachedPort]) -> str:
    return f"attached: {', '.join(map(str, attached))}" if attached else "no serial port is attached"


def _try_one_of(attached: Sequence[AttachedPort]) -> str:
    if not attached:
        return f"plug it in; {_DOCTOR}"
    return f"check the cable, or name one: {' or '.join(f'{OPTION}={word}' for word in _words(attached))}"
