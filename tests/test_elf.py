import contextlib
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.errors import ModelError
from hilbench.images.elf import Elf, Place
from tests.bare_programs import build, needs_compiler

pytestmark = needs_compiler


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> Elf:
    return Elf.open(build("parts", tmp_path_factory.mktemp("parts"), script="parts.ld"))


@pytest.fixture(
    scope="module", params=["-gdwarf-4", "-gdwarf-5", "-gdwarf-5 -O2 -ffunction-sections -Wl,--gc-sections"]
)
def faults(request, tmp_path_factory) -> Elf:
    return Elf.open(build("faults", tmp_path_factory.mktemp("faults"), *request.param.split()))


def test_sizes_are_those_of_the_parts(parts):
    sizes = parts.sizes()
    assert sizes.flash_model == 1000 + 200 + 48 + 16 + sizes.sections[".surprise"]
    assert sizes.ram_model == 48 + 16 + 2000 + 100
    assert sizes.ram_agent == 8 + 512 + 1024
    assert sizes.stack_reserved == 4096
    agent = sum(sizes.sections[name] for name in (".vectors", ".hb_agent", ".hb_manifest"))
    assert sizes.flash_agent == agent + 8


def test_a_section_that_no_part_names_is_counted_with_the_model(parts):
    assert parts.sizes().sections[".surprise"] == 24


def test_totals_are_those_of_gnu_size(parts):
    shown = subprocess.run(["arm-none-eabi-size", parts.path], capture_output=True, text=True, check=True).stdout
    text, data, bss = map(int, shown.splitlines()[1].split()[:3])
    assert parts.sizes().flash_total == text + data
    assert parts.sizes().ram_total == data + bss


def test_code_that_is_copied_to_ram_costs_both(tmp_path):
    script = tmp_path / "ram.ld"
    script.write_text((Path(__file__).parent / "bare" / "bare.ld").read_text().replace("*(.text*", "*(no"))
    text = script.read_text().replace(
        ".hb_agent_data :", ".hb_model : { *(.text*) } > DATA AT > CODE\n .hb_agent_data :"
    )
    script.write_text(text)
    sizes = Elf.open(build("echo", tmp_path, script=str(script))).sizes()
    assert sizes.flash_model == sizes.ram_model == sizes.sections[".hb_model"] > 0


def test_the_manifest_comes_out_as_it_went_in(parts):
    assert parts.manifest() == b'{"manifest":1}'


def test_an_elf_without_a_manifest_is_refused(faults):
    with pytest.raises(ModelError, match="no manifest") as refusal:
        faults.manifest()
    assert str(faults.path) in str(refusal.value)
    assert "hilbench build" in str(refusal.value)


def test_a_manifest_that_is_cut_short_is_refused(parts, tmp_path):
    whole = parts.path.read_bytes()
    headers_at = int.from_bytes(whole[32:36], "little")  # e_shoff
    cut = tmp_path / "cut.elf"
    data = bytearray(whole)
    index = next(i for i, s in enumerate(parts._file.iter_sections()) if s.name == ".hb_manifest")
    size_at = headers_at + 40 * index + 20  # sh_size
    data[size_at : size_at + 4] = (1 << 30).to_bytes(4, "little")
    cut.write_bytes(data)
    with pytest.raises(ModelError, match="cut short"):
        Elf.open(cut).manifest()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an ELF"),
        (b"PK\x03\x04", "not an ELF"),
        (b"\x7fELF", "damaged"),
        (b"\x7fELF\x01\x01\x01" + bytes(9) + b"\x02\x00\x28\x00" + bytes(32), "no sections"),
        (Path("/bin/true").read_bytes(), "not for a Cortex-M"),
    ],
)
def test_what_is_no_elf_of_ours_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "image.elf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as refusal:
        Elf.open(path)
    assert refusal.value.where == str(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match="No such file"):
        Elf.open(tmp_path / "none.elf")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_gives_an_error_message_or_an_answer_but_no_traceback(parts, tmp_path_factory, data):
    whole = bytearray(parts.path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "image.elf"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)
    try:
        elf = Elf.open(path)
    except ModelError:
        return
    for read in (elf.manifest, elf.sizes, lambda: elf.symbol("run")):
        with contextlib.suppress(ModelError):
            read()
    elf.locate(0x100)


def test_symbols_are_found_by_name(parts):
    shown = subprocess.run(["arm-none-eabi-nm", parts.path], capture_output=True, text=True, check=True).stdout
    table = {name: int(value, 16) for value, _, name in map(str.split, shown.splitlines())}
    for name in ("weights", "arena", "run", "stack_top"):
        assert parts.symbol(name) == table[name]
    assert parts.symbol("no_such_symbol") is None


def test_every_line_is_that_of_addr2line(faults):
    code = faults._file.get_section_by_name(".hb_agent")
    addresses = range(code["sh_addr"], code["sh_addr"] + code["sh_size"], 2)
    argv = ["arm-none-eabi-addr2line", "-s", "-e", faults.path, *map(hex, addresses)]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("\n")
    compared = 0
    for address, theirs in zip(addresses, shown, strict=False):
        ours = faults.locate(address)
        if ours.function is None:
            continue  # constants between functions
        file, line = theirs.split()[0].split(":")
        assert (Path(ours.file).name, str(ours.line)) == (file, line)
        compared += 1
    assert compared > 80


def test_the_function_is_that_of_the_symbol_table_and_the_thumb_bit_is_ignored(faults):
    for name in ("run", "send_fault", "read_nowhere"):
        address = faults.symbol(name)
        assert faults.locate(address).function == faults.locate(address | 1).function == name
        assert faults.locate(address) == faults.locate(address | 1)


def test_a_place_is_shown_with_the_last_folder_only(faults):
    place = faults.locate(faults.symbol("run"))
    assert str(place) == f"run at bare/faults.c:{place.line}"
    assert Path(place.file).is_file()


@pytest.mark.parametrize("address", [0, 0x10, 0x2000_0000, 0xFFFF_FFF9])
def test_an_address_outside_of_all_code_has_no_place(faults, address):
    assert faults.locate(address) == Place(address & ~1)


def test_without_debug_information_there_is_still_the_function(tmp_path):
    elf = Elf.open(build("faults", tmp_path, "-g0"))
    assert elf.locate(elf.symbol("run")) == Place(elf.symbol("run"), "run")


def test_code_that_the_linker_left_out_does_not_hide_what_is_there(tmp_path):
    """Its lines stay in the ELF, as if it were at address 0 and on: where the code of this machine really is."""
    many = "".join(f"int unused{i}(int a) {{ return a * {i}; }}\n" for i in range(100))
    source = tmp_path / "unused.c"
    source.write_text(many)
    elf = Elf.open(build("spin", tmp_path, "-ffunction-sections", "-Wl,--gc-sections", str(source)))
    assert elf.symbol("unused1") is None
    assert str(elf.locate(elf.symbol("run"))).startswith("run at bare/spin.c:")


@pytest.mark.slow
def test_a_line_of_a_large_image_is_found_within_a_second(tmp_path):
    sources = []
    for unit in range(9):
        body = "".join(
            f"int f{unit}_{i}(volatile int *p, int n)\n{{\n  int s = {i};\n  while (n--) {{\n    s += p[n] * {i};\n"
            f"    p[n] = s >> 3;\n  }}\n  return s;\n}}\n"
            for i in range(500)
        )
        sources.append(tmp_path / f"unit{unit}.c")
        sources[-1].write_text(body)
    path = build("spin", tmp_path, "-O0", *map(str, sources))
    assert path.stat().st_size > 1_000_000
    start = time.process_time()  # not wall time: the computer may be busy with other things
    elf = Elf.open(path)
    assert str(elf.locate(elf.symbol("f5_499") + 4)).startswith("f5_499 at ")
    assert time.process_time() - start < 1
