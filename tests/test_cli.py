"""The command line: JSON for programs, one message for mistakes, the promised exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hilbench.cli import cli

from .conftest import DIGITS, made_record


def hilbench(*arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from hilbench.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, check=False)


def test_boards_are_listed_for_people_and_for_programs():
    rows = {row["id"]: row for row in json.loads(hilbench("boards", "--json").stdout)}
    assert rows["mps2-an386"]["aliases"] == ["qemu"]
    assert rows["mps2-an386"]["targets"] == {"qemu": "ready"}
    text = hilbench("boards").stdout
    assert all(board in text for board in rows)
    assert max(map(len, text.splitlines())) < 180, "this is no table to read"


def test_a_boards_targets_are_told_with_what_to_do_about_those_that_are_not_here():
    text = hilbench("boards", "nano33", HILBENCH_RENODE="/nowhere/renode").stdout
    (renode,) = [line for line in text.splitlines() if line.startswith("nano33") and " renode " in line]
    assert "HILBENCH_RENODE" in renode
    done = hilbench("boards", "nano3")
    assert done.returncode == 2 and "did you mean 'nano33'" in done.stderr


def test_a_broken_board_is_told_and_the_others_are_listed(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("id: mine\ncore: cortex-m9\n")
    done = hilbench("boards", HILBENCH_BOARDS=str(tmp_path))
    assert done.returncode == 2
    assert "mps2-an386" in done.stdout
    assert "mine.yaml:2" in done.stderr
    assert "Traceback" not in done.stderr


def test_suites_are_listed_with_their_tasks():
    rows = json.loads(hilbench("suites", "--json").stdout)
    assert ("digits", "digits") in {(row["suite"], row["task"]) for row in rows}
    assert {row["task"] for row in rows if row["suite"] == "mlperf_tiny"} == {"kws", "ic", "ic02", "vww", "ad", "sww"}
    assert "digits" in hilbench("suites", DIGITS).stdout


def test_frameworks_say_what_is_in_the_way():
    rows = {row["framework"]: row for row in json.loads(hilbench("frameworks", "--json").stdout)}
    assert rows["tvm"]["ok"]
    assert not rows["tflm"]["ok"]
    assert "SDK" in rows["tflm"]["reason"]
    on_host = {row["framework"]: row for row in json.loads(hilbench("frameworks", "--board=host", "--json").stdout)}
    assert on_host["tflm"]["ok"]
    assert not on_host["tvm"]["ok"]


def test_frameworks_say_before_any_build_which_can_run_a_model():
    asked = ["frameworks", DIGITS.parent / "digits" / "digits.tflite", "--board=mps2-an386", "--json"]
    rows = {row["framework"]: row for row in json.loads(hilbench(*asked, HILBENCH_TFLM_SDK="").stdout)}
    assert rows["tvm"]["ok"]
    assert rows["tvm"]["versions"]["apache-tvm"].startswith("0.27")
    assert not rows["tflm"]["ok"]
    assert "--hil-tflm-sdk" in rows["tflm"]["remedy"]
    (only,) = json.loads(hilbench(*asked, "--framework=tvm").stdout)
    assert only == rows["tvm"]


def test_the_doctor_finds_this_machine_fit_and_names_what_is_missing(tmp_path: Path):
    done = hilbench("doctor", "--json")
    assert done.returncode == 0, done.stdout
    done = hilbench("doctor", PATH=str(tmp_path))
    assert done.returncode == 3
    assert "apt install qemu-system-arm" in done.stdout
    assert "apt install gcc-arm-none-eabi" in done.stdout


@pytest.mark.parametrize("what", ["board", "suite", "record"])
def test_schemas_are_printed(what: str):
    assert json.loads(hilbench("schema", what).stdout)["type"] == "object"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build", DIGITS, "--board=qmeu"], 2, "there is no board 'qmeu'"),
        (["build", "nowhere.hil.yaml", "--board=qemu"], 2, "nowhere.hil.yaml"),
        (["build", DIGITS, "--board=qemu", "--framework=tvn"], 2, "did you mean 'tvm'?"),
        (["build", DIGITS, "--board=qemu", "--framework=tvm:codgen=c"], 2, "codgen"),
        (["build", DIGITS, "--board=qemu", "--framework=tflm"], 3, "no TFLM SDK"),
        (["frameworks", "nowhere.tflite"], 2, "nowhere.tflite"),
        (["frameworks", "--framework=tvm:codgen=c"], 2, "codgen"),
        (["frameworks", "--hil-tflm-sdk=nowhere"], 2, "--hil-tflm-sdk: there is no 'nowhere'"),
        (["bild"], 2, "bild"),
    ],
)
def test_a_mistake_is_one_message_and_an_exit_code(arguments: list[object], code: int, message: str):
    done = hilbench(*arguments)
    assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr


def test_without_a_compiler_the_packages_to_install_are_named(tmp_path: Path):
    done = hilbench("build", DIGITS, "--board=qemu", "--framework=tvm", PATH=str(tmp_path))
    assert done.returncode == 3
    assert "arm-none-eabi-gcc, cmake and ninja must be on the PATH" in done.stderr
    assert "apt install gcc-arm-none-eabi cmake ninja-build" in done.stderr


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    done = hilbench("build", DIGITS, "--board=qemu", "--framework=tvm", HILBENCH_CACHE=str(tmp_path / "file" / "x"))
    assert done.returncode == 4
    assert "the image cache cannot be written" in done.stderr
    assert "HILBENCH_CACHE" in done.stderr


def test_boards_as_json_do_not_hide_a_broken_one(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("id: mine\n")
    done = hilbench("boards", "--json", HILBENCH_BOARDS=str(tmp_path))
    assert done.returncode == 2
    assert json.loads(done.stdout)
    assert "mine.yaml" in done.stderr


def test_square_brackets_of_a_remedy_reach_the_reader(tmp_path: Path):
    code = "import sys; sys.modules['tvm'] = None\n"
    code += "import hilbench.doctor.tools as d\ndef version(name): raise d.PackageNotFoundError(name)\n"
    code += "d.version = version\n"
    code += "from hilbench.cli import main; sys.argv = ['hilbench', 'doctor']; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "pip install 'hilbench[tvm]'" in done.stdout


def test_what_cannot_be_built_does_not_stop_the_rest(tmp_path: Path):
    done = hilbench("build", DIGITS, "--board=qemu", "--framework=tflm,tvm", "-o", tmp_path)
    assert done.returncode == 3
    assert "digits-digits-mps2-an386-tvm.elf" in done.stdout
    assert "tflm: no TFLM SDK" in done.stderr


def test_a_folder_without_suites_is_told_and_one_named_twice_is_one(tmp_path: Path):
    done = hilbench("suites", tmp_path)
    assert (done.returncode, "there is no suite in the folder" in done.stderr) == (2, True)
    done = hilbench("suites", DIGITS.parent, DIGITS)
    assert done.returncode == 0, done.stderr


def test_messages_survive_a_terminal_without_utf8():
    done = hilbench("frameworks", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "SDK" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, which is a full disk")
@pytest.mark.parametrize("arguments", [["schema", "board"], ["store", "list"], ["--help"]], ids=" ".join)
def test_a_full_disk_is_one_message(arguments: list[str], tmp_path: Path):
    folder = tmp_path / ".hilbench" / "records"
    folder.mkdir(parents=True)
    (folder / f"{made_record().id}.json").write_text(made_record().to_json())
    command = [sys.executable, "-c", "from hilbench.cli import main; main()", *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 4
    assert done.stderr == "error: the output could not be written: No space left on device\n"


def test_a_reader_that_leaves_is_no_failure_to_tell():
    command = [sys.executable, "-c", "from hilbench.cli import main; main()", "schema", "record"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_names_of_records_reach_no_terminal_as_escape_codes(tmp_path: Path):
    evil = "a\x1b[31m\u202eb\x9bc"
    record = made_record()
    record = record.model_copy(update={"suite": evil, "task": evil, "source": {"branch": evil},
                                       "framework": record.framework.model_copy(update={"variant": evil})})  # fmt: skip
    store = tmp_path / "store"
    store.mkdir()
    (store / f"{record.id}.json").write_text(record.to_json())
    for arguments in (["store", "list", store], ["baseline", store, f"--baseline={tmp_path / 'base'}"],
                      ["compare", store, store, "--all"], ["trend", store], ["report", store]):  # fmt: skip
        result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
        assert "b" in result.output
        assert r"\x1b[31m" in result.output, arguments
        assert not [c for c in result.output if not c.isprintable() and c != "\n"], arguments
