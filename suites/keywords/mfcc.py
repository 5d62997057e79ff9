"""Features for keyword spotting: a second of sound becomes 49 x 10 mel-frequency cepstral coefficients of one byte.

The outline is that of MLPerf Tiny's keyword spotting: frames of 30 ms every 20 ms, 40 mel bands from 20 Hz to 4 kHz, 10
coefficients. Every step is arithmetic on whole numbers: no FFT, no logarithm and no rounding of a real number touches a
sample, so that the bytes are the same on every processor and with every NumPy. (The tables are rounded once, from
values that are nowhere near a tie; a test holds them to that.)
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache

import numpy as np

RATE_HZ = 22_050
"""espeak-ng's sample rate; no resampling."""
SAMPLES = RATE_HZ
WINDOW = 661
"""30 ms."""
HOP = 441
"""20 ms."""
FRAMES = 49
MELS = 40
COEFFICIENTS = 10
BIN_HZ = 25
LOWEST_HZ, HIGHEST_HZ = 20, 4_000
SCALE = 1 / 32
"""An element of the features as a real number: about -4..4, with a standard deviation of about one."""

_STEPS_PER_OCTAVE = 16
_FLOOR = 1 << 16
"""Added to each band's energy: about that of noise of one unit of 16 bits, so that digital silence has a logarithm."""

# The mean of each coefficient over the training samples, and 1/32 of its standard deviation.
CENTRES = (18_799_196, 952_904, 497_739, 32_206, -111_061, -132_655, -89_791, 19_715, 52_219, 38_996)
STEPS = (147_866, 39_570, 24_718, 14_930, 12_171, 12_590, 9_388, 6_945, 6_923, 6_575)


def mfcc(sound: np.ndarray) -> np.ndarray:
    """Return the features int8 (49, 10) of `sound`: int16 (22050,), one second at 22,050 Hz."""
    centred = coefficients(sound) - np.array(CENTRES)
    return np.clip(centred // np.array(STEPS), -128, 127).astype(np.int8)


def coefficients(sound: np.ndarray) -> np.ndarray:
    """Return the cepstral coefficients int64 (49, 10) of `sound` int16 (22050,), before they are scaled to a byte."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP]
    real, imaginary = (frames.astype(np.int64) @ table >> 14 for table in fourier())
    bands = (real**2 + imaginary**2) @ mel_weights() + _FLOOR
    return (np.searchsorted(octaves(), bands, side="right") - 1) @ cosines()


@cache
def fourier() -> tuple[np.ndarray, np.ndarray]:
    """Return two tables int64 (661, 160) of -16384..16384: a Hann window times cosine and sine of 25 Hz, 50 Hz, ..."""
    n = np.arange(WINDOW)[:, np.newaxis]
    bins = np.arange(1, HIGHEST_HZ // BIN_HZ + 1)
    window = 2**14 * (0.5 - 0.5 * np.cos(2 * np.pi * (n + 0.5) / WINDOW))
    angle = 2 * np.pi * (n * bins % (RATE_HZ // BIN_HZ)) / (RATE_HZ // BIN_HZ)
    # In columns, as the product reads them: it is twice as fast.
    real, imaginary = (np.rint(window * wave(angle)).astype(np.int64, order="F") for wave in (np.cos, np.sin))
    return real, imaginary


@cache
def mel_weights() -> np.ndarray:
    """Return the weights int64 (160, 40), of 0..256, of the mel bands: triangles that overlap by half."""
    mel = 1127 * np.log1p(np.arange(1, HIGHEST_HZ // BIN_HZ + 1) * BIN_HZ / 700)
    low, high = 1127 * np.log1p(np.array([LOWEST_HZ, HIGHEST_HZ]) / 700)
    centres = low + (high - low) * np.arange(1, MELS + 1) / (MELS + 1)
    distance = np.abs(mel[:, np.newaxis] - centres) * (MELS + 1) / (high - low)
    return np.rint(256 * np.maximum(0, 1 - distance)).astype(np.int64)


@cache
def octaves() -> np.ndarray:
    """Return int64 (1008,): the least whole number whose logarithm to base 2 is at least 0/16, 1/16, 2/16, ..."""
    with localcontext() as context:
        context.prec = 40
        powers = [Decimal(2) ** (Decimal(step) / _STEPS_PER_OCTAVE) for step in range(63 * _STEPS_PER_OCTAVE)]
        return np.array([int(power.to_integral_value("ROUND_CEILING")) for power in powers])


@cache
def cosines() -> np.ndarray:
    """Return the discrete cosine transform (DCT-II) as whole numbers, int64 (40, 10), of -1024..1024."""
    band = np.arange(MELS)[:, np.newaxis] + 0.5
    return np.rint(1024 * np.cos(np.pi * band * np.arange(COEFFICIENTS) / MELS)).astype(np.int64)
