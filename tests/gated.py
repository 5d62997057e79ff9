"""A task that gates are tried on: a layer by hand in C with knobs for what may get worse, and runs of it."""

import hashlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import dense_model
from .dense_model import EXAMPLE

SAMPLES = 40
_SUITE = """suite: dense
tasks:
  - id: dense
    model: {{file: dense.tflite, sha256: {model}}}
    dataset:
      name: noise
      arrays:
        inputs: {{file: inputs.npy, sha256: {inputs}}}
        labels: {{file: labels.npy, sha256: {labels}}}
        scale: 0.5
    accuracy: top1
    latency: {{samples: 4, repeats: 2}}
"""
_KNOBS = """
static volatile uint8_t ballast[BALLAST];

static void idle(void) {
    for (volatile uint8_t turn = 0; turn < TURNS; turn++) {
        ballast[0] = turn;
    }
}
"""


@dataclass(frozen=True)
class Code:
    """The knobs: `turns` of a loop in each inference (200 of them are most of its time), bytes of RAM that nobody
    needs, and the bias of the last of four classes.
    """

    turns: int = 200
    ballast: int = 64
    last_bias: int = 5

    def write(self, folder: Path) -> Path:
        """Write it as a project for the framework `external`."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        source = (EXAMPLE / "dense.c").read_text()
        source = source.replace("\nint hb_model_init", _KNOBS + "\nint hb_model_init", 1)
        (folder / "dense.c").write_text(
            source.replace("hb_model_invoke(void) {", "hb_model_invoke(void) {\n    idle();")
        )
        weights = (EXAMPLE / "weights.h").read_text()
        (folder / "weights.h").write_text(re.sub(r"(BIASES \{.*), 5\}", rf"\1, {self.last_bias}}}", weights))
        (folder / "hilbench.yaml").write_text(
            'name: gated\nversion: "1"\nsources: [dense.c]\ndefines: '
            f"{{ROUND_SHIFT: 3, TURNS: {self.turns}, BALLAST: {self.ballast}}}\n"
        )
        return folder


def suite(folder: Path, more: str = "") -> Path:
    """Write the suite into `folder`, with `more` keys of its task; return its path."""
    draw = np.random.default_rng(7)
    inputs = draw.integers(-20, 20, (SAMPLES, 1, 8)).astype(np.float32)
    weights = np.array(dense_model._defined("WEIGHTS")).reshape(4, 8)
    scores = inputs.reshape(SAMPLES, 8) @ weights.T + np.array(dense_model._defined("BIASES"))
    np.save(folder / "inputs.npy", inputs)
    np.save(folder / "labels.npy", scores.argmax(axis=1).astype(np.int64))
    (folder / "dense.tflite").write_bytes(dense_model.tflite())
    hashes = {
        name: hashlib.sha256((folder / file).read_bytes()).hexdigest()
        for name, file in (("model", "dense.tflite"), ("inputs", "inputs.npy"), ("labels", "labels.npy"))
    }
    path = folder / "dense.hil.yaml"
    path.write_text(_SUITE.format(**hashes) + more)
    return path


def run(folder: Path, code: Code, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the suite in `folder` on an emulated board with `code`, in a pytest of its own."""
    command = [sys.executable, "-m", "pytest", "dense.hil.yaml", "-p", "no:cacheprovider", "--board=mps2-an386",
               "--framework=external", f"--hil-external={code.write(folder / 'code')}", *options]  # fmt: skip
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def hilbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in `folder`."""
    command = [str(Path(sys.executable).with_name("hilbench")), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
