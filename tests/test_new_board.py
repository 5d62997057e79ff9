"""`hilbench new board` writes a file that is a valid board, whatever it is begun from, and never over another."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hilbench import catalog
from hilbench.catalog.core import CORES
from hilbench.catalog.load import load_board
from hilbench.catalog.skeleton import FILL_IN, board_text
from hilbench.catalog.stand_in import stood_in
from hilbench.cli import cli
from hilbench.errors import UsageError

KNOWN = catalog.boards().good()
BOARDS = sorted(name for name, board in KNOWN.items() if not board.core_info.is_host)


def written(folder: Path, text: str):
    path = folder / "mine.yaml"
    path.write_text(text)
    return load_board(path)


@pytest.mark.parametrize("core", [core for core in CORES if core != "host"])
def test_a_new_board_is_valid_as_it_is(tmp_path: Path, core: str):
    board = written(tmp_path, board_text("mine", core, None, KNOWN))
    assert (board.id, board.core, board.counter) == ("mine", core, "cycles")
    if board.default_target == "qemu":
        assert stood_in(board, "qemu", KNOWN).port, "it can be tried out at once"


@pytest.mark.parametrize("like", BOARDS)
def test_a_board_like_another_has_its_numbers(tmp_path: Path, like: str):
    board = written(tmp_path, board_text("mine", KNOWN[like].core, KNOWN[like], KNOWN))
    taken = ("core", "clock_hz", "memory", "port", "targets", "trigger")
    for name in taken:
        assert getattr(board, name) == getattr(KNOWN[like], name), name
    if KNOWN[like].serial:
        assert board.serial == KNOWN[like].serial
    assert board.timing is None and board.power is None, "their sources speak of the other board"


@pytest.mark.parametrize("core", ["cortex-m4f", "cortex-m0plus"])
def test_what_is_commented_out_is_valid_when_it_is_taken_in(tmp_path: Path, core: str):
    lines = board_text("mine", core, None, KNOWN).splitlines()
    text = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and FILL_IN not in line and not line[2:3].isupper() else line
        for line in lines
    )
    board = written(tmp_path, text)
    assert set(board.targets) >= {"probe", "attach"}
    assert board.port and board.debugger and board.serial and board.serial.usb and board.trigger


def new_board(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from hilbench.cli import main; main()"
    argv = [sys.executable, "-c", code, "new", "board", *arguments]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_writes_it_where_it_is_found_and_never_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done = new_board(tmp_path, "mine", "--like=nano33")
    assert done.returncode == 0, done.stderr
    assert "boards/mine.yaml" in done.stdout and FILL_IN in done.stdout
    monkeypatch.chdir(tmp_path)
    assert catalog.board("mine").clock_hz == 64_000_000
    (tmp_path / "boards" / "mine.yaml").write_text("precious")
    for arguments in (["mine"], ["mine", "-o", "boards"]):
        again = new_board(tmp_path, *arguments)
        assert again.returncode == 2 and "already" in again.stderr and "Traceback" not in again.stderr
    other = tmp_path / "other"
    assert new_board(tmp_path, "yours", "-o", str(other)).returncode == 0
    again = new_board(tmp_path, "yours", "-o", str(other))
    assert again.returncode == 2 and "there is a" in again.stderr
    assert (tmp_path / "boards" / "mine.yaml").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["My Board"], "such as 'my-board'"),
        (["nano33"], "there is a board 'nano33' already"),
        (["mine", "--core=cortex-m4"], "did you mean 'cortex-m4f'?"),
        (["mine", "--core=host"], "there is no core 'host' for a board"),
        (["mine", "--like=nano34"], "did you mean 'nano33'?"),
        (["mine", "--like=nano33", "--core=cortex-m3"], "nano33 has a Cortex-M4F, not a Cortex-M3"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["new", "board", *arguments])
    assert isinstance(done.exception, UsageError) and message in str(done.exception)
    assert not list(tmp_path.rglob("*.yaml"))


def test_a_core_that_is_none_is_told():
    with pytest.raises(UsageError):
        board_text("mine", "avr", None, KNOWN)
