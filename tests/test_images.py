"""Images: the same from the same, whatever the shell; and never one that does not fit its board or its build id."""

import json
import os
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilbench import bench, catalog, export, programs, resources
from hilbench.catalog.board import Board
from hilbench.errors import BuildError, ModelError, TargetCrashed, UsageError
from hilbench.images import run
from hilbench.images.cache import cache_folder
from hilbench.images.image import Image
from hilbench.images.precompiled import find_image, images_in
from hilbench.images.recipe import board_digest
from hilbench.measure.reference_file import Reference, find_reference, to_json

from .conftest import DIGITS
from .firmware_images import make
from .test_end_to_end import plan

BOARD = resources.BOARDS / "mps2-an386.yaml"


def test_the_environment_does_not_shape_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clean = make("mps2-an386", tmp_path / "clean", "echo")
    for name in ("CFLAGS", "ASMFLAGS", "LDFLAGS", "CXXFLAGS"):
        monkeypatch.setenv(name, "-funroll-loops -DHB_RING_BYTES=64")
    monkeypatch.setenv("CMAKE_BUILD_TYPE", "Debug")
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setenv("CPATH", str(tmp_path))
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    hostile = make("mps2-an386", tmp_path / "hostile", "echo")
    assert (hostile.manifest.build_id, hostile.sha256) == (clean.manifest.build_id, clean.sha256)


def test_an_image_is_built_once_and_again_when_a_byte_of_it_has_changed(tmp_path: Path):
    first = make("mps2-an386", tmp_path, "echo")
    built = first.path.stat().st_mtime_ns
    assert make("mps2-an386", tmp_path, "echo").path.stat().st_mtime_ns == built
    data = bytearray(first.path.read_bytes())
    data[data.index(b"build_id") - 60] ^= 1
    first.path.write_bytes(data)
    good = first.sha256
    again = make("mps2-an386", tmp_path, "echo")
    assert again.sha256 != good
    assert again.path.read_bytes() != bytes(data)


def test_what_a_killed_build_left_is_swept_away_but_not_a_build_under_way(tmp_path: Path):
    old, new = tmp_path / "build-old", tmp_path / "build-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    make("mps2-an386", tmp_path, "echo")
    assert (old.exists(), new.exists()) == (False, True)


def test_the_cache_may_be_named_from_here_but_not_with_characters_that_builds_stumble_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HILBENCH_CACHE", "near by")
    assert cache_folder() == tmp_path / "near by"
    assert make("mps2-an386", cache_folder(), "echo").path.is_relative_to(tmp_path)
    for name in ("a;b", "a=b"):
        monkeypatch.setenv("HILBENCH_CACHE", name)
        with pytest.raises(UsageError, match="builds stumble over"):
            cache_folder()


@pytest.fixture
def own_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board of one's own, `bench-m4`, that is a copy of mps2-an386."""
    folder = tmp_path / "boards"
    folder.mkdir()
    path = folder / "bench-m4.yaml"
    path.write_text(BOARD.read_text().replace("id: mps2-an386", "id: bench-m4").replace("aliases: [qemu]\n", ""))
    monkeypatch.setenv("HILBENCH_BOARDS", str(folder))
    return path


def test_an_image_for_the_board_as_it_was_is_refused(own_board: Path, tmp_path: Path):
    export.export(plan("bench-m4"), catalog.load_suite(DIGITS), tmp_path / "images")
    assert bench.run(plan("bench-m4", firmware=tmp_path / "images")).metrics["fidelity"].value == 1.0
    own_board.write_text(own_board.read_text().replace("clock_hz: 25000000", "clock_hz: 250000000"))
    with pytest.raises(ModelError, match="was built for another bench-m4: core, clock"):
        bench.run(plan("bench-m4", firmware=tmp_path / "images"))


def test_a_precompiled_image_with_a_changed_byte_is_refused(tmp_path: Path):
    made = export.export(plan(), catalog.load_suite(DIGITS), tmp_path)
    data = bytearray(made.path.read_bytes())
    code = data.index(b"build_id") + 2000
    data[code] ^= 1
    made.path.write_bytes(data)
    with pytest.raises(ModelError, match=r"tvm\.elf: the image is not the one that was built"):
        bench.run(plan(firmware=tmp_path))


@pytest.mark.parametrize("tick", [39, 50])
def test_a_wrong_tick_in_a_board_file_never_becomes_a_number(own_board: Path, tick: int):
    own_board.write_text(own_board.read_text().replace("tick_instructions: 40", f"tick_instructions: {tick}"))
    with pytest.raises(TargetCrashed, match="clock_does_not_count_instructions"):
        bench.run(plan("bench-m4"))


def test_an_emulator_never_measures_cycles(own_board: Path):
    own_board.write_text(own_board.read_text().replace("counter: instructions", "counter: cycles"))
    assert isinstance(catalog.board("bench-m4"), Board)
    record = bench.run(plan("bench-m4"))
    assert "cycles" not in record.metrics
    assert (record.board.counter, record.metrics["instructions"].basis) == ("instructions", "counted")
    assert record.metrics["latency"].basis == "estimated"


def test_a_host_image_says_what_it_is_too(image_cache: Path):
    built = bench.built_image(plan("host", target="host", framework="tflm"))
    assert Image.open(built.path).manifest.model.sha256 == built.manifest.model.sha256
    assert built.manifest.compiler is None


def host_image(path: Path, program: str = "hilbench.frameworks.tflm.host_program") -> Path:
    """Write an image for the host, of a model whose hash is zeros."""
    model = {"name": "m", "sha256": "0" * 64, "macs": None, "operators": [], "inputs": [], "outputs": []}
    framework = {"name": "tflm", "options": {}, "versions": {}}
    manifest = {"hilbench": "1", "build_id": "0" * 32, "board": "host", "core": "host",
                "board_digest": board_digest(catalog.board("host")), "model": model, "framework": framework,
                "compiler": None, "arena_bytes": None}  # fmt: skip
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("manifest.json", json.dumps(manifest))
        file.writestr("program.txt", program + "\n")
    return path


@pytest.mark.parametrize(
    "program", ["os", "mine.program", "hilbench.frameworks.", "hilbench.frameworksx.y", "", "a\nb"]
)
def test_a_host_image_from_elsewhere_runs_no_program_but_ours(program: str, tmp_path: Path):
    host_image(tmp_path / "image.pyz")
    host, ours = catalog.board("host"), "hilbench.frameworks.tflm.host_program"
    assert find_image(tmp_path, "0" * 64, host, "tflm", {}).program == ours
    host_image(tmp_path / "image.pyz", program)
    with pytest.raises(ModelError, match=r"no program of hilbench's frameworks(.|\n)*leave out --hil-firmware"):
        find_image(tmp_path, "0" * 64, host, "tflm", {})


def with_flags(data: bytes, flags: int, method: int) -> bytes:
    """Return a zip with other flags and another method in both headers of its first member."""
    changed, central = bytearray(data), data.index(b"PK\1\2")
    struct.pack_into("<HH", changed, 6, flags, method)
    struct.pack_into("<HH", changed, central + 8, flags, method)
    return bytes(changed)


@pytest.mark.parametrize(("flags", "method", "message"), [(1, 8, "encrypted"), (0, 99, "compression"), (0, 0, "CRC")])
def test_one_bad_file_does_not_hide_the_other_images(flags: int, method: int, message: str, tmp_path: Path):
    good = host_image(tmp_path / "good.pyz")
    (tmp_path / "bad.pyz").write_bytes(with_flags(good.read_bytes(), flags, method))
    images, damaged = images_in(tmp_path)
    assert [image.path.name for image in images] == ["good.pyz"]
    assert [Path(error.where).name for error in damaged] == ["bad.pyz"]
    assert message in damaged[0].what


def test_a_manifest_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path):
    path = tmp_path / "bomb.pyz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("manifest.json", "w") as manifest:
        for _ in range(100):
            manifest.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(ModelError, match=r"manifest\.json holds more than 4 MiB"):
        Image.open(path)
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_host_image_is_read_or_told(data: st.DataObject, tmp_path: Path):
    path = host_image(tmp_path / "image.pyz")
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    where: str | None = str(path)
    try:
        assert Image.open(path).program is not None
    except ModelError as error:
        where = error.where
    assert where == str(path)


def test_a_step_of_a_build_is_stopped_with_its_children_when_it_takes_too_long(tmp_path: Path):
    command = f"(sleep 1; touch {tmp_path}/alive) & sleep 60"
    begin = time.monotonic()
    with pytest.raises(BuildError, match=r"'sh' took longer than 0\.2 s and was stopped"):
        run.run(["sh", "-c", command], timeout_s=0.2)
    assert time.monotonic() - begin < 10
    time.sleep(1.2)
    assert not (tmp_path / "alive").exists()


def test_a_step_of_a_build_cannot_fill_the_disk(tmp_path: Path):
    code, _ = run.run(["dd", "if=/dev/zero", f"of={tmp_path}/zeros", "bs=1M", "count=1", "seek=256"])
    assert code != 0
    assert not (tmp_path / "zeros").exists() or (tmp_path / "zeros").stat().st_size <= programs.FILE_LIMIT_BYTES


def test_a_step_of_a_build_speaks_english_and_tells_its_exit_code(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert run.run(["sh", "-c", "echo $LC_ALL; echo told >&2; exit 3"]) == (3, "C\ntold\n")


def test_kept_reference_outputs_come_back_for_the_same_model_data_and_size(tmp_path: Path):
    reference = Reference((b"ab", b"cd"), {"tflite-micro": "1"})
    path = tmp_path / "x.reference.json"
    path.write_text(to_json(reference, "m" * 64, "d" * 64))
    assert find_reference(tmp_path, "m" * 64, "d" * 64, 2, 2) == reference
    assert find_reference(tmp_path, "m" * 64, "d" * 64, 1, 2) == Reference((b"ab",), {"tflite-micro": "1"})
    assert find_reference(tmp_path, "m" * 64, "d" * 64, 3, 2) is None
    assert find_reference(tmp_path, "m" * 64, "e" * 64, 2, 2) is None
    with pytest.raises(ModelError, match="not all outputs have 3 bytes"):
        find_reference(tmp_path, "m" * 64, "d" * 64, 2, 3)
    path.write_text(path.read_text()[:-30])
    with pytest.raises(ModelError, match=r"x\.reference\.json: the reference outputs cannot be read"):
        find_reference(tmp_path, "m" * 64, "d" * 64, 2, 2)
