"""The joints: a real model, compiled for real, on every emulated machine, from suite to record."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from hilbench import bench, catalog
from hilbench.catalog.core import Core
from hilbench.errors import HilbenchError, TargetCrashed, Unavailable, UnstableOutput, WrongImage
from hilbench.frameworks.base import YES, Emitted, Model, Request, Support
from hilbench.frameworks.tvm import TVM
from hilbench.images.build import build
from hilbench.images.image import Image
from hilbench.plan import Plan
from hilbench.records.directory import DirectoryStore
from hilbench.records.record import Record
from hilbench.records.store import select
from hilbench.tensors import TensorInfo

from .conftest import DIGITS, ROOT

MACHINES = ("mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")
MODEL = catalog.load_suite(DIGITS).tasks[0].model


def plan(board: str = "mps2-an386", **changes: object) -> Plan:
    return Plan(**{"suite": DIGITS, "task": "digits", "board": catalog.board(board), "target": "qemu",
                         "framework": "tvm", "samples": 20, **changes})  # type: ignore[arg-type]  # fmt: skip


def numbers(record: Record) -> dict[str, object]:
    """What must be equal between two runs of one image on an emulator: everything but wall time and link noise."""
    metrics = {name: metric for name, metric in record.metrics.items() if metric.basis != "host"}
    return {"metrics": metrics, "samples": record.samples, "image": record.image.build_id}


@pytest.mark.parametrize("board", MACHINES)
def test_every_machine_gives_the_outputs_of_the_reference(board: str):
    record = bench.run(plan(board, samples=None))
    metrics = record.metrics
    assert record.dataset.samples == 500
    assert metrics["accuracy"].value >= 0.97
    assert metrics["fidelity"].value == 1.0
    assert metrics["fidelity_lsb"].value == 0
    assert metrics["instructions"].basis == "counted"
    assert 150_000 < metrics["instructions"].min <= metrics["instructions"].max < 500_000
    assert metrics["latency"].basis == "estimated"
    assert 0 < metrics["stack"].value < 16 * 1024
    assert metrics["arena"].value > 0
    assert metrics["flash"].value > 10_000
    assert metrics["ram"].value >= metrics["arena"].value + metrics["stack"].value


def test_two_runs_count_the_same_instructions_for_every_sample():
    assert numbers(bench.run(plan())) == numbers(bench.run(plan()))


def test_repeats_of_one_input_take_exactly_the_same_instructions():
    for repeats in bench.run(plan()).samples.times:
        assert len(set(repeats)) == 1


def test_a_build_is_the_same_to_the_byte_wherever_it_is_made(tmp_path: Path):
    task = catalog.load_suite(DIGITS).tasks[0]
    model = Model(task.id, DIGITS.parent / task.model.file, task.model.sha256)
    board = catalog.board("mps2-an386")
    request = Request(model, board.core_info, TVM().check_options({}))
    images = [build(board, TVM(), request, tmp_path / folder).path.read_bytes() for folder in ("a", "b/deeper")]
    assert images[0] == images[1]
    assert str(tmp_path).encode() not in images[0]
    assert str(ROOT).encode() not in images[0]


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory, image_cache: Path) -> Path:
    """The digits image as a bench gets it."""
    folder = tmp_path_factory.mktemp("firmware")
    done = subprocess.run(
        [sys.executable, "-c", "import hilbench.cli; hilbench.cli.main()", "build", str(DIGITS), "--board=qemu",
         "--framework=tvm", "-o", str(folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "digits-digits-mps2-an386-tvm.elf" in done.stdout
    return folder


def test_precompiled_images_run_without_compiler_and_framework(firmware: Path, tmp_path: Path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("qemu-system-arm", "git"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    code = f"""
import sys
sys.modules["tvm"] = sys.modules["tvm_ffi"] = sys.modules["tflite"] = sys.modules["tflite_micro"] = None
import hilbench.measure.tflm_reference
import shutil
assert shutil.which("arm-none-eabi-gcc") is None and shutil.which("cmake") is None
import pytest
sys.exit(pytest.main([{str(DIGITS)!r}, "--board=qemu", "--framework=tvm", "--hil-samples=20", "--hil-require",
                      "--hil-firmware={firmware}", "--hil-store={tmp_path / "store"}", "--rootdir={tmp_path}"]))
"""
    env = {**os.environ, "PATH": str(tools), "HILBENCH_CACHE": str(tmp_path / "empty")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (theirs,) = select(DirectoryStore(tmp_path / "store"))
    assert numbers(theirs) == numbers(bench.run(plan()))
    assert not (tmp_path / "empty").exists()


def test_a_folder_without_the_image_says_how_to_make_it(tmp_path: Path):
    with pytest.raises(Unavailable, match="hilbench build"):
        bench.run(plan(firmware=tmp_path))


def test_a_damaged_image_is_named(firmware: Path, tmp_path: Path):
    broken = tmp_path / "digits.elf"
    broken.write_bytes((firmware / "digits-digits-mps2-an386-tvm.elf").read_bytes()[:3000])
    with pytest.raises(HilbenchError, match=r"digits\.elf"):
        bench.run(plan(firmware=tmp_path))


class Handwritten:
    """A framework that gives one C file for the digits model: what a broken framework would make of it."""

    name = "tvm"
    title = "a C file"

    def __init__(self, source: Path) -> None:
        self.source = source

    def available(self, core: Core, paths: Mapping[str, Path]) -> Support:
        return YES

    def versions(self, request: Request) -> dict[str, str]:
        return {"source": self.source.read_text()}

    def check_options(self, options: object) -> dict[str, str]:
        return {}

    def supports(self, request: Request) -> Support:
        return YES

    def emit(self, request: Request, into: Path) -> Emitted:
        path = into / "model.c"
        path.write_text(self.source.read_text())
        return Emitted(
            inputs=(TensorInfo("x", "int8", (1, 8, 8, 1), 1 / 255, -128),),
            outputs=(TensorInfo("y", "int8", (1, 10), 1 / 256, -128),),
            sources=(path,),
        )


SKELETON = """
#include "hb_model.h"
#include <string.h>
static int8_t x[64], y[10];
int hb_model_init(void) {{ return 0; }}
uint32_t hb_model_input_count(void) {{ return 1; }}
uint32_t hb_model_output_count(void) {{ return 1; }}
hb_tensor hb_model_input(uint32_t i) {{ (void)i; return (hb_tensor){{x, sizeof x}}; }}
hb_tensor hb_model_output(uint32_t i) {{ (void)i; return (hb_tensor){{y, sizeof y}}; }}
uint32_t hb_model_arena_used(void) {{ return 0; }}
int hb_model_invoke(void) {{ {body} return 0; }}
"""


def handwritten(folder: Path, body: str) -> Image:
    """Build an image of a model whose inference is `body`, and put it where `--hil-firmware` finds it."""
    source = folder / "broken.c"
    source.write_text(SKELETON.format(body=body))
    model = Model("digits", DIGITS.parent / MODEL.file, MODEL.sha256)
    board = catalog.board("mps2-an386")
    request = Request(model, board.core_info, TVM().check_options({}))
    image = build(board, Handwritten(source), request, folder / "cache")
    shutil.copy(image.path, folder)
    return image


def impatient(folder: Path) -> Path:
    """The digits suite, but with a device that is given up on after two seconds of silence."""
    suite = folder / "digits.hil.yaml"
    suite.write_text(DIGITS.read_text().replace("timeout_s: 30", "timeout_s: 2"))
    (folder / "digits").symlink_to(DIGITS.parent / "digits")
    return suite


def test_firmware_that_hangs_is_told_with_the_place(tmp_path: Path):
    handwritten(tmp_path, "for (volatile int i = 1; i; ) { }")
    with pytest.raises(TargetCrashed, match=r"hang(.|\n)*hb_model_invoke at .*model\.c:\d+"):
        bench.run(plan(suite=impatient(tmp_path), firmware=tmp_path))


def test_firmware_that_faults_is_told_with_the_place(tmp_path: Path):
    handwritten(tmp_path, '__asm volatile("udf #1");')
    with pytest.raises(TargetCrashed, match=r"(?i)undefined instruction(.|\n)*hb_model_invoke at .*model\.c:\d+"):
        bench.run(plan(firmware=tmp_path))


def test_outputs_that_change_between_repeats_are_an_error(tmp_path: Path):
    handwritten(tmp_path, "y[0]++;")
    with pytest.raises(UnstableOutput, match="sample 0"):
        bench.run(plan(firmware=tmp_path))


def test_a_model_that_overwrites_its_input_is_still_measured_on_the_right_one(tmp_path: Path):
    handwritten(tmp_path, "memcpy(y, x, sizeof y); memset(x, 77, sizeof x);")
    record = bench.run(plan(firmware=tmp_path))
    assert record.metrics["fidelity"].value == 0, "its outputs are not those of the digits model, and we say so"


@pytest.mark.parametrize(
    ("inferences", "told"),
    [
        (25, "sample 8 gave one output in the accuracy run and another while it was timed"),
        (45, "sample 0 gave one output in the accuracy run and another at its end"),
    ],
)
def test_an_output_that_depends_on_what_ran_before_is_an_error(inferences: int, told: str, tmp_path: Path):
    # 31 inferences are timed (a warm-up, 10 samples with 3 repeats), and then, in a run of their own, 46 are not.
    handwritten(tmp_path, f"static int n; memset(y, n++ >= {inferences}, sizeof y);")
    samples = 20 if inferences < 31 else 45
    with pytest.raises(UnstableOutput, match=told):
        bench.run(plan(firmware=tmp_path, samples=samples))


def test_the_first_inference_is_told_apart(tmp_path: Path):
    work = "static int n; for (volatile int i = n ? 999 : 0; i < 1000; i++) { } n = 1;"
    handwritten(tmp_path, work + "memcpy(y, x, sizeof y);")
    record = bench.run(plan(firmware=tmp_path))
    assert record.metrics["first_latency"].value == pytest.approx(record.samples.warmup[0][1] / 25e6)
    assert record.metrics["first_latency"].value > 20 * record.metrics["latency"].value


def test_a_device_with_another_image_is_refused(tmp_path: Path, firmware: Path):
    image = handwritten(tmp_path, "y[0] = x[0];")
    data = image.path.read_bytes()
    other = "f" * 32
    assert data.count(image.manifest.build_id.encode()) == 1
    (tmp_path / image.path.name).write_bytes(data.replace(image.manifest.build_id.encode(), other.encode()))
    with pytest.raises(WrongImage, match=rf"{image.manifest.build_id}(.|\n)*{other}"):
        bench.run(plan(firmware=tmp_path))


MORE = ("sww", "ic", "vww", "ic02")
MODELS = Path(os.environ.get("HILBENCH_MODELS", ROOT.parent / "shared" / "models" / "mlperf_tiny"))


@pytest.mark.skipif(not MODELS.is_dir(), reason="no MLPerf Tiny models: set HILBENCH_MODELS to their folder")
@pytest.mark.parametrize("task", ["kws", "ad", *(pytest.param(t, marks=pytest.mark.slow) for t in MORE)])
def test_mlperf_tiny_models_are_bit_exact_and_small(task: str):
    record = bench.run(plan(suite=DIGITS.parent / "mlperf_tiny.hil.yaml", task=task, model_folders=(MODELS,)))
    assert record.dataset.samples >= 20
    assert record.metrics["fidelity"].value == 1.0
    assert "accuracy" not in record.metrics
    limit = {"kws": 45_000, "ad": 300_000}.get(task)
    assert limit is None or record.metrics["flash"].value <= limit
