"""Decides which fragment of which sample to send next, and which to send again. Pure state: it sends nothing itself.

Frames are numbered by the order in which they were sent (`number`, without end; its low byte is the frame's sequence).
The line keeps order, so a fragment that the device lacks, although it has a frame that was sent later, was lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hilbench.link.protocol import Ack, AckFlag

WINDOW_FRAMES = 8
"""Frames on their way at once: enough to keep a UART busy over a round trip, and 4 kB, which every driver buffers."""


@dataclass(frozen=True)
class Fragment:
    """Fragment `index` of the input of sample `sample`."""

    sample: int
    index: int


class Window:
    """The fragments that are still to be sent or acknowledged, in samples of `fragments` fragments each."""

    def __init__(self, fragments: int, size: int = WINDOW_FRAMES) -> None:
        self.resent = 0
        self._fragments = fragments
        self._size = size
        self._waiting: deque[Fragment] = deque()
        self._lost: set[Fragment] = set()  # those of the waiting ones that were sent before
        self._flying: dict[Fragment, int] = {}  # to the number of the frame that carries it, oldest first

    @property
    def idle(self) -> bool:
        """True when the device has every fragment."""
        return not self._waiting and not self._flying

    def admit(self, sample: int) -> None:
        """Let the fragments of `sample` be sent."""
        self._waiting.extend(Fragment(sample, index) for index in range(self._fragments))

    def take(self, number: int) -> Fragment | None:
        """Return the fragment to send as frame `number`; None when there is none, or too many are on their way."""
        if not self._waiting or len(self._flying) >= self._size:
            return None
        fragment = self._waiting.popleft()
        self._flying[fragment] = number
        if fragment in self._lost:
            self._lost.remove(fragment)
            self.resent += 1
        return fragment

    def inferred(self, done: int) -> bool:
        """The device has inferred all samples before `done`; return whether that was news."""
        return self._arrived(lambda fragment: fragment.sample < done)

    def acknowledge(self, ack: Ack, done: int, newest: int) -> bool:
        """Take in what the device has; return whether that is more than before.

        `done` is the ACK's field without its wrap-around; `newest` is the number of the last frame that the device
        says it got.
        """
        news = self._arrived(lambda fragment: _has(ack, done, fragment))
        lost = [fragment for fragment, number in self._flying.items() if number < newest]
        if ack.flags & AckFlag.NAK and not lost:
            # What was in the damaged frame, by the likeliest guess: the oldest after the last that arrived.
            lost = [fragment for fragment, number in self._flying.items() if number > newest][:1]
        for fragment in lost:
            del self._flying[fragment]
        self._waiting.extendleft(reversed(lost))
        self._lost.update(lost)
        return news

    def _arrived(self, has: Callable[[Fragment], bool]) -> bool:
        """Forget the fragments that the device has; return whether there were any."""
        flying = [fragment for fragment in self._flying if has(fragment)]
        waiting = [fragment for fragment in self._lost if has(fragment)]
        for fragment in flying:
            del self._flying[fragment]
        for fragment in waiting:
            self._waiting.remove(fragment)
            self._lost.remove(fragment)
        return bool(flying or waiting)


def unwrap(low: int, near: int) -> int:
    """Return the number closest to `near` whose low 16 bits are `low`."""
    return near + ((low - near + 0x8000) & 0xFFFF) - 0x8000


def _has(ack: Ack, done: int, fragment: Fragment) -> bool:
    if fragment.sample < done:
        return True
    if fragment.sample > done + 1:
        return False
    have, bitmap = (ack.have0, ack.bitmap0) if fragment.sample == done else (ack.have1, ack.bitmap1)
    ahead = fragment.index - have
    return ahead < 0 or (ahead < 32 and bool(bitmap >> ahead & 1))
