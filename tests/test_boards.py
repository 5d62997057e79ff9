"""What `--board` says is found, each board once; what does not exist is told with the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hilbench import catalog, resources
from hilbench.catalog.core import CORES
from hilbench.cli.boards import boards
from hilbench.errors import CatalogError, UsageError

REAL = ["nano33", "nucleo-l4r5zi", "stm32f746g-disco"]
MPS = ["mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547"]
ON_QEMU = sorted(path.stem for path in resources.BOARDS.glob("*.yaml") if "\n  qemu:" in path.read_text())
MINE = """\
id: {id}
name: my board
aliases: [{alias}]
core: host
counter: nanoseconds
targets: {{host: , qemu: {{machine: x}}}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HILBENCH_BOARDS", raising=False)
    return tmp_path


def own(folder: Path, name: str = "mine", text: str = "", alias: str = "me") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text or MINE.format(id=name, alias=alias))
    return path


def chosen(*selection: str) -> list[str]:
    return [str(choice) for choice in catalog.resolve(selection)]


def test_every_shipped_board_loads(here: Path) -> None:
    boards = catalog.boards()
    assert not boards.broken()
    assert sorted(boards) == sorted(path.stem for path in resources.BOARDS.glob("*.yaml"))
    assert {*MPS, *REAL, "host"} <= set(boards)


def test_every_core_with_instructions_counted_has_a_board(here: Path) -> None:
    assert {board.core for board in catalog.boards().values()} == set(CORES)


@pytest.mark.parametrize("name", MPS)
def test_a_machine_of_qemu_counts_whole_instructions_a_tick(here: Path, name: str) -> None:
    board = catalog.board(name)
    assert board.counter == "instructions"
    assert board.targets["qemu"] == {"machine": name}
    assert board.port is not None
    assert set(board.port.defines) == {"uart_base", "uart_rx_irq", "fpgaio_base", "tick_instructions"}
    assert 1000 // board.port.defines["tick_instructions"] in (20, 25)  # MHz of the FPGAIO counter


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (["mps2-an386"], ["mps2-an386@qemu"]),
        (["qemu"], ["mps2-an386@qemu"]),
        (["qemu@qemu"], ["mps2-an386@qemu"]),
        (["host"], ["host@host"]),
        (["mps2-an500,host", "mps2-an385"], ["mps2-an500@qemu", "host@host", "mps2-an385@qemu"]),
        (["qemu,mps2-an386", "mps2-an386@qemu"], ["mps2-an386@qemu"]),
        (["mps2-*"], [f"{name}@qemu" for name in MPS if name.startswith("mps2")]),
        (["mps2-an505", "mps?-an5*"], ["mps2-an505@qemu", "mps2-an500@qemu", "mps3-an547@qemu"]),
        (["*@qemu"], [f"{name}@qemu" for name in ON_QEMU]),
        ([" host , qemu "], ["host@host", "mps2-an386@qemu"]),
        ([], []),
    ],
)
def test_the_grammar_of_board(here: Path, selection: list[str], found: list[str]) -> None:
    assert chosen(*selection) == found


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("mps2-an38", "there is no board 'mps2-an38'\n  hint: did you mean 'mps2-an38"),
        ("qmeu", "there is no board 'qmeu'\n  hint: did you mean 'qemu'?"),
        ("zzz", "there is no board 'zzz'\n  hint: one of: host, microbit, mps2-an385, "),
        (
            "mps2-an386@quemu",
            "the board 'mps2-an386' has no target 'quemu' (it has: qemu)\n  hint: did you mean 'qemu'?",
        ),
        ("host@qemu", "the board 'host' has no target 'qemu' (it has: host)"),
        ("stm-*", "no board matches 'stm-*'\n  hint: boards: host, microbit, mps2-an385, "),
        ("mps*@host", "no board that matches 'mps*' has a target 'host'\n  hint: one of: qemu"),
        ("", "'' names no board"),
        ("host,", "'' names no board"),
        ("@qemu", "'@qemu' names no board"),
        ("host@", "'host@' names no target"),
    ],
)
def test_what_does_not_exist_is_told(here: Path, item: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(item)
    assert str(caught.value).startswith(told)


def test_own_boards_come_from_the_working_directory_a_variable_and_a_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(here / "boards", "one", alias="uno")
    own(here / "more", "two", alias="due")
    own(here / "extra", "three", alias="tre")
    monkeypatch.setenv("HILBENCH_BOARDS", str(here / "more"))
    boards = catalog.boards([here / "extra"])
    assert {"one", "two", "three", "mps2-an386"} <= set(boards)
    assert [str(choice) for choice in catalog.resolve(["uno@qemu", "due", "tre"], boards)] == [
        "one@qemu",
        "two@host",
        "three@host",
    ]


def test_the_shipped_folder_as_working_directory_is_not_read_twice(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(resources.ROOT)
    assert chosen("qemu") == ["mps2-an386@qemu"]


def test_a_folder_that_is_not_there_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="'nowhere' is not a folder"):
        catalog.boards([Path("nowhere")])
    monkeypatch.setenv("HILBENCH_BOARDS", "nowhere")
    with pytest.raises(UsageError, match="HILBENCH_BOARDS names 'nowhere'"):
        catalog.boards()


def test_a_broken_file_stops_only_those_who_ask_for_that_board(here: Path) -> None:
    own(here / "boards", "broken", "id: broken\ncore: x\n")
    assert chosen("host", "qemu") == ["host@host", "mps2-an386@qemu"]
    boards = catalog.boards()
    assert list(boards.broken()) == ["broken"]
    assert "broken" not in boards.good()
    for item in ("broken", "brok*"):
        with pytest.raises(CatalogError, match=r"boards/broken\.yaml:2: core: 'x' is not one of"):
            chosen(item)
    with pytest.raises(UsageError, match=r"there is no board 'alias' \(not readable: boards/broken\.yaml\)"):
        chosen("alias")


def test_one_id_in_two_files_is_an_error_that_names_both(here: Path) -> None:
    own(here / "boards", "host")
    assert chosen("qemu") == ["mps2-an386@qemu"]
    with pytest.raises(CatalogError) as caught:
        chosen("host")
    assert str(resources.BOARDS / "host.yaml") in str(caught.value)
    assert "boards/host.yaml" in str(caught.value).replace(str(resources.BOARDS / "host.yaml"), "")


def test_one_alias_of_two_boards_is_an_error_that_names_both(here: Path) -> None:
    own(here / "boards", "mine", alias="qemu")
    with pytest.raises(UsageError, match="'qemu' is an alias of several boards: mine, mps2-an386"):
        chosen("qemu")


def test_an_id_goes_before_an_alias(here: Path) -> None:
    own(here / "boards", "mine", alias="host")
    assert chosen("host") == ["host@host"]


def test_the_shipped_suites_load(here: Path) -> None:
    suites = catalog.suites()
    assert {"digits", "mlperf_tiny"} <= set(suites)
    assert not suites.broken()


def test_suites_come_from_files_and_folders(here: Path) -> None:
    assert list(catalog.suites([resources.SUITES / "digits.hil.yaml"])) == ["digits"]
    with pytest.raises(UsageError, match="there is no suite in the folder"):
        catalog.suites([here])
    with pytest.raises(UsageError, match=r"there is no suite file or folder 'nowhere\.hil\.yaml'"):
        catalog.suites([Path("nowhere.hil.yaml")])


def test_model_folders_are_those_of_the_option_and_then_of_the_variable(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (here / name).mkdir()
    monkeypatch.setenv("HILBENCH_MODELS", "b:c")
    assert catalog.model_folders([Path("a")]) == (Path("a"), Path("b"), Path("c"))
    monkeypatch.setenv("HILBENCH_MODELS", "d")
    with pytest.raises(UsageError, match="HILBENCH_MODELS names 'd'"):
        catalog.model_folders()


def test_a_checkout_beside_an_installed_hilbench_is_no_conflict_but_a_changed_board_is(here: Path) -> None:
    (here / "boards").mkdir(exist_ok=True)
    copy = here / "boards" / "mps2-an386.yaml"
    copy.write_bytes((resources.BOARDS / copy.name).read_bytes())
    assert chosen("qemu") == ["mps2-an386@qemu"]
    copy.write_text(copy.read_text().replace("25000000", "50000000"))
    with pytest.raises(CatalogError, match=r"'mps2-an386' is also the name of boards/mps2-an386\.yaml"):
        catalog.board("mps2-an386")


STOOD = """\
id: {id}
name: a board that is not at hand
core: {core}
clock_hz: 64000000
counter: cycles
memory:
  code: {{base: 0x10000, size: 960K}}
  data: {{base: 0x20000000, size: 64M}}
targets: {{qemu: {{stand_in: {stand_in}}}}}
"""


def stood(here: Path, core: str = "cortex-m4f", stand_in: str = "mps2-an386") -> None:
    own(here / "boards", "far", STOOD.format(id="far", core=core, stand_in=stand_in))


def test_a_stand_in_gives_port_and_addresses_and_the_real_board_sizes_core_and_clock(here: Path) -> None:
    stood(here)
    (choice,) = catalog.resolve(["far@qemu"])
    far, other = choice.board, catalog.board("mps2-an386")
    assert (far.id, far.core, far.clock_hz, far.stand_in) == ("far", "cortex-m4f", 64_000_000, "mps2-an386")
    assert (far.port, far.counter, far.targets["qemu"]) == (other.port, "instructions", {"machine": "mps2-an386"})
    assert far.memory is not None and other.memory is not None
    assert (far.memory.code.base, far.memory.code.size) == (0, 960 * 1024)
    assert far.memory.data == other.memory.data, "the machine has no more than that"


@pytest.mark.parametrize(
    ("core", "stand_in", "message"),
    [
        ("cortex-m4f", "mps2-an368", "mps2-an386"),
        ("cortex-m3", "mps2-an386", "mps2-an386 has a Cortex-M4F, and this is a Cortex-M3"),
        ("cortex-m4f", "far", "far has no target 'qemu' of its own"),
    ],
)
def test_a_stand_in_that_cannot_stand_in_is_told(here: Path, core: str, stand_in: str, message: str) -> None:
    stood(here, core, stand_in)
    with pytest.raises(CatalogError) as told:
        catalog.resolve(["far"])
    assert message in str(told.value)


def test_the_list_of_boards_tells_which_file_is_wrong(here: Path) -> None:
    stood(here, stand_in="mps2-an368")
    done = CliRunner().invoke(boards)
    assert done.exit_code == 2
    assert "boards/far.yaml: board far: targets.qemu.stand_in: there is no board 'mps2-an368'" in done.stderr
    assert "nano33" in done.stdout


def test_a_clock_in_megahertz_is_no_clock(here: Path) -> None:
    text = STOOD.format(id="far", core="cortex-m4f", stand_in="mps2-an386")
    own(here / "boards", "far", text.replace("64000000", "64"))
    with pytest.raises(CatalogError, match="clock_hz: 64 is below 32000"):
        catalog.resolve(["far"])


def test_a_board_of_which_not_all_targets_are_stand_ins_needs_a_port(here: Path) -> None:
    text = STOOD.format(id="far", core="cortex-m4f", stand_in="mps2-an386")
    own(here / "boards", "far", text.replace("}}", "}, host: }"))
    with pytest.raises(CatalogError, match="'port' is missing"):
        catalog.resolve(["far"])


def test_who_stands_in_is_no_key_of_a_board(here: Path) -> None:
    own(here / "boards", "far", STOOD.format(id="far", core="cortex-m4f", stand_in="mps2-an386") + "stand_in: x\n")
    with pytest.raises(CatalogError, match="unknown key 'stand_in'"):
        catalog.resolve(["far"])
