"""`hilbench build --size`: what images take of a board's memory, as a newcomer asks for it and mistypes it."""

import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from hilbench import catalog
from hilbench.images.elf import Sizes
from hilbench.images.manifest import ManifestPeak
from hilbench.images.parts import Parts
from hilbench.measure.memory import Footprint, memory_metrics, peak_metrics
from hilbench.reports.console import console_for
from hilbench.reports.size import Sized, print_sizes

from .conftest import DIGITS
from .dense_model import needs_tools
from .test_cli import hilbench

FOOTPRINT = Footprint(
    flash_bytes=1000, ram_bytes=600, flash_of=4000, ram_of=2000, spare_bytes=None, planned_bytes=120,
    parts=Parts({"model": 400, "kernels": 300, "runtime": 200, "agent": 100},
                {"model": 150, "kernels": 0, "runtime": 50, "agent": 100, "stack": 300}),
    peak=ManifestPeak(bytes=110, operator="2 CONV_2D"),
)  # fmt: skip


def shown(*footprints: Footprint, width: int = 200) -> str:
    file = StringIO()
    images = [Sized("kws", catalog.board("qemu"), f"framework{i}", each) for i, each in enumerate(footprints)]
    print_sizes(console_for(file, width), images)
    return file.getvalue()


def rows(text: str) -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if "│" in line]
    return {row[0]: row[1:] for row in cells}


def test_parts_total_and_share_are_shown_for_flash_and_ram():
    found = rows(shown(FOOTPRINT, replace(FOOTPRINT, parts=None, peak=None, planned_bytes=None)))
    assert found["flash: model"] == ["400", "—"]
    assert found["flash: agent"] == ["100", "—"]
    assert found["flash"] == ["1,000", "1,000"]
    assert found["of 4,000"] == ["25.0 %", "25.0 %"]
    assert found["RAM: stack"] == ["300", "—"]
    assert found["of 2,000"] == ["30.0 %", "30.0 %"]
    assert found["arena"] == ["120", "—"]
    assert found["peak tensors"] == ["110", "—"]


def test_what_no_image_tells_is_said_below():
    text = shown(replace(FOOTPRINT, planned_bytes=None, spare_bytes=1234), replace(FOOTPRINT, parts=None))
    assert rows(text)["arena"] == ["up to 1,234", "120"]
    assert "framework0: the arena is planned on the device" in text
    assert "framework1: only the whole is known" in text
    assert "tensors peak at operator 2 CONV_2D" in text


def test_more_than_90_percent_is_marked_and_90_is_not():
    text = shown(replace(FOOTPRINT, flash_bytes=3600, ram_bytes=1802))
    assert rows(text)["of 4,000"] == ["90.0 %"]
    assert rows(text)["of 2,000"] == ["90.1 % !"]
    assert "! framework0 takes more than 90 % of the RAM" in text
    assert "of the flash" not in text


def test_an_image_that_says_nothing_of_ram_has_no_share_of_it():
    assert rows(shown(replace(FOOTPRINT, ram_bytes=None)))["of 2,000"] == ["—"]


def test_a_narrow_terminal_loses_nothing():
    text = shown(*[FOOTPRINT] * 3, width=60)
    assert all(len(line) <= 60 for line in text.splitlines() if "│" in line)
    assert text.count("1,000") == 3


def test_arena_asked_is_the_plan_or_all_that_is_left():
    sizes = Sizes(flash_model=1000, flash_agent=70, ram_model=300, ram_agent=40, stack_reserved=16384)
    assert memory_metrics(sizes, 250, 100, 256)["arena_asked"].value == 256
    left = replace(sizes, spare_bytes=5000)
    metrics = memory_metrics(left, 250, 100)
    assert (metrics["arena"].value, metrics["arena_asked"].value) == (250, 5000)
    assert "arena_asked" not in memory_metrics(sizes, 250, 100)


def test_the_peak_names_its_operator_and_a_model_without_graph_has_none():
    metric = peak_metrics(FOOTPRINT.peak)["peak_tensors"]
    assert (metric.value, metric.unit, metric.basis) == (110, "B", "counted")
    assert "2 CONV_2D" in metric.detail
    assert peak_metrics(None) == {}


# ---- as a newcomer types it


@needs_tools
def test_sizes_are_shown_without_running_anything_and_without_a_folder(tmp_path: Path):
    done = hilbench("build", DIGITS, "--board=qemu", "--framework=tvm", "--size")
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert re.fullmatch(r"[\d,]+", found["flash: kernels"][0])
    assert found["arena"] == found["peak tensors"] == ["3,072"]
    assert "mps2-an386" in done.stdout
    assert "tensors peak at operator 2 CONV_2D" in done.stdout


@needs_tools
def test_precompiled_images_show_the_same_without_a_compiler(tmp_path: Path):
    asked = ["build", DIGITS, "--board=qemu", "--framework=tvm", "--size", "--json"]
    made = hilbench(*asked, "-o", tmp_path / "images")
    (built,) = json.loads(made.stdout)
    assert sum(built["flash"][part] for part in ("model", "kernels", "runtime", "agent")) == built["flash"]["total"]
    assert built["peak_tensors"] == {"bytes": 3072, "operator": "2 CONV_2D"}
    (tmp_path / "bin").mkdir()
    done = hilbench(*asked, "--hil-firmware", tmp_path / "images", PATH=str(tmp_path / "bin"))
    (kept,) = json.loads(done.stdout)
    assert {**kept, "path": ""} == {**built, "path": ""}
    assert kept["path"].startswith(str(tmp_path / "images"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([DIGITS, "--board=qemu", "--sizes"], 2, "Did you mean '--size'?"),
        ([DIGITS, "--size"], 2, "Missing option '--board'"),
        ([DIGITS, "--board=qmeu", "--size"], 2, "there is no board 'qmeu'"),
        (["--board=qemu", "--size"], 2, "Missing argument 'SUITES...'"),
        ([DIGITS, "--board=qemu", "--firmware=images"], 2, "add --size to see what they take"),
        ([DIGITS, "--board=qemu", "--size", "--firmware=images", "-o", "there"], 2, "leave out --output"),
        ([DIGITS, "--board=qemu", "--size", "--firmware=nowhere"], 3, "there is no such folder of precompiled images"),
        ([DIGITS, "--board=qemu", "--framework=tflm", "--size"], 3, "no TFLM SDK"),
    ],
)
def test_a_mistake_is_one_message_and_an_exit_code(arguments: list[object], code: int, message: str):
    done = hilbench("build", *arguments, HILBENCH_TFLM_SDK="")
    assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr


def test_a_program_of_this_computer_takes_no_boards_memory():
    done = hilbench("build", DIGITS, "--board=host", "--size")
    assert done.returncode == 0, done.stderr
    assert "not counted: digits[host-tflm]: a program of this computer" in done.stderr
