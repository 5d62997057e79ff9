"""How fast inputs reach a model in QEMU, with the emulator pinned to a CPU of its own and without, side by side.

    python benchmarks/link.py [PAIRS]

Runs alternate; the medians and their ratio are printed. The image copies its input and does nothing else.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hilbench.images.image import Image
from hilbench.targets import process, qemu
from tests.firmware_images import make, running

BYTES, SAMPLES = 27_648, 4


def rate(image: Image, start: Callable[..., object]) -> float:
    """Return bytes of input a second."""
    inputs = [random.Random(sample).randbytes(BYTES) for sample in range(SAMPLES)]
    with patch.object(qemu, "child", start), running(image) as bench:
        began = time.perf_counter()
        assert len(list(bench.client.infer(inputs))) == SAMPLES
        return BYTES * SAMPLES / (time.perf_counter() - began)


def loose(*arguments: object, **options: object) -> object:
    """As `process.child`, but on any CPU."""
    return process.child(*arguments, **{**options, "pin": False})  # type: ignore[arg-type]


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        image = make("mps2-an386", Path(folder), "echo", input_bytes=BYTES)
        runs = [(rate(image, process.child), rate(image, loose)) for _ in range(pairs)]
    pinned, free = (statistics.median(run[side] for run in runs) / 1e3 for side in (0, 1))
    print(f"{BYTES}-byte inputs, median of {pairs}: {pinned:.1f} kB/s pinned, {free:.1f} kB/s not")
    print(f"ratio {pinned / free:.2f}")


if __name__ == "__main__":
    main()
