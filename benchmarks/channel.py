"""How much faster large inputs reach a machine of QEMU when written into its memory than over its UART.

    python benchmarks/channel.py [--rounds N] [--bytes N]

Both ways in turn, in one run, with the same inputs: as many bytes as visual wake words has (96 x 96 x 3), to a program
that does next to nothing with them. Printed are the times and their ratio.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hilbench.catalog import board
from hilbench.link.client import Client
from hilbench.targets.base import Memory
from hilbench.targets.qemu import Machine, Qemu, QemuSettings
from tests.firmware_images import make

MACHINE = "mps2-an386"
SAMPLES = 10


def time_s(machine: Machine, memory: Memory | None, inputs: list[bytes]) -> float:
    """Return what one input takes, from here to its result."""
    client = Client(machine.stream, timeout_s=60, memory=memory)
    client.hello(within_s=10)
    start = time.perf_counter()
    for inference in client.infer(inputs):
        assert inference.output
    return (time.perf_counter() - start) / len(inputs)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--bytes", type=int, default=96 * 96 * 3)
    chosen = arguments.parse_args()
    numbers = random.Random(1)
    inputs = [numbers.randbytes(chosen.bytes) for _ in range(SAMPLES)]
    with tempfile.TemporaryDirectory() as cache:
        image = make(MACHINE, Path(cache), "echo", input_bytes=chosen.bytes)
        with Qemu().run(image.path, board(MACHINE), QemuSettings(machine=MACHINE)) as machine:
            rounds = [
                (time_s(machine, None, inputs), time_s(machine, machine.memory, inputs)) for _ in range(chosen.rounds)
            ]
    serial, memory = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"{chosen.bytes:,} B an input: {serial * 1e3:.1f} ms over the line, {memory * 1e3:.1f} ms into memory")
    print(f"ratio: {statistics.median(line / past for line, past in rounds):.1f}")


if __name__ == "__main__":
    main()
