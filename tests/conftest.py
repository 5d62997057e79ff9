"""What the tests share: where models are, a cache of their own, and a record to work on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hilbench.records.record import Record

pytest_plugins = ["pytester", "tests.postgres_server"]

ROOT = Path(__file__).resolve().parent.parent
DIGITS = ROOT / "suites" / "digits.hil.yaml"


@pytest.fixture(scope="session", autouse=True)
def image_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that all workers of this run share and that starts empty, so that images are really built."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if worker else base) / "hilbench-cache"
    os.environ["HILBENCH_CACHE"] = str(folder)
    return folder


@pytest.fixture
def record() -> Record:
    """A record of a made-up run."""
    return made_record()


def made_record() -> Record:
    return Record.model_validate(
        {
            "schema": "hilbench.record/2",
            "id": "20260102T030405-digits-mps2-an386-tvm-0a1b2c3d",
            "started": "2026-01-02T03:04:05+00:00",
            "duration_s": 4.5,
            "hilbench": "0.1.0",
            "suite": "digits",
            "task": "digits",
            "board": {"id": "mps2-an386", "name": "Arm MPS2+", "core": "cortex-m4f", "clock_hz": 25_000_000,
                      "counter": "instructions"},
            "target": {"kind": "qemu", "version": "7.2.22"},
            "framework": {"name": "tvm", "variant": "tvm", "version": "0.27", "options": {},
                          "versions": {"apache-tvm": "0.27"}},
            "model": {"name": "digits", "sha256": "0" * 64, "macs": 1000, "operators": ["0 CONV_2D"]},
            "tensors": {"inputs": [{"name": "in", "dtype": "int8", "shape": [1, 64], "scale": 0.5, "zero_point": 0}],
                        "outputs": [{"name": "out", "dtype": "int8", "shape": [1, 1], "scale": 0.5, "zero_point": 0}]},
            "scored_by": "top1",
            "dataset": {"name": "digits", "sha256": "1" * 64, "samples": 2, "of": 2, "inputs_sha256": "4" * 64},
            "image": {"sha256": "2" * 64, "build_id": "3" * 32, "compiler": "gcc", "flags": ["-O2"], "parts_bytes": {}},
            "reference": None,
            "host": {"python": "3.11"},
            "source": {},
            "bars": {"accuracy": {"min": 0.97}},
            "metrics": {
                "accuracy": {"value": 0.982, "unit": "share", "basis": "counted", "n": 500, "ci95": [0.966, 0.991],
                             "detail": "top-1"},
                "instructions": {"value": 1_210_000, "unit": "instructions", "basis": "counted", "n": 30},
                "latency": {"value": 0.0484, "unit": "s", "basis": "estimated", "model": "one cycle an instruction",
                            "error": "not known"},
                "flash": {"value": 31_800, "unit": "B", "basis": "counted"},
            },
            "missing": {"fidelity": "no tflite-micro"},
            "samples": {"times": [[[1, 2, 3], [1, 2, 3]]], "outputs": "AAA="},
            "link": {"bytes_sent": 10},
        }
    )  # fmt: skip


def run_python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a new interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **env}, check=False
    )
