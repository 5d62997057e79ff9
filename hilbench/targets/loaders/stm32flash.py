"""Loads over a UART with stm32flash: STM32 with the boot loader that ST put into their system memory (AN3155).

It is on the same line as the agent, if that is on pins where the boot loader listens: AN2606 tells for each chip.
"""

from __future__ import annotations

import re
import shutil

from hilbench.errors import TargetError, Unavailable
from hilbench.frameworks.base import YES, Support
from hilbench.targets.loaders.base import Binary, as_file, check_access, run_tool
from hilbench.targets.ports import Port

_BAUD = 115200
"""AN2606: every boot loader finds this rate out; some cannot do more."""
_ASK_S = 60.0
_LOAD_S = 90.0
_BITS = 3 * 11 + 5
"""Of the line for each byte: written and read back at 8E1, and what goes with 256 of them."""
_DEVICE = re.compile(r"Device ID\s*:\s*0x([0-9a-fA-F]+) \((.*?)\)")
_NOBODY = ("Failed to init device", "Failed to read ACK", "Got byte", "Unexpected reply")
_PROTECTED = ("Got NACK", "Failed to write memory", "Failed to erase", "write-protected")


class Stm32Flash:
    """The boot loader at `port`, of a chip with the device id `chip` (None: of any chip that stm32flash knows)."""

    on_line = True
    press = "hold BOOT0 high (3.3 V) while pressing reset, and let it go low again"

    def __init__(self, port: Port, chip: int | None) -> None:
        self._port, self._chip = port, chip
        self.exclusive = f"boot loader at {port.unit}"

    def available(self) -> Support:
        """Say whether stm32flash is here."""
        if shutil.which("stm32flash"):
            return YES
        return Support(False, "stm32flash is not installed, which loads images over a UART", "apt install stm32flash")

    def find(self) -> str | None:
        """Ask at the port for a boot loader, and which chip it is."""
        if self._port.remote:
            raise Unavailable(
                f"stm32flash loads over a port of this computer, and {self._port.url} is another's",
                hint="flash the board where it is, and use the target attach",
            )
        check_access(self._port.url)
        said = run_tool(["stm32flash", "-b", str(_BAUD), self._port.url], _ASK_S)
        if told := _DEVICE.search(said.text):
            self._check(int(told[1], 16), told[2])
            return self._port.url
        if unknown := re.search(r"\(Device ID: 0x([0-9a-fA-F]+)\)", said.text):
            self._check(int(unknown[1], 16), "")
            raise TargetError(
                f"stm32flash does not know the chip 0x{unknown[1]} at {self._port}", hint="a newer one may"
            )
        if "Failed to open port" in said.text:
            raise Unavailable(f"{self._port} cannot be opened: {said.last}", hint="`hilbench doctor` says why")
        if any(words in said.text for words in _NOBODY):
            return None
        raise TargetError(
            f"the boot loader at {self._port} cannot be used: {said.last}", hint=f"{self.press}; run again"
        )

    def unit(self, place: str) -> str:
        """Return the line's own name."""
        return self._port.unit

    def missing(self) -> Unavailable:
        """Return the error that says that nobody answers as a boot loader does."""
        return Unavailable(
            f"no STM32 boot loader answers at {self._port}",
            hint=f"{self.press}; then run again",
        )

    def load(self, binary: Binary, place: str) -> None:
        """Erase the pages that are needed, write and verify `binary`, and reset the board."""
        limit_s = _LOAD_S + len(binary.data) * _BITS / _BAUD
        # Without a length, versions that erase before they look at the file take the range to be all of flash.
        where = f"0x{binary.base:08x}:0x{len(binary.data):x}"
        options = ["-b", str(_BAUD), "-c", "-v", "-S", where, "-R"]
        with as_file(binary) as file:
            said = run_tool(["stm32flash", *options, "-w", file, place], limit_s)
        if "Failed to verify" in said.text:
            raise TargetError(f"what was written through {place} reads back otherwise: {said.last}", hint="run again")
        if said.code == 0 and "and verified" in said.text and "Done." in said.text:
            return
        protected = any(words in said.text for words in _PROTECTED)
        raise TargetError(
            f"stm32flash could not load the image through {place} (exit code {said.code}): {said.last}",
            hint="is its flash protected? STM32CubeProgrammer shows and changes that"
            if protected
            else f"{self.press}; then run again",
        )

    def _check(self, chip: int, name: str) -> None:
        if self._chip is not None and chip != self._chip:
            raise TargetError(
                f"the chip at {self._port} is 0x{chip:03x}{f' ({name})' if name else ''}, and the board's is "
                f"0x{self._chip:03x}",
                hint="another board is attached there: --hil-port names the right one",
            )
