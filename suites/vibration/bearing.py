"""Simulated vibration of a rolling bearing, whole or damaged, and the features that the suite's models see.

What is simulated and why is in README.md. Features are integers, so that the last bit of a sine does not matter.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from making import Draws

CLASSES = ("normal", "outer race", "inner race", "ball")
RATE_HZ = 12_800
WINDOW = 8192
"""Samples of a window: 0.64 s, 12 to 19 turns of the shaft."""
LEAD = 512
"""Samples that are simulated before a window, for the ringing of what came earlier; it decays within 100."""
FULL_SCALE_G = 16.0
"""Range of the 16-bit accelerometer: +-16 g."""

# Bearing 6205: 9 balls of 7.94 mm on a pitch circle of 39.04 mm, contact angle 0. In turns of the shaft:
BALLS, RATIO = 9, 7.94 / 39.04
FTF = (1 - RATIO) / 2
"""Turns of the cage."""
BPFO = BALLS * (1 - RATIO) / 2
"""Balls that pass a point of the outer race."""
BPFI = BALLS * (1 + RATIO) / 2
"""Balls that pass a point of the inner race."""
BSF = (1 - RATIO**2) / (2 * RATIO)
"""Turns of a ball; a point on it hits a race twice in each."""

BANDS = 32
SPECTRUM_STEP_HZ = 200
ENVELOPE_FROM_HZ = 1000
"""What lies below is the shaft and the gear; the envelope is taken of the rest."""
ORDER_STEP = 0.5
BAND_STEP_DB = 0.25
BAND_ZERO_DB = np.repeat((-5.0, 42.0), BANDS)
"""What a band of the spectrum, and of the envelope's, has in the middle of its range."""
LINE_STEP_DB = 0.01
LINES = {
    "shaft": (1.0,),
    "cage": (FTF,),
    "outer": (BPFO, 2 * BPFO, 3 * BPFO),
    "inner": (BPFI, 2 * BPFI, 3 * BPFI),
    "inner, sidebands": (BPFI - 1, BPFI + 1),
    "ball": (2 * BSF, 4 * BSF, 6 * BSF),
    "ball, sidebands": (2 * BSF - FTF, 2 * BSF + FTF),
}
"""Lines of the envelope's spectrum that a fault raises, in turns of the shaft."""
ORDERS = tuple(order for orders in LINES.values() for order in orders)


@dataclass(frozen=True)
class Split:
    """Which machines, speeds (turns a second) and loads (share of the rated one), and how many windows of each class.

    `windows` counts those of one machine: normal, outer race, inner race, ball.
    """

    machines: range
    speeds_hz: tuple[float, ...]
    loads: tuple[float, ...]
    windows: tuple[int, int, int, int]


TRAIN = Split(range(12), (20.0, 23.0, 26.0, 29.0), (0.0, 0.5, 1.0), (120, 40, 40, 40))
TEST = Split(range(300, 310), (21.5, 24.5, 27.5), (0.25, 0.75), (20, 20, 20, 20))


@dataclass(frozen=True)
class Windows:
    """Windows of a split: `bands` int8 (n, 64), `lines` int16 (n, 17), `kinds` uint8 (n,) as in `CLASSES`."""

    bands: np.ndarray
    lines: np.ndarray
    kinds: np.ndarray


@dataclass(frozen=True)
class Machine:
    """What differs from one machine to the next: amplitudes in g, frequencies in Hz.

    `shaft` are the amplitudes of 1, 2 and 3 times the shaft's frequency at 25 turns a second; `modes` the resonances,
    each with its frequency, damping ratio and gain.
    """

    shaft: np.ndarray
    teeth: int
    gear: float
    noise: float
    rumble: float
    modes: tuple[tuple[float, float, float], ...]


def machine(number: int) -> Machine:
    """Return machine `number`, the same every time."""
    draws = Draws(1, number)
    return Machine(
        shaft=draws.uniform(0.02, 0.25, 3) * np.array([1, 0.6, 0.3]),
        teeth=17 + draws.pick(25),
        gear=draws.one(0.02, 0.15),
        noise=draws.one(0.03, 0.06),
        rumble=draws.one(0.1, 0.25),
        modes=(
            (draws.one(2200, 3400), draws.one(0.03, 0.07), 1.0),
            (draws.one(3800, 5400), draws.one(0.02, 0.05), draws.one(0.3, 0.8)),
        ),
    )


def response(which: Machine, length: int) -> np.ndarray:
    """Return the spectrum of what the sensor feels of an impulse of 1 at the bearing: a sum of damped sines."""
    time = np.arange(length) / RATE_HZ
    answer = np.zeros(length)
    for frequency, damping, gain in which.modes:
        omega = 2 * np.pi * frequency
        answer += gain * np.exp(-damping * omega * time) * np.sin(omega * np.sqrt(1 - damping**2) * time)
    return np.fft.rfft(answer)


def load_zone(turns: np.ndarray, load: float) -> np.ndarray:
    """Return the share of the load that a ball carries at an angle: Stribeck's distribution, wider under more load."""
    extent = 0.4 + 0.3 * load
    return np.maximum(0.0, 1 - (1 - np.cos(2 * np.pi * turns)) / (2 * extent)) ** 1.5


def impacts(kind: int, speed_hz: float, load: float, length: int, draws: Draws) -> np.ndarray:
    """Return the impulses of a fault."""
    rate_hz = speed_hz * (BPFO, BPFI, 2 * BSF)[kind - 1]
    count = int(1.2 * length / RATE_HZ * rate_hz)
    # Balls slip: each interval is off by 1 % or so, and what was lost is not made up for.
    times = (np.cumsum(1 + 0.01 * draws.normal(count)) - draws.one(0, 1)) / rate_hz
    turns = speed_hz * times + draws.one(0, 1)
    sizes = (1 + 0.15 * draws.normal(count)) * 10 * draws.one(0.4, 1) ** 1.5 * (0.5 + 0.5 * load)
    if kind == 2:
        sizes *= load_zone(turns, load)  # the damage turns with the shaft, through the loaded side
    elif kind == 3:
        sizes *= load_zone(turns * FTF, load) * np.where(np.arange(count) % 2, 1.0, 0.7)  # with the cage; two races
    return on_grid(times, sizes, length)


def knocks(length: int, draws: Draws) -> np.ndarray:
    """Return up to six impulses at any time, which have nothing to do with the bearing: every machine has some."""
    count = draws.pick(7)
    return on_grid(draws.uniform(0, length / RATE_HZ, count), draws.uniform(1, 6, count), length)


def on_grid(times: np.ndarray, sizes: np.ndarray, length: int) -> np.ndarray:
    """Return impulses at `times` (s) as samples; one that falls between two samples is shared by them."""
    place = times * RATE_HZ
    inside = (place >= 0) & (place < length - 1)
    place, sizes = place[inside], sizes[inside]
    left = np.floor(place).astype(np.int64)
    share = place - left
    return np.bincount(left, sizes * (1 - share), length) + np.bincount(left + 1, sizes * share, length)


def window(number: int, kind: int, index: int, split: Split) -> tuple[np.ndarray, float]:
    """Return window `index` of class `kind` of a machine, int16 (8192,), and its speed as the tachometer reads it."""
    draws, which, length = Draws(2, number, kind, index), machine(number), LEAD + WINDOW
    speed_hz = split.speeds_hz[draws.pick(len(split.speeds_hz))] * draws.one(0.98, 1.02)
    load = split.loads[draws.pick(len(split.loads))]
    pace = speed_hz / 25
    turns = speed_hz * np.arange(length) / RATE_HZ
    phases = draws.uniform(0, 1, 5)
    signal = which.noise * draws.normal(length)
    for order in (1, 2, 3):  # unbalance and misalignment: centrifugal force grows with the square of the speed
        signal += which.shaft[order - 1] * pace**2 * np.cos(2 * np.pi * (order * turns + phases[order]))
    meshing = which.gear * (0.4 + 0.6 * load) * (1 + 0.2 * np.cos(2 * np.pi * (turns + phases[4])))
    signal += meshing * np.cos(2 * np.pi * (which.teeth * turns + phases[0]))
    force = which.rumble * np.sqrt(pace) * (0.7 + 0.3 * load) * draws.one(0.8, 1.25) * draws.normal(length)
    force += knocks(length, draws)
    if kind:
        force += impacts(kind, speed_hz, load, length, draws)
    signal += np.fft.irfft(np.fft.rfft(force) * response(which, length), length)
    counts = np.clip(np.rint(signal[LEAD:] * (32768 / FULL_SCALE_G)), -32768, 32767)
    return counts.astype(np.int16), speed_hz * draws.one(0.998, 1.002)


def spectra(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the power spectra, both (4097,), of a window and of the envelope of what it has above 1 kHz."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    real = counts.astype(np.float64) * (FULL_SCALE_G / 32768)
    analytic = np.fft.fft(real)
    analytic[WINDOW // 2 :] = 0
    analytic[: ENVELOPE_FROM_HZ * WINDOW // RATE_HZ] = 0
    envelope = np.abs(np.fft.ifft(analytic))
    whole, modulation = real - real.mean(), envelope / envelope.mean() - 1
    return np.abs(np.fft.rfft(whole * hann)) ** 2, np.abs(np.fft.rfft(modulation * hann)) ** 2


def bands(spectrum: np.ndarray, envelope: np.ndarray, speed_hz: float) -> np.ndarray:
    """Return int8 (64,): mean power in bands of 200 Hz, and peaks of the envelope in bands of half an order.

    One step is 0.25 dB. The power is relative to the mean of the spectrum, the peak to the envelope's own mean.
    """
    step = RATE_HZ / WINDOW
    edges = np.rint(np.arange(BANDS + 1) * SPECTRUM_STEP_HZ / step).astype(np.int64)
    orders = np.rint((0.25 + np.arange(BANDS + 1) * ORDER_STEP) * speed_hz / step).astype(np.int64)
    powers = [spectrum[low:high].mean() / spectrum.mean() for low, high in pairwise(edges)]
    powers += [envelope[low:high].max() for low, high in pairwise(orders)]
    decibels = 10 * np.log10(np.array(powers))
    return np.clip(np.rint((decibels - BAND_ZERO_DB) / BAND_STEP_DB), -128, 127).astype(np.int8)


def lines(counts: np.ndarray, envelope: np.ndarray, speed_hz: float) -> np.ndarray:
    """Return int16 (17,): how far each of `ORDERS` stands out of the envelope's spectrum, then kurtosis and crest.

    One step is 0.01 dB. A line is the largest power within 2 % of its frequency, over the median within one order.
    """
    turn = speed_hz * WINDOW / RATE_HZ
    found = []
    for order in ORDERS:
        line = envelope[int(0.98 * order * turn) : int(1.02 * order * turn) + 2].max()
        found.append(line / np.median(envelope[max(2, int((order - 1) * turn)) : int((order + 1) * turn)]))
    real = counts - counts.mean()
    power = (real**2).mean()
    found += [(real**4).mean() / power**2, (real**2).max() / power]
    return np.rint(10 * np.log10(np.array(found)) / LINE_STEP_DB).astype(np.int16)


def keys(split: Split) -> Iterator[tuple[int, int, int]]:
    """Yield machine, class and index of each window. Classes take turns: any few samples have some of each."""
    for index in range(max(split.windows)):
        for number in split.machines:
            for kind in range(len(CLASSES)):
                if index < split.windows[kind]:
                    yield number, kind, index


def simulate(split: Split, count: int | None = None) -> Windows:
    """Return the windows of `split`, or the first `count` of them."""
    chosen = list(keys(split))[:count]
    rows = []
    for number, kind, index in chosen:
        counts, speed_hz = window(number, kind, index, split)
        spectrum, envelope = spectra(counts)
        rows.append((bands(spectrum, envelope, speed_hz), lines(counts, envelope, speed_hz)))
    kinds = np.array([kind for _, kind, _ in chosen], np.uint8)
    return Windows(np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows]), kinds)
