"""A meter's serial port: questions with answers, and a recorder that spools what streams in while others work."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import serial

from hilbench.errors import MeterError, Unavailable

_CHUNK_BYTES = 1 << 16
_TICK_S = 0.05
"""How long a read waits: what ends a recording is noticed at the latest then."""
_LATE_S, _LATE = 0.25, 0.02
"""How much of the time the samples may leave out: the computer's clock also counts what USB and threads hold up."""
_LAST_S = 2.0
"""How long a meter that was told to stop may go on sending what it holds."""


class Port:
    """An open serial port. Raises `MeterError` when the port is gone."""

    def __init__(self, line: serial.Serial, name: str) -> None:
        self._line = line
        self.name = name

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        with self._gone():
            self._line.write(data)

    def read(self) -> bytes:
        """Return what is here, waiting a moment for the first byte; b'' if nothing came."""
        with self._gone():
            data: bytes = self._line.read(min(max(self._line.in_waiting, 1), _CHUNK_BYTES))
            return data

    def drain(self, within_s: float = 1.0) -> bytes:
        """Return what arrives until the line is quiet."""
        data, deadline = b"", time.monotonic() + within_s
        while (more := self.read()) and time.monotonic() < deadline:
            data += more
        return data

    def ask(self, question: bytes, ends: Callable[[bytes], bool], within_s: float) -> bytes:
        """Send `question` and return what comes back as soon as it `ends`, or all there is after `within_s`."""
        self.write(question)
        answer, deadline = b"", time.monotonic() + within_s
        while not ends(answer) and time.monotonic() < deadline:
            answer += self.read()
        return answer

    @contextmanager
    def _gone(self) -> Iterator[None]:
        try:
            yield
        except (OSError, TypeError) as error:  # pyserial reads from None, when another thread closed the port
            raise MeterError(f"the meter at {self.name} is gone: {error}", hint="was it unplugged?") from None


@contextmanager
def opened(name: str, baud: int) -> Iterator[Port]:
    """Open the port `name` for one user alone.

    Raises `Unavailable` when it is not there or taken.
    """
    try:
        line = serial.Serial(name, baudrate=baud, timeout=_TICK_S, write_timeout=_LAST_S, exclusive=True)
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"no meter at {name}: {error}", hint="`python -m serial.tools.list_ports -v` lists what is plugged in"
        ) from None
    try:
        yield Port(line, name)
    finally:
        line.close()


class Recorder:
    """Spools what a port sends into a file without a name, by a thread of its own, from `start` to `stop`.

    `begun` is what came before that. `seconds` is from the first byte to the last; `problem` says why it ended early.
    """

    def __init__(self, port: Port, begun: bytes = b"") -> None:
        self._port = port
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the recording is of use
        self._file.write(begun)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"recorder of {port.name}", daemon=True)
        self.seconds = 0.0
        self.problem = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, once the line is quiet: the meter must have been told to stop."""
        self._stopping.set()
        self._thread.join()

    def chunks(self) -> Iterator[bytes]:
        """Yield what was recorded from the beginning, in chunks of bounded size. After `stop`."""
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK_BYTES * 4):
            yield chunk

    def check_covers(self, seconds: float) -> None:
        """Raise `MeterError` when samples of `seconds` leave out much of the time that the recording took."""
        left_out_s = self.seconds - seconds
        if left_out_s > _LATE_S + _LATE * self.seconds:
            raise MeterError(f"the meter's samples leave out {left_out_s:.2f} s of {self.seconds:.2f} s")

    def _run(self) -> None:
        first = None
        deadline = float("inf")
        try:
            while time.monotonic() < deadline:
                data = self._port.read()
                now = time.monotonic()
                if self._stopping.is_set():
                    if not data:
                        return
                    deadline = min(deadline, now + _LAST_S)
                if data:
                    first = now if first is None else first
                    self._file.write(data)
                    self.seconds = now - first
            self.problem = f"the meter at {self._port.name} did not stop when it was told to"
        except MeterError as error:
            self.problem = error.what
        except OSError as error:
            self.problem = f"what the meter sends cannot be kept: {error}"
