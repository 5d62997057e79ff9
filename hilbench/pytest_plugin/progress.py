"""Progress of long runs: a live line on a terminal, now and then a plain line elsewhere, nothing in xdist workers.

Warnings that a run logs, such as that a board is in use by somebody else, are shown at once: pytest keeps them until
the end of the test, and this one may wait for long.
"""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any

_TERMINAL_EVERY_S = 0.2
_PLAIN_AFTER_S = 15.0

_LOG = logging.getLogger("hilbench")


class ProgressLine:
    """Called by `bench.run` with the phase, the samples done and their number."""

    def __init__(self, config: Any, name: str) -> None:
        self._name = name
        self._reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._capture = config.pluginmanager.get_plugin("capturemanager")
        self._live = bool(self._reporter and self._reporter.isatty and self._reporter.verbosity >= 0)
        self._next = time.monotonic() + (_TERMINAL_EVERY_S if self._live else _PLAIN_AFTER_S)
        self._shown = 0
        self._warnings = _Warnings(self)

    def __enter__(self) -> ProgressLine:
        _LOG.addHandler(self._warnings)
        return self

    def say(self, text: str) -> None:
        """Show a line of its own."""
        if self._reporter is not None:
            with self._uncaptured():
                self._reporter.ensure_newline()
                self._reporter.write_line(f"{self._name}: {text}")

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Show how far the run is, if it is time to."""
        now = time.monotonic()
        if self._reporter is None or now < self._next:
            return
        self._next = now + (_TERMINAL_EVERY_S if self._live else _PLAIN_AFTER_S)
        text = f" {phase} {done}/{total}" if total else f" {phase}"
        if not self._live:
            return self.say(text.strip())
        self._write(text + " " * max(0, self._shown - len(text)) + "\b" * max(self._shown, len(text)))
        self._shown = len(text)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _LOG.removeHandler(self._warnings)
        if self._shown:
            self._write(" " * self._shown + "\b" * self._shown)

    def _write(self, text: str) -> None:
        with self._uncaptured():
            self._reporter.write(text, flush=True)

    def _uncaptured(self) -> AbstractContextManager[None]:
        return self._capture.global_and_fixture_disabled() if self._capture else nullcontext()


class _Warnings(logging.Handler):
    def __init__(self, line: ProgressLine) -> None:
        super().__init__(logging.WARNING)
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        self._line.say(record.getMessage())
