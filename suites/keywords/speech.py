"""Spoken commands for the suite `keywords`: espeak-ng says them, whole-number arithmetic adds level, place and noise.

A sample is a function of its `Utterance` alone, and an utterance one of its part (`train`, `test`) and its number: all
that looks random is drawn from SHAKE-256. So a sample can be made again without those before it, byte for byte, on any
machine that has the same espeak-ng.
"""

from __future__ import annotations

import hashlib
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeVar

import numpy as np
from mfcc import RATE_HZ, SAMPLES

ESPEAK_VERSION = "1.51"
"""The espeak-ng that made the committed files: Debian 12's, 1.51+dfsg-10+deb12u2."""

COMMANDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
CLASSES = (*COMMANDS, "(silence)", "(unknown)")
"""In the order of MLPerf Tiny's keyword spotting."""
SILENCE, UNKNOWN = 10, 11

ACCENTS = (
    "en-gb",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-gb-x-rp",
    "en-us",
    "en-us-nyc",
    "en-029",
)

Part = Literal["train", "test"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


VOICES: dict[Part, tuple[str, ...]] = {
    "train": _words(
        "Alex Alicia Andrea Andy Denis Diogo Gene Henrique Jacky Mario Michael Mike Nguyen RicishayMax Tweaky "
        "adam antonio aunty belinda benjamin boris david ed edward f2 f4 f5 grandma grandpa iven john kaukovalta "
        "m1 m2 m3 m5 m6 m8 marcelo max michel miguel norbert pablo paul pedro quincy rob sandro steph travis "
        "victor zac"
    ),
    "test": _words("Annie Lee anika f1 f3 gustave linda m4 m7 shelby"),
}
"""espeak-ng's variants: a speaker each. Hugo and robert are in neither part, too like voices of the training."""

OTHER_WORDS = _words(
    "backward bed bird cat dog eight five follow forward four happy house learn marvin nine one seven sheila six three "
    "tree two visual wow zero"
)
"""The class 'unknown': the other words of Speech Commands v0.02, in both parts."""

Noise = Literal["none", "white", "rumble", "hum"]
NOISES: tuple[Noise, ...] = ("none", "white", "rumble", "hum")
NOISE_PER_MILLE = (316, 178, 100)
"""Effective value of the noise against that of the speech: 10, 15 and 20 dB below."""

T = TypeVar("T")


@dataclass(frozen=True)
class Utterance:
    """All that a sample is made of. `word` is '' for silence; `draw` feeds what noise and place are drawn from."""

    label: int
    word: str
    voice: str
    speed_wpm: int
    pitch: int
    level: int
    noise: Noise
    noise_per_mille: int
    draw: str


class Draw:
    """Whole numbers from SHAKE-256 over a text: the same everywhere, and independent for another text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._drawn = 0

    def below(self, limit: int) -> int:
        """Return a whole number of 0..limit-1 (the bias is under 2**-40)."""
        self._drawn += 1
        digest = hashlib.shake_256(f"{self._text} {self._drawn}".encode()).digest(8)
        return int.from_bytes(digest, "little") % limit

    def among(self, choices: Sequence[T]) -> T:
        """Return one of `choices`."""
        return choices[self.below(len(choices))]


def utterance(part: Part, label: int, number: int) -> Utterance:
    """Return what sample `number` of class `label` is made of. Voices take turns; the rest is drawn."""
    text = f"hilbench.keywords/1 {part} {label} {number}"
    draw = Draw(text)
    word = CLASSES[label]
    if label == SILENCE:
        word = ""
    elif label == UNKNOWN:
        word = draw.among(OTHER_WORDS)
    variant = VOICES[part][number % len(VOICES[part])]
    return Utterance(
        label=label,
        word=word,
        voice=f"{draw.among(ACCENTS)}+{variant}",
        speed_wpm=120 + 5 * draw.below(23),
        pitch=25 + 5 * draw.below(11),
        level=400 << draw.below(4),
        noise=draw.among(NOISES[1:] if label == SILENCE else NOISES),
        noise_per_mille=draw.among(NOISE_PER_MILLE),
        draw=text,
    )


def sound(spoken: Utterance) -> np.ndarray:
    """Return one second of sound, int16 (22050,): the word somewhere within it, and the noise."""
    draw = Draw(f"{spoken.draw} sound")
    mixed = np.zeros(SAMPLES, np.int64)
    if spoken.word:
        said = say(spoken.voice, spoken.word, spoken.speed_wpm, spoken.pitch)[:SAMPLES]
        start = draw.below(SAMPLES - len(said) + 1)
        mixed[start : start + len(said)] += at_level(said, spoken.level)
    if spoken.noise != "none":
        mixed += at_level(noise(spoken.noise, draw), spoken.level * spoken.noise_per_mille // 1000)
    return np.clip(mixed, -32_768, 32_767).astype(np.int16)


def at_level(wave: np.ndarray, level: int) -> np.ndarray:
    """Return `wave` int64 (n,) scaled to the effective value `level`."""
    effective = math.isqrt(int((wave * wave).sum()) // len(wave))
    return wave * level // max(1, effective)


def noise(kind: Noise, draw: Draw) -> np.ndarray:
    """Return a second of noise, int64 (22050,), at no particular level.

    white: the sum of four bytes a sample. rumble: the mean of 64 neighbours of white noise. hum: 50 or 60 Hz and seven
    harmonics, as a table of whole numbers.
    """
    if kind == "hum":
        period = draw.among((RATE_HZ // 50, RATE_HZ // 60))
        phase = np.arange(SAMPLES) + draw.below(period)
        weights = [1 + draw.below(8) for _ in range(8)]
        return sum(w * _sine(period)[phase * (k + 1) % period] for k, w in enumerate(weights))
    drawn = hashlib.shake_256(f"noise {draw.below(2**60)}".encode()).digest(4 * (SAMPLES + 64))
    white = np.frombuffer(drawn, np.int8).reshape(-1, 4).sum(axis=1, dtype=np.int64)
    if kind == "white":
        return white[:SAMPLES]
    total = np.cumsum(white)
    return total[64:] - total[:-64]


@cache
def _sine(period: int) -> np.ndarray:
    return np.rint(1000 * np.sin(2 * np.pi * np.arange(period) / period)).astype(np.int64)


def say(voice: str, word: str, speed_wpm: int, pitch: int) -> np.ndarray:
    """Return what espeak-ng says, int64 (n,) at 22,050 Hz, without the quiet at its ends (below 1 % of the peak)."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed_wpm), "-p", str(pitch), "-z", "--stdout", word]
    done = subprocess.run(command, capture_output=True, check=True)
    wave = np.frombuffer(done.stdout[44:], "<i2").astype(np.int64)
    if not wave.any():
        sys.exit(f"error: espeak-ng says nothing for '{word}' in the voice {voice}\n  hint: apt-get install espeak-ng")
    loud = np.flatnonzero(100 * np.abs(wave) > np.abs(wave).max())
    return wave[loud[0] : loud[-1] + 1]


def espeak_version() -> str:
    """Return the version of the installed espeak-ng; exits with a message when there is none."""
    if not shutil.which("espeak-ng"):
        sys.exit("error: espeak-ng is not installed\n  hint: apt-get install espeak-ng")
    said = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"text-to-speech: (\S+)", said)
    return found[1] if found else said.strip()
