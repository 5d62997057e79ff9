"""The decoder: every instruction that GCC and its libraries use is what objdump says it is, and no bytes break it."""

import random
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.catalog.core import CORES
from hilbench.measure.cycles.instruction import FIRST_FP, LR, PC, SP, Kind
from hilbench.measure.cycles.thumb import decode, instructions

from .conftest import ROOT
from .objdump_classes import Listed, kind, listing

# What objdump lists of other profiles, and of registers and coprocessors that an instruction cannot have.
NOT_OF_CORTEX_M = re.compile(
    r"UNPREDICTABLE|undefined|<unknown>|illegal|^blx 0x|^(ldc|stc|cdp|mcr|mrc)\S* 1?[0-9],|^\S+rr\S* |ex[d] |spsr|_hyp|"
    r"^(mrs|bxaut|vmov r|vfm[as]l|v[us]dot|crc32|pacg|autg|mcrr|mrrc)|^(orr|ldmia|fldm)\S* .*(pc|sp)|, pc, s",
    re.IGNORECASE,
)
CORTEX_M = [name for name in CORES if name != "host"]


def word(text: str) -> bytes:
    """Bytes of halfwords written as objdump prints them."""
    return b"".join(int(half, 16).to_bytes(2, "little") for half in text.split())


def s(number: int) -> int:
    return FIRST_FP + number


def disagreements(lines: list[Listed]) -> dict[tuple[str, Kind | None, Kind], str]:
    """Return what the decoder says otherwise than objdump, with one example of each."""
    found = {}
    for one in {(line.code, line.name): line for line in lines}.values():
        decoded, wanted = decode(one.code), kind(one)
        if decoded.size != len(one.code) or decoded.kind is not wanted:
            found[one.name, wanted, decoded.kind] = f"{one.code.hex()} {one.operands}"
    return found


def machine(core: str) -> list[str]:
    """Return what makes objdump know the vectors of Armv8.1-M."""
    return ["-m", "armv8.1-m.main"] if CORES[core].mve else []


@pytest.mark.parametrize("core", CORTEX_M)
@pytest.mark.parametrize("library", ["libgcc.a", "libm.a"])
def test_every_instruction_of_the_compilers_libraries_is_what_objdump_says(core: str, library: str):
    asked = ["arm-none-eabi-gcc", *CORES[core].gcc_flags, f"-print-file-name={library}"]
    path = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    lines = list(listing("-d", *machine(core), path))
    assert len(lines) > 5_000
    assert disagreements(lines) == {}


@pytest.mark.slow
@pytest.mark.parametrize("board", ["mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547"])
@pytest.mark.parametrize("suite", ["digits", "keywords", "gestures", "vibration"])
def test_every_instruction_in_the_images_of_the_suites_is_what_objdump_says(board: str, suite: str):
    from hilbench import bench, catalog
    from hilbench.errors import HilbenchError
    from hilbench.plan import Plan

    (choice,) = catalog.resolve([board])
    path = ROOT / "suites" / f"{suite}.hil.yaml"
    for task in catalog.load_suite(path).tasks:
        for framework in ("tvm", "emlearn"):
            try:
                image = bench.built_image(Plan(path, task.id, choice.board, choice.target, framework))
            except HilbenchError:
                continue  # this framework does not run this model
            assert disagreements(list(listing("-d", *machine(choice.board.core), image.path))) == {}


@pytest.mark.slow
def test_random_bytes_are_what_objdump_says(tmp_path: Path):
    generator = random.Random(1)
    code = b""
    for _ in range(60_000):
        first = generator.choice((0xE800, 0xF000, 0xFA00)) + generator.randrange(0x600)
        code += first.to_bytes(2, "little") + generator.randbytes(2)
    (tmp_path / "code.bin").write_bytes(code)
    listed = list(listing("-D", "-b", "binary", "-m", "armv8.1-m.main", "-Mforce-thumb", tmp_path / "code.bin"))
    assert all(decode(one.code).size == len(one.code) for one in listed)
    known = [one for one in listed if not NOT_OF_CORTEX_M.search(f"{one.name} {one.operands}") and kind(one)]
    assert len(known) > 20_000
    assert disagreements(known) == {}


@given(st.binary(max_size=64))
def test_any_bytes_decode_to_something(code: bytes):
    decoded = list(instructions(code))
    assert all(one.size in (2, 4) for one in decoded)
    assert 0 <= sum(one.size for one in decoded) - len(code) <= 3


@pytest.mark.parametrize("code", ["e800", "e800 0000", "f7f0 8000", "80"])
def test_what_is_cut_off_or_nothing_is_unknown(code: str):
    data = bytes.fromhex(code[:2]) if len(code) == 2 else word(code)
    assert decode(data).kind is Kind.UNKNOWN


def test_registers_are_read_and_written_where_they_are_needed():
    load = decode(word("f859 3b04"))  # ldr.w r3, [r9], #4
    assert (load.writes, load.address, load.updates) == ({3}, {9}, {9})
    indexed = decode(word("f851 2023"))  # ldr.w r2, [r1, r3, lsl #2]
    assert (indexed.address, indexed.indexed, indexed.updates) == ({1, 3}, True, set())
    store = decode(word("5088"))  # str r0, [r1, r2]
    assert (store.late, store.address, store.indexed, store.reads) == ({0}, {1, 2}, True, set())
    mac = decode(word("fb21 4302"))  # smlad r3, r1, r2, r4
    assert (mac.kind, mac.reads, mac.late, mac.writes) == (Kind.DSP_MULTIPLY, {1, 2}, {4}, {3})
    long = decode(word("fbc3 0102"))  # smlal r0, r1, r3, r2
    assert (long.late, long.writes) == ({0, 1}, {0, 1})
    high = decode(word("44c8"))  # add r8, r9
    assert (high.reads, high.writes) == ({8, 9}, {8})


def test_floating_point_registers_and_their_doubles():
    fused = decode(word("eee7 9a85"))  # vfma.f32 s19, s15, s10
    assert (fused.reads, fused.late, fused.writes) == ({s(15), s(10)}, {s(19)}, {s(19)})
    double = decode(word("ee32 1b03"))  # vadd.f64 d1, d2, d3
    assert double.double
    assert (double.reads, double.writes) == ({s(4), s(5), s(6), s(7)}, {s(2), s(3)})
    assert decode(word("ed93 7b02")).words == 2  # vldr d7, [r3, #8]
    assert decode(word("ecb0 0a04")).words == 4  # vldmia r0!, {s0-s3}


def test_words_moved_and_ways_to_branch():
    push, pop = decode(word("b5f8")), decode(word("bd70"))  # push {r3-r7, lr}; pop {r4-r6, pc}
    assert (push.words, push.late, push.branches) == (6, {3, 4, 5, 6, 7, LR}, False)
    assert (pop.words, pop.writes, pop.branches, pop.address) == (4, {4, 5, 6}, True, {SP})
    wide = decode(word("e8bd 8ff0"))  # ldmia.w sp!, {r4-fp, pc}
    assert (wide.words, wide.branches, wide.updates) == (9, True, {SP})
    assert PC not in wide.writes
    assert decode(word("46f7")).branches  # mov pc, lr
    assert decode(word("f85d fb04")).branches  # ldr.w pc, [sp], #4
    assert not decode(word("b110")).words


@pytest.mark.parametrize(
    ("code", "target"),
    [
        ("d1fb", -6),  # bne.n
        ("e7fe", 0),  # b.n to itself
        ("b110", 8),  # cbz r0, .+8
        ("f000 f80a", 24),  # bl
        ("f7ff bffe", 0),  # b.w to itself
        ("f47f affe", 0),  # bne.w to itself
        ("4770", None),  # bx lr
    ],
)
def test_a_branch_says_where_it_goes(code: str, target: int | None):
    assert decode(word(code)).target == target
