"""Runs on a board that has the image already: flashed by hand or by another tool, or at a serial server far away.

Nothing is flashed. The line is a port of this computer or a URL (`socket://`, `rfc2217://`), and the device must
answer with the image's build id.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import serial
from pydantic import BaseModel

from hilbench.catalog.board import Board
from hilbench.errors import LinkTimeout, Unavailable, UsageError, WrongImage
from hilbench.frameworks.base import YES, Support
from hilbench.targets.base import Attached, CrashReport
from hilbench.targets.locks import held
from hilbench.targets.ports import Port, find_port, refound
from hilbench.targets.serial_line import SerialStream, open_line

RESET_FRAMES = bytes.fromhex("000206010105c0802f0400")
"""What asks the agent for a reset, at any time: the end of whatever half frame it holds, and a RESET frame."""
_BACK_S = 15.0
"""A board with USB of its own is away for a second or two when it is reset."""
_LEAVES_S = 0.5
"""A board with USB of its own leaves within this time when it is reset."""
_RETRY_S = 0.2
_HEARD_BYTES = 400
_TEXT = 0.9
"""The share of printable characters from which on bytes are somebody's words: frames are far below."""


class AttachSettings(Attached):
    """An entry `attach:` under a board's `targets:`."""


class Attach:
    """The target `attach`."""

    name = "attach"
    Settings: type[BaseModel] = AttachSettings
    counters = frozenset({"cycles"})
    silicon = True

    def available(self, board: Board, settings: AttachSettings) -> Support:
        """Say whether the board's serial port is here; of a URL, whether it is one."""
        if board.core_info.is_host:
            return Support(False, f"{board.name} is no board that a serial line leads to", f"--board={board.id}@host")
        try:
            find_port(board, settings.port)
        except (Unavailable, UsageError) as reason:
            return Support(False, reason.what, reason.hint or "")
        return YES

    def version(self) -> str:
        """Return the version of pyserial: all else is the board's."""
        return f"pyserial {serial.__version__}"

    @contextlib.contextmanager
    def run(self, image: Path, board: Board, settings: AttachSettings) -> Iterator[AttachedBoard]:
        """Hold the board and open its line, waiting until it is free.

        Raises `Unavailable` when it is not there or not free in time, `WrongImage` when another image is on it.
        """
        with attached(find_port(board, settings.port), board, image, settings.wait_s, _flash(image, board)) as running:
            yield running


@contextlib.contextmanager
def attached(port: Port, board: Board, image: Path, wait_s: float, remedy: str) -> Iterator[AttachedBoard]:
    """Hold the board at `port` and open its line; `remedy` is what to do when `image` is not on it.

    Raises as `Attach.run` does.
    """
    with held(port.unit, wait_s), AttachedBoard(refound(port, _BACK_S), board.baud, image) as running:
        try:
            yield running
        except WrongImage as wrong:
            raise WrongImage(f"{wrong.what} ({running.port})", hint=remedy) from None
        except LinkTimeout as silence:
            remark = f"{silence.hint}; else: " if silence.hint else ""
            raise LinkTimeout(f"{silence.what} ({running.port})", hint=remark + remedy) from None


class AttachedBoard:
    """A board on an open line. It is its own stream, which so outlives a reset. `port` is where it is now."""

    _line: SerialStream

    def __init__(self, port: Port, baud: int, image: Path) -> None:
        self.port = port
        self._baud = baud
        self._image = image
        self._heard = b""
        self._gone = False
        self._life = contextlib.ExitStack()

    def __enter__(self) -> AttachedBoard:
        self._open()
        return self

    def __exit__(self, *_: Any) -> None:
        self._life.close()

    @property
    def stream(self) -> AttachedBoard:
        """The line to the agent."""
        return self

    def read(self, timeout_s: float) -> bytes:
        """Return what has arrived, waiting at most `timeout_s`. Raises `EOFError` when the line is gone."""
        with self._watched():
            data = self._line.read(timeout_s)
        self._heard = (self._heard + data)[-_HEARD_BYTES:]
        return data

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises `EOFError` when the line is gone, `LinkTimeout` when it takes no more."""
        with self._watched():
            self._line.write(data)

    def reset(self) -> None:
        """Ask the agent for a reset, and lower DTR for a moment, which resets boards that are wired so.

        Waits for a line that leaves meanwhile to come back. Whether the board has begun anew is for its next answer
        to say. Raises `Unavailable` when the line does not come back.
        """
        with contextlib.suppress(EOFError, LinkTimeout):
            self.write(RESET_FRAMES)
        with contextlib.suppress(EOFError):
            self._line.pulse_dtr()
            self._read_on(_LEAVES_S)
        if self._gone:
            self._reopen(_BACK_S)
        self._heard = b""

    def crash(self) -> CrashReport | None:
        """Say that the line is gone, or what it said last if that was text; None where nothing is known."""
        text = self._heard.decode("ascii", "replace").strip("\0\r\n ")
        readable = sum((c.isprintable() and c.isascii()) or c in "\r\n\t" for c in text) >= _TEXT * len(text)
        said = text if readable else ""
        if self._gone:  # a server may have said why: that somebody else uses the line
            return CrashReport("gone", f"its line is closed: {self.port}", log=said)
        if said:
            reason = f"it speaks, but not as the agent does: is {self._image} on it? It said last:"
            return CrashReport("hang", reason, log=said)
        return None

    def _open(self) -> None:
        self._line = self._life.enter_context(open_line(self.port, self._baud))
        self._gone, self._heard = False, b""

    def _reopen(self, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        self._life.close()
        while True:
            try:
                self.port = refound(self.port, max(0.0, deadline - time.monotonic()))
                return self._open()
            except Unavailable:  # its server is not ready for it, or its permissions are not set
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_RETRY_S)

    def _read_on(self, for_s: float) -> None:
        deadline = time.monotonic() + for_s
        while (left := deadline - time.monotonic()) > 0:
            self.read(left)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except EOFError:
            self._gone = True
            raise


def _flash(image: Path, board: Board) -> str:
    """Return what to do about a board that does not run `image`."""
    others = [name for name in board.targets if name not in (Attach.name, "qemu", "renode", "host")]
    instead = f", or let hilbench do it: --board={board.id}@{others[0]}" if others else ""
    return f"the target attach flashes nothing: flash {image} yourself{instead}"
