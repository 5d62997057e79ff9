"""Change points: where one metric went to another level in the course of its history, and by how much.

The series, with outliers drawn in, is first parted eagerly by least squares (optimal partitioning: Jackson et al. 2005,
IEEE Signal Processing Letters 12, 105-108). Then the weakest step falls until all that are left pass a rank-sum test of
the two levels beside them. Ranks know nothing of what the noise looks like, so one threshold serves all kinds of it.

`ruptures` was tried first: it parts but does not test, so that at penalties with which it finds as much, it raises
alarms on clean series, at best on two of a hundred in which neighbours go together (benchmarks/trend.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHORTEST = 5
"""Values of a level: fewer in a row may be outliers, and are no level of their own."""
THRESHOLD = 5.4
"""What a step's evidence must reach: that of noise did in one of 80,000 series (`benchmarks/trend.py --calibrate`)."""
_APART = 3.0
"""What the evidence must reach that two levels differ of which each is known to be one: exp(-z²/2) is 0.01."""
ENOUGH = 24
"""Noisy values from which a step can be called at all: two levels of 12 that do not overlap."""
_FENCE = 2.5
"""Standard deviations from its level to which an outlier is drawn in."""
_EAGER = 9.0
"""What a step must save of the sum of squares, in variances of the noise, to be looked at: three standard errors."""
_SIGMA = 1.4826
"""Standard deviations in a median absolute deviation of normal noise: 1 / 0.6745."""
_SAME = 1e-9
"""Exact values are the same up to this share: seconds made of the same count may differ in their last digit."""
_FEW = 100
"""Values of the smaller level beyond which the normal distribution serves for the tail of the rank sum."""
_TILTS = np.geomspace(1.0, 1000.0, 48)
"""Where the tail's bound is looked for, times the standard deviation: the best is at z or, near the end, far beyond."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """A step: `index` is that of the first value of the new level; `before` and `after` are the medians of both.

    `evidence` is in standard errors of a rank-sum test; infinite for exact values.
    """

    index: int
    before: float
    after: float
    evidence: float = math.inf

    @property
    def relative(self) -> float | None:
        """The step as a share of the level before, 0.02 is 2 % up; None when that was 0."""
        return (self.after - self.before) / abs(self.before) if self.before else None


def changes(values: Sequence[float], *, exact: bool, threshold: float = THRESHOLD) -> list[Change]:
    """Return the steps in `values`, in their order; values are finite.

    With `exact`, each value that differs from the one before is a step: one that stands alone and returns is two. Else
    values are noisy, of one noise all along: a level has at least 5 of them and its step `threshold` of evidence. Two
    levels that do not overlap have that from 12 and 12 values on, or 46 and 5; as neighbours of few values seem to go
    together often, half of such steps are found, and of 25 and 25, or 100 and 8, nearly all (`tests/test_trend.py`).
    """
    if exact:
        return [
            Change(index, float(before), float(after))
            for index, (before, after) in enumerate(itertools.pairwise(values), start=1)
            if not math.isclose(before, after, rel_tol=_SAME)
        ]
    series = np.asarray(values, dtype=np.float64)
    cuts = _eager_cuts(series)
    while cuts:
        cuts = _refined(series, cuts)
        strengths = _strengths(series, cuts)
        weakest = int(strengths.argmin())
        if strengths[weakest] >= threshold:
            levels = [float(np.median(level)) for level in np.split(series, cuts)]
            return [
                Change(*step)
                for step in zip(cuts, levels[:-1], levels[1:], (float(each) for each in strengths), strict=True)
            ]
        del cuts[weakest]
    return []


def apart(one: Sequence[float], other: Sequence[float], *, exact: bool) -> bool:
    """Return whether two levels differ: exact ones beyond rounding, noisy ones by what noise does once in a hundred."""
    if exact:
        return not math.isclose(one[-1], other[-1], rel_tol=_SAME)
    return rank_evidence(np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)) >= _APART


def _eager_cuts(series: Floats) -> list[int]:
    """Return where new levels may begin: all that could be steps, and some that are none."""
    if len(series) < 2 * SHORTEST:
        return []
    jumps = np.abs(np.diff(series))
    # Differences do not know of levels; where most are 0, as those of a coarse clock, the mean still sees the others.
    spread = (_SIGMA * np.median(jumps) or jumps.mean()) / math.sqrt(2)
    if spread == 0:
        return []
    centre = _running_median(series)
    drawn_in = np.clip(series, centre - _FENCE * spread, centre + _FENCE * spread)
    return _partition((drawn_in - drawn_in.mean()) / spread)


def _running_median(series: Floats) -> Floats:
    """Return the median of as many values around each as keep a level of the shortest length."""
    reach = SHORTEST - 1
    padded = np.pad(series, reach, mode="reflect")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1))


def _partition(series: Floats) -> list[int]:
    """Return the cuts that make the sum of squares around the levels' means and `_EAGER` a cut the smallest."""
    count = len(series)
    sums, index = np.concatenate(([0.0], np.cumsum(series))), np.arange(count + 1, dtype=np.float64)
    cost, start = np.full(count + 1, np.inf), np.zeros(count + 1, dtype=np.intp)
    cost[0] = 0.0
    for end in range(SHORTEST, count + 1):
        last = end - SHORTEST + 1
        gain = sums[end] - sums[:last]
        gain *= gain
        gain /= end - index[:last]
        found = cost[:last] - gain
        start[end] = best = int(found.argmin())
        cost[end] = found[best] + _EAGER
    cuts, end = [], count
    while (end := int(start[end])) > 0:
        cuts.append(end)
    return cuts[::-1]


def _drawn_in(series: Floats, edges: Sequence[int]) -> Floats:
    """Return the series with outliers of the levels between `edges` drawn in to their fences."""
    sizes = np.diff(edges)
    centre = np.repeat([np.median(series[start:end]) for start, end in itertools.pairwise(edges)], sizes)
    spread = _SIGMA * np.median(np.abs(series - centre)) * math.sqrt(len(series) / (len(series) - len(sizes)))
    return np.clip(series, centre - _FENCE * spread, centre + _FENCE * spread)


def _refined(series: Floats, cuts: Sequence[int]) -> list[int]:
    """Return each cut where it parts the two levels beside it best, by least squares."""
    edges = [0, *cuts, len(series)]
    values = _drawn_in(series, edges)
    for i in range(1, len(edges) - 1):
        first, size = edges[i - 1], edges[i + 1] - edges[i - 1]
        left = np.arange(SHORTEST, size - SHORTEST + 1)
        sums = np.cumsum(values[first : first + size] - values[first])
        gain = (sums[left - 1] - left * sums[-1] / size) ** 2 / (left * (size - left))
        edges[i] = first + int(left[gain.argmax()])
    return edges[1:-1]


def _strengths(series: Floats, cuts: Sequence[int]) -> Floats:
    """Return the evidence for each cut: that of ranks, less what neighbours that go together seem to add to it."""
    edges = [0, *cuts, len(series)]
    values = _drawn_in(series, edges)
    sizes = np.diff(edges)
    rest = values - np.repeat(np.add.reduceat(values, edges[:-1]) / sizes, sizes)
    squares = float(rest @ rest)
    # Every level fitted takes about 1/n off the correlation of neighbours.
    together = float(rest[1:] @ rest[:-1]) / squares + len(sizes) / len(series) if squares else 0.0
    together = min(max(together, 0.0), 0.9)
    levels = np.split(series, cuts)
    found = [rank_evidence(before, after) for before, after in itertools.pairwise(levels)]
    # The variance of a mean of values of which each resembles the one before: a first-order autoregression.
    return np.array(found) * math.sqrt((1 - together) / (1 + together))


def rank_evidence(one: Floats, other: Floats) -> float:
    """Return how sure it is that two samples differ, as the standard errors z at which exp(-z²/2) bounds the tail.

    The bound is Chernoff's for the Wilcoxon-Mann-Whitney statistic U, whose cumulant generating function is known:
    the sum over i = 1..k of g((m + i) t / 2) - g(i t / 2) with g(x) = log(sinh(x) / x), for k and m values. It is exact
    where no value of one sample is among the other's, and never says less than the normal distribution does.
    """
    few, many = sorted((len(one), len(other)))
    ordered = np.sort(np.concatenate((one, other)))
    ranks = (np.searchsorted(ordered, one, "left") + np.searchsorted(ordered, one, "right") + 1) / 2
    deviation = abs(float(ranks.sum()) - len(one) * (few + many + 1) / 2)
    sigma = math.sqrt(few * many * (few + many + 1) / 12)
    z = deviation / sigma
    if few > _FEW or z < THRESHOLD / 3:  # near enough to the normal distribution, or too little for the tail to matter
        return z
    tilts, i = _TILTS[:, None] / sigma, np.arange(1, few + 1)
    generating = (_log_sinh_ratio((many + i) * tilts / 2) - _log_sinh_ratio(i * tilts / 2)).sum(axis=1)
    return math.sqrt(max(2 * float((tilts[:, 0] * deviation - generating).max()), z * z))


def _log_sinh_ratio(x: Floats) -> Floats:
    """Return log(sinh(x) / x) for x > 0."""
    return np.asarray(x + np.log(-np.expm1(-2 * x) / (2 * x)))
