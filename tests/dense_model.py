"""One fully connected int8 layer: its .tflite, a suite of it, and plans to run code that others made of it."""

import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from hilbench import catalog
from hilbench.plan import Plan

from .conftest import ROOT
from .tflite_builder import Op, T, model

EXAMPLE = ROOT / "docs" / "examples" / "dense"
_WEIGHTS = (EXAMPLE / "weights.h").read_text()

needs_tools = pytest.mark.skipif(
    not (shutil.which("arm-none-eabi-gcc") and shutil.which("cmake") and shutil.which("qemu-system-arm")),
    reason="no arm-none-eabi-gcc, cmake or qemu-system-arm on PATH",
)


def _defined(name: str) -> list[int]:
    """Return the numbers of a macro in weights.h."""
    text = re.search(rf"#define {name}\b((?:\\\n|.)*)", _WEIGHTS)[1]
    return [int(number) for number in re.findall(r"-?\d+", text)]


def tflite() -> bytes:
    """Return the layer as a model file: the sums are scaled by 1/16."""
    weights = np.array(_defined("WEIGHTS"), np.int8).reshape(4, 8)
    biases = np.array(_defined("BIASES"), np.int32)
    (input_zero,), (output_zero,) = _defined("INPUT_ZERO"), _defined("OUTPUT_ZERO")
    tensors = [
        T((1, 8), 0.5, input_zero),
        T((4, 8), 0.5, data=weights),
        T((4,), 0.25, dtype="int32", data=biases),
        T((1, 4), 4.0, output_zero),
    ]
    return model(tensors, [Op("FULLY_CONNECTED", [0, 1, 2], [3])], [0], [3])


def suite(folder: Path, data: bytes | None = None, samples: int = 40) -> Path:
    """Write a suite with the one task `dense` of random inputs; return its path."""
    data = tflite() if data is None else data
    (folder / "dense.tflite").write_bytes(data)
    path = folder / "dense.hil.yaml"
    path.write_text(
        f"suite: dense\ntasks:\n  - id: dense\n    model:\n      file: dense.tflite\n"
        f"      sha256: {hashlib.sha256(data).hexdigest()}\n"
        f"    dataset:\n      name: noise\n      random: {{seed: 1, samples: {samples}}}\n"
    )
    return path


def plan(path: Path, framework: str, place: Path | None, board: str = "mps2-an386", **changes: object) -> Plan:
    """Return a plan to run the suite at `path` through `framework`, whose ready-made code is at `place`."""
    places = () if place is None else ((framework, place),)
    return Plan(**{"suite": path, "task": "dense", "board": catalog.board(board), "target": "qemu",
                         "framework": framework, "places": places, **changes})  # fmt: skip
