"""The split of flash and RAM by part: exact for every framework, known to the byte for one, and it travels."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench import bench, catalog
from hilbench.catalog.core import CORES, Core
from hilbench.errors import ModelError
from hilbench.frameworks.base import YES, Emitted, Model, Part, Request, Support
from hilbench.images.build import build
from hilbench.images.elf import Elf
from hilbench.images.image import Image
from hilbench.images.parts import SECTION, Parts, parts_of, split
from hilbench.measure.memory import footprint, parts_bytes
from hilbench.plan import Plan
from hilbench.tensors import TensorInfo

from . import dense_model
from .conftest import DIGITS, ROOT
from .dense_model import EXAMPLE, needs_tools, suite
from .firmware_images import make
from .mlf_builder import library, tar

BOARDS = ("mps2-an386", *(pytest.param(b, marks=pytest.mark.slow)
                          for b in ("mps2-an385", "mps2-an500", "mps2-an505", "mps3-an547")))  # fmt: skip
SDK = os.environ.get("HILBENCH_TFLM_SDK")
pytestmark = needs_tools

# Every byte of flash and RAM by hand: no size or alignment leaves a gap.
BY_HAND = """
    .syntax unified
    .thumb
    .macro function name
    .section .text.\\name, "ax"
    .global \\name
    .thumb_func
\\name:
    movs r0, #0
    bx lr
    .endm
    .section .rodata.weights, "a"
weights: .space 1000, 1
    .section .text.kernel, "ax"
kernel: .space 200
    .section .data.state, "aw"
state: .space 48, 1
    .section .bss.tensors, "aw", %nobits
tensors: .space 2000
    .section .rodata.texts, "a"
texts: .space 64, 2
    .section .bss.heap, "aw", %nobits
heap: .space 80
    function hb_model_input_count
    function hb_model_output_count
    function hb_model_input
    function hb_model_output
    function hb_model_invoke
    function hb_model_arena_used
    function hb_model_init
    .word weights, kernel, state, tensors, texts, heap, other
"""
OTHER = "    .section .rodata.other\n    .global other\nother: .space 120, 3\n"
FUNCTIONS = 7 * 4 + 7 * 4
RULES: dict[str, Part] = {
    "byhand.S:*.texts": "runtime",
    "byhand.S:.bss.heap": "runtime",
    "libown.a(other.o)": "kernels",
}


class ByHand:
    """A framework of one file in assembly and a library with one object."""

    name = "by-hand"
    title = "assembly"

    def __init__(self, rules: Mapping[str, Part]) -> None:
        self.rules = rules

    def available(self, core: Core, paths: Mapping[str, Path]) -> Support:
        return YES

    def versions(self, request: Request) -> dict[str, str]:
        return {"rules": json.dumps(dict(self.rules))}

    def check_options(self, options: object) -> dict[str, str]:
        return {}

    def supports(self, request: Request) -> Support:
        return YES

    def emit(self, request: Request, into: Path) -> Emitted:
        (into / "byhand.S").write_text(BY_HAND)
        flags = CORES["cortex-m4f"].gcc_flags
        assemble = ["arm-none-eabi-gcc", *flags, "-c", "-x", "assembler", "-", "-o", "other.o"]
        subprocess.run(assemble, cwd=into, input=OTHER, text=True, check=True)
        subprocess.run(["arm-none-eabi-ar", "rc", "libown.a", "other.o"], cwd=into, check=True)
        tensor = (TensorInfo("x", "int8", (8,)),)
        return Emitted(tensor, tensor, sources=(into / "byhand.S",), objects=(into / "libown.a",), parts=self.rules)


def by_hand(folder: Path, rules: Mapping[str, Part]) -> Elf:
    board = catalog.board("mps2-an386")
    request = Request(Model("m", DIGITS.parent / "digits/digits.skops", "0" * 64), board.core_info)
    elf = build(board, ByHand(rules), request, folder).elf
    assert elf is not None
    return elf


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Elf:
    """The image by hand, with the rules that tell its parts."""
    return by_hand(tmp_path_factory.mktemp("own"), RULES)


def checked(image: Image) -> Parts:
    """Return the parts of an image whose sums are those of its sections."""
    elf = image.elf
    assert elf is not None
    parts, sizes = parts_of(elf), elf.sizes()
    assert parts is not None
    assert sum(parts.flash.values()) == sizes.flash_total
    assert sum(parts.ram.values()) == sizes.ram_total
    assert (parts.flash["agent"], parts.ram["agent"]) == (sizes.flash_agent, sizes.ram_agent)
    assert parts.ram["stack"] == sizes.stack_reserved
    return parts


def built(framework: str, board: str = "mps2-an386", **changes: object) -> Image:
    plan = Plan(**{"suite": DIGITS, "task": "digits", "board": catalog.board(board), "target": "qemu",
                   "framework": framework, **changes})  # type: ignore[arg-type]  # fmt: skip
    return bench.built_image(plan)


def test_an_image_by_hand_is_split_to_the_byte(own: Elf):
    parts, sections = parts_of(own), own.sizes().sections
    assert parts is not None
    library_code = sections[".hb_runtime"]  # what the agent calls of the C library
    assert parts.flash["model"] == 1000 + 48
    assert parts.flash["kernels"] == 200 + 120 + FUNCTIONS
    assert parts.flash["runtime"] == 64 + library_code
    assert parts.ram == {
        "model": 48 + 2000,
        "kernels": 0,
        "runtime": 80,
        "agent": own.sizes().ram_agent,
        "stack": 16384,
    }


def test_without_rules_code_is_kernels_and_data_is_the_models(tmp_path: Path):
    elf = by_hand(tmp_path, {})
    parts = parts_of(elf)
    assert parts is not None
    assert parts.flash["model"] == 1000 + 48 + 64 + 120
    assert parts.flash["kernels"] == 200 + FUNCTIONS
    assert parts.flash["runtime"] == elf.sizes().sections[".hb_runtime"]
    assert (parts.ram["model"], parts.ram["runtime"]) == (48 + 2000 + 80, 0)


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("codegen", ["c", "llvm"])
def test_every_byte_of_tvm_is_counted(board: str, codegen: str):
    image = built("tvm", board, options=(("codegen", codegen),))
    parts = checked(image)
    assert parts.ram["model"] == image.manifest.arena_bytes == 3072
    assert 5_000 < parts.flash["model"] < 10_000, "the weights: the .tflite file without its tables is 6 KB"
    assert 2_000 < parts.flash["kernels"] < 25_000
    assert parts.flash["runtime"] < 2_500


@pytest.mark.slow
@pytest.mark.skipif(not SDK, reason="HILBENCH_TFLM_SDK names no TFLM SDK")
def test_every_byte_of_tflm_is_counted_and_only_kernels_differ_between_its_kernels():
    places = (("tflm_sdk", Path(SDK or "")),)
    plain, fast = (
        checked(built("tflm", places=places, options=(("kernels", kernels),))) for kernels in ("reference", "cmsis_nn")
    )
    assert plain.flash["model"] == fast.flash["model"] == (DIGITS.parent / "digits/digits.tflite").stat().st_size
    assert plain.flash["kernels"] < fast.flash["kernels"]
    assert abs(plain.flash["runtime"] - fast.flash["runtime"]) < 100
    assert 10_000 < plain.flash["runtime"] < 40_000
    assert plain.ram["model"] == 0, "its arena is in RAM that is left"


@pytest.mark.skipif(not shutil.which("cc"), reason="no compiler of this computer")
def test_every_byte_of_emlearn_is_counted():
    image = built("emlearn", suite=ROOT / "suites/vibration.hil.yaml", task="fault")
    parts = checked(image)
    assert parts.flash["kernels"] > 3_000, "its trees are code"
    assert 0 < parts.ram["model"] <= (image.manifest.arena_bytes or 0) + 64
    assert image.manifest.model.peak_tensors is None


def test_every_byte_of_a_microtvm_archive_is_counted(tmp_path: Path):
    place = tar(library(tmp_path / "export"))
    parts = checked(bench.built_image(dense_model.plan(suite(tmp_path), "microtvm", place)))
    assert 0 < parts.flash["kernels"] < 1_000
    assert 0 < parts.flash["runtime"] < 4_000
    assert 12 + 16 <= parts.ram["model"] < 200


def test_every_byte_of_code_of_your_own_is_counted(tmp_path: Path):
    parts = checked(bench.built_image(dense_model.plan(suite(tmp_path), "external", EXAMPLE)))
    assert 0 < parts.flash["model"] < 200, "the tables of its tensors: GCC puts such few weights into the code"
    assert 100 < parts.flash["kernels"] < 1_000
    assert 12 <= parts.ram["model"] <= 16


def test_two_builds_are_equal_to_the_byte_with_their_split(tmp_path: Path):
    first, second = (by_hand(tmp_path / name, RULES).path.read_bytes() for name in ("a", "b, c/deeper"))
    assert first == second
    assert SECTION.encode() in first


def test_the_split_changes_nothing_that_is_loaded(own: Elf, tmp_path: Path):
    plain = tmp_path / "plain.elf"
    subprocess.run(["arm-none-eabi-objcopy", f"--remove-section={SECTION}", own.path, plain], check=True)
    loaded = []
    for path in (own.path, plain):
        out = tmp_path / f"{path.stem}.bin"
        subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", path, out], check=True)
        loaded.append(out.read_bytes())
    assert loaded[0] == loaded[1]
    assert Elf.open(plain).allocated() == own.allocated()
    assert SECTION not in own.sizes().sections
    assert parts_of(Elf.open(plain)) is None
    assert parts_bytes(Elf.open(plain)) == own.sizes().sections


def test_a_finished_image_of_others_is_only_known_whole(image_cache: Path, tmp_path: Path):
    theirs = make("mps2-an386", image_cache, "echo")
    stripped = tmp_path / "theirs.elf"
    subprocess.run(["arm-none-eabi-objcopy", f"--remove-section={SECTION}", theirs.path, stripped], check=True)
    found = footprint(Image.open(stripped), catalog.board("mps2-an386"))
    assert found is not None
    assert found.parts is None
    assert found.flash_bytes == checked_total(theirs)


def checked_total(image: Image) -> int:
    return sum(checked(image).flash.values())


def test_the_parts_of_a_record_are_those_of_its_sections(image_cache: Path):
    elf = make("mps2-an386", image_cache, "echo").elf
    assert elf is not None
    parts = parts_bytes(elf)
    flash = {name: size for name, size in parts.items() if name.startswith("flash_")}
    assert set(flash) == {"flash_model", "flash_kernels", "flash_runtime", "flash_agent"}
    assert sum(flash.values()) == elf.sizes().flash_total
    assert sum(size for name, size in parts.items() if name.startswith("ram_")) == elf.sizes().ram_total
    assert {name: size for name, size in parts.items() if name.startswith(".")} == elf.sizes().sections


def with_split(elf: Elf, content: bytes, folder: Path) -> Elf:
    """Write the image with another split."""
    text, other = folder / "parts.json", folder / "other.elf"
    text.write_bytes(content)
    subprocess.run(["arm-none-eabi-objcopy", f"--update-section={SECTION}={text}", elf.path, other], check=True)
    return Elf.open(other)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "Invalid JSON"),
        (b'{"parts":2,"sections":{}}', "Input should be 1"),
        (b'{"parts":1,"sections":{".hb_model":{"model":-1}}}', "greater than or equal to 0"),
        (b'{"parts":1,"sections":{".hb_model":{"agent":1}}}', "'model', 'kernels' or 'runtime'"),
        (b'{"parts":1,"sections":{}}', "do not add up"),
        (b'{"parts":1,"sections":{".hb_model":{"model":7}}}', "do not add up"),
    ],
)
def test_a_split_that_is_damaged_or_of_another_image_is_refused(own: Elf, tmp_path: Path, content: bytes, message: str):
    with pytest.raises(ModelError, match=message) as refusal:
        parts_of(with_split(own, content, tmp_path))
    assert "hilbench build" in str(refusal.value)


def test_a_map_of_another_image_is_no_map_and_the_image_is_known_whole(own: Elf, tmp_path: Path):
    assert split(own, "", {}) is None
    begin, end = "Linker script and memory map\n\n", "\nOUTPUT(image.elf)\n"
    lines = [f"{s.name} 0x{s.address:x} 0x{s.size:x}" for s in own.allocated()]
    content = split(own, begin + "\n".join(lines) + end, {})
    assert content is not None
    whole = parts_of(with_split(own, content, tmp_path))
    assert whole is not None
    assert (whole.flash["model"], whole.flash["kernels"]) == (0, 0), "what came from no object is the runtime's"
    for damage in (lines[:-3], [line.replace("0x", "0x1") for line in lines]):
        assert split(own, begin + "\n".join(damage) + end, {}) is None


@settings(max_examples=100, deadline=None)
@given(noise=st.text(max_size=200))
def test_noise_in_a_map_never_breaks_the_sums(noise: str, own: Elf):
    lines = "\n".join(f"{s.name} 0x{s.address:x} 0x{s.size:x}\n{noise}" for s in own.allocated())
    content = split(own, f"Linker script and memory map\n{lines}\nOUTPUT(x)\n", RULES)
    if content is not None:
        stored = json.loads(content)["sections"]
        assert {s.name: s.size for s in own.allocated() if s.owner == "model"} == {
            name: sum(parts.values()) for name, parts in stored.items()
        }
