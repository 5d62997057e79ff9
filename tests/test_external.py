"""Bring your own: code and finished images run like any other, and what is not what it claims to be is refused."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hilbench import bench
from hilbench.catalog.core import CORES
from hilbench.errors import (
    BuildError,
    CatalogError,
    ModelError,
    Unavailable,
    UnsupportedModel,
    UsageError,
    WrongImage,
)
from hilbench.frameworks import ready_made
from hilbench.frameworks.base import Emitted, Model, Request
from hilbench.frameworks.external import External
from hilbench.frameworks.external.project import load

from . import dense_model
from .conftest import ROOT
from .dense_model import EXAMPLE, needs_tools, plan, suite

CORE = CORES["cortex-m4f"]
HEAD = 'name: mine\nversion: "1"\n'


def request(place: Path, folder: Path, core: str = "cortex-m4f", name: str = "dense.tflite") -> Request:
    path = folder / name
    path.write_bytes(dense_model.tflite())
    return Request(Model("dense", path, "0" * 64), CORES[core], {}, {"external": place})


def project(folder: Path, text: str = HEAD + "sources: [dense.c]\ndefines: {ROUND_SHIFT: 3}\n") -> Path:
    """Write the example's code with another hilbench.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("dense.c", "weights.h"):
        shutil.copy(EXAMPLE / name, folder)
    (folder / "hilbench.yaml").write_text(text)
    return folder


# ---- code


@needs_tools
def test_the_example_of_the_docs_runs_like_the_reference(tmp_path: Path):
    record = bench.run(plan(suite(tmp_path), "external", EXAMPLE))
    assert record.metrics["fidelity"].value == 1.0
    assert record.metrics["arena"].value == 12
    assert record.framework.name == "external"
    assert record.framework.version == "dense-by-hand 1.0"
    assert list(record.framework.versions) == ["project", "content"]
    assert "-DROUND_SHIFT=3" in record.image.flags


@needs_tools
def test_code_that_is_not_the_model_is_told_by_its_fidelity(tmp_path: Path):
    text = HEAD + "sources: [dense.c]\ndefines: {ROUND_SHIFT: 2}\n"
    record = bench.run(plan(suite(tmp_path), "external", project(tmp_path / "mine", text)))
    assert record.metrics["fidelity"].value < 0.5


@needs_tools
def test_a_compile_error_names_the_users_file(tmp_path: Path):
    folder = project(tmp_path / "mine", HEAD + "sources: [src/*.c]\n")
    (folder / "src").mkdir()
    (folder / "src/broken.c").write_text("int broken = ;\n")
    with pytest.raises(BuildError, match=r"(: |  )src/broken\.c:1:14: error: expected expression"):
        bench.built_image(plan(suite(tmp_path), "external", folder))


@needs_tools
def test_a_source_that_changes_while_it_is_built_never_gets_into_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = project(tmp_path / "mine")
    source, honest = folder / "dense.c", (folder / "dense.c").read_text()
    emit = External.emit

    def edited_first(self: External, what: Request, into: Path) -> Emitted:
        source.write_text(honest + "/* edited between the hash and the build */\n")
        return emit(self, what, into)

    monkeypatch.setenv("HILBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(External, "emit", edited_first)
    with pytest.raises(BuildError, match=r"sources changed(.|\n)*run it again"):
        bench.built_image(plan(suite(tmp_path), "external", folder))
    assert list((tmp_path / "cache").glob("*.elf")) == []
    assert bench.built_image(plan(suite(tmp_path), "external", folder)).path.exists()


@needs_tools
def test_a_source_that_fills_the_disk_is_stopped(tmp_path: Path):
    folder = project(tmp_path / "mine", HEAD + "sources: [dense.c, large.S]\ndefines: {ROUND_SHIFT: 3}\n")
    (folder / "large.S").write_text(".section .junk\n.fill 0x20000000,1,1\n")
    with pytest.raises(BuildError, match=r"File size limit exceeded|File too large|file truncated"):
        bench.built_image(plan(suite(tmp_path), "external", folder))


@needs_tools
def test_what_hb_model_h_asks_for_and_nobody_defines_is_told(tmp_path: Path):
    folder = project(tmp_path / "mine", HEAD + "sources: [empty.c]\n")
    (folder / "empty.c").write_text("")
    with pytest.raises(BuildError, match=r"undefined reference to .hb_model_"):
        bench.built_image(plan(suite(tmp_path), "external", folder))


@needs_tools
def test_objects_and_libraries_are_linked(tmp_path: Path):
    folder = project(tmp_path / "mine", HEAD + "sources: [empty.c]\nobjects: [lib/*.a]\n")
    (folder / "lib").mkdir()
    (folder / "empty.c").write_text("")
    flags = [*CORE.gcc_flags, "-O2", "-DROUND_SHIFT=3", f"-I{ROOT / 'firmware/agent'}"]
    subprocess.run(["arm-none-eabi-gcc", *flags, "-c", folder / "dense.c", "-o", tmp_path / "dense.o"], check=True)
    subprocess.run(["arm-none-eabi-ar", "rcs", folder / "lib/dense.a", tmp_path / "dense.o"], check=True)
    assert bench.run(plan(suite(tmp_path), "external", folder)).metrics["fidelity"].value == 1.0


def test_a_source_that_is_missing_is_told(tmp_path: Path):
    folder = project(tmp_path / "mine", HEAD + "sources: [src/*.c]\n")
    with pytest.raises(ModelError, match=r"hilbench\.yaml: no file matches 'src/\*\.c'"):
        External().emit(request(folder, tmp_path), tmp_path / "into")


def test_an_include_folder_that_is_missing_is_told(tmp_path: Path):
    folder = project(tmp_path / "mine", HEAD + "sources: [dense.c]\ninclude_dirs: [inc]\n")
    with pytest.raises(ModelError, match="there is no folder 'inc'"):
        External().emit(request(folder, tmp_path), tmp_path / "into")


@pytest.mark.parametrize(
    ("pattern", "name", "message"),
    [
        ("n*", "notes.txt", r"'notes\.txt' is none of \.c, \.cc, \.cpp, \.cxx, \.S"),
        ("*.c", "evil.s;x.c", r"the file name 'evil\.s;x\.c' would be misread by build tools"),
    ],
)
def test_only_sources_that_build_tools_take_literally_are_compiled(
    pattern: str, name: str, message: str, tmp_path: Path
):
    folder = project(tmp_path / "mine", HEAD + f"sources: ['{pattern}']\n")
    (folder / name).write_text("")
    with pytest.raises(ModelError, match=message):
        External().emit(request(folder, tmp_path), tmp_path / "into")


@pytest.mark.parametrize(
    "name", ["libhb_agent.a", "lib/libhb_agent.a", "otherlibhb_agent.a", "libc.a", "libm.a", "libgcc.a", "libstdc++.a",
             "libsupc++.a"],
)  # fmt: skip
def test_a_library_with_the_name_of_a_part_of_every_image_is_refused(name: str, tmp_path: Path):
    folder = project(tmp_path / "mine", HEAD + f"sources: [dense.c]\nobjects: ['{name}']\n")
    (folder / "lib").mkdir()
    (folder / name).write_bytes(b"!<arch>\n")
    with pytest.raises(ModelError, match="has the name of a part of every image"):
        External().emit(request(folder, tmp_path), tmp_path / "into")


def test_the_names_that_are_refused_are_those_that_the_linker_scripts_tell_apart():
    told_apart = set()
    for script in (ROOT / "firmware/ports").glob("*/image.ld"):
        told_apart |= set(re.findall(r"\*(lib[\w+]+\.a):", script.read_text()))
    assert told_apart == set(ready_made.PARTS_OF_OURS)


@needs_tools
def test_objects_for_link_time_optimisation_never_reach_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = project(tmp_path / "mine", HEAD + "sources: [empty.c]\nobjects: [late.o]\n")
    (folder / "empty.c").write_text("")
    flags = [*CORE.gcc_flags, "-O2", "-flto", "-DROUND_SHIFT=3", f"-I{ROOT / 'firmware/agent'}"]
    subprocess.run(["arm-none-eabi-gcc", *flags, "-c", folder / "dense.c", "-o", folder / "late.o"], check=True)
    with pytest.raises(ModelError, match=r"'late\.o' is not machine code yet \(-flto\)"):
        External().emit(request(folder, tmp_path), tmp_path / "into")
    monkeypatch.setattr(ready_made, "check_object", lambda *_: None)  # nor would the linker have a plug-in for them
    with pytest.raises(BuildError, match=r"undefined reference|plugin needed"):
        bench.built_image(plan(suite(tmp_path), "external", folder))


@pytest.mark.parametrize(
    "name", [b"\x1b[2J.txt", b"bell\x07/x.c", b"two\nlines.c", b"\xff.txt", "\u202egnp.c".encode()]
)
def test_a_file_whose_name_cannot_be_shown_is_refused(name: bytes, tmp_path: Path):
    folder = project(tmp_path / "mine")
    path = Path(os.fsdecode(bytes(folder) + b"/" + name))
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    with pytest.raises(ModelError, match="cannot be shown") as refused:
        External().versions(request(folder, tmp_path))
    assert all(line.isprintable() for line in str(refused.value).splitlines())


def test_folders_deeper_than_any_project_has_them_are_told(tmp_path: Path):
    folder = project(tmp_path / "mine")
    deep = folder.joinpath(*["a"] * 500)
    deep.mkdir(parents=True)
    with pytest.raises(ModelError, match="longer than 240 characters"):
        External().versions(request(folder, tmp_path))


@pytest.mark.parametrize("target", ["/etc/passwd", "dense.c", ".."])
def test_links_are_not_followed(target: str, tmp_path: Path):
    folder = project(tmp_path / "mine")
    (folder / "linked.h").symlink_to(target)
    with pytest.raises(ModelError, match=r"'linked\.h' is a link"):
        External().versions(request(folder, tmp_path))


def test_every_file_counts_for_the_hash_but_hidden_ones(tmp_path: Path):
    folder = project(tmp_path / "mine")
    first = External().versions(request(folder, tmp_path))
    (folder / ".git").mkdir()
    (folder / ".git/index").write_text("x")
    assert External().versions(request(folder, tmp_path)) == first
    (folder / "My notes (old).txt").write_text("a name that no build tool gets to see")
    assert External().versions(request(folder, tmp_path)) != first
    first = External().versions(request(folder, tmp_path))
    (folder / "weights.h").write_text((folder / "weights.h").read_text() + " ")
    assert External().versions(request(folder, tmp_path)) != first


def test_code_that_others_wrote_never_runs_on_this_computer(tmp_path: Path):
    support = External().available(CORES["host"], {"external": tmp_path})
    assert not support.ok
    assert "never on this computer" in support.reason


def test_without_a_place_the_remedy_names_the_option():
    missing = External().available(CORE, {})
    assert not missing.ok
    assert "--hil-external" in missing.remedy and "HILBENCH_EXTERNAL" in missing.remedy


def test_there_are_no_options():
    assert External().check_options({}) == {}
    with pytest.raises(UsageError, match="no option 'speed'"):
        External().check_options({"speed": "high"})


def test_a_folder_of_projects_gives_that_of_the_model(tmp_path: Path):
    place = tmp_path / "projects"
    project(place / "dense")
    assert External().supports(request(place, tmp_path)).ok
    (place / "dense").rename(place / "other")
    with pytest.raises(Unavailable, match="nothing here is for the model 'dense'"):
        External().supports(request(place, tmp_path))


def test_a_file_is_no_project(tmp_path: Path):
    place = tmp_path / "model.c"
    place.write_text("")
    with pytest.raises(ModelError, match="this is a file"):
        External().versions(request(place, tmp_path))


def test_a_project_for_other_cores_is_refused(tmp_path: Path):
    folder = project(tmp_path / "mine", HEAD + "sources: [dense.c]\ncores: [cortex-m7f]\n")
    assert "is for Cortex-M7F" in External().supports(request(folder, tmp_path)).reason
    assert External().supports(request(folder, tmp_path, core="cortex-m7f")).ok


# ---- tensors


def tensors(inputs: str, outputs: str = "{dtype: int8, shape: [1, 4], scale: 4, zero_point: -5}") -> str:
    return HEAD + f"sources: [dense.c]\ninputs:\n  - {inputs}\noutputs:\n  - {outputs}\n"


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ("{dtype: int8, shape: [1, 8], scale: 0.5, zero_point: 3}", ""),
        ("{dtype: uint8, shape: [1, 8], scale: 0.5, zero_point: 3}", "its input 0 is uint8 (1, 8), the model's int8"),
        ("{dtype: int8, shape: [8], scale: 0.5, zero_point: 3}", "its input 0 is int8 (8,), the model's int8 (1, 8)"),
        ("{dtype: int8, shape: [1, 8], scale: 0.25, zero_point: 3}", "scale 0.25 and zero point 3, the model's 0.5"),
        ("{dtype: int8, shape: [1, 8], scale: 0.5}", "zero point 0, the model's 0.5 and 3"),
    ],
)
def test_tensors_that_are_given_must_be_the_models(inputs: str, reason: str, tmp_path: Path):
    support = External().supports(request(project(tmp_path / "mine", tensors(inputs)), tmp_path))
    assert support.ok is (reason == "")
    assert reason in support.reason


def test_a_model_that_is_no_tflite_needs_tensors(tmp_path: Path):
    folder = project(tmp_path / "mine")
    other = request(folder, tmp_path, name="dense.onnx")
    assert "has to say what its tensors are" in External().supports(other).reason
    project(folder, tensors("{dtype: int8, shape: [1, 8], scale: 0.5, zero_point: 3}"))
    (tmp_path / "into").mkdir()
    emitted = External().emit(other, tmp_path / "into")
    assert [(tensor.dtype, tensor.shape, tensor.scale) for tensor in emitted.outputs] == [("int8", (1, 4), 4.0)]


# ---- hilbench.yaml


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "give 'sources' that implement hb_model.h, or an 'image'"),
        ("source: [dense.c]", r"3: unknown key 'source'(.|\n)*did you mean 'sources'"),
        ("sources: dense.c", "3: sources: 'dense.c' is not a list"),
        ("sources: [../dense.c]", r"3: sources: '../dense\.c' is not a path inside this folder"),
        ("sources: [/etc/dense.c]", "is not a path inside this folder"),
        ("sources: [src/../../x.c]", "is not a path inside this folder"),
        ("sources: ['a;b.c']", "is not a path inside this folder"),
        ("sources: ['$(id).c']", "is not a path inside this folder"),
        ("sources: [x.c]\ninclude_dirs: [..]", "4: include_dirs: '..' is not a path inside"),
        ("sources: [x.c]\ncores: [cortex-m4]", r"4: cores\[0\]: 'cortex-m4' is not one of"),
        ("sources: [x.c]\ndefines: {'A B': 1}", "4: defines: 'A B=1' is not a macro"),
        ("sources: [x.c]\ndefines: {A: '1;-fplugin=x'}", "4: defines: .* is not a macro"),
        ("sources: [x.c]\ndefines: {A: '$<1:x>'}", "4: defines: .* is not a macro"),
        ("sources: [x.c]\narena_bytes: -1", "4: arena_bytes: -1 is below 0"),
        ("sources: [x.c]\nimage: a.elf", "3: sources: an image is finished"),
        ("image: a.out", r"3: image: 'a\.out' is not one \.elf, \.hex or \.bin"),
        ("image: ../a.elf", "is not a path inside this folder"),
        (
            "image: a.bin\nbuild_id: " + "'" + "0" * 32 + "'",
            r"'base' is missing(.|\n)*the address at which a \.bin begins",
        ),
        ("image: a.hex", "'build_id' is missing"),
        ("image: a.elf\nbase: 0x1000", "4: base: only an image that is a .bin needs an address"),
        ("image: a.elf\nbuild_id: abc", "4: build_id: 'abc' is not written as it should be"),
    ],
)
def test_a_mistake_in_hilbench_yaml_is_told_with_file_and_line(lines: str, message: str, tmp_path: Path):
    with pytest.raises(CatalogError, match=rf"hilbench\.yaml:(\d+: )?.*{message}"):
        load(project(tmp_path / "mine", HEAD + lines + "\n"))


@pytest.mark.parametrize(
    "flag",
    ["-O3", "-Ofast", "-Os", "-std=gnu++17", "-ffast-math", "-fno-unroll-loops", "-funroll-loops", "-fno-builtin",
     "-falign-functions=32", "-mslow-flash-data", "-mno-unaligned-access", "-DNDEBUG", "-DN=4", "-UDEBUG", "-Wall",
     "-Wno-error=shadow", "-Wframe-larger-than=512", "-fno-strict-aliasing", "-fno-tree-loop-distribute-patterns",
     "-finline-limit=200", "-fno-math-errno", "-funsafe-math-optimizations", "-fno-schedule-insns2",
     "-mfix-cmse-cve-2021-35465"],
)  # fmt: skip
def test_flags_that_shape_code_are_taken(flag: str, tmp_path: Path):
    project(tmp_path / "mine", HEAD + f"sources: [x.c]\nflags: ['{flag}']\n")
    assert load(tmp_path / "mine").compiler_flags() == (flag,)


@pytest.mark.parametrize(
    "flag",
    ["-fplugin=x", "-fplugin=./evil.so", "-fplugin-arg-x-y=z", "-B.", "-Bevil", "-wrapper", "-specs=evil.specs",
     "--specs=evil.specs", "@evil", "-include", "-include/etc/passwd", "-imacros", "-o", "-oevil", "-I/etc", "-isystem",
     "-iquote", "-Wl,-T,evil.ld", "-Wa,-aln=out", "-Wp,-MD,out", "-Xlinker", "-Xassembler", "-T", "-L.", "-lfoo", "-x",
     "-E", "-S", "-save-temps", "-fdump-tree-all=out", "-fdump-rtl-all", "-fprofile-use=x", "-fprofile-generate",
     "-fauto-profile=x", "-flto", "-fuse-ld=gold", "-fmodule-mapper=evil", "-ftest-coverage", "-fsanitize=address",
     "-fopt-info-all=out", "-mcpu=cortex-m7", "-march=armv8-m.main", "-mfloat-abi=soft", "-mfpu=auto", "-marm",
     "-DX=$(id)", "-DX=a;-fplugin=x", "-DX=`id`", "-Da b", "-DX=/etc", "-O2 -fplugin=x", "-O2;-fplugin=x",
     "-std=c11/..", "", "-", "SHELL:-fplugin=x", "-MF", "-MDout", "-nostdlib", "-shared", "-pipe", "-v",
     "-fself-test=x", "-frecord-gcc-switches", "-fsyntax-only", "-flinker-output=exec", "-fsave-optimization-record",
     "-fuse-linker-plugin", "-fno-lto", "-freport-bug", "-fstack-usage", "-ftime-report",
     "-fverbose-asm", "-fada-spec-parent=x", "-fpreprocessed", "-fdbg-cnt-list", "-fsched-verbose=9",
     "-fresolution=x", "-mprint-tune-info"],
)  # fmt: skip
def test_flags_that_load_run_write_or_belong_to_the_board_are_refused(flag: str, tmp_path: Path):
    project(tmp_path / "mine", HEAD + f"sources: [x.c]\nflags: ['{flag}']\n")
    with pytest.raises(CatalogError, match=r"hilbench\.yaml:4: flags: "):
        load(tmp_path / "mine")


# ---- finished images


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, image_cache: Path) -> tuple[Path, Path, str]:
    """The suite, the example's ELF as `hilbench build` makes it, and its build id."""
    folder = tmp_path_factory.mktemp("made")
    path = suite(folder)
    image = bench.built_image(plan(path, "external", EXAMPLE))
    elf = folder / "firmware.elf"
    shutil.copy(image.path, elf)
    return path, elf, image.manifest.build_id


def finished(folder: Path, image: Path, more: str = "") -> Path:
    folder.mkdir()
    shutil.copy(image, folder)
    (folder / "hilbench.yaml").write_text(HEAD + f"image: {image.name}\n{more}")
    return folder


def converted(elf: Path, into: Path, kind: str, suffix: str, *more: str) -> Path:
    path = into / f"firmware{suffix}"
    subprocess.run(["arm-none-eabi-objcopy", *more, "-O", kind, elf, path], check=True)
    return path


@needs_tools
def test_an_elf_of_ours_runs_as_finished(made: tuple[Path, Path, str], tmp_path: Path):
    path, elf, build_id = made
    folder = finished(tmp_path / "mine", elf)
    record = bench.run(plan(path, "external", folder))
    assert record.metrics["fidelity"].value == 1.0
    assert record.image.build_id == build_id
    assert list(record.framework.versions) == ["project", "content", "external project", "external content"]
    compiled = bench.run(plan(path, "external", EXAMPLE))
    for name in ("instructions", "flash", "ram", "stack", "arena"):
        assert record.metrics[name].value == compiled.metrics[name].value, name
    again = finished(tmp_path / "again", bench.built_image(plan(path, "external", folder)).path)
    (again / "hilbench.yaml").write_text(HEAD + f"image: {next(again.glob('*.elf')).name}\n")
    assert bench.built_image(plan(path, "external", again)).manifest.build_id == build_id, "handed over twice"


@needs_tools
@pytest.mark.parametrize(("kind", "suffix", "more"), [("ihex", ".hex", ""), ("binary", ".bin", "base: 0x0\n")])
def test_a_hex_or_bin_runs_as_finished(kind: str, suffix: str, more: str, made: tuple[Path, Path, str], tmp_path: Path):
    path, elf, build_id = made
    folder = finished(tmp_path / "mine", converted(elf, tmp_path, kind, suffix), f'{more}build_id: "{build_id}"\n')
    record = bench.run(plan(path, "external", folder))
    assert record.metrics["fidelity"].value == 1.0
    assert record.image.compiler is None
    assert "whole image" in record.metrics["flash"].detail
    assert "ram" not in record.metrics, "nothing in the file says how much"


@needs_tools
def test_a_foreign_elf_runs_by_the_build_id_that_is_given(made: tuple[Path, Path, str], tmp_path: Path):
    path, elf, build_id = made
    foreign = converted(elf, tmp_path, "elf32-littlearm", ".elf", "--rename-section=.hb_manifest=.elsewhere")
    with pytest.raises(ModelError, match="holds no manifest"):
        bench.run(plan(path, "external", finished(tmp_path / "untold", foreign)))
    folder = finished(tmp_path / "told", foreign, f'build_id: "{build_id}"\n')
    assert bench.run(plan(path, "external", folder)).metrics["fidelity"].value == 1.0
    wrong = finished(tmp_path / "wrong", foreign, f'build_id: "{"0" * 32}"\n')
    with pytest.raises(WrongImage, match="not 00000000"):
        bench.run(plan(path, "external", wrong))


@needs_tools
def test_an_image_of_another_model_is_refused(made: tuple[Path, Path, str], tmp_path: Path):
    other = suite(tmp_path, dense_model.tflite() + bytes(16))
    with pytest.raises(UnsupportedModel, match=r"firmware\.elf runs another model: dense \("):
        bench.built_image(plan(other, "external", finished(tmp_path / "mine", made[1])))


@needs_tools
def test_an_image_for_another_board_is_refused(made: tuple[Path, Path, str], tmp_path: Path):
    folder = finished(tmp_path / "mine", made[1])
    with pytest.raises(UnsupportedModel, match="is an image for mps2-an386, not for mps2-an500"):
        bench.built_image(plan(made[0], "external", folder, board="mps2-an500"))


@needs_tools
def test_a_build_id_that_the_image_does_not_have_is_told(made: tuple[Path, Path, str], tmp_path: Path):
    folder = finished(tmp_path / "mine", made[1], f'build_id: "{"0" * 32}"\n')
    with pytest.raises(ModelError, match=f"build id is {made[2]}, not 0000"):
        bench.built_image(plan(made[0], "external", folder))


@needs_tools
@pytest.mark.parametrize("name", ["firmware.elf", "firmware.hex"])
def test_a_file_that_is_no_image_is_told(name: str, made: tuple[Path, Path, str], tmp_path: Path):
    (tmp_path / name).write_bytes(b"not an image at all\n")
    folder = finished(tmp_path / "mine", tmp_path / name, f'build_id: "{"0" * 32}"\n')
    with pytest.raises(ModelError, match=name):
        bench.built_image(plan(made[0], "external", folder))


@needs_tools
def test_a_hex_in_more_pieces_than_a_linker_can_be_told_of_is_refused(made: tuple[Path, Path, str], tmp_path: Path):
    def line(kind: int, address: int, data: bytes) -> str:
        record = bytes([len(data), address >> 8, address & 255, kind]) + data
        return ":" + (record + bytes([-sum(record) & 255])).hex().upper()

    lines = [line(0, address, b"\1") for address in range(0, 257 * 32, 32)]
    (tmp_path / "firmware.hex").write_text("\n".join([*lines, line(1, 0, b""), ""]))
    folder = finished(tmp_path / "mine", tmp_path / "firmware.hex", f'build_id: "{"0" * 32}"\n')
    with pytest.raises(ModelError, match=r"firmware\.hex: it is in 257 pieces; an image has at most 256"):
        bench.built_image(plan(made[0], "external", folder))


def test_an_image_that_is_missing_is_told(tmp_path: Path):
    folder = project(tmp_path / "mine", HEAD + "image: firmware.elf\n")
    with pytest.raises(ModelError, match=r"there is no image 'firmware\.elf'"):
        External().emit(request(folder, tmp_path), tmp_path)


@needs_tools
def test_a_finished_image_travels_as_a_precompiled_one(made: tuple[Path, Path, str], tmp_path: Path):
    path, elf, build_id = made
    image = bench.built_image(plan(path, "external", finished(tmp_path / "mine", elf)))
    (tmp_path / "firmware").mkdir()
    shutil.copy(image.path, tmp_path / "firmware/any.elf")
    record = bench.run(plan(path, "external", None, firmware=tmp_path / "firmware"))
    assert record.image.build_id == build_id
    assert record.framework.name == "external"
