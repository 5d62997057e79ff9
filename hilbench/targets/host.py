"""Runs a host image in a child process that speaks the link: for trying out suites, not for numbers about a board."""

from __future__ import annotations

import contextlib
import platform
import signal
import socket
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import BaseModel

from hilbench.catalog.board import Board, Strict
from hilbench.errors import ModelError
from hilbench.frameworks.base import YES, Support
from hilbench.targets.base import CrashReport
from hilbench.targets.process import Child, child
from hilbench.targets.streams import SocketStream

_END_S = 0.5
"""How long a process whose end of the line is closed may take to end."""


class HostSettings(Strict):
    """An entry `host:` under a board's `targets:`; there is nothing to set."""


class Host:
    """The target `host`."""

    name = "host"
    Settings: type[BaseModel] = HostSettings
    counters = frozenset({"nanoseconds"})
    silicon = False

    def available(self, board: Board, settings: Any) -> Support:
        """Say yes for the board that is this computer, and no for every other."""
        if board.core_info.is_host:
            return YES
        return Support(
            False, f"board {board.id} has a {board.core_info.title}, which is not this computer", "--board=host"
        )

    def version(self) -> str:
        """Return the version of the Python that runs images."""
        return platform.python_version()

    @contextlib.contextmanager
    def run(self, image: Path, board: Board, settings: Any) -> Iterator[Process]:
        """Start `image`; when the context is left, its process is gone. Raises `ModelError` if it is no host image."""
        if not zipfile.is_zipfile(image):
            raise ModelError("this is not a host image", where=str(image), hint="build it again with `hilbench build`")
        with Process(image) as process:
            yield process


class Process:
    """A host image that runs. It is its own stream, which so outlives a reset."""

    _child: Child
    _line: SocketStream

    def __init__(self, image: Path) -> None:
        self._image = image
        self._life = contextlib.ExitStack()

    def __enter__(self) -> Process:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._life.close()

    @property
    def stream(self) -> Process:
        """The line to the model."""
        return self

    def read(self, timeout_s: float) -> bytes:
        """Return what has arrived, waiting at most `timeout_s`. Raises `EOFError` when the process is gone."""
        return self._line.read(timeout_s)

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises `EOFError` when the process is gone."""
        self._line.write(data)

    def reset(self) -> None:
        """End the process, whatever it does, and start a new one."""
        self._life.close()
        self._start()

    def crash(self) -> CrashReport | None:
        """Say how the process ended, with the last lines that it printed; None if it lives."""
        ended = self._child.wait(_END_S)
        if ended is None:
            return None
        how = f"was killed by {signal.Signals(-ended).name}" if ended < 0 else f"ended with exit code {ended}"
        return CrashReport("exit", f"the process of {self._image.name} {how}", log=self._child.tail())

    def _start(self) -> None:
        with contextlib.ExitStack() as life:
            ours, theirs = socket.socketpair()
            self._line = life.enter_context(SocketStream(ours))
            with theirs:
                # -P: no module in the current folder may stand in for one of ours.
                program = [sys.executable, "-P", "-m", "hilbench.link.host_process"]
                argv = [*program, str(self._image), f"--fd={theirs.fileno()}"]
                self._child = life.enter_context(child(argv, pass_fds=[theirs.fileno()]))
            self._life = life.pop_all()
