"""Progress of long runs: a live line on a terminal, now and then a plain line elsewhere, nothing in xdist workers."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any

_TERMINAL_EVERY_S = 0.2
_PLAIN_AFTER_S = 15.0


class ProgressLine:
    """Called by `bench.run` with the phase, the samples done and their number."""

    def __init__(self, config: Any, name: str) -> None:
        self._name = name
        self._reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._capture = config.pluginmanager.get_plugin("capturemanager")
        self._live = bool(self._reporter and self._reporter.isatty and self._reporter.verbosity >= 0)
        self._next = time.monotonic() + (_TERMINAL_EVERY_S if self._live else _PLAIN_AFTER_S)
        self._shown = 0

    def __enter__(self) -> ProgressLine:
        return self

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Show how far the run is, if it is time to."""
        now = time.monotonic()
        if self._reporter is None or now < self._next:
            return
        self._next = now + (_TERMINAL_EVERY_S if self._live else _PLAIN_AFTER_S)
        text = f" {phase} {done}/{total}" if total else f" {phase}"
        if not self._live:
            with self._uncaptured():
                self._reporter.ensure_newline()
                self._reporter.write_line(f"{self._name}:{text}")
            return
        self._write(text + " " * max(0, self._shown - len(text)) + "\b" * max(self._shown, len(text)))
        self._shown = len(text)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._write(" " * self._shown + "\b" * self._shown)

    def _write(self, text: str) -> None:
        with self._uncaptured():
            self._reporter.write(text, flush=True)

    def _uncaptured(self) -> AbstractContextManager[None]:
        return self._capture.global_and_fixture_disabled() if self._capture else nullcontext()
