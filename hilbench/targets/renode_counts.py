"""Counts the instructions of an image's windows in Renode, by hooks at the firmware's marks.

A hook is a line of Python that Renode runs when the core comes to an address; each appends the core's count of
instructions, and which mark it is, to a file. Renode knows totals only: not which code ran, nor what it did.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hilbench.counts import Window
from hilbench.errors import Unavailable
from hilbench.images.elf import Elf
from hilbench.targets.count_records import NOPS
from hilbench.targets.counting import find_marks
from hilbench.targets.renode_control import Control

_HOOK = "System.IO.File.AppendAllText('{file}', '{mark} %d\\n' % self.ExecutedInstructions)"
_HINT = "run it again; should it stay, please report it"


@dataclass(frozen=True)
class Counter:
    """What the hooks wrote. Make one with `attach`."""

    path: Path

    def windows(self) -> list[Window]:
        """Return the windows that have closed so far, in their order; raises what `read_windows` raises."""
        return read_windows(self.path.read_text() if self.path.exists() else "")


def attach(control: Control, elf: Elf, folder: Path) -> Counter:
    """Put hooks into the machine that `control` commands; what they write goes to `folder`.

    Raises `Unavailable` for an image without marks.
    """
    path = folder / "windows"
    for mark, address in find_marks(elf).items():
        control.execute(f'cpu AddHook 0x{address:x} "{_HOOK.format(file=path, mark=mark)}"')
    return Counter(path)


def read_windows(text: str) -> list[Window]:
    """Return the windows in `text`: lines of a mark and the instructions so far, without those of calibrations.

    Each is less what the first, an empty one, has. Raises `Unavailable` where they are not to be trusted.
    """
    runs: list[list[int]] = []
    opened: int | None = None
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):  # it is being written
            break
        mark, _, count = line.partition(" ")
        if mark == "calibrates":
            runs.append([])
        elif mark == "opens" and runs and opened is None:
            opened = int(count)
            continue
        elif mark == "closes" and opened is not None:
            runs[-1].append(int(count) - opened)
        else:
            raise Unavailable(f"Renode's windows are out of turn: {line.strip()}", hint=_HINT)
        opened = None
    return [Window(count, {}) for run in runs for count in _calibrated(run)]


def _calibrated(run: list[int]) -> list[int]:
    if len(run) < 2:
        return []
    empty, nops, *counts = run
    if nops - empty != NOPS:
        raise Unavailable(
            f"Renode counts {nops - empty} instructions where there are {NOPS}", hint="use another Renode"
        )
    return [count - empty for count in counts]
