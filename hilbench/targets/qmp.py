"""A small client for QMP, the protocol through which QEMU is told to stop, reset or show its registers.

One JSON message a line; QEMU's docs/interop/qmp-spec.txt. Only what `hilbench.targets.qemu` needs: no asynchronous use.
"""

from __future__ import annotations

import json
import select
import socket
import time
from typing import Any, Self

from hilbench.errors import TargetError

_READ_BYTES = 65536
_TIMEOUT_S = 5.0


class Qmp:
    """A QMP session over a connected socket, which it owns from now on. `events` are all that came so far, in order.

    Every method raises `EOFError` when QEMU is gone, and `TargetError` when it refuses or does not answer in time.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.events: list[dict[str, Any]] = []
        self._socket = connection
        self._socket.setblocking(False)
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def open(self, timeout_s: float) -> None:
        """Wait for QEMU's greeting and enter command mode. To be called once, first."""
        greeting = self._message(time.monotonic() + timeout_s, "its greeting")
        if "QMP" not in greeting:
            raise TargetError(f"QEMU sent '{greeting}' instead of a QMP greeting")
        self.execute("qmp_capabilities")

    def execute(self, command: str, /, **arguments: object) -> Any:
        """Run `command` and return its result."""
        deadline = time.monotonic() + _TIMEOUT_S
        try:
            self._socket.send(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        except BlockingIOError as error:
            raise TargetError("QEMU takes no commands") from error
        except OSError as error:
            raise EOFError from error
        while True:
            message = self._message(deadline, f"'{command}'")
            if "error" in message:
                raise TargetError(f"QEMU refuses '{command}': {message['error'].get('desc')}")
            if "return" in message:
                return message["return"]
            self.events.append(message)

    def monitor(self, command_line: str) -> str:
        """Run a command of QEMU's monitor for people, and return its text."""
        return str(self.execute("human-monitor-command", **{"command-line": command_line}))

    def wait_event(self, name: str) -> dict[str, Any]:
        """Return the next event `name`, which may be among `events` already."""
        deadline = time.monotonic() + _TIMEOUT_S
        while not (found := self._seen(name)):
            self.events.append(self._message(deadline, f"the event {name}"))
        return found

    def last_event(self, name: str) -> dict[str, Any] | None:
        """Return the event `name` if it is among those that a QEMU which is gone has left; None if it is not."""
        try:
            return self.wait_event(name)
        except (EOFError, TargetError):
            return None

    def _seen(self, name: str) -> dict[str, Any] | None:
        return next((event for event in self.events if event.get("event") == name), None)

    def _message(self, deadline: float, what: str) -> dict[str, Any]:
        while b"\n" not in self._received:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([self._socket], [], [], left_s)[0]:
                raise TargetError(f"QEMU did not answer in time: {what}")
            try:
                data = self._socket.recv(_READ_BYTES)
            except OSError as error:
                raise EOFError from error
            if not data:
                raise EOFError
            self._received += data
        line, self._received = self._received.split(b"\n", 1)
        try:
            message = json.loads(line)
        except ValueError as error:
            raise TargetError(f"QEMU sent something that is not JSON: {line[:80]!r}") from error
        return message if isinstance(message, dict) else {}
