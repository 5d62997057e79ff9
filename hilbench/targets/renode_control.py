"""Gives Renode commands over XML-RPC, the way that its own tests do: each has an answer, an error, or a deadline."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from collections.abc import Callable
from typing import Any
from xml.parsers.expat import ExpatError

from hilbench.errors import TargetError


class Gone(Exception):
    """Renode has ended, or closed its line: nothing more can be asked."""


class Control:
    """The control of a Renode. `connect` opens a connection to its server, and sets its deadline for each answer."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._proxy = xmlrpc.client.ServerProxy("http://renode/", transport=_Transport(connect), allow_none=True)

    def execute(self, command: str) -> str:
        """Give the monitor `command`, and return what it prints.

        Raises `TargetError` with Renode's words when it refuses, or does not answer in time; `Gone` when it is gone.
        """
        try:
            answer: Any = self._proxy.run_keyword("ExecuteCommand", [command])
        except TimeoutError:
            raise TargetError(f"Renode does not answer to '{command}'") from None
        except xmlrpc.client.Fault as fault:
            raise TargetError(f"Renode refuses '{command}': {fault.faultString}") from None
        except (xmlrpc.client.Error, ExpatError) as error:
            raise TargetError(f"what answers to '{command}' is no Renode: {error}") from None
        except (OSError, http.client.HTTPException) as error:
            raise Gone(str(error)) from None
        if not isinstance(answer, dict) or answer.get("status") not in ("PASS", "FAIL"):
            raise TargetError(f"what answers to '{command}' is no Renode: {str(answer)[:200]}")
        if answer["status"] == "FAIL":
            raise TargetError(f"Renode refuses '{command}': {_told(str(answer.get('error', '')))}")
        return str(answer.get("return", "")).strip()


def _told(error: str) -> str:
    """Return the gist of Renode's error: its first line is the exception around the one that counts."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    text = " ".join(lines)
    return text.partition("There was an error when executing command")[2].partition(": ")[2] or text


class _Transport(xmlrpc.client.Transport):
    """HTTP over connections that `connect` makes."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        super().__init__()
        self._connect = connect
        self._opened: http.client.HTTPConnection | None = None

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        # The library's own asks a second time when a connection breaks: the command may have been carried out. Renode
        # closes connections that nothing came over for a while, so that each command has its own.
        try:
            return self.single_request(host, handler, request_body, verbose)
        finally:
            self.close()

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        if self._opened is None:
            self._opened = _Connection(self._connect)
        return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


class _Connection(http.client.HTTPConnection):
    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        super().__init__("renode")
        self._connect = connect

    def connect(self) -> None:
        self.sock = self._connect()
