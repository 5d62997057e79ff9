"""Brings a board into its boot loader.

It may be there already; else our agent is asked; else a sketch's USB port is opened at 1200 baud (the "touch").
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence

import serial

from hilbench.errors import LinkTimeout
from hilbench.targets import serial_trouble
from hilbench.targets.loaders.base import Loader
from hilbench.targets.ports import Port, attached_ports
from hilbench.targets.serial_line import open_line

BOOT_LOADER_FRAMES = bytes.fromhex("000206010106012b32653e00")
"""What asks the agent for its boot loader: the end of whatever half frame it holds, and a RESET frame."""
TOUCH_BAUD = 1200
AGENT_S = 5.0
"""A board with USB is there again, with its drive mounted, within some 3 s of its reset."""
SKETCH_S = 10.0
_SENT_S = 0.3
"""A line that is closed at once may lose what was just sent: a serial server's, say."""
_LOOK_EVERY_S = 0.2


def entered(loader: Loader, port: Port, baud: int, touch: Sequence[str]) -> str:
    """Return where the boot loader is, once it runs.

    The agent is asked at `port`; a sketch is one whose USB id is in `touch`, if there is just one such port. Raises
    what `Loader.find` does, and `Loader.missing()` when it does not come.
    """
    steps: list[tuple[Callable[[], bool], float]] = [
        (lambda: True, 0.0),
        (lambda: _ask_agent(port, baud), AGENT_S),
        (lambda: _touch_sketch(touch), SKETCH_S),
    ]
    for step, within_s in steps:
        if step() and (place := _awaited(loader, within_s)):
            return place
    raise loader.missing()


def _awaited(loader: Loader, within_s: float) -> str | None:
    deadline = time.monotonic() + within_s
    while (place := loader.find()) is None and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
    return place


def _ask_agent(port: Port, baud: int) -> bool:
    with open_line(port, baud) as line, contextlib.suppress(EOFError, LinkTimeout):
        line.write(BOOT_LOADER_FRAMES)
        time.sleep(_SENT_S)
    return True


def _touch_sketch(touch: Sequence[str]) -> bool:
    """Open the port of the one sketch at 1200 baud and close it again. False where there is none, or several."""
    ports = [port for port in attached_ports() if port.usb in touch]
    if len(ports) != 1:
        return False
    device = ports[0].device
    with serial_trouble.explained(Port(device, device), TOUCH_BAUD):
        line = serial.Serial(device, TOUCH_BAUD, exclusive=True)
    with line, contextlib.suppress(OSError):  # it may be gone at once, and a pseudo-terminal has no DTR
        line.dtr = False
    return True
