"""Builds the hand-written models in tests/firmware_model into images, and runs them in QEMU."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hilbench.catalog import board
from hilbench.catalog.core import Core
from hilbench.frameworks.base import YES, Emitted, Model, Request, Support, TensorInfo
from hilbench.images.build import build
from hilbench.images.image import Image
from hilbench.link.client import Client
from hilbench.targets.qemu import Machine, Qemu, QemuSettings

FOLDER = Path(__file__).parent / "firmware_model"
MACHINES = ("mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")
DEFAULTS = {"program": "echo", "input_bytes": "64", "output_bytes": "12", "turns": "0"}

needs_qemu = pytest.mark.skipif(
    not (shutil.which("arm-none-eabi-gcc") and shutil.which("cmake") and shutil.which("qemu-system-arm")),
    reason="no arm-none-eabi-gcc, cmake or qemu-system-arm on PATH",
)


class HandWritten:
    """A framework whose models are C files: one input and one output of as many bytes as its options say."""

    name = "hand-written"
    title = "C by hand"

    def available(self, core: Core, paths: Mapping[str, Path]) -> Support:
        return YES

    def versions(self, request: Request) -> Mapping[str, str]:
        return {}

    def check_options(self, options: Mapping[str, str]) -> dict[str, str]:
        return {**DEFAULTS, **options}

    def supports(self, request: Request) -> Support:
        return YES

    def emit(self, request: Request, into: Path) -> Emitted:
        options = request.options
        return Emitted(
            inputs=(TensorInfo("input", "uint8", (int(options["input_bytes"]),)),),
            outputs=(TensorInfo("output", "uint8", (int(options["output_bytes"]),)),),
            sources=(FOLDER / "model.c", FOLDER / f"{options['program']}.c"),
            include_dirs=(FOLDER,),
            flags=("-O2", f"-DMODEL_TURNS={options['turns']}"),
        )


def make(machine: str, cache: Path, program: str, **options: object) -> Image:
    """Return the image of tests/firmware_model/<program>.c for `machine`."""
    model = Model(program, FOLDER / f"{program}.c", "0" * 64)
    texts = {name: str(value) for name, value in options.items()}
    options = HandWritten().check_options({"program": program, **texts})
    return build(board(machine), HandWritten(), Request(model, board(machine).core_info, options), cache)


@dataclass(frozen=True)
class Bench:
    """An image that runs in QEMU, and a client that has said hello to it."""

    image: Image
    machine: Machine
    client: Client


@contextmanager
def running(image: Image, timeout_s: float = 20) -> Iterator[Bench]:
    """Run `image` and say hello to it."""
    name = image.manifest.board
    with Qemu().run(image.path, board(name), QemuSettings(machine=name)) as machine:
        client = Client(machine.stream, timeout_s)
        client.hello(within_s=10)
        yield Bench(image, machine, client)


def answer(data: bytes, size: int) -> bytes:
    """Return what model_answer() in tests/firmware_model/model.c makes of an input."""
    state = 1
    for byte in data:
        state = (state * 31 + byte) & 0xFFFFFFFF
    output = bytearray()
    for _ in range(size):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        output.append(state >> 24)
    return bytes(output)


def u64s(data: bytes) -> tuple[int, ...]:
    """Return the 64-bit numbers in `data`."""
    return struct.unpack(f"<{len(data) // 8}Q", data)
