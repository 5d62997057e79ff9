"""What the plug-in counts in QEMU: known code, known accesses, simulated caches, and the same in every run."""

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path

import pytest

from hilbench import bench, resources
from hilbench.catalog import board
from hilbench.counts import Block, Cache, Caches, Probe, Window
from hilbench.errors import Unavailable
from hilbench.images.cache import cache_folder
from hilbench.images.elf import Elf
from hilbench.link.client import Client
from hilbench.targets import counting
from hilbench.targets.base import Counting
from hilbench.targets.count_records import MISSES
from hilbench.targets.qemu import Qemu, QemuSettings
from tests import firmware_images
from tests.bare_programs import BOARD, build, needs_compiler, needs_qemu
from tests.test_end_to_end import plan

AN386 = QemuSettings(machine="mps2-an386")
M4 = board("mps2-an386")
SMALL = Caches(Cache(512, 64, 4), Cache(1024, 32, 4), cached_data=(0, 3000))
WINDOWS = ("counts_down", "branches", "accesses", "devices", "takes_long", "with_timer", "with_interrupts",
           "reads_and_writes", "fetches")  # fmt: skip
MEMORY = Probe(memory=True)
each_architecture = pytest.mark.parametrize(
    "machine",
    [
        pytest.param(machine, marks=pytest.mark.slow) if machine in ("mps2-an385", "mps2-an500") else machine
        for machine in firmware_images.MACHINES
    ],
)
"""The Cortex-M3 and M7 are of the M4's architecture."""
needs_cc = pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler (cc) on PATH")


def instructions(block: Block) -> int:
    count = at = 0
    while at < len(block.code):
        at += 4 if block.code[at + 1] >= 0xE8 else 2
        count += 1
    return count


def shape(window: Window) -> list[tuple[int, int, int]]:
    """Instructions, runs and leaves of each block that ran, in the order of addresses."""
    blocks = sorted((block for block, runs in window.blocks.items() if runs.executed > 0), key=lambda it: it.address)
    return [(instructions(block), window.blocks[block].executed, window.blocks[block].left) for block in blocks]


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    # Without constants among the code: nothing is read from there but what the program says.
    return build("counted", tmp_path_factory.mktemp("counted"), "-mpure-code", "-Wl,--no-warn-rwx-segments")


def counted(program: Path, probe: Probe = MEMORY) -> dict[str, Window]:
    with Qemu().count(program, BOARD, AN386, probe) as machine:
        heard, end = b"", time.monotonic() + 20
        while not heard.endswith(b"done\n"):
            assert time.monotonic() < end, machine.crash()
            heard += machine.stream.read(0.5)
        return dict(zip(WINDOWS, machine.windows(), strict=True))


@pytest.fixture(scope="module")
def windows(program) -> dict[str, Window]:
    return counted(program)


@pytest.fixture(scope="module")
def cached(program) -> dict[str, Window]:
    return counted(program, Probe(caches=SMALL))


@needs_compiler
@needs_qemu
@needs_cc
class TestKnownCode:
    def test_a_loop_is_left_as_often_as_it_jumps_back(self, windows):
        window = windows["counts_down"]
        assert window.instructions == 1 + 10 * 2
        first, again, *_ = shape(window)
        # The first turn runs into the loop from above: one block with what stands there. The last is not left.
        assert (first, again) == ((3, 1, 1), (2, 9, 8))

    def test_a_branch_is_taken_or_not(self, windows):
        window = windows["branches"]
        assert window.instructions == 8
        lefts = [left for _, _, left in shape(window)]
        assert lefts[:4] == [0, 1, 0, 1]  # bne, beq, b to what follows, and at last the call of the mark

    def test_accesses_by_region(self, windows):
        window = windows["accesses"]
        assert window.loads == {"code": 5, "data": 4, "other": 1}
        assert window.stores == {"code": 0, "data": 5, "other": 0}
        assert window.instructions == 12

    def test_an_access_to_a_device_from_the_middle_of_a_block_counts_once(self, windows):
        window = windows["devices"]
        assert window.instructions == 1 + 3 * 9
        assert (window.loads["other"], window.stores["other"]) == (6, 3)
        assert [runs for _, *runs in shape(window)[:2]] == [[1, 1], [2, 1]]

    def test_the_parts_of_a_window_make_up_the_whole(self, windows):
        for window in windows.values():
            assert sum(instructions(block) * runs.executed for block, runs in window.blocks.items()) == (
                window.instructions
            )

    def test_blocks_do_not_depend_on_where_qemu_cuts_them(self, windows):
        assert windows["takes_long"].instructions == 1 + 50000 * 7 - 2 + 1
        assert windows["with_timer"] == windows["takes_long"]

    def test_an_interrupt_in_a_window_counts_to_it(self, windows, program):
        window, handler = windows["with_interrupts"], Elf.open(program).symbol("on_systick")
        (taken,) = (runs.executed for block, runs in window.blocks.items() if block.address == handler)
        assert taken > 5
        assert window.instructions == windows["takes_long"].instructions + 2 * taken


class Lru:
    """A cache of sets, in the plainest words."""

    def __init__(self, shape: Cache) -> None:
        self.shape = shape
        self.sets: list[OrderedDict[int, bool]] = [OrderedDict() for _ in range(shape.size // shape.line // shape.ways)]

    def misses(self, address: int, writes: bool = False) -> tuple[bool, bool]:
        """Say whether the line of `address` was not there, and whether it made a written one leave."""
        line = address // self.shape.line
        lines = self.sets[line % len(self.sets)]
        if line in lines:
            lines.move_to_end(line)
            lines[line] |= writes
            return False, False
        written = lines.popitem(last=False)[1] if len(lines) == self.shape.ways else False
        lines[line] = writes
        return True, written


def states(state: int):
    while True:
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        yield state


@needs_compiler
@needs_qemu
@needs_cc
class TestCaches:
    def test_they_do_not_change_what_is_counted(self, cached, windows):
        for name, window in cached.items():
            assert dataclasses.replace(window, misses={}) == windows[name]
            assert set(window.misses) == set(MISSES)

    def test_data_misses_are_those_of_a_plain_model(self, cached, program):
        elf, cache = Elf.open(program), Lru(SMALL.data)
        found = dict.fromkeys(MISSES, 0)
        bits = states(1)
        for name, window in (("constants", False), ("cells", False), ("constants", True), ("cells", True)):
            base = elf.symbol(name)
            for _ in range(500):
                state = next(bits)
                address, writes = base + 4 * (state >> 22), name == "cells" and bool(state & 1 << 21)
                if name == "cells" and address >= 0x2000_0000 + SMALL.cached_data[1]:
                    continue
                miss, wrote_back = cache.misses(address, writes)
                kind = "read_code" if name == "constants" else "write_data" if writes else "read_data"
                found[kind] += window and miss
                found["write_back"] += window and wrote_back
        misses = cached["reads_and_writes"].misses
        assert {kind: misses[kind] for kind in MISSES[2:]} == {kind: found[kind] for kind in MISSES[2:]}
        assert min(found[kind] for kind in MISSES[2:]) > 50

    def test_fetch_misses_are_those_of_a_plain_model(self, cached, program):
        elf, cache = Elf.open(program), Lru(SMALL.instruction)
        called, caller = elf.symbol("called"), elf.symbol("fetches")
        order = [state >> 28 for _, state in zip(range(250), states(1), strict=False)]
        found, last = {"fetch_jump": 0, "fetch_sequential": 0}, 0
        for window in (False, True):
            for number in order:
                for address in (caller, called + 128 * number, called + 128 * number + 64):
                    if cache.misses(address)[0] and window:
                        found["fetch_sequential" if address // 64 == last // 64 + 1 else "fetch_jump"] += 1
                    last = address
        misses = cached["fetches"].misses
        assert {kind: misses[kind] for kind in found} == found
        assert min(found.values()) > 50


INPUT = bytes(range(64))


def agent_windows(image, machine: str, inputs: list[bytes], repeats: int, probe: Probe = MEMORY):
    """The guest's clock and the windows of an image of the agent, in one order."""
    with Qemu().count(image.path, board(machine), QemuSettings(machine=machine), probe) as running:
        client = Client(running.stream, timeout_s=20)
        client.hello(within_s=10)
        inferences = list(client.infer(inputs, repeats=repeats, depth=1))
        return [time for one in inferences for times in one.times for time in times], running.windows()


@firmware_images.needs_qemu
@needs_cc
class TestAgent:
    @each_architecture
    def test_every_window_has_the_instructions_of_the_guests_clock(self, machine, image_cache):
        image = firmware_images.make(machine, image_cache, "echo")
        clock, windows = agent_windows(image, machine, [INPUT, INPUT[::-1]], repeats=2)
        assert [window.instructions for window in windows] == clock
        assert len(windows) == 2 * 2 * 3
        for window in windows:
            assert sum(instructions(block) * runs.executed for block, runs in window.blocks.items()) == (
                window.instructions
            )

    def test_windows_of_any_length_and_phase(self, image_cache):
        image = firmware_images.make("mps2-an386", image_cache, "windows", input_bytes=4, output_bytes=48)
        _, windows = agent_windows(image, "mps2-an386", [turns.to_bytes(4, "little") for turns in range(20)], repeats=1)
        sizes = [window.instructions for window in windows]
        assert sizes == [sizes[0], 0, 1, 7, 41, 1000, 12345, sizes[7]] * 20

    def test_a_reset_calibrates_again(self, image_cache):
        image = firmware_images.make("mps2-an386", image_cache, "echo")
        with Qemu().count(image.path, M4, AN386, MEMORY) as machine:
            for _ in range(3):
                client = Client(machine.stream, timeout_s=20)
                client.hello(within_s=10)
                assert len(list(client.infer([INPUT]))) == 1
                machine.reset()
            windows = machine.windows()
        assert len(windows) == 9
        assert windows[:3] == windows[3:6] == windows[6:]

    def test_more_counts_than_are_kept_are_told(self, image_cache, monkeypatch):
        monkeypatch.setattr(counting, "_LIMIT_BYTES", 20_000)
        image = firmware_images.make("mps2-an386", image_cache, "echo")
        with pytest.raises(Unavailable, match="more counts than are kept"):
            agent_windows(image, "mps2-an386", [INPUT] * 30, repeats=4)

    def test_nothing_is_left_open(self, image_cache):
        image = firmware_images.make("mps2-an386", image_cache, "echo")
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(RuntimeError), Qemu().count(image.path, M4, AN386, MEMORY):
            raise RuntimeError
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    def test_qemu_offers_counting(self):
        assert isinstance(Qemu(), Counting)


@firmware_images.needs_qemu
@needs_cc
class TestSuites:
    def test_ten_runs_count_the_same_and_as_the_guests_clock(self):
        pytest.importorskip("tvm", reason="the framework of the image")
        image = bench.built_image(plan())
        inputs = [bytes([value]) * 64 for value in (0, 7)]
        runs = [agent_windows(image, "mps2-an386", inputs, repeats=1) for _ in range(10)]
        assert all(run == runs[0] for run in runs)
        clock, windows = runs[0]
        assert [window.instructions for window in windows] == clock
        assert windows[1].instructions > 100_000
        assert windows[1].loads["code"] > 1000 and windows[1].stores["data"] > 1000


@needs_qemu
class TestUnavailable:
    def test_without_a_compiler(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(Unavailable, match=r"a C compiler \(cc\) must be on the PATH"):
            counting.plugin(tmp_path, "qemu-system-arm", "7.2")

    @needs_cc
    def test_with_a_compiler_that_does_not_work(self, tmp_path, monkeypatch):
        broken = script(tmp_path / "cc", 'echo "cc: error: no spec file"; exit 1')
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        with pytest.raises(Unavailable, match="does not build: cc: error: no spec file"):
            counting.plugin(cache_folder(), str(shutil.which("qemu-system-arm")), "7.2")
        assert broken.is_file()

    @needs_cc
    def test_a_damaged_plugin_is_built_again(self, tmp_path):
        qemu = str(shutil.which("qemu-system-arm"))
        library = counting.plugin(tmp_path, qemu, "7.2")
        whole = library.read_bytes()
        library.write_bytes(whole[:1000])
        assert counting.plugin(tmp_path, qemu, "7.2") == library
        assert len(library.read_bytes()) == len(whole)

    @needs_cc
    def test_with_a_qemu_that_takes_no_plugins(self, tmp_path):
        qemu = script(tmp_path / "qemu-system-arm", 'echo "qemu-system-arm: -plugin: invalid option" >&2; exit 1')
        with pytest.raises(Unavailable, match=r"QEMU 7\.2 does not load .*: qemu-system-arm: -plugin: invalid option"):
            counting.plugin(cache_folder(), str(qemu), "7.2")

    @needs_cc
    @pytest.mark.skipif(
        not Qemu().available(BOARD, AN386).ok or Qemu().version()[0] not in "78", reason="for QEMU 7 and 8"
    )
    def test_with_a_qemu_of_another_api(self):
        with pytest.raises(Unavailable, match="API version 2"):
            counting.plugin(cache_folder(), str(shutil.which("qemu-system-arm")), "9.0.0")

    @needs_cc
    @needs_compiler
    def test_with_an_image_that_has_no_marks(self, tmp_path):
        with (
            pytest.raises(Unavailable, match=r"echo\.elf has no marks for counting"),
            Qemu().count(build("echo", tmp_path), BOARD, AN386, Probe()),
        ):
            pass

    def test_two_processes_may_build_it_at_once(self, tmp_path):
        code = "import sys; from pathlib import Path; from hilbench.targets import counting; " \
               "print(counting.plugin(Path(sys.argv[1]), *sys.argv[2:]))"  # fmt: skip
        argv = [sys.executable, "-c", code, tmp_path, shutil.which("qemu-system-arm"), Qemu().version()]
        both = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=resources.ROOT) for _ in range(2)]
        said = [process.communicate(timeout=60)[0].strip() for process in both]
        assert said[0] == said[1]
        assert sorted(path.suffix for path in tmp_path.iterdir()) == [".sha256", ".so"]


def script(path: Path, body: str) -> Path:
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo 1 && exit\n{body}\n')
    path.chmod(0o755)
    return path


@needs_cc
def test_the_plugin_builds_without_a_warning(tmp_path):
    strict = ["-Werror", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wmissing-prototypes", "-Wundef"]
    sources = map(str, (resources.FIRMWARE / "qemu").glob("*.c"))
    subprocess.run(
        ["cc", *counting.FLAGS, *strict, "-DHB_PLUGIN_API=1", "-o", tmp_path / "count.so", *sources], check=True
    )
