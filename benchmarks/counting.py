"""What counting costs an emulated run: the same image with and without the plug-in, side by side in one run.

    python benchmarks/counting.py [--rounds N] [--models FOLDER] [--framework NAME] [--tflm-sdk FOLDER]

Each round starts an image in QEMU alone and with each way of counting, in turn, so that a busy computer slows all
alike, and takes the processor time that QEMU needs for the same inferences. Printed are the medians as multiples of
QEMU alone.
FOLDER holds MLPerf Tiny models (`kws.tflite`, ...), which do not come with hilbench.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from hilbench import bench, catalog, resources
from hilbench.catalog.data import load_samples
from hilbench.counts import Cache, Caches, Probe
from hilbench.images.image import Image
from hilbench.link.client import Client
from hilbench.plan import Plan
from hilbench.targets.qemu import Machine, Qemu, QemuSettings

BOARD = catalog.board("mps2-an386")
SETTINGS = QemuSettings(machine="mps2-an386")
# Those of an STM32L4: RM0351, 3.3.3, "Adaptive real-time memory accelerator".
ACCELERATOR = Caches(instruction=Cache(1024, 32, 32), data=Cache(256, 32, 8))
WAYS = {
    "counts": Probe(),
    "counts, accesses": Probe(memory=True),
    "counts, accesses, instruction cache": Probe(True, Caches(instruction=ACCELERATOR.instruction)),
    "counts, accesses, both caches": Probe(True, ACCELERATOR),
}
OURS = (("digits", "digits"), ("gestures", "gestures"), ("keywords", "keywords"))
LONG_S = 0.4
"""Processor time of one measurement: what lies below is mostly start-up."""


def processor_s(pid: int) -> float:
    """Return the processor time that all threads of a process have had."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def cost_s(start: Callable[[], AbstractContextManager[Machine]], inputs: list[bytes], repeats: int) -> float:
    """Return what QEMU needs for `repeats` of one inference, once its code is translated."""
    with start() as machine:
        client = Client(machine.stream, timeout_s=60)
        client.hello(within_s=10)
        list(client.infer(inputs[:1], repeats=1, depth=1))
        before = processor_s(machine.process.pid)
        list(client.infer(inputs[:1] * repeats, repeats=1, depth=1))
        return processor_s(machine.process.pid) - before


def compare(name: str, image: Image, inputs: list[bytes], rounds: int) -> None:
    qemu = Qemu()

    def plain() -> AbstractContextManager[Machine]:
        return qemu.run(image.path, BOARD, SETTINGS)

    def counted(probe: Probe) -> AbstractContextManager[Machine]:
        return qemu.count(image.path, BOARD, SETTINGS, probe)

    repeats = max(3, int(LONG_S / (cost_s(plain, inputs, 3) / 3)))
    alone: list[float] = []
    ratios: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        alone.append(cost_s(plain, inputs, repeats))
        for way, probe in WAYS.items():
            ratios[way].append(cost_s(lambda probe=probe: counted(probe), inputs, repeats) / alone[-1])
    print(f"{name}: {statistics.median(alone) / repeats * 1e3:.1f} ms an inference in QEMU alone")
    for way, found in ratios.items():
        print(f"  {way:36} {statistics.median(found):.2f} times (of {rounds}: {min(found):.2f} to {max(found):.2f})")


def plans(framework: str, models: Path | None, sdk: Path | None) -> Iterator[Plan]:
    """Yield our suites' plans, and those of the MLPerf Tiny models that are in `models`."""
    chosen = list(OURS)
    if models:
        tasks = catalog.load_suite(resources.SUITES / "mlperf_tiny.hil.yaml").tasks
        chosen += [("mlperf_tiny", task.id) for task in tasks if (models / Path(task.model.file).name).is_file()]
    for suite, task in chosen:
        yield Plan(
            resources.SUITES / f"{suite}.hil.yaml", task, BOARD, "qemu", framework,
            model_folders=(models,) if models else (), places=(("tflm_sdk", sdk),) if sdk else (),
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--framework", default="tvm")
    parser.add_argument("--tflm-sdk", type=Path)
    chosen = parser.parse_args()
    for one in plans(chosen.framework, chosen.models, chosen.tflm_sdk):
        image = bench.built_image(one)
        suite = catalog.load_suite(one.suite)
        task = next(task for task in suite.tasks if task.id == one.task)
        samples = load_samples(task, suite, image.manifest.model.inputs, 1, None)
        compare(f"{one.task} ({one.framework})", image, list(samples.inputs), chosen.rounds)


if __name__ == "__main__":
    main()
