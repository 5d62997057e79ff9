"""What the plug-in costs a pytest run that does not use it: the same empty run with and without it, side by side.

    python benchmarks/startup.py [PAIRS]

Runs alternate, so that a busy computer slows both sides alike. Processor time stands beside wall time, because it is
steadier; the medians and their differences are printed.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

# Other plug-ins would only add noise, so none is loaded by itself.
BARE = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
WITH = ("-p", "hilbench.pytest_plugin")


def cost_ms(*options: str) -> tuple[float, float]:
    """Return wall time and processor time of a pytest run that collects nothing."""
    with tempfile.TemporaryDirectory() as folder:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "pytest", "-q", *options]
        subprocess.run(command, cwd=folder, env=BARE, capture_output=True, check=False)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall * 1e3, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    cost_ms(*WITH), cost_ms()  # warm the file cache
    runs = [(cost_ms(*WITH), cost_ms()) for _ in range(pairs)]
    for index, what in enumerate(("wall time", "processor time")):
        a, b = (statistics.median(run[side][index] for run in runs) for side in (0, 1))
        print(
            f"empty pytest run, median {what} of {pairs}: {a:.1f} ms with hilbench, {b:.1f} ms without: {a - b:+.1f} ms"
        )


if __name__ == "__main__":
    main()
