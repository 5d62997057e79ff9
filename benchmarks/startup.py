"""What the plug-in costs a pytest run that does not use it: the same empty run with and without it, side by side.

    python benchmarks/startup.py [PAIRS]

Runs alternate, so that a busy computer slows both sides alike; the medians and their difference are printed.
"""

import statistics
import subprocess
import sys
import tempfile
import time


def seconds(*options: str) -> float:
    """Return the wall time of a pytest run that collects nothing."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "pytest", "-q", *options], cwd=folder, capture_output=True, check=False)
        return time.perf_counter() - start


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    seconds(), seconds("-p", "no:hilbench")  # warm the file cache
    with_it, without = zip(*((seconds(), seconds("-p", "no:hilbench")) for _ in range(pairs)), strict=True)
    a, b = statistics.median(with_it), statistics.median(without)
    print(f"empty pytest run, median of {pairs}: {a * 1e3:.1f} ms with hilbench, {b * 1e3:.1f} ms without")
    print(f"difference {(a - b) * 1e3:+.1f} ms, ratio {a / b:.3f}")


if __name__ == "__main__":
    main()
