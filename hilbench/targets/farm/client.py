"""Our side of a farm: a process that holds a place of it, and what can be asked of that process.

It is not killed with us, but ends by itself, soon after, when it has let go of the place (`keeper`).
"""

from __future__ import annotations

import contextlib
import logging
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from hilbench.errors import HilbenchError, TargetError
from hilbench.targets.debug.wire import Channel, Message, error_in
from hilbench.targets.farm.choose import FarmPlace
from hilbench.targets.locks import TELL_AFTER_S
from hilbench.targets.ports import Port
from hilbench.targets.process import Child, child

START_S = 60.0
"""labgrid imports in 2 s, and gives the coordinator 10 s; on a computer that is far too busy it takes longer."""
SILENCE_S = 45.0
"""Longer than a call to the coordinator, and than any power switch that works."""
BACK_S = 40.0
"""An exporter that starts again has its places back when the coordinator next looks, every 15 s."""
END_S = 15.0
"""Longer than the keeper gives itself to let go of its place."""
_WORDS_LINES = 3

_log = logging.getLogger(__name__)


@dataclass
class Farm:
    """A process that holds at most one place of the farm `coordinator`. Make one with `connected()`.

    Every method raises `TargetError` or `Unavailable` as the process says; `TargetError` too when the process died.
    """

    coordinator: str
    _process: Child
    _socket: socket.socket
    _channel: Channel
    place: str = ""
    probe: str = ""
    """Where the place's pyOCD server is, `HOST:PORT`; '' without one."""
    power: bool = False
    """Whether the place can switch its board's power."""
    lost: str = ""
    """Why the place is not ours any more; '' while it is."""

    def places(self) -> list[FarmPlace]:
        """Return all places of the farm."""
        return [FarmPlace(**{**one, "aliases": tuple(one["aliases"])}) for one in self._ask({"do": "places"})]

    def acquire(self, place: str, wait_s: float) -> None:
        """Acquire a place, waiting at most `wait_s` until it is free; whoever waits for long is told for whom.

        A place that this user has acquired by hand is used, and left so. Raises `Unavailable`.
        """
        self.place = place
        found = self._ask({"do": "acquire", "place": place, "wait_s": wait_s})
        self.probe, self.power = found["probe"], bool(found["power"])

    def line(self, name: str | None, within_s: float) -> Port:
        """Return where the place's serial line is, of several that called `name`. Raises `Unavailable`."""
        found = self._ask({"do": "line", "name": name, "within_s": within_s}, SILENCE_S + within_s)
        host = f"[{found['host']}]" if ":" in found["host"] else found["host"]
        raw = found["protocol"] == "raw"
        # Servers without modem lines never answer for them; labgrid's own driver does not wait for them either.
        url = f"socket://{host}:{found['port']}" if raw else f"rfc2217://{host}:{found['port']}?ign_set_control"
        told = f"place {self.place}, serial port {found['name']}"
        return Port(url, f"{self.place}/{found['name']}@{self.coordinator}", told, again=partial(self._again, name))

    def switch(self, action: str, off_s: float) -> None:
        """Switch the board's power `on`, or off and on (`cycle`). Raises `TargetError`."""
        self._ask({"do": "switch", "action": action, "off_s": off_s}, SILENCE_S + off_s)

    def check(self) -> None:
        """Raise `TargetError` when the place is not ours any more."""
        if not self.lost and select.select([self._socket], [], [], 0)[0]:
            with contextlib.suppress(TimeoutError):
                self._receive(0.5)
        if self.lost:
            hint = "run it again: what another user did with the board meanwhile is not known"
            raise TargetError(self.lost, hint=hint)

    def wait_ready(self) -> None:
        """Wait until the process is connected to the coordinator. Raises `Unavailable` when it cannot be."""
        self._reply("connecting", START_S)

    def _again(self, name: str | None, within_s: float) -> Port:
        return self.line(name, max(within_s, BACK_S))

    def _ask(self, message: Message, silence_s: float = SILENCE_S) -> Any:
        self.check()
        try:
            self._channel.send(message, timeout_s=silence_s)
        except (EOFError, TimeoutError):
            raise self._died() from None
        return self._reply(str(message["do"]), silence_s).get("result")

    def _reply(self, what: str, silence_s: float) -> Message:
        start_s, told = time.monotonic(), False
        while True:
            try:
                message = self._receive(silence_s)
            except TimeoutError:
                self.lost = f"labgrid did not answer '{what}' for {silence_s:g} s ({self._where})"
                raise TargetError(self.lost, hint="look after coordinator, exporter and power switch") from None
            if "lost" in message:
                self.check()
            if "waiting" not in message:
                return message
            if not told and time.monotonic() - start_s >= TELL_AFTER_S:
                _log.warning("waiting for place %s, which %s", self.place, message["waiting"])
                told = True

    def _receive(self, timeout_s: float) -> Message:
        try:
            message, _ = self._channel.receive(timeout_s)
        except (EOFError, ValueError):
            raise self._died() from None
        if (failure := error_in(message)) is not None:
            raise failure
        self.lost = message.get("lost", self.lost)
        return message

    def _died(self) -> HilbenchError:
        self._process.wait(0.5)
        words = "; ".join(self._process.tail().strip().splitlines()[-_WORDS_LINES:])
        self.lost = f"the process that holds {self._where} has ended" + (f" (its last words: {words})" if words else "")
        return TargetError(self.lost, hint="`labgrid-client who` tells who has the place now")

    @property
    def _where(self) -> str:
        return f"place {self.place} of the farm {self.coordinator}" if self.place else f"the farm {self.coordinator}"


@contextlib.contextmanager
def connected(coordinator: str) -> Iterator[Farm]:
    """Connect to a farm's coordinator, `HOST[:PORT]`; when the context is left, the place is let go of.

    Raises `Unavailable` when nobody answers there, or without labgrid.
    """
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(end) for end in socket.socketpair())
        argv = [
            *(sys.executable, "-P", "-m", "hilbench.targets.farm.keeper"),
            *(f"--fd={theirs.fileno()}", f"--coordinator={coordinator}"),
        ]
        keeper = child(argv, pass_fds=[theirs.fileno()], pin=False, end_by=signal.SIGTERM)
        process = stack.enter_context(keeper)
        theirs.close()  # the process has its own now, and the channel ends with it
        farm = Farm(coordinator, process, ours, Channel(ours))
        try:
            farm.wait_ready()
            yield farm
        finally:
            with contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)
            if process.wait(END_S) is None:
                _log.warning("%s may still be held: labgrid-client who", farm._where)
