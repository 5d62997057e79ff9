"""Every error that hilbench raises on purpose, each with a message fit for a terminal.

    HilbenchError            what went wrong, where, and what to do next
    ├── UsageError           what was asked for does not exist                    exit 2
    ├── CatalogError         a board, suite or data file is wrong: file:line      exit 2
    ├── ModelError           a model or data set is missing or not the one named  exit 2
    │   └── UnsupportedModel a framework cannot run this model on this core       exit 3
    ├── Unavailable          a tool, package or board is not on this machine      exit 3
    ├── BuildError           a compiler or linker refused                         exit 1
    ├── TargetError          an image could not be run                            exit 1
    │   └── TargetCrashed    the firmware faulted, hung or left: a crash report   exit 1
    ├── MeterError           a power meter failed, or another device answered     exit 1
    ├── LinkError            host and device do not understand each other         exit 1
    │   ├── LinkTimeout      the device stopped answering                         exit 1
    │   ├── LinkClosed       the device is gone: its end of the line is closed    exit 1
    │   ├── DeviceReset      the device began anew in mid-run                     exit 1
    │   ├── DeviceFault      the processor faulted: its registers                 exit 1
    │   └── WrongImage       the device runs another image than it should         exit 1
    ├── UnstableOutput       repeats of one input gave different outputs          exit 1
    ├── ExpectationFailed    a suite's `expect:` does not hold                    exit 1
    ├── Regression           a run is worse than the one it is compared with      exit 1
    └── StoreError           a record could not be kept                           exit 4
        └── NoStore          there is no such store yet                           exit 4

Catch by meaning: `except Unavailable` is "not here" (a skip), `except HilbenchError` is "tell the user".
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

HINT = "\n  hint: "
"""What stands between an error and its hint."""


def printable(text: str) -> str:
    """Return `text` with what a terminal might act upon (all but newlines) as escapes, such as `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


class HilbenchError(Exception):
    """What went wrong (`what`), where (`where`, such as `boards/x.yaml:14`), and what to do next (`hint`).

    A message may quote what others wrote, so all three are made `printable`.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what = printable(what)
        self.where = None if where is None else printable(where)
        self.hint = None if hint is None else printable(hint)
        super().__init__(self.what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}{HINT}{self.hint}" if self.hint else text


class UsageError(HilbenchError):
    """A board, framework, task or option that was asked for does not exist."""

    exit_code = 2


class CatalogError(HilbenchError):
    """A catalog file is wrong. `what` may hold several lines, one mistake each, every one with its file:line."""

    exit_code = 2


class ModelError(HilbenchError):
    """A model or data set is missing, unreadable, or not the one that the suite names by its hash."""

    exit_code = 2


class UnsupportedModel(ModelError):
    """A framework cannot run this model on this core; the message names the operator and its index."""

    exit_code = 3


class Unavailable(HilbenchError):
    """Something that this run needs is not on this machine; the hint says how to get it."""

    exit_code = 3


class BuildError(HilbenchError):
    """The compiler or linker refused an image; the message holds its first error."""


class TargetError(HilbenchError):
    """An image could not be put on its target or started there."""


class TargetCrashed(TargetError):
    """The firmware faulted, locked up, hung or left. The message is the crash report."""


class MeterError(HilbenchError):
    """A power meter does not answer, failed on the way, or did not see what it had to measure."""


class LinkError(HilbenchError):
    """Host and device do not understand each other."""


class LinkTimeout(LinkError):
    """The device stopped answering before the deadline."""


class LinkClosed(LinkError):
    """The device is gone: its end of the line is closed."""


class DeviceReset(LinkError):
    """The device began anew, and knows nothing of the session: its power failed, or it reset itself."""


class DeviceFault(LinkError):
    """The processor faulted and said so; `registers` holds what it stacked and its fault status, by name."""

    def __init__(self, what: str, registers: dict[str, int], *, hint: str | None = None) -> None:
        super().__init__(what, hint=hint)
        self.registers = registers


class WrongImage(LinkError):
    """The device answers with another build id than that of the image it should run."""


class UnstableOutput(HilbenchError):
    """Repeats of one input gave different outputs: whatever was timed, it was not this model on this input."""


class ExpectationFailed(HilbenchError):
    """A measured value does not meet the suite's `expect:`."""


class Regression(HilbenchError):
    """A run is worse than the one it is compared with, by more than is allowed."""


class StoreError(HilbenchError):
    """A record could not be written or read back."""

    exit_code = 4


class NoStore(StoreError):
    """There is no such folder or database: nothing has been kept there yet."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint for a mistyped `word`: the nearest valid word if one is close, else the valid words."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"one of: {', '.join(words)}"
