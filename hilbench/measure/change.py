"""Whether something got larger, where observations are noisy: the ratio of two medians, how well it is known, and how
sure one can be that it lies beyond a limit. And whether two models' answers to the same samples differ by more than
chance.

Visits are the independent witnesses (`hilbench.measure.statistics`): the standard error of each median comes from
resampled visits, the errors of both add up on a logarithmic scale, and Student's t with Welch's degrees of freedom says
how far that reaches. That knows of the noise within two runs, not of what differs between runs (temperature, supply):
the allowance has to cover that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from hilbench.measure.statistics import FEWEST, Z95, Visits, median_error

_PLAIN = 0.01
"""A share beyond what is allowed from which a change is more than some doubt about few visits."""
_Key = TypeVar("_Key")


@dataclass(frozen=True)
class Ratio:
    """After over before: `value` of the medians, and the standard error of its logarithm.

    `freedom` are its degrees of freedom. No test by order alone of `n` and `m` visits can be surer than `surest`, the
    share of one in all ways to part them.
    """

    value: float
    error: float
    freedom: float = math.inf
    surest: float = 0.0

    @property
    def ci95(self) -> tuple[float, float]:
        """The 95 % interval of the ratio."""
        reach = math.exp(_quantile(self.freedom) * self.error)
        return self.value / reach, self.value * reach

    @property
    def differs(self) -> bool:
        """Whether the interval leaves out 1."""
        return not self.ci95[0] <= 1 <= self.ci95[1]

    def worse(self, share: float, lower: bool) -> float:
        """Return p: how likely so much worse is if the real change is for the worse by at most `share`; with `lower`,
        less is better.

        Few visits cannot be surer than `surest` of what is just beyond that. Of what is beyond twice as much, and a
        percentage point more, they may be as sure as Student's t is: whether it doubled, six visits can tell.
        """
        far = max(2 * share, share + _PLAIN)
        upward = self if lower else Ratio(1 / self.value, self.error, self.freedom, self.surest)
        near, plain = (1 + limit if lower else 1 / max(1e-9, 1 - limit) for limit in (share, far))
        return max(upward._above(near), min(self.surest, upward._above(plain)))

    def suspected(self, share: float, lower: bool) -> float:
        """Return p as `worse` would if there were enough visits."""
        return Ratio(self.value, self.error, self.freedom).worse(share, lower)

    def _above(self, limit: float) -> float:
        beyond = math.log(self.value / limit)
        if not self.error:
            return 0.0 if beyond > 0 else 1.0
        return _tail(beyond / self.error, self.freedom)


@dataclass(frozen=True)
class Shift:
    """After less before, where a ratio says nothing because one is not above 0: `value`, and its standard error."""

    value: float
    error: float
    freedom: float = math.inf

    @property
    def differs(self) -> bool:
        """Whether the 95 % interval leaves out 0."""
        return abs(self.value) > _quantile(self.freedom) * self.error

    def worse(self, worth: float, lower: bool) -> float:
        """Return p: how likely so much worse is if the real change is for the worse by at most `worth`."""
        beyond = (self.value if lower else -self.value) - worth
        if not self.error:
            return 0.0 if beyond > 0 else 1.0
        return _tail(beyond / self.error, self.freedom)

    suspected = worse


def ratio(before: Visits, after: Visits) -> Ratio | None:
    """Return the ratio of the medians of all observations; None for fewer than 6 visits, or times of nothing."""
    errors = median_error(before), median_error(after)
    if errors[0] is None or errors[1] is None:
        return None
    one, other = errors[0] ** 2, errors[1] ** 2
    n, m = len(before), len(after)
    parts = one**2 / (n - 1) + other**2 / (m - 1)
    value = float(np.median(np.asarray(after)) / np.median(np.asarray(before)))
    freedom = (one + other) ** 2 / parts if parts else float(n + m - 2)
    return Ratio(value, math.sqrt(one + other), freedom, 1 / math.comb(n + m, n))


def of_intervals(
    before: float, before_ci95: tuple[float, float], after: float, after_ci95: tuple[float, float]
) -> Ratio | Shift:
    """Return how a value changed of which only the 95 % intervals are known, taken as normal ones: the ratio, or the
    difference where one is not above 0, as the net energy of next to nothing may be.
    """
    errors = [(high - low) / 2 / Z95 for low, high in (before_ci95, after_ci95)]
    freedom = 2.0 * (FEWEST - 1)
    if min(before, after) <= 0:
        return Shift(after - before, math.hypot(*errors), freedom)
    return Ratio(after / before, math.hypot(errors[0] / before, errors[1] / after), freedom)


def holm(chances: Mapping[_Key, float], alpha: float) -> set[_Key]:
    """Return which of several tests with these p are significant, so that the chance of any false one is `alpha`.

    Holm 1979, Scandinavian Journal of Statistics 6, 65-70: the smallest p counts `len` times, the next once less.
    """
    found: set[_Key] = set()
    for done, key in enumerate(sorted(chances, key=lambda key: chances[key])):
        if chances[key] * (len(chances) - done) > alpha:
            break
        found.add(key)
    return found


@dataclass(frozen=True)
class Answers:
    """How two models answered the same samples: `changed` outputs, of `samples`; where labels tell, how many answers
    went from right to wrong and back.
    """

    samples: int
    changed: int
    to_wrong: int | None = None
    to_right: int | None = None

    @property
    def p(self) -> float | None:
        """McNemar's exact p: how likely so uneven a change of right and wrong is if neither model is better."""
        if self.to_wrong is None or self.to_right is None:
            return None
        n, fewer = self.to_wrong + self.to_right, min(self.to_wrong, self.to_right)
        return min(1.0, float(2 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n))


def answers(
    before: Sequence[bytes], after: Sequence[bytes], right: tuple[Sequence[bool], Sequence[bool]] | None
) -> Answers:
    """Compare the outputs of the same samples; `right` says which answers were, before and after."""
    changed = sum(one != other for one, other in zip(before, after, strict=True))
    if right is None:
        return Answers(len(before), changed)
    pairs = list(zip(*right, strict=True))
    return Answers(len(before), changed, pairs.count((True, False)), pairs.count((False, True)))


def _tail(t: float, freedom: float) -> float:
    """Return the upper tail of Student's t (Wallace 1959, Annals of Mathematical Statistics 30, 1124-1130): a normal
    deviate that is off by less than 0.02 of itself from 5 degrees of freedom on.
    """
    if not math.isinf(freedom):
        v = freedom
        t = math.copysign((8 * v + 1) / (8 * v + 3) * math.sqrt(v * math.log1p(t * t / v)), t)
    return 0.5 * math.erfc(t / math.sqrt(2))


def _quantile(freedom: float) -> float:
    """Return the 97.5 % point of the same."""
    low, high = 0.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _tail(middle, freedom) > 0.025 else (low, middle)
    return high
