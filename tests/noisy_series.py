"""Made-up histories of a noisy metric: levels under several kinds of noise, and how well their places are met.

Noise has a standard deviation of about 1 % of the level. `outliers` are 5 % of the values, 5 to 20 standard deviations
off, three of four upward, as an interrupted run is slower; neighbours in `neighbours` correlate with 0.3.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

KINDS = ("normal", "heavy tails", "outliers", "neighbours")
SHORTEST, LONGEST = 30, 300
_LEVEL, _SPREAD = 100.0, 0.01
_APART = 10
"""Values of the shortest level."""

Finder = Callable[[np.ndarray], Sequence[int]]


def noise(random: np.random.Generator, kind: str, count: int) -> np.ndarray:
    if kind == "heavy tails":
        return random.standard_t(3, size=count) / np.sqrt(3)
    values = random.normal(size=count)
    if kind == "outliers":
        hit = random.random(count) < 0.05
        values[hit] += random.uniform(5, 20, hit.sum()) * random.choice([1, 1, 1, -1], hit.sum())
    if kind == "neighbours":
        for i in range(1, count):
            values[i] = 0.3 * values[i - 1] + np.sqrt(1 - 0.3**2) * values[i]
    return values


def clean(kind: str, count: int, seed: int) -> Iterator[np.ndarray]:
    """Yield `count` series without a step."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    for _ in range(count):
        yield _LEVEL * (1 + _SPREAD * noise(random, kind, int(random.integers(SHORTEST, LONGEST + 1))))


def stepped(kind: str, count: int, seed: int, step: float) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Yield `count` series of none to three steps up or down by the share `step`, and where these are."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    for _ in range(count):
        length = int(random.integers(SHORTEST, LONGEST + 1))
        places = _places(random, length, min(int(random.integers(0, 4)), length // (2 * _APART)))
        levels = np.full(length, _LEVEL)
        for place in places:
            levels[place:] *= 1 + step * random.choice([-1, 1])
        yield levels * (1 + _SPREAD * noise(random, kind, length)), places


def _places(random: np.random.Generator, length: int, count: int) -> list[int]:
    while True:
        found = np.sort(random.choice(np.arange(_APART, length - _APART + 1), count, replace=False))
        if (np.diff([0, *found, length]) >= _APART).all():
            return [int(place) for place in found]


def alarms(find: Finder, series: Iterator[np.ndarray]) -> int:
    """Return in how many clean series `find` finds something."""
    return sum(bool(len(find(values))) for values in series)


def f1(find: Finder, series: Iterator[tuple[np.ndarray, list[int]]], tolerance: int = 2) -> tuple[float, float, float]:
    """Return F1, precision and recall of places met within `tolerance` values; each true place counts once."""
    met = found_in_all = true_in_all = 0
    for values, places in series:
        found, free = find(values), set(places)
        found_in_all, true_in_all = found_in_all + len(found), true_in_all + len(places)
        for place in found:
            near = min(free, key=lambda true: abs(true - place), default=None)
            if near is not None and abs(near - place) <= tolerance:
                free.remove(near)
                met += 1
    return 2 * met / max(1, found_in_all + true_in_all), met / max(1, found_in_all), met / max(1, true_in_all)
