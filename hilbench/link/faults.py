"""A bad line for tests: a stream that flips, drops and doubles bytes on their way, in both directions."""

from __future__ import annotations

import random

from hilbench.targets.base import Stream

_NEVER = 1 << 62


class FaultyStream:
    """Passes bytes on through `stream`, each with the chance `rate` of a fault; the same `seed` gives the same faults.

    A fault flips one bit of the byte, drops it or doubles it, equally often. `faults` counts them.
    """

    def __init__(self, stream: Stream, rate: float, seed: int) -> None:
        self._stream = stream
        self._out = _Noise(rate, random.Random(f"{seed} out"))
        self._in = _Noise(rate, random.Random(f"{seed} in"))

    @property
    def faults(self) -> int:
        """Faults so far, in both directions."""
        return self._out.faults + self._in.faults

    def read(self, timeout_s: float) -> bytes:
        """Return what has arrived, with faults; b'' if nothing came (or nothing of it is left)."""
        return self._in.spoil(self._stream.read(timeout_s))

    def write(self, data: bytes) -> None:
        """Send `data`, with faults."""
        self._stream.write(self._out.spoil(data))


class _Noise:
    """One direction. The distance to the next fault is drawn once a fault, so that good bytes cost nothing."""

    def __init__(self, rate: float, chance: random.Random) -> None:
        self.faults = 0
        self._rate = rate
        self._chance = chance
        self._next = self._gap()

    def _gap(self) -> int:
        return int(min(self._chance.expovariate(self._rate), _NEVER)) if self._rate else _NEVER

    def spoil(self, data: bytes) -> bytes:
        spoilt = bytearray()
        start = 0
        while start + self._next < len(data):
            position = start + self._next
            spoilt += data[start:position] + self._fault(data[position])
            start = position + 1
            self._next = self._gap()
        self._next -= len(data) - start
        return bytes(spoilt + data[start:])

    def _fault(self, byte: int) -> bytes:
        self.faults += 1
        kind = self._chance.choice(("flip", "drop", "double"))
        if kind == "flip":
            return bytes([byte ^ 1 << self._chance.randrange(8)])
        return b"" if kind == "drop" else bytes([byte, byte])
