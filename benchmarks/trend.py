"""How well steps in a noisy history are found, beside asv and ruptures, and how often noise is taken for a step.

    python benchmarks/trend.py [--series N] [--calibrate] [--seed N]

First, F1 with precision/recall of steps of 1 and 2 % under noise of 1 %, for series of 30 to 300 values with none to
three steps; a step counts as found within two values of its place. `alarms` are clean series in which something was
found. asv and ruptures are left out where they are not installed. With --calibrate, in how many of N clean series of
each kind something reaches a threshold: what `hilbench.records.trend.THRESHOLD` was chosen by.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hilbench.records import trend
from tests.noisy_series import KINDS, Finder, alarms, clean, f1, stepped

THRESHOLDS = (4.6, 4.8, 5.0, 5.2, 5.4, 5.6, 5.8)


def ours(values: np.ndarray) -> list[int]:
    return [change.index for change in trend.changes(values, exact=False)]


def finders() -> Iterator[tuple[str, Finder]]:
    """Yield each way that is installed, and say which is not."""
    yield "hilbench", ours
    try:
        from asv.step_detect import detect_steps

        yield "asv", lambda values: [step[0] for step in detect_steps(list(values))][1:]
    except ImportError:
        print("asv is left out: pip install asv")
    try:
        import ruptures
    except ImportError:
        print("ruptures is left out: pip install ruptures")
        return

    def by_ruptures(values: np.ndarray, kernel: str, penalty: float) -> list[int]:
        spread = 1.4826 * np.median(np.abs(np.diff(values))) / np.sqrt(2)
        scaled = (values - np.median(values)) / spread
        found = ruptures.KernelCPD(kernel=kernel, min_size=5).fit(scaled).predict(pen=penalty * np.log(len(values)))
        return found[:-1]

    for kernel, penalty in (("linear", 6.0), ("rbf", 1.0), ("rbf", 2.0)):
        yield f"ruptures {kernel} {penalty:g} log n", lambda v, k=kernel, p=penalty: by_ruptures(v, k, p)


def compare(count: int, seed: int) -> None:
    print(f"{'':24}{'noise':13}{'1 % step: F1 (prec./recall)':29}{'2 % step':23}alarms   ms a series")
    for name, find in finders():
        for kind in KINDS:
            cells = [f1(find, stepped(kind, count, seed, step)) for step in (0.01, 0.02)]
            texts = [f"{score:.3f} ({precision:.2f}/{recall:.2f})" for score, precision, recall in cells]
            series = list(clean(kind, count, seed + 1))
            start = time.perf_counter()
            false = alarms(find, iter(series))
            took_ms = (time.perf_counter() - start) / count * 1e3
            print(f"{name:24}{kind:13}{texts[0]:29}{texts[1]:23}{false:6}   {took_ms:.1f}", flush=True)


def calibrate(count: int, seed: int) -> None:
    print(f"of {count} clean series, those with a step that reaches" + "".join(f"{at:7.1f}" for at in THRESHOLDS))
    for kind in KINDS:
        reached = [_evidence(values) for values in clean(kind, count, seed)]
        print(f"{kind:51}" + "".join(f"{sum(r >= at for r in reached):7}" for at in THRESHOLDS), flush=True)


def _evidence(values: np.ndarray) -> float:
    """Return the highest of THRESHOLDS at which something is found, 0 if there is none."""
    low = 0.0
    for at in THRESHOLDS:
        if not trend.changes(values, exact=False, threshold=at):
            break
        low = at
    return low


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--series", type=int, default=300)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--calibrate", action="store_true")
    chosen = arguments.parse_args()
    (calibrate if chosen.calibrate else compare)(chosen.series, chosen.seed)


if __name__ == "__main__":
    main()
