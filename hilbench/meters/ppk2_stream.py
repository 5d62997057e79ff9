"""The PPK2's samples: finds them among the bytes, counts those that are missing, and makes amperes of them.

A sample is a little-endian word of 32 bits: 14 of the ADC, 3 of the range, 6 of a counter, one unused, 8 of the logic
inputs. The counter goes up by one a sample, which tells samples that were lost (up to 63 in a row) from bytes that
do not belong to the stream.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hilbench.meters.base import Block, Flags, Floats

Ranges = npt.NDArray[np.intp]
_ADC_A_OHM = 1.8 / 163840  # serialDevice.ts, adcMult
_ADC_TOP = 0x3FFF
_WIDEST = 4
"""The range for the largest currents, up to 1 A; the ADC at its end there is an overload."""
_SURE = 8
"""Words in a row whose counters fit: by chance that is once in 2**42."""
_STRIDE = 4
_RUN = 4096  # words looked at in one go: where many are lost, each loss costs a look


@dataclass(frozen=True)
class Calibration:
    """A meter's own correction, by range: `serialDevice.ts`, getAdcResult. Where it tells none, Nordic's default."""

    r: tuple[float, ...] = (1031.64, 101.65, 10.15, 0.94, 0.043)
    gs: tuple[float, ...] = (1.0,) * 5
    gi: tuple[float, ...] = (1.0,) * 5
    o: tuple[float, ...] = (0.0,) * 5
    s: tuple[float, ...] = (0.0,) * 5
    i: tuple[float, ...] = (0.0,) * 5
    ug: tuple[float, ...] = (1.0,) * 5

    @classmethod
    def parse(cls, text: str) -> Calibration:
        """Read the metadata's lines, such as `R0: 1003.35`. As in Nordic's application, 0 and nan mean the default."""
        known = {name: list(getattr(cls, name)) for name in cls.__dataclass_fields__}
        for name, index, value in re.findall(r"^([A-Z]+)([0-4]): ([-+0-9.eE]+)\s*$", text, re.MULTILINE):
            try:
                number = float(value)
            except ValueError:
                continue
            if name.lower() in known and number and np.isfinite(number):
                known[name.lower()][int(index)] = number
        return cls(**{name: tuple(values) for name, values in known.items()})

    def amperes(self, adc: Floats, ranges: Ranges, volts: float) -> Floats:
        """Return the current of ADC values (14 bits) taken in `ranges` at a supply of `volts`."""
        r, gs, gi, o, s, i, ug = (
            np.array(values)[ranges] for values in (self.r, self.gs, self.gi, self.o, self.s, self.i, self.ug)
        )
        raw = (adc * 4 - o) * (_ADC_A_OHM / r)
        corrected: Floats = ug * (raw * (gs * raw + gi) + (s * volts + i))
        return corrected


class Words:
    """Splits bytes into the stream's words."""

    Array = npt.NDArray[np.uint32]
    Counts = npt.NDArray[np.int64]

    def __init__(self) -> None:
        self._rest = b""
        self._counter = -1  # of the last word; -1: none yet
        self._in_step = False

    def feed(self, data: bytes) -> tuple[Array, Counts]:
        """Return the words that are certain by now, and for each how many were lost before it."""
        return self._take(data, last=False)

    def flush(self) -> tuple[Array, Counts]:
        """Return what is left at the end of the stream, as far as its counters fit."""
        return self._take(b"", last=True)

    def _take(self, data: bytes, *, last: bool) -> tuple[Array, Counts]:
        data, at = self._rest + data, 0
        words, lost = [np.empty(0, np.uint32)], [np.empty(0, np.int64)]
        while True:
            if not self._in_step:
                place = _find_step(data, at)
                if place < 0:
                    at = max(at, len(data) - (_SURE * _STRIDE - 1))
                    break
                at, self._in_step = place, True
            run = _words(data, at)[:_RUN]
            good, gap = self._fitting(run, last=last)
            if good < 0:
                at, self._in_step = at + 1, False
            elif not good:
                break
            else:
                words.append(run[:good])
                lost.append(np.concatenate(([gap], np.zeros(good - 1, np.int64))))
                self._counter = int(_counters(run)[good - 1])
                at += good * _STRIDE
        self._rest = data[at:]
        return np.concatenate(words), np.concatenate(lost)

    def _fitting(self, run: Array, *, last: bool) -> tuple[int, int]:
        """Return how many words of `run` are in step, and how many samples were lost before them.

        -1 words are those of a `run` that is out of step, 0 those of one too short to know.
        """
        if not len(run):
            return 0, 0
        counters = _counters(run)
        steps = (np.diff(counters) & 63) == 1
        good = 1 + (len(steps) if steps.all() else int(np.argmin(steps)))
        gap = 0 if self._counter < 0 else int(counters[0] - self._counter - 1) & 63
        if gap and len(run) < _SURE and not last:
            return 0, 0
        return (-1, 0) if gap and good < min(_SURE, len(run)) else (good, gap)


def _words(data: bytes, at: int) -> Words.Array:
    return np.frombuffer(data, "<u4", (len(data) - at) // _STRIDE, at)


def _counters(words: Words.Array) -> npt.NDArray[np.int64]:
    return ((words >> 18) & 63).astype(np.int64)


def _find_step(data: bytes, at: int) -> int:
    """Return the first place from `at` on where `_SURE` words have counters in a row, -1 if there is none."""
    places = []
    for offset in range(at, min(at + _STRIDE, len(data))):
        counters = _counters(_words(data, offset))
        if len(counters) < _SURE:
            continue
        steps = ((np.diff(counters) & 63) == 1).astype(np.int64)
        runs = np.convolve(steps, np.ones(_SURE - 1, np.int64), mode="valid")
        found = np.flatnonzero(runs == _SURE - 1)
        if len(found):
            places.append(offset + int(found[0]) * _STRIDE)
    return min(places, default=-1)


class Decoder:
    """Turns the meter's bytes into samples, however they are split.

    After a change of range the first three samples are those of an amplifier that settles: they take the value of the
    first settled one after them. Nordic's application averages them with what was before instead.
    """

    SETTLING = 3  # serialDevice.ts, spikeFilter.samples

    def __init__(self, calibration: Calibration, volts: float, trigger: int) -> None:
        self._calibration = calibration
        self._volts = volts
        self._trigger = trigger
        self._words = Words()
        self._held = np.empty(0, np.uint32)
        self._held_lost = np.empty(0, np.int64)
        self._range = -1  # of the word before the first that is held
        self._level = False

    def feed(self, data: bytes) -> Block:
        """Take more bytes; return the samples that are certain by now."""
        return self._block(*self._words.feed(data), last=False)

    def flush(self) -> Block:
        """Return the samples that were held back."""
        return self._block(*self._words.flush(), last=True)

    def _block(self, words: Words.Array, lost: Words.Counts, *, last: bool) -> Block:
        words = np.concatenate((self._held, words))
        lost = np.concatenate((self._held_lost, lost))
        ranges = np.minimum((words >> 14) & 7, _WIDEST).astype(np.intp)
        settling = self._settling(ranges)
        ready = len(words)
        if not last:
            while ready and settling[ready - 1]:
                ready -= 1
        self._held, self._held_lost = words[ready:].copy(), lost[ready:].copy()
        words, lost, ranges, settling = words[:ready], lost[:ready], ranges[:ready], settling[:ready]
        if ready:
            self._range = int(ranges[-1])
        adc = (words & _ADC_TOP).astype(np.float64)
        amperes = self._calibration.amperes(adc, ranges, self._volts)
        settled = np.flatnonzero(~settling)
        after = np.searchsorted(settled, np.arange(ready))
        known = after < len(settled)
        amperes[known] = amperes[settled[after[known]]] if len(settled) else amperes[known]
        overload = (ranges == _WIDEST) & (adc == _ADC_TOP) & ~settling
        level = ((words >> (24 + self._trigger)) & 1).astype(np.bool_)
        block = _expanded(Block(amperes, self._volts, level, overload), lost, self._level)
        if ready:
            self._level = bool(level[-1])
        return block

    def _settling(self, ranges: Ranges) -> Flags:
        before = np.concatenate(([self._range if self._range >= 0 else (ranges[0] if len(ranges) else 0)], ranges[:-1]))
        changed = ranges != before[: len(ranges)]
        settling: Flags = changed.copy()
        for delay in range(1, self.SETTLING):
            settling[delay:] |= changed[:-delay]
        return settling


def _expanded(block: Block, lost: Words.Counts, before: bool) -> Block:
    """Return the block with the lost samples in their places: NaN, with the trigger as it was before them.

    `lost` counts for each sample those missing before it; `before` is the trigger before the first.
    """
    level = block.trigger
    total = len(level) + int(lost.sum())
    if total == len(level):
        return block
    places = np.arange(len(level)) + np.cumsum(lost)
    holes = np.ones(total, np.bool_)
    holes[places] = False
    current, trigger, beyond = np.full(total, np.nan), np.zeros(total, np.bool_), np.zeros(total, np.bool_)
    current[places], trigger[places], beyond[places] = block.current_a, level, block.overload
    trigger[holes] = np.repeat(np.concatenate(([before], level[:-1])), lost)
    return Block(current, block.voltage_v, trigger, beyond)
