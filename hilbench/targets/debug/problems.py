"""Turns what pyOCD raises (by design, or because it trusted a chip) into errors with a remedy.

Runs where pyOCD runs. What pyOCD 0.46 raises in which case was tried out; see tests/test_probe_target.py.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from pyocd.core import exceptions

from hilbench.errors import HilbenchError, TargetError, Unavailable
from hilbench.targets.debug.remote import ANSWER_S, NoServerError

CABLE = "check the probe's USB cable, and that no other program uses the probe"
WIRES = (
    "is the board powered, and are SWDIO, SWCLK, GND and its supply wired? With long wires, set a lower frequency_hz"
)
UDEV = "your user may not open it: `hilbench doctor` prints the udev rules"
_SERVER = "run `pyocd server` there, and check host, port and firewall"
_MOST_WARNINGS = 3
_TRUSTED = (LookupError, AssertionError, AttributeError, TypeError, ValueError, ArithmeticError, NameError)
"""What code raises that trusted a chip, or a server, to be as it expects."""


class Warnings(logging.Handler):
    """The last warnings that pyOCD has logged: often they say more than its exceptions."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning."""
        with contextlib.suppress(Exception):
            self.words = [*self.words, record.getMessage().strip().split("\n")[0]][-_MOST_WARNINGS:]

    def told(self) -> str:
        """Return the warnings in words to end a message with."""
        words = list(dict.fromkeys(self.words))
        return f" (pyOCD: {'; '.join(words)})" if words else ""


@dataclass
class Scene:
    """What an error happened to: which probe, which kind of chip; both '' until known."""

    probe: str = ""
    target: str = ""
    warnings: Warnings = field(default_factory=Warnings)

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Turn each exception in the context into a `HilbenchError` that says `what` was under way."""
        self.warnings.words = []
        try:
            yield
        except HilbenchError:
            raise
        except Exception as error:
            raise self.problem(error, what) from error

    def problem(self, error: Exception, what: str) -> HilbenchError:
        """Return `error`, which came while `what` was under way, as one of ours."""
        for known in (self._server, self._usb, self._flash, self._transfer, self._probe, self._chip):
            found = known(error, what)
            if found is not None:
                return found
        return TargetError(
            f"{what} failed at probe '{self.probe}': {_named(error)}{self.warnings.told()}",
            hint="is another program using the probe? Else take its power away and give it again",
        )

    def _server(self, error: Exception, what: str) -> HilbenchError | None:
        """Return what the pyOCD server of a remote probe has to do with `error`."""
        cause = next((cause for cause in _causes(error) if isinstance(cause, OSError)), None)
        if cause is None or not self.probe.startswith("remote:"):
            return None
        server = self.probe.removeprefix("remote:")
        why = f"it has not answered for {ANSWER_S:g} s" if isinstance(cause, TimeoutError) else _named(cause)
        if what != "connecting":
            return TargetError(
                f"the pyOCD server {server} went away while {what}: {why}",
                hint="look after it; what is in the chip's flash is looked at, and written if need be, by the next run",
            )
        if isinstance(cause, NoServerError):
            return Unavailable(f"what listens at {server} is no pyOCD server: {cause}", hint=_SERVER)
        if isinstance(cause, socket.gaierror):
            return Unavailable(f"the host of the pyOCD server {server} is not known: {cause.strerror}", hint=_SERVER)
        return Unavailable(f"the pyOCD server {server} does not answer: {why}", hint=_SERVER)

    def _usb(self, error: Exception, what: str) -> HilbenchError | None:
        for cause in _causes(error):
            number = getattr(cause, "errno", None)
            if number == errno.EACCES:
                return Unavailable(f"probe '{self.probe}' cannot be opened: {cause}", hint=UDEV)
            if number == errno.EBUSY:
                return Unavailable(
                    f"probe '{self.probe}' is used by another program: {cause}",
                    hint="end it (an IDE, a gdb server, another pyocd)",
                )
        return None

    def _flash(self, error: Exception, what: str) -> HilbenchError | None:
        hint = "is the flash write-protected? Else take the board's power away and give it again"
        if isinstance(error, exceptions.FlashEraseFailure):
            return TargetError(f"flash cannot be erased: {error}{self.warnings.told()}", hint=hint)
        if isinstance(error, exceptions.FlashFailure):
            return TargetError(f"flash cannot be programmed: {error}{self.warnings.told()}", hint=hint)
        return None

    def _transfer(self, error: Exception, what: str) -> HilbenchError | None:
        if isinstance(error, exceptions.TransferFaultError):
            at = "" if error.fault_address is None else f" at 0x{error.fault_address:08x}"
            return TargetError(
                f"{what} ended in a bus fault{at}",
                hint=f"is there memory, is its clock on, and is the chip a {self.target} that is not read-protected?",
            )
        if isinstance(error, exceptions.TransferError):
            return TargetError(f"the chip stopped answering probe '{self.probe}' while {what}: {error}", hint=WIRES)
        return None

    def _probe(self, error: Exception, what: str) -> HilbenchError | None:
        gone = isinstance(error, exceptions.ProbeDisconnected)
        if what == "connecting" and isinstance(error, exceptions.ProbeError) and not gone:
            return Unavailable(f"probe '{self.probe}' cannot be used: {error}", hint=CABLE)
        if isinstance(error, exceptions.ProbeError | OSError | EOFError):
            return TargetError(f"probe '{self.probe}' went away while {what}: {_named(error)}", hint=CABLE)
        return None

    def _chip(self, error: Exception, what: str) -> HilbenchError | None:
        if isinstance(error, exceptions.Error) and "Target not detected" in str(error):
            return TargetError(f"no chip answers probe '{self.probe}'{self.warnings.told()}", hint=WIRES)
        no_core = isinstance(error, exceptions.DebugError) and "No cores" in str(error)
        if (isinstance(error, _TRUSTED) or no_core) and what == "connecting":
            return TargetError(
                f"the chip at probe '{self.probe}' is not a {self.target}: pyOCD fails with {_named(error)}"
                f"{self.warnings.told()}",
                hint="is this the right probe (`hilbench doctor` lists them), and `target:` in the board's file right?",
            )
        return None


def locked(probe: str, target: str) -> TargetError:
    """Return the error for a chip whose maker's lock keeps its memory from debuggers."""
    return TargetError(
        f"the {target} at probe '{probe}' is locked: its memory can be neither read nor written",
        hint="hilbench never unlocks a chip, because that erases ALL of it, a boot loader too. If you want that, "
        f"`pyocd erase --mass --target {target} --uid {probe}` does it",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, and what it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
