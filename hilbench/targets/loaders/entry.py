"""Brings a board into its boot loader.

It may be there already; else our agent is asked; else a sketch's USB port is opened at 1200 baud (the "touch").
Nothing ties a board's USB device to its line, so what must be another board's is refused.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence

import serial

from hilbench.errors import LinkTimeout, Unavailable
from hilbench.targets import serial_trouble
from hilbench.targets.hello import answers
from hilbench.targets.loaders.base import Loader
from hilbench.targets.loaders.own import OPTION as LOADER_OPTION
from hilbench.targets.loaders.own import only
from hilbench.targets.locks import held
from hilbench.targets.ports import OPTION, AttachedPort, Port
from hilbench.targets.serial_line import open_line

BOOT_LOADER_FRAMES = bytes.fromhex("000206010106012b32653e00")
"""What asks the agent for its boot loader: the end of whatever half frame it holds, and a RESET frame."""
TOUCH_BAUD = 1200
ANSWER_S = 1.0
"""An agent that runs answers at once, and is asked several times."""
AGENT_S = 5.0
"""A board with USB is there again, with its drive mounted, within some 3 s of its reset."""
SKETCH_S = 10.0
_SENT_S = 0.3
"""A line that is closed at once may lose what was just sent: a serial server's, say."""
_LOOK_EVERY_S = 0.2

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def entered(loader: Loader, port: Port, baud: int, touch: Sequence[str], own: Sequence[str] = ()) -> Iterator[str]:
    """Give the place of the boot loader, once it runs, and hold its USB device while the context is open.

    The agent is asked at `port`; a sketch is one whose USB id is in `touch`, and its serial number in `own` where
    that has any. Raises what `Loader.find` does, `Loader.missing()` when it does not come, and `Unavailable` for a boot
    loader or a sketch that is another board's: that of an agent that answers at `port`, one of several, or one in use.
    """
    place = loader.find()
    if place is not None and loader.on_line:
        yield place
        return
    answered = _ask_agent(port, baud, leave=place is None)
    if place is not None and answered:
        raise Unavailable(
            f"the boot loader at {place} is another board's than the line {port}, where an agent runs",
            hint=f"unplug the board that is not meant, or press its reset button; or {OPTION} names its line",
        )
    taken = {port.unit, loader.exclusive}
    with contextlib.ExitStack() as stack:
        place = place or _awaited(loader, AGENT_S)
        if place is None and not answered and (sketch := only(touch, own, "run sketches")) is not None:
            _hold(stack, sketch.unit, taken)
            _log.info("%s is taken for the board at %s", sketch, port)
            _touch(sketch)
            place = _awaited(loader, SKETCH_S)
        if place is None:
            raise loader.missing()
        _hold(stack, loader.unit(place), taken)
        _log.info("the boot loader at %s is taken for that of the board at %s", place, port)
        yield place


def _awaited(loader: Loader, within_s: float) -> str | None:
    deadline = time.monotonic() + within_s
    while (place := loader.find()) is None and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
    return place


def _ask_agent(port: Port, baud: int, leave: bool) -> bool:
    """Say whether an agent answers; with `leave`, ask whoever is there for the boot loader."""
    with open_line(port, baud) as line:
        answered = answers(line, ANSWER_S)
        if leave:
            with contextlib.suppress(EOFError, LinkTimeout):
                line.write(BOOT_LOADER_FRAMES)
                time.sleep(_SENT_S)
    return answered


def _touch(sketch: AttachedPort) -> None:
    """Open the port of a sketch at 1200 baud and close it again."""
    with serial_trouble.explained(Port(sketch.device, sketch.device), TOUCH_BAUD):
        line = serial.Serial(sketch.device, TOUCH_BAUD, exclusive=True)
    with line, contextlib.suppress(OSError):  # it may be gone at once, and a pseudo-terminal has no DTR
        line.dtr = False


def _hold(stack: contextlib.ExitStack, unit: str, taken: set[str]) -> None:
    """Hold a USB device, if it is not ours already. Nobody waits for it: who uses it has another board."""
    if unit in taken:
        return
    try:
        stack.enter_context(held(unit, 0.0))
    except Unavailable as busy:
        raise Unavailable(
            f"{busy.what}, so it is no board to be loaded now",
            hint=f"plug in the board that is meant; {LOADER_OPTION}=SERIAL names it",
        ) from None
    taken.add(unit)
