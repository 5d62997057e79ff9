"""What many observations say: a median with its 95 % interval, its spread, and which observations stand apart.

Observations come in *visits*: one visit is one input sent to the device and inferred a few times in a row. Repeats of
a visit share the input and the state that the machine was in, so they are no independent witnesses, and the bootstrap
draws whole visits. The inputs themselves are taken as they are: an interval says where the median would lie if these
inputs were timed again, not what other inputs would take.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hilbench.measure.metric import Basis, Metric, Unit

Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""
RESAMPLES = 2000
"""Resamples of a bootstrap: the end of an interval is then the 38th of them or one further out."""
FEWEST = 6
"""Visits below which there is no interval: smallest and largest of 5 hold the median in only 93.75 % of cases."""
BOOTSTRAP = "bootstrap"
"""`Metric.ci_method` of the intervals made here: visits resampled 2000 times, expanded percentiles."""
FENCE = 3.0
"""Tukey's far fence (Exploratory Data Analysis, 1977): this many interquartile ranges outside the quartiles."""
REPEATS_DIFFER = "repeats of one input differ"
"""What is said of a count that should have been exact and was not."""
_SEED = 95
_CHUNK = 4_000_000
"""Numbers in memory at a time."""

Visits = Sequence[Sequence[float]]
"""Observations, a row a visit; all rows are of one length."""
Floats = NDArray[np.float64]


def summary(
    visits: Visits, unit: Unit, basis: Basis, unit_value: float = 1.0, precision: float | None = None
) -> Metric:
    """Return the metric of all observations, each times `unit_value`; the value is their median.

    Observations that are all equal are one value without spread. Exact ones (counted or estimated) have no interval:
    they differ because inputs do. Noisy ones (measured or host) have one, and their outliers are named. With
    `precision`, the metric says whether half its interval is at most that share of its value. Percentiles are
    observations (of an even number, the median is the lower middle one), so that a count stays whole.
    """
    values = np.asarray(visits, dtype=np.float64) * unit_value
    low, median, p90, p99, high = (float(v) for v in np.percentile(values, [0, 50, 90, 99, 100], method="inverted_cdf"))
    found: dict[str, object] = {"value": median, "unit": unit, "basis": basis, "n": values.size}
    if low < high:
        found |= {"min": low, "median": median, "p90": p90, "p99": p99, "max": high}
        if noisy(basis) and (interval := median_interval(values)):
            found |= {"ci95": interval, "ci_method": BOOTSTRAP}
    if not noisy(basis) and (values != values[:, :1]).any():
        found["detail"] = REPEATS_DIFFER
    if noisy(basis) and values.size > 1:
        found["outliers"] = outliers(values)
        if precision is not None:
            found |= {"precision": precision, "precise": narrow(visits, precision)}
    return Metric.model_validate(found)


def noisy(basis: Basis) -> bool:
    """Return whether observations of this basis differ from run to run, as those of clocks and meters do."""
    return basis in ("measured", "host")


def exact(metric: Metric) -> bool:
    """Return whether a run that differs in nothing would give this number again: no clock is behind it.

    What compares, what shows histories and what ranks all ask here.
    """
    return not (noisy(metric.basis) or metric.detail == REPEATS_DIFFER or of_measured(metric))


def of_measured(metric: Metric) -> bool:
    """Return whether an estimate was made from something measured, as energy is from a latency: it is as noisy.

    Its model says so. An interval or a look for outliers does too: `summary` gives them to what is noisy alone.
    """
    if metric.basis != "estimated":
        return False
    return bool(metric.ci95) or metric.outliers is not None or (metric.model or "").startswith("measured ")


def narrow(visits: Visits, precision: float) -> bool:
    """Return whether half the median's 95 % interval is at most `precision` times the median."""
    values = np.asarray(visits, dtype=np.float64)
    if values.min() == values.max():
        return True
    interval = median_interval(values)
    if interval is None:
        return False
    return interval[1] - interval[0] <= 2 * precision * float(np.percentile(values, 50, method="inverted_cdf"))


def outliers(visits: Visits | Floats) -> tuple[int, ...]:
    """Return which observations lie outside Tukey's far fences, as indices into all repeats of all visits in order.

    A fence is 3 interquartile ranges below the first or above the third quartile. They are named and never left out:
    the median and its interval hardly move for them, and maximum and p99 are there to show them.
    """
    values = np.asarray(visits, dtype=np.float64).ravel()
    first, third = np.percentile(values, [25, 75])
    reach = FENCE * (third - first)
    return tuple(np.flatnonzero((values < first - reach) | (values > third + reach)).tolist())


def median_interval(visits: Visits | Floats) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval of the median of all observations, None for fewer than 6 visits.

    Of an even number of observations, the lower end is made of the lower middle ones of the resamples and the upper end
    of the upper: so both ends are observations, and whichever middle one is called the median lies between them.
    """
    values = np.asarray(visits, dtype=np.float64)
    count = len(values)
    if count < FEWEST:
        return None
    lowers, uppers = _resampled_medians(values)
    return _expanded(lowers, count)[0], _expanded(uppers, count)[1]


def median_error(visits: Visits | Floats) -> float | None:
    """Return the standard error of the logarithm of the median: 0.01 is 1 % of it; None for fewer than 6 visits.

    The bootstrap's own is too small for few visits, by sqrt((n - 1) / n). None too where a resample has no positive
    median, which has no logarithm.
    """
    values = np.asarray(visits, dtype=np.float64)
    count = len(values)
    if count < FEWEST:
        return None
    medians = np.mean(_resampled_medians(values), axis=0)
    return float(np.log(medians).std()) * math.sqrt(count / (count - 1)) if medians.min() > 0 else None


def _resampled_medians(values: Floats) -> tuple[Floats, Floats]:
    """Return the lower and the upper middle of all observations in each resample of the visits, its rows."""
    count, repeats = values.shape
    order = np.argsort(values, axis=None, kind="stable")
    ordered, visit = values.ravel()[order], order // repeats
    half, lowers, uppers = values.size / 2, [], []
    for drawn in _resamples(count, values.size):
        reached = np.cumsum(drawn[:, visit], axis=1, dtype=np.int32)
        lowers.append(ordered[(reached < half).sum(axis=1)])
        uppers.append(ordered[(reached <= half).sum(axis=1)])
    return np.concatenate(lowers), np.concatenate(uppers)


def mean_interval(values: Sequence[float] | Floats) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval of the mean of independent `values`, None for fewer than 6."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) < FEWEST:
        return None
    means = [(drawn * array).sum(axis=1) / len(array) for drawn in _resamples(len(array), len(array))]
    return _expanded(np.concatenate(means), len(array))


def _resamples(count: int, width: int) -> Iterator[NDArray[np.int32]]:
    """Yield how often each of `count` things was drawn, a row a resample, so many rows at a time as `width` allows.

    The draws are raw numbers of PCG64, whose stream numpy promises never to change (NEP 19), times `count` over 2**32,
    so they are the same everywhere; and since a median is picked and not summed, its interval is so to the bit.
    """
    generator = np.random.PCG64(_SEED)
    done = 0
    while done < RESAMPLES:
        rows = min(max(1, _CHUNK // width), RESAMPLES - done)
        raw = np.asarray(generator.random_raw(rows * count), dtype=np.uint64) >> np.uint64(32)
        drawn = (raw * np.uint64(count) >> np.uint64(32)).astype(np.int64).reshape(rows, count)
        cells = drawn + np.arange(rows)[:, None] * count
        yield np.bincount(cells.ravel(), minlength=rows * count).astype(np.int32).reshape(rows, count)
        done += rows


def _expanded(resampled: Floats, count: int) -> tuple[float, float]:
    """Return the expanded percentile interval (Hesterberg 2015, The American Statistician 69, 371-386, section 4.1).

    The bootstrap's own percentiles are too near together for few visits, as a normal interval without Student's t is:
    the tail of 2.5 % becomes that of a normal variable beyond sqrt(n / (n - 1)) * t(n - 1).
    """
    beyond = math.sqrt(count / (count - 1)) * _student(count - 1)
    tail = 0.5 * math.erfc(beyond / math.sqrt(2))
    out, ordered = math.floor(tail * len(resampled)), np.sort(resampled)
    return float(ordered[out]), float(ordered[len(ordered) - 1 - out])


def _student(freedom: int) -> float:
    """Return the 97.5 % point of Student's t, within 0.01 from 5 degrees of freedom on (Abramowitz, Stegun 26.7.5)."""
    z, v = Z95, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )
