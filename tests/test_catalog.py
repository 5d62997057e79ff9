"""Every mistake in a catalog file is told at once, with its line, in words; and nothing else ever comes out."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilbench import resources
from hilbench.catalog import load_board, load_suite, yaml_file
from hilbench.catalog.board import Board
from hilbench.catalog.core import CORES
from hilbench.catalog.suite import METRICS
from hilbench.errors import CatalogError, Unavailable

BOARD = """\
id: nano33
name: Nano 33
core: cortex-m4f
clock_hz: 64000000
counter: cycles
memory:
  code: {base: 0x10000, size: 960K}
  data: {base: 0x20000000, size: 256K}
port:
  name: nrf52840
targets:
  qemu:
    machine: mps2-an386
"""
SHA = "0123456789abcdef" * 4
SUITE = f"""\
suite: mine
tasks:
  - id: one
    model: {{file: one.tflite, sha256: {SHA}}}
    dataset:
      name: random
      random: {{seed: 1}}
    expect:
      latency: {{max: 0.01}}
"""


def board_error(folder: Path, text: str | bytes, name: str = "nano33.yaml") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CatalogError) as caught:
        load_board(path)
    return str(caught.value)


def suite_error(folder: Path, text: str) -> str:
    path = folder / "mine.hil.yaml"
    path.write_text(text)
    with pytest.raises(CatalogError) as caught:
        load_suite(path)
    return str(caught.value)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_board_is_loaded_with_its_sizes_in_bytes(here: Path) -> None:
    (here / "nano33.yaml").write_text(BOARD)
    board = load_board(here / "nano33.yaml")
    assert board.memory is not None
    assert (board.memory.code.size, board.memory.data.size) == (960 * 1024, 256 * 1024)
    assert board.default_target == "qemu"
    assert board.core_info.fpu


def test_a_suite_knows_its_folder(here: Path) -> None:
    (here / "mine.hil.yaml").write_text(SUITE)
    suite = load_suite(Path("mine.hil.yaml"))
    assert suite.folder == here
    assert suite.tasks[0].expect["latency"].max == 0.01


def test_a_wrong_value_is_shown_where_it_stands(here: Path) -> None:
    (here / "boards").mkdir()
    told = board_error(here / "boards", BOARD.replace("64000000", "fast"))
    assert told == textwrap.dedent(
        """\
        boards/nano33.yaml:4: clock_hz: 'fast' is not a whole number
          4 | clock_hz: fast
            |           ^^^^
          hint: hertz of the core, such as 64000000"""
    )


def test_a_misspelt_key_gets_the_nearest_word_and_is_not_also_missing(here: Path) -> None:
    told = board_error(here, BOARD.replace("clock_hz", "cloc_hz").replace("memory", "memroy"))
    assert told == textwrap.dedent(
        """\
        nano33.yaml:4: unknown key 'cloc_hz'
          4 | cloc_hz: 64000000
            | ^^^^^^^
          hint: did you mean 'clock_hz'?
        nano33.yaml:6: unknown key 'memroy'
          6 | memroy:
            | ^^^^^^
          hint: did you mean 'memory'?"""
    )


def test_a_missing_key_is_named_at_the_line_of_its_parent(here: Path) -> None:
    told = board_error(here, BOARD.replace("core: cortex-m4f\n", "").replace("  name: nrf52840", "  defines: {}"))
    assert told == textwrap.dedent(
        """\
        nano33.yaml:1: 'core' is missing
          hint: the processor core
        nano33.yaml:8: port: 'name' is missing
          8 | port:
            | ^^^^
          hint: a folder under firmware/ports, such as mps2"""
    )


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines(here: Path) -> None:
    wrong = (
        BOARD.replace("id: nano33", "id: Nano")
        .replace("cortex-m4f", "cortex-m4")
        .replace("cycles", "cycle")
        .replace("960K", "960Q")
        .replace("machine", "machne")
        .replace("qemu", "qemmu")
        + "name: again\n"
    )
    told = [line for line in board_error(here, wrong).splitlines() if line.startswith("nano33.yaml")]
    assert told == [
        "nano33.yaml:1: id: 'Nano' is not the file's name, 'nano33'",
        "nano33.yaml:1: id: 'Nano' is not written as it should be",
        f"nano33.yaml:3: core: 'cortex-m4' is not one of: {', '.join(CORES)}",
        "nano33.yaml:5: counter: 'cycle' is not one of: instructions, cycles, nanoseconds",
        "nano33.yaml:7: memory.code.size: '960Q' is not a whole number",
        "nano33.yaml:12: targets: there is no target 'qemmu'",
        "nano33.yaml:14: the key 'name' stands here twice (first in line 2)",
    ]


@pytest.mark.parametrize("key", ["clock_hz", "memory", "port"])
def test_a_board_that_is_no_host_needs_clock_memory_and_port(here: Path, key: str) -> None:
    lines = BOARD.splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if line.startswith(key))
    end = next(i for i in range(start + 1, len(lines)) if not lines[i].startswith(" "))
    told = board_error(here, "".join(lines[:start] + lines[end:]))
    assert told.splitlines()[0] == f"nano33.yaml:1: '{key}' is missing"


def test_a_host_needs_none_of_them_and_counts_nanoseconds(here: Path) -> None:
    host = "id: nano33\nname: x\ncore: host\ncounter: {}\ntargets: {{host: }}\n"
    (here / "nano33.yaml").write_text(host.format("nanoseconds"))
    assert load_board(here / "nano33.yaml").targets == {"host": {}}
    assert "does not fit the core 'host'" in board_error(here, host.format("cycles"))


def test_the_settings_of_a_target_are_checked_by_the_target(here: Path) -> None:
    told = board_error(here, BOARD.replace("machine: mps2-an386", "machne: mps2-an386"))
    assert told.startswith("nano33.yaml:13: targets.qemu: unknown key 'machne'\n")
    assert told.endswith("hint: did you mean 'machine'?")
    assert "targets.qemu: 'machine' is missing" in board_error(here, BOARD.replace("machine: mps2-an386", "{}"))


def test_a_target_that_is_not_installed_does_not_make_the_board_wrong(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(seam: str, name: str) -> None:
        raise Unavailable(f"{seam} {name}")

    monkeypatch.setattr("hilbench.plugins.load", absent)
    (here / "nano33.yaml").write_text(BOARD.replace("machine", "something"))
    assert load_board(here / "nano33.yaml").targets == {"qemu": {"something": "mps2-an386"}}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("64000000", "64e6", "clock_hz: 64e6 is not a whole number"),
        ("64000000", "-1", "clock_hz: -1 is below 32000"),
        ("64000000", "'64000000'", "clock_hz: '64000000' is not a whole number"),
        ("64000000", "true", "clock_hz: true is not a whole number"),
        ("64000000", "", "'clock_hz' is missing"),
        ("64000000", "[1]", "clock_hz: a list is not a whole number"),
        ("64000000", "010", "clock_hz: '010' is octal to some YAML readers, decimal to others"),
        ("64000000", "10:30", "clock_hz: '10:30' is hours and minutes to some YAML readers, a word to others"),
        ("Nano 33", "no", "name: 'no' is false to some YAML readers, a word to others"),
        ("Nano 33", "33", "name: 33 is not text"),
        ("Nano 33", "''", "name: this is empty"),
        ("Nano 33", "!!python/object:os.system x", "name: the tag '!!python/object:os.system' is not allowed"),
        ("Nano 33", '"\\ud800"', "name: half of a surrogate pair is not a character"),
        ("name: Nano 33", "on: 1", "'on' is true to some YAML readers, a word to others"),
        ("name: Nano 33", "33: 1", "the key '33' is not text"),
        ("name: Nano 33", "[a, b]: 1", "a key has to be one word"),
        ("name: Nano 33", "<<: 3", "'<<' takes a mapping, or a list of mappings"),
        ("0x10000,", "0x1FFFFFFFF,", "memory.code.base: 0x1FFFFFFFF is not below 4294967296"),
        ("0x20000000", "0xFFFFF000", "memory.data.size: from 0xfffff000 on there are not 262144 bytes below 4 GiB"),
        ("0x20000000", "0x20000", "memory.data: this overlaps with 'code'"),
        ("nrf52840", "nRF-52", "port.name: 'nRF-52' is not written as it should be"),
        ("  name: nrf52840", "  name: a\n  defines: {Uart: 1}", "port.defines: 'Uart' cannot be a key here"),
        ("  name: nrf52840", "  name: a\n  defines: {uart: x}", "port.defines.uart: 'x' is not a whole number"),
        ("{base: 0x10000, size: 960K}", "960K", "memory.code: '960K' is not a mapping of keys to values"),
        ("  qemu:\n    machine: mps2-an386", "  qemu: 3", "targets.qemu: 3 is not a mapping of keys to values"),
        ("\n  qemu:\n    machine: mps2-an386", " {}", "targets: nothing is here; at least one is needed"),
    ],
)
def test_each_kind_of_mistake_has_its_words(here: Path, old: str, new: str, told: str) -> None:
    assert old in BOARD
    first_lines = [
        line.split(": ", 1)[1]
        for line in board_error(here, BOARD.replace(old, new)).splitlines()
        if line.startswith("nano33.yaml:")
    ]
    assert told in first_lines


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("latency", "latncy", "tasks[0].expect: unknown key 'latncy'"),
        (
            "{max: 0.01}",
            "{max: 1, min: 2}",
            "tasks[0].expect.latency.max: the largest value allowed (1) is below the smallest (2)",
        ),
        ("{max: 0.01}", "{}", "tasks[0].expect.latency: give 'min', 'max' or both"),
        ("{max: 0.01}", "{max: .nan}", "tasks[0].expect.latency.max: .nan is not a finite number"),
        (SHA, SHA[1:], f"tasks[0].model.sha256: '{SHA[1:60]}… is not written as it should be"),
        (
            "one.tflite",
            "/one.tflite",
            "tasks[0].model.file: an absolute path is right on one computer only; it is relative to the suite's file",
        ),
        ("one.tflite", '"a\\0b"', "tasks[0].model.file: a path has '/' between its parts and no control characters"),
        ("      random: {seed: 1}\n", "", "tasks[0].dataset: give either 'arrays' or 'random'"),
        (
            "      random:",
            f"      arrays: {{inputs: {{file: x, sha256: {SHA}}}}}\n      random:",
            "tasks[0].dataset.random: give either 'arrays' or 'random', not both",
        ),
        ("    expect:", "    accuracy: top1\n    expect:", "tasks[0].accuracy: 'top1' needs a data set with labels"),
        (
            "latency: {max: 0.01}",
            "accuracy: {min: 1}",
            "tasks[0].expect: a limit on 'accuracy', but the task has no 'accuracy:' that says which metric",
        ),
        ("suite: mine", "suite: yours", "suite: 'yours' is not the file's name, 'mine'"),
        ("suite: mine", "suite: mine\nfolder: /", "unknown key 'folder'"),
        ("tasks:", "tasks: []\nx:", "tasks: nothing is here; at least one is needed"),
        ("  - id: one", "  - 3\n  - id: one", "tasks[0]: 3 is not a mapping of keys to values"),
        ("  - id: one", "  - id: one\n    latency: {repeats: 1}", "tasks[0].latency.repeats: 1 is below 2"),
    ],
)
def test_each_kind_of_mistake_in_a_suite_has_its_words(here: Path, old: str, new: str, told: str) -> None:
    assert old in SUITE
    lines = [
        line.split(": ", 1)[1]
        for line in suite_error(here, SUITE.replace(old, new)).splitlines()
        if line.startswith("mine.hil.yaml:")
    ]
    assert told in lines


def test_two_tasks_of_one_id_are_found_even_beside_other_mistakes(here: Path) -> None:
    twice = SUITE + SUITE.split("tasks:\n")[1].replace("seed: 1", "seed: x")
    lines = [line for line in suite_error(here, twice).splitlines() if line.startswith("mine")]
    assert lines == [
        "mine.hil.yaml:10: tasks[1].id: 'one' is the id of another task (line 3)",
        "mine.hil.yaml:14: tasks[1].dataset.random.seed: 'x' is not a whole number",
    ]


def test_a_metric_that_can_be_bounded_is_one_of_a_single_list(here: Path) -> None:
    for metric in METRICS:
        text = SUITE.replace("latency:", f"{metric}:")
        (here / "mine.hil.yaml").write_text(text)
        if metric == "accuracy":
            continue  # it needs labels too
        assert set(load_suite(here / "mine.hil.yaml").tasks[0].expect) == {metric}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "nano33.yaml: the file is empty"),
        (b"# nothing\n", "nano33.yaml: the file is empty"),
        (b"id: x\nname: \xff\n", "nano33.yaml:2: byte 0xff is not UTF-8"),
        (b"\x7fELF\0\0", "nano33.yaml: this is a binary file, not YAML"),
        (b"id: \x07", "nano33.yaml:1: the character U+0007 is not allowed in YAML"),
        (b"a" * 300_000, "nano33.yaml: the file is larger than 256 KiB: not a catalog file"),
        (
            b"id: a\nmemory:\n\tcode: 3\n",
            "nano33.yaml:3: not valid YAML: found character '\\t' that cannot start any token",
        ),
        (b"id: a: b\n", "nano33.yaml:1: not valid YAML: mapping values are not allowed here"),
        (b"- id\n- name\n", "nano33.yaml:1: a board file holds keys and values, such as 'id: …'"),
        (b"id\n", "nano33.yaml:1: a board file holds keys and values, such as 'id: …'"),
        (b"id: *x\n", "nano33.yaml:1: not valid YAML: found undefined alias 'x'"),
        (b"a: 1\n---\nb: 2\n", "nano33.yaml:2: not valid YAML: but found another document"),
        (b'id: "\\UFFFFFFFF"\n', "nano33.yaml: not valid YAML: "),
        (b"[" * 5000, "nano33.yaml:1: not valid YAML: nested more than 24 deep"),
        (b"&a [*a]", "nano33.yaml:1: an alias contains itself"),
        (b"&a {<<: *a}", "nano33.yaml:1: an alias contains itself"),
    ],
)
def test_a_file_that_is_no_yaml_gets_one_message(here: Path, content: bytes, told: str) -> None:
    first_line = board_error(here, content).splitlines()[0]
    assert first_line == told or (told.endswith(" ") and first_line.startswith(told))


def test_a_file_that_is_not_there_is_told_like_any_other_mistake(here: Path) -> None:
    for path, told in ((here / "x.yaml", "x.yaml: there is no such file"), (here, ".: this is a folder, not a file")):
        with pytest.raises(CatalogError) as caught:
            load_board(path)
        assert str(caught.value) == told


def test_aliases_of_aliases_are_bounded(here: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert "more than 20000 values" in board_error(here, bomb)


def test_anchors_and_merge_keys_work_and_own_keys_win(here: Path) -> None:
    merged = BOARD.replace("{base: 0x10000, size: 960K}", "&part {base: 0x10000, size: 960K}")
    merged = merged.replace("{base: 0x20000000, size: 256K}", "{<<: *part, base: 0x20000000}")
    (here / "nano33.yaml").write_text(merged)
    memory = load_board(here / "nano33.yaml").memory
    assert memory is not None
    assert (memory.data.base, memory.data.size) == (0x20000000, 960 * 1024)


def test_numbers_may_be_grouped_and_hexadecimal(here: Path) -> None:
    (here / "nano33.yaml").write_text(BOARD.replace("64000000", "64_000_000").replace("0x10000,", "65536,"))
    board = load_board(here / "nano33.yaml")
    assert board.clock_hz == 64_000_000
    assert board.memory is not None
    assert board.memory.code.base == 0x10000


def test_a_long_line_is_cut_around_the_mistake(here: Path) -> None:
    told = board_error(here, BOARD.replace("nrf52840", "nrf52840\n  " + "x" * 300 + ": 1"))
    assert max(len(line) for line in told.splitlines() if "|" in line) < 120


def test_what_a_file_holds_never_reaches_the_terminal_as_control_codes(here: Path) -> None:
    told = board_error(here, BOARD.replace("cortex-m4f", '"\\e[31mred"').replace("counter", '"\\e[2J"'))
    assert "\x1b" not in told


def load_quietly(path: Path) -> Board | None:
    try:
        return load_board(path)
    except CatalogError as error:
        str(error).encode()
        return None


FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(content=st.binary(max_size=300))
def test_arbitrary_bytes_are_a_catalog_error_and_nothing_else(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.yaml").write_bytes(content)
    assert load_quietly(tmp_path / "x.yaml") is None


PIECES = (
    *(
        "id",
        "core",
        "targets",
        "memory",
        "qemu",
        ": ",
        "\n",
        "  ",
        "- ",
        "? ",
        ", ",
        "#",
        "---",
        "\t",
        "[",
        "]",
        "{",
        "}",
    ),
    *(
        "&a ",
        "*a",
        "<<",
        "|",
        ">",
        "'",
        '"',
        "\\",
        "!!int ",
        "!x ",
        "%YAML 9999999.1",
        "\\U00110000",
        "\ufeff",
        "\u2028",
    ),
    *("é", "0x", "1_0", ".5", "1e5", "~", "on", "0" * 50),
)
YAMLISH = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=30).map("".join)


@FUZZ
@given(text=YAMLISH)
def test_arbitrary_yaml_is_a_catalog_error_and_nothing_else(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_bytes(text.encode(errors="surrogatepass"))
    assert load_quietly(tmp_path / "x.yaml") is None


@FUZZ
@given(data=st.data())
def test_a_mutated_board_is_a_board_or_a_catalog_error(tmp_path: Path, data: st.DataObject) -> None:
    text = (resources.BOARDS / "mps2-an386.yaml").read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(YAMLISH) + text[end:]
    (tmp_path / "mps2-an386.yaml").write_text(text, newline="")
    load_quietly(tmp_path / "mps2-an386.yaml")


@FUZZ
@given(data=st.data())
def test_a_mutated_suite_is_a_suite_or_a_catalog_error(tmp_path: Path, data: st.DataObject) -> None:
    text = (resources.SUITES / "digits.hil.yaml").read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(YAMLISH) + text[end:]
    path = tmp_path / "digits.hil.yaml"
    path.write_text(text, newline="")
    try:
        load_suite(path)
    except CatalogError as error:
        str(error).encode()


def nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)


PLAIN = st.none() | st.booleans() | st.integers() | st.text("abc: #'\"", max_size=8)


@FUZZ
@given(value=st.recursive(PLAIN, nested))
def test_what_pyyaml_writes_is_read_as_it_was(tmp_path: Path, value: object) -> None:
    import yaml

    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump({"key": value}))
    document = yaml_file.read(path)
    assert not document.mistakes
    assert document.value == {"key": _tuples(value)}


def _tuples(value: object) -> object:
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value
