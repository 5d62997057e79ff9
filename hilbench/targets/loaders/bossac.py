"""Loads over USB with Arduino's bossac: boards with an nRF52840 and Arduino's SAM-BA boot loader (Nano 33 BLE).

That boot loader writes to where applications begin (0x10000): a file has no address. Upstream's bossac, which Linux
distributions have, does not know the chip.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from hilbench.errors import TargetError, Unavailable
from hilbench.frameworks.base import YES, Support
from hilbench.targets.loaders.base import Binary, Said, as_file, check_access, run_tool
from hilbench.targets.loaders.own import alike, named, only
from hilbench.targets.serial_trouble import users_of

VARIABLE = "HILBENCH_BOSSAC"
CHIP = b"nRF52840"
"""What Arduino's bossac has in it, and upstream's (to 1.9.1) has not: it compares the chip's name with it."""
_ARDUINO_TOOLS = ".arduino15/packages/arduino/tools/bossac/*/bossac"
_LOAD_S = 300.0
"""A whole flash takes about a minute."""
_GET = f"`arduino-cli core install arduino:mbed_nano` brings it, to where it is found; or name one: {VARIABLE}=PATH"


class Bossac:
    """A board whose boot loader is a serial port with one of the USB ids `usb`.

    `own` are the board's USB serial numbers, where the user has named them: no other board is taken then.
    """

    on_line = False
    press = "with its USB cable plugged in, press its reset button twice, quickly: its LED then fades in and out"

    def __init__(self, usb: Sequence[str], own: Sequence[str] = ()) -> None:
        self._usb, self._own = tuple(usb), tuple(own)
        self.exclusive = f"boot loaders {' '.join(usb)}"

    def available(self) -> Support:
        """Say whether there is a bossac that knows the chip. None is started."""
        candidates = _candidates()
        if any(_knows_the_chip(path) for path in candidates):
            return YES
        if not candidates:
            return Support(False, "bossac is not installed, which loads images over USB", _GET)
        return Support(False, f"{candidates[0]} does not know the nRF52840: it is not Arduino's bossac", _GET)

    def find(self) -> str | None:
        """Return the device of the boot loader's port."""
        port = only(self._usb, self._own, "wait in their boot loaders")
        return port.device if port else None

    def unit(self, place: str) -> str:
        """Return the USB serial number of the port at `place`, or its path."""
        units = [port.unit for port in alike(self._usb) if port.device == place]
        return units[0] if units else os.path.realpath(place)

    def missing(self) -> Unavailable:
        """Return the error that says that no such port came."""
        ids, others = " or ".join(self._usb), alike(self._usb)
        number = f" and the serial number {' or '.join(self._own)}" if self._own else ""
        seen = f"; not so: {', '.join(map(str, others))}" if others else ""
        return Unavailable(
            f"the board's boot loader does not come: no serial port has the USB id {ids}{number}{seen}",
            hint=f"{self.press}; then run again{named(others)}",
        )

    def load(self, binary: Binary, place: str) -> None:
        """Erase the application, write and verify `binary`, and reset the board."""
        check_access(place)
        tool = next((path for path in _candidates() if _knows_the_chip(path)), "bossac")
        name = place.removeprefix("/dev/")
        with as_file(binary) as file:
            said = run_tool([tool, f"--port={name}", "-U", "-i", "-e", "-w", "-v", "-R", file], _LOAD_S)
        if said.code or "Verify successful" not in said.text:
            raise self._failed(said, place)

    def _failed(self, said: Said, place: str) -> TargetError | Unavailable:
        if "Device unsupported" in said.text:
            return Unavailable(
                f"bossac does not know the chip at {place}: it is not Arduino's bossac, or no boot loader of theirs",
                hint=_GET,
            )
        if "No device found" in said.text:
            users = ", ".join(users_of(place))
            if users:
                return Unavailable(f"{place} is in use by {users}", hint="close it, and run again")
            return TargetError(f"the boot loader at {place} does not answer", hint=f"{self.press}; then run again")
        if "Verify failed" in said.text:
            return TargetError(
                f"what was written through {place} reads back otherwise: {said.last}",
                hint="run again; if it stays so, the flash is worn out, or the cable is bad",
            )
        return TargetError(
            f"bossac could not load the image through {place} (exit code {said.code}): {said.last}",
            hint=f"{self.press}; then run again",
        )


def _candidates() -> list[str]:
    """Return the bossacs there are: the one that is named, or that of the PATH and what Arduino's tools brought."""
    if named := os.environ.get(VARIABLE):
        found = shutil.which(Path(named).expanduser())
        return [found] if found else []
    installed = shutil.which("bossac")
    return [*([installed] if installed else []), *map(str, sorted(Path.home().glob(_ARDUINO_TOOLS), reverse=True))]


def _knows_the_chip(path: str) -> bool:
    """Say whether a bossac knows the chip; of a script that starts another one, hope so."""
    try:
        program = Path(path).read_bytes()
    except OSError:
        return False
    return CHIP in program or program.startswith(b"#!")
