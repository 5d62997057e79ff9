"""Decides when to ask a silent device what it has, and when to call it dead. Holds times only; it sends nothing.

A line without losses needs no questions: everything is answered at once. So a poll comes only after a silence of about
three times what a full window needs on the wire; and when the line must stay quiet for a measurement, much later.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

_SLACK_S = 0.02
_FIRST_ROUND_S = 0.05
"""What a round trip is taken for before one was seen."""
_LONGEST_PAUSE_S = 1.0
_QUIET_S = 2.0
"""How long a measured inference may take before the first poll; more once longer ones were seen."""


@dataclass
class Pace:
    """Times of one session, in seconds.

    `quiet` says that the line should now be silent, `busy` that the device was inferring when it was last heard.
    """

    timeout_s: float
    quiet: bool = False
    busy: bool = False
    heard_at: float = field(default_factory=time.monotonic)
    progress_at: float = field(default_factory=time.monotonic)
    _touched_at: float = field(default_factory=time.monotonic)
    _round_s: float = _FIRST_ROUND_S
    _longest_s: float = 0.0
    _polls: int = 0

    def touched(self) -> None:
        """Something was sent, or bytes came in."""
        self._touched_at = time.monotonic()

    def polled(self) -> None:
        """A poll was sent: the next one waits longer."""
        self._polls += 1
        self.touched()

    def heard(self) -> None:
        """A good frame came."""
        self.heard_at = time.monotonic()

    def progress(self) -> None:
        """The device has more than before."""
        self.progress_at = time.monotonic()
        self._polls = 0

    def resumed(self) -> None:
        """We ourselves paused, so silence until now means nothing."""
        self.heard_at = self.progress_at = self._touched_at = time.monotonic()

    def round_trip(self, took_s: float) -> None:
        """A frame sent `took_s` ago is acknowledged. The slowest counts, and fades."""
        self._round_s = max(took_s, 0.9 * self._round_s + 0.1 * took_s)

    def result(self) -> None:
        """A result came. Unasked, it tells how long a sample takes; asked for, it was lost and tells nothing."""
        if self._polls == 0 or self.busy:
            self._longest_s = max(self._longest_s, time.monotonic() - self.progress_at)
        self.busy = False

    @property
    def asked(self) -> bool:
        """True when a poll was sent since the last progress."""
        return self._polls > 0

    def poll_in_s(self) -> float:
        """Return how long to wait for something to arrive before the next poll."""
        # Once a poll was sent the silence is broken: when it is not answered, the next one need not wait that long.
        quiet = self.quiet and (self._polls == 0 or self.busy)
        first = self._patience_s() if quiet else 3 * self._round_s + _SLACK_S
        pause = min(first * (1 << min(self._polls, 16)), max(first, _LONGEST_PAUSE_S))
        return max(0.0, max(self.heard_at, self._touched_at) + pause - time.monotonic())

    def silent(self) -> bool:
        """True when the device has not answered for `timeout_s` (after a first poll, where the line was quiet)."""
        return time.monotonic() - max(self.heard_at, self.progress_at) > self.timeout_s + self._patience_s()

    def stuck(self, inferences: int) -> bool:
        """True when the device answers, but did not get on for `timeout_s` times `inferences`."""
        return time.monotonic() - self.progress_at > inferences * self.timeout_s + self._patience_s()

    def _patience_s(self) -> float:
        return max(_QUIET_S, 2 * self._longest_s) if self.quiet else 0.0
