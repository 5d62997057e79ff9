"""The LPM01A's samples as text: lines such as `6409-07`, four digits and a power of ten. UM2269 rev 6, 4.4.1.

They carry a time stamp in ms every 1000 samples. What lies between two of them is checked against it: samples
that are missing get their places, but which they are is not known: all between the two stamps counts as lost. So does
what comes after the last stamp, such as the numbers of the summary at the end.
"""

from __future__ import annotations

import re

import numpy as np

from hilbench.errors import MeterError
from hilbench.meters.base import Block

STAMP_EVERY = 1000
_STAMP_SLACK_MS = 1.5
"""Stamps are whole ms: two of them may be so much nearer together, or apart, than the samples between them."""
_LONGEST_LINE = 200
_STAMP = re.compile(rb"TimeStamp: *(\d+)s (\d+)ms")
_SAMPLE = re.compile(rb"(\d{4})([+-]\d\d)")
_EVENT = re.compile(rb"event \d+ (ris|fal)")


class _Samples:
    """Samples since the last time stamp, and what is certain of those before it."""

    def __init__(self, rate_hz: float, volts: float, *, energy: bool) -> None:
        self._rate_hz = rate_hz
        self._volts = volts
        self._to_amperes = rate_hz / volts if energy else 1.0
        self._since: list[float] = []
        self._rises_since: list[int] = []
        self._spoilt = False
        self._total = 0  # samples up to the last stamp, with those that are missing
        self._first_ms = -1
        self._first_total = 0
        self._current: list[float] = []
        self._rises: list[int] = []

    def add(self, value: float) -> None:
        self._since.append(value * self._to_amperes)

    def lose(self) -> None:
        """One sample came damaged."""
        self._since.append(float("nan"))

    def rise(self) -> None:
        self._rises_since.append(len(self._since))

    def spoil(self) -> None:
        """Something came that belongs to no sample: which ones since the last stamp are right is not known."""
        self._spoilt = True

    def stamp(self, ms: int) -> None:
        """Settle what came since the last stamp."""
        missing = 0
        if self._first_ms < 0:
            self._first_ms, self._first_total = ms, self._total + len(self._since)
        else:
            due = self._first_total + (ms - self._first_ms) * self._rate_hz / 1000 - self._total
            missing = round(due - len(self._since))
            if abs(missing) <= _STAMP_SLACK_MS * self._rate_hz / 1000:
                missing = 0
            if missing < 0 and not self._spoilt:
                raise MeterError(f"the meter sent {-missing} samples more than its time stamps allow")
        self._settle(missing)

    def _settle(self, missing: int) -> None:
        total = max(len(self._since) + missing, 0)
        base = len(self._current)
        if self._spoilt or missing:
            self._current += [float("nan")] * total
        else:
            self._current += self._since
        self._rises += [base + min(at, max(total - 1, 0)) for at in self._rises_since]
        self._total += total
        self._since, self._rises_since, self._spoilt = [], [], False

    def block(self, *, last: bool) -> Block:
        if last:
            self._spoilt = True
            self._settle(0)
        current = np.array(self._current, np.float64)
        trigger = np.zeros(len(current), np.bool_)
        ahead = [at - len(current) for at in self._rises if at >= len(current)]
        trigger[[at for at in self._rises if at < len(current)]] = True
        self._current, self._rises = [], ahead
        return Block(current, self._volts, trigger, np.zeros(len(current), np.bool_))


class Decoder:
    """Turns the meter's bytes into samples, however they are split.

    A line such as `event 01 ris` is an edge of D7 before the sample after it. D7 is low before the first inference, so
    whatever the first edge is called is a rise; the others are not used.
    """

    def __init__(self, rate_hz: float, volts: float, *, energy: bool) -> None:
        self._samples = _Samples(rate_hz, volts, energy=energy)
        self._rest = b""
        self._rise = b""

    def feed(self, data: bytes) -> Block:
        """Take more bytes; return the samples that are certain. Raises `MeterError` for what the meter reports."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line.strip(b"\r\x00 "))
        if len(self._rest) > _LONGEST_LINE:
            self._samples.spoil()
            self._rest = self._rest[-_LONGEST_LINE:]
        return self._samples.block(last=False)

    def flush(self) -> Block:
        """Return the samples after the last time stamp, as lost."""
        return self._samples.block(last=True)

    def _line(self, line: bytes) -> None:
        if not line:
            return
        if found := _SAMPLE.fullmatch(line):
            self._samples.add(float(found[1]) * 10.0 ** int(found[2]))
        elif found := _STAMP.match(line):
            self._samples.stamp(int(found[1]) * 1000 + int(found[2]))
        elif found := _EVENT.fullmatch(line):
            self._rise = self._rise or found[1]
            if found[1] == self._rise:
                self._samples.rise()
        elif line.startswith(b"error"):
            raise MeterError(f"the LPM01A reports: {line.decode('ascii', 'replace')}")
        elif not line.startswith((b"PowerShield", b"ack", b"event", b"pwr", b"end", b"summary")):
            self._samples.lose()
