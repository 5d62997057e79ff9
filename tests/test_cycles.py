"""The cycle models against the examples of the documents that they are from; the memory system against arithmetic."""

import subprocess
from pathlib import Path

import pytest

from hilbench import catalog
from hilbench.catalog.core import CORES
from hilbench.catalog.load import load_board
from hilbench.catalog.timing import Timing
from hilbench.counts import Block, Cache, Caches, Probe, Runs, Window
from hilbench.errors import CatalogError
from hilbench.measure.cycles import MODELS, Estimate, estimate, model_of, probe
from hilbench.measure.cycles.instruction import Instruction, Kind
from hilbench.measure.cycles.memory import caches
from hilbench.measure.cycles.model import Branching

M3, M4, M7, M33, M55 = (CORES[name] for name in ("cortex-m3", "cortex-m4f", "cortex-m7f", "cortex-m33f", "cortex-m55f"))
LOOP = "3803 d8fd"
"""`subs r0, #3; bhi .-2`, Nordic's delay loop: the source of nrfx (nrfx_coredep_delay_us) says what it takes."""


@pytest.fixture(scope="module")
def assembled(tmp_path_factory: pytest.TempPathFactory):
    """Give a function from assembler (statements with ;) to code, by the assembler of GCC."""
    folder = tmp_path_factory.mktemp("assembled")

    def assemble(text: str) -> bytes:
        name = folder / f"{abs(hash(text))}"
        source = ".syntax unified\n.thumb\n" + text.replace(";", "\n") + "\n"
        flags = ["-march=armv8.1-m.main+dsp+mve.fp+fp.dp", "-mthumb"]
        subprocess.run(["arm-none-eabi-as", *flags, "-o", f"{name}.o"], input=source, text=True, check=True)
        copy = ["arm-none-eabi-objcopy", "-O", "binary", "-j", ".text", f"{name}.o", f"{name}.bin"]
        subprocess.run(copy, check=True)
        return Path(f"{name}.bin").read_bytes()

    return assemble


def halves(text: str) -> bytes:
    return b"".join(int(half, 16).to_bytes(2, "little") for half in text.split())


def window(code: bytes, executed: int = 1, left: int = 0, address: int = 0x100, **more: object) -> Window:
    return Window(0, {Block(address, code): Runs(executed, left)}, **more)  # type: ignore[arg-type]


def cycles(code: bytes, core: object = M4, **more: int) -> float:
    return estimate(window(code, **more), core, None).cycles  # type: ignore[arg-type]


# The examples of the Cortex-M4 TRM, 3.3.3, and its rules, word for word the same in that of the Cortex-M3.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ldr r0, [r1]; ldr r1, [r2]", 3),
        ("ldr r0, [r1, r2]; str r0, [r3, #20]", 3),
        ("ldr r0, [r1, r2]; str r1, [r3, r2]", 3),
        ("ldr r0, [r1, r5]; ldr r1, [r2]; ldr r2, [r3, #4]", 4),
        ("str r0, [r1, #4]", 1),
        ("str r0, [r1, r2]", 2),
        ("str r0, [r1, #4]; ldr r2, [r1]", 3),  # nothing is pipelined after a store
        ("ldr r0, [r1]; ldr r2, [r0]", 4),  # the address is what the first one loads
        ("add r1, r2; ldr r0, [r1]", 4),  # and here what data processing made: 1 + 1 + 2
        ("add r1, r2; add r3, r2; ldr r0, [r1]", 4),
        ("ldrd r0, r1, [r2]", 3),
        ("ldm r0, {r1, r2, r3}", 4),
        ("stmia r0!, {r1-r7}", 8),
        ("push {r4-r7, lr}", 6),
        ("adds r0, #1; it eq; moveq r1, #0", 2),  # IT is folded
        ("add.w r0, r8, #1; it eq; moveq r1, #0", 3),
        ("sdiv r0, r1, r2", 7),
        ("mul r0, r1, r0; adds r2, #1", 2),
    ],
)
def test_the_trms_examples_take_what_the_trm_says(assembled, text: str, expected: int):
    assert cycles(assembled(text)) == expected
    assert cycles(assembled(text), M3) == expected


def test_a_load_that_steps_its_base_is_pipelined_on_the_m4_only(assembled):
    code = assembled("ldr r0, [r1], #4; ldr r2, [r3]")
    assert (cycles(code), cycles(code, M3)) == (3, 4)


def test_what_the_m3_multiplies_slowly(assembled):
    code = assembled("mla r0, r1, r2, r3; smull r4, r5, r6, r7; smlal r4, r5, r6, r7")
    assert (cycles(code), cycles(code, M3)) == (3, 2 + 5 + 7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vadd.f32 s0, s1, s2; vadd.f32 s3, s4, s5", 2),
        ("vadd.f32 s0, s1, s2; vmul.f32 s3, s0, s5", 3),  # a result is used a cycle late
        ("vadd.f32 s0, s1, s2; vfma.f32 s0, s4, s5", 2),  # but not to be added to
        ("vfma.f32 s0, s1, s2; vfma.f32 s3, s4, s5", 4),
        ("vfma.f32 s0, s1, s2; adds r0, #1; adds r1, #1; vadd.f32 s3, s4, s5", 4),  # integers go on beside it
        ("vdiv.f32 s0, s1, s2; adds r0, #1", 2),
        ("vdiv.f32 s0, s1, s2; vadd.f32 s3, s4, s5", 15),
        ("vldr s0, [r0]; vldr s1, [r0, #4]; vldr s2, [r0, #8]", 4),
        ("vldmia r0!, {s0-s3}", 5),
        ("vstr s0, [r0]", 1),
        ("vldr d0, [r0]", 3),
    ],
)
def test_floating_point_on_the_m4(assembled, text: str, expected: int):
    assert cycles(assembled(text)) == expected


def test_32_bit_instructions_across_words_cost_a_fetch(assembled):
    wide = assembled("add.w r8, r9; add.w r8, r9; add.w r8, r9; add.w r8, r9")
    assert (cycles(wide, address=0x100), cycles(wide, address=0x102)) == (4, 5)


@pytest.mark.parametrize(("core", "each"), [(M3, 3), (M4, 3), (M33, 3)])
def test_nordics_delay_loop_takes_what_nordic_says(core: object, each: int):
    code = halves(LOOP)
    # 1,000 rounds, of which the last falls through.
    assert cycles(code, core, executed=1000, left=999) == each * 1000 - 1


def test_the_m0plus_loop_and_its_table():
    model = model_of("cortex-m0plus")
    assert model is not None
    branch = Instruction(Kind.BRANCH_IF, 2, branches=True)
    assert model.block([Instruction(Kind.ALU, 2), branch], 0) + model.branch(branch, Branching(1, 1)) == 3
    assert model.block([Instruction(Kind.LOAD, 2, words=1), Instruction(Kind.STORE, 2, words=1)], 0) == 4
    pop = Instruction(Kind.LOAD_MULTIPLE, 2, words=3, branches=True)
    assert model.block([pop], 0) + model.branch(pop, Branching(1, 1)) == 3 + 3
    assert model.block([Instruction(Kind.CALL, 4)], 0) == 3


def test_the_m0s_table():
    model = model_of("cortex-m0")
    assert model is not None
    branch = Instruction(Kind.BRANCH_IF, 2, branches=True)
    assert model.block([Instruction(Kind.ALU, 2), branch], 0) + model.branch(branch, Branching(1, 1)) == 4
    assert model.block([branch], 0) == 1
    pop = Instruction(Kind.LOAD_MULTIPLE, 2, words=3, branches=True)
    assert model.block([pop], 0) + model.branch(pop, Branching(1, 1)) == 4 + 3
    assert model.block([Instruction(Kind.CALL, 4)], 0) == 4


def test_a_branch_to_a_split_instruction_refills_a_cycle_longer(assembled):
    nop, wide = assembled("nop"), assembled("add.w r8, r8, r9; nop; b .-6")
    aligned = estimate(window(wide, 10, 10, 0x200), M4, None)
    split = estimate(window(wide, 10, 10, 0x202), M4, None)
    assert split.cycles - aligned.cycles == 10
    assert split.branches_taken == 10
    assert cycles(nop) == 1


@pytest.mark.parametrize(
    ("text", "taken"), [("b .", 2), ("bx lr", 2), ("bx r3", 3), ("blx r3", 3), ("bl .", 2), ("pop {r4, pc}", 6)]
)
def test_what_a_taken_branch_takes_on_the_m4(assembled, text: str, taken: int):
    assert cycles(assembled(text), executed=1, left=1) == taken


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("adds r0, #1; adds r1, #1", 1),  # two at a time
        ("adds r0, #1; adds r0, #1", 2),  # not when the second waits for the first
        ("mla r0, r1, r2, r0; mla r3, r1, r2, r3", 2),  # one multiplier
        ("smlad r0, r1, r2, r0; smlad r0, r4, r5, r0", 2),  # sums are forwarded
        ("mul r0, r1, r2; adds r0, #1", 3),
        ("ldr r0, [r1]; ldr r2, [r3]", 1),
        ("ldr r0, [r1]; ldr r2, [r0]", 3),
        ("ldrb r0, [r1]; adds r0, #1", 3),  # bytes are slow loads
        ("adds r0, #1; str r0, [r1]", 1),  # data of a store is needed late
        ("str r0, [r1]; str r2, [r3]", 2),
        ("add r0, r1, r2, lsl #4; add r3, r4, r5, lsl #4", 2),  # one early shifter
        ("adds r0, #1; sxth r1, r2", 2),  # DSP goes first in a pair
        ("sxth r1, r2; adds r0, #1", 1),
        ("ldm r0, {r1-r4}", 2),
        ("sdiv r0, r1, r2; adds r3, #1", 8),
    ],
)
def test_pairs_and_latencies_of_the_m7(assembled, text: str, expected: int):
    assert cycles(assembled(text), M7) == expected


def test_the_m7_foresees_a_loop_but_not_its_end():
    assert cycles(halves(LOOP), M7, executed=1000, left=999) == 1000 + 6


@pytest.mark.parametrize(
    ("text", "expected"), [("ldr r0, [r1]; adds r0, #1", 3), ("ldr r0, [r1]; adds r2, #1; adds r0, #1", 3)]
)
def test_the_m33_uses_a_load_a_cycle_late(assembled, text: str, expected: int):
    assert cycles(assembled(text), M33) == expected


def test_the_m55_overlaps_beats_on_two_pipes(assembled):
    # LLVM's example: VLDR; VADD; VMUL; VSTR, of two beats each, do not take eight cycles.
    assert cycles(assembled("vldrw.32 q0, [r0]; vadd.i32 q1, q2, q3; vstrw.32 q4, [r1]"), M55) == 3
    assert cycles(assembled("vldrw.32 q0, [r0]; vldrw.32 q1, [r1]"), M55) == 3
    assert cycles(assembled("movs r0, #1; add r1, r2"), M55) == 1


@pytest.mark.parametrize("name", MODELS)
def test_every_class_costs_something_on_every_core(name: str):
    model = MODELS[name]
    for kind in Kind:
        assert model.block([Instruction(kind, 4, words=1)], 0) >= 1
    assert 0 < model.bound < 1
    assert f"{model.bound * 100:.0f} %" in model.error


def test_every_core_of_a_board_has_a_model():
    assert {name for name, core in CORES.items() if not core.is_host} <= set(MODELS)
    assert model_of("host") is None


def test_classes_are_counted_by_runs_and_what_is_unknown_is_told():
    code = halves("6801 3a01 d1fc") + halves("e800 0000")
    told = estimate(window(code, 10, 9), M4, None)
    assert told.classes == {"load": 10, "alu": 10, "branch if": 10, "unknown": 10}
    assert told.unknown == 10
    assert isinstance(told, Estimate)


def test_an_interrupt_is_no_branch(assembled):
    told = estimate(window(assembled("nop"), 10, 1), M4, None)
    assert (told.branches_taken, told.cycles) == (0, 10)


# The memory system.


def timing(**code: object) -> Timing:
    return Timing.model_validate(
        {
            "code": {"wait_states": 5, "width": 8, "source": "x", **code},
            "data": {"wait_states": 0, "source": "x"},
            "instruction_cache": {"size": 1024, "line": 8, "ways": 128, "source": "x"},
            "data_cache": {"size": 256, "line": 8, "ways": 32, "source": "x"},
        }
    )


MISSES = {"fetch_jump": 3, "fetch_sequential": 7, "read_code": 2, "write_data": 9, "write_back": 4}


def test_each_line_that_is_missing_makes_the_core_wait_for_the_memory():
    told = estimate(window(halves("bf00"), 100, misses=MISSES), M4, timing())
    assert told.stalls == {"fetch_jump": 15, "fetch_sequential": 35, "read_code": 10}
    assert told.cycles == 100 + 60


def test_prefetch_hides_what_the_line_before_takes_to_run():
    told = estimate(window(halves("bf00"), 100, misses=MISSES), M4, timing(prefetch=True))
    # 8 bytes of NOP run for 4 cycles while the next 8 are read in 6: 2 cycles are left of each.
    assert told.stalls["fetch_sequential"] == 7 * 2
    assert told.stalls["fetch_jump"] == 15


def test_cycles_grow_with_wait_states():
    last = 0.0
    for wait_states in range(0, 12):
        now = estimate(window(halves("bf00"), 100, misses=MISSES), M4, timing(wait_states=wait_states)).cycles
        assert now > last
        last = now


def test_a_line_wider_than_a_read_takes_several_and_the_bus():
    flash = timing(wait_states=7, width=32, bus_cycles=5).code
    assert flash.fill_cycles(32) == 12
    assert flash.fill_cycles(64) == 20
    assert timing(wait_states=0, width=4).code.fill_cycles(4) == 0


def test_the_boards_say_which_caches_to_simulate():
    boards = catalog.boards()
    assert caches(timing()) == Caches(Cache(1024, 8, 128), Cache(256, 8, 32))
    nano = boards["nano33"].timing
    assert probe(nano) == Probe(memory=True, caches=Caches(Cache(2048, 16, 2)))
    disco = boards["stm32f746g-disco"].timing
    assert probe(disco) == Probe(
        memory=False, caches=Caches(Cache(4096, 32, 2), Cache(4096, 32, 4), (64 * 1024, 320 * 1024))
    )
    assert probe(boards["mps2-an386"].timing) == Probe()


def test_reads_of_constants_wait_where_no_cache_holds_them():
    nano = catalog.boards()["nano33"].timing
    told = estimate(window(halves("bf00"), 10, loads={"code": 4, "data": 100}, misses={"fetch_jump": 1}), M4, nano)
    assert told.stalls == {"read_code": 8, "fetch_jump": 3}


BOARD = """\
id: mine
name: mine
core: cortex-m4f
clock_hz: 64000000
counter: cycles
memory:
  code: {base: 0, size: 1M}
  data: {base: 0x20000000, size: 256K}
targets:
  qemu: {stand_in: mps2-an386}
timing:
  code: {wait_states: 5, width: 8, source: manual}
  data: {wait_states: 0, source: manual}
  instruction_cache: {size: 1K, line: 8, ways: 128, source: manual}
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("wait_states: 5", "waitstates: 5", "mine.yaml:12: timing.code: unknown key 'waitstates'"),
        ("wait_states: 5", "wait_states: five", "mine.yaml:12: timing.code.wait_states: 'five' is not a whole number"),
        ("wait_states: 5", "wait_states: -1", "mine.yaml:12: timing.code.wait_states: -1 is below 0"),
        (", source: manual}\n  data", "}\n  data", "mine.yaml:12: timing.code: 'source' is missing"),
        ("instruction_cache", "instuction_cache", "mine.yaml:14: timing: unknown key 'instuction_cache'"),
        ("ways: 128", "ways: 3", "mine.yaml:14: timing.instruction_cache.ways: 1024 bytes are not sets of 3 lines"),
        ("line: 8", "line: 12", "mine.yaml:14: timing.instruction_cache.ways: 1024 bytes are not sets of 128 lines"),
        ("0, source: manual}", "0, source: m, cached: {first: 2K, end: 1K}}", "timing.data.cached.end: the end is not"),
        ("0, source: manual}", "0, source: m, cached: {first: 0, end: 1K}}", "timing: 'data.cached' needs a"),
        ("line: 8, ways: 128", "line: 2, ways: 512", "lines of 2 bytes (a power of two, 4 or more)"),
        ("width: 8", "width: 2", "timing.code.width: a read brings a power of two of bytes, 4 or more"),
        ("wait_states: 0, source: manual}",
         "wait_states: 1, source: m}\n  data_cache: {size: 1K, line: 8, ways: 1, source: m}", "cannot be told from"),
    ],
)  # fmt: skip
def test_a_typo_in_timing_is_told_with_its_line(tmp_path: Path, old: str, new: str, told: str):
    path = tmp_path / "mine.yaml"
    path.write_text(BOARD)
    assert load_board(path).timing is not None
    path.write_text(BOARD.replace(old, new, 1))
    with pytest.raises(CatalogError) as error:
        load_board(path)
    assert told in str(error.value).replace(f"{tmp_path}/", "")
