"""Boot loaders put images on boards: the whole run, each kind by the real tool, and what can go wrong.

The boot loaders are simulated at their end of the wire; the board behind them is QEMU's mps2-an386, which a board file
of the test's own calls silicon. Arduino's bossac is used where HILBENCH_BOSSAC names it.
"""

import contextlib
import dataclasses
import errno
import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from hilbench import bench, catalog
from hilbench.catalog.board import Board
from hilbench.catalog.load import load_board
from hilbench.device import device
from hilbench.errors import CatalogError, DeviceFault, HilbenchError, LinkTimeout, TargetError, Unavailable, WrongImage
from hilbench.frameworks.base import YES, Support
from hilbench.images.image import Image
from hilbench.link.client import Client
from hilbench.link.framing import END, Decoder, encode
from hilbench.link.protocol import AfterReset, Frame, Reset
from hilbench.plan import Plan
from hilbench.targets import bootloader
from hilbench.targets.base import Reusable
from hilbench.targets.bootloader import Bootloader, BootloaderSettings, LoadedBoard
from hilbench.targets.loaders import bossac, entry, uf2
from hilbench.targets.loaders.base import Binary, Loader
from hilbench.targets.loaders.bossac import Bossac
from hilbench.targets.loaders.stm32flash import Stm32Flash
from hilbench.targets.loaders.uf2 import Uf2
from hilbench.targets.locks import held, holder
from hilbench.targets.ports import Port

from .conftest import ROOT
from .firmware_images import make, needs_qemu, running
from .simulated_loaders.an3155 import PAGE_BYTES, SystemMemory
from .simulated_loaders.board import Board as PoweredBoard
from .simulated_loaders.drive import Drive, decode
from .simulated_loaders.samba import APPLICATION, SamBa
from .simulated_loaders.terminal import Terminal, terminal
from .soc_on_host import needs_cc, on_host
from .test_end_to_end import plan

LOADER_USB, SKETCH_USB = "2341:005a", "2341:805a"
CONTENT = Binary(0x08000000, bytes(range(251)) * 41)

_STM32FLASH = pytest.mark.skipif(shutil.which("stm32flash") is None, reason="no stm32flash on PATH")
needs_bossac = pytest.mark.skipif(
    not os.environ.get(bossac.VARIABLE) or not Bossac([LOADER_USB]).available().ok,
    reason=f"{bossac.VARIABLE} does not name Arduino's bossac",
)


def needs_stm32flash(test):
    return _STM32FLASH(pytest.mark.usefixtures("stm32flash")(test))


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> list[ListPortInfo]:
    """What is attached."""
    ports: list[ListPortInfo] = []
    monkeypatch.setattr(list_ports, "comports", lambda: list(ports))
    return ports


@pytest.fixture
def line() -> Iterator[Terminal]:
    with terminal() as made:
        yield made


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drive:
    made = Drive(tmp_path)
    made.mounts.write_text("proc /proc proc rw 0 0\n")
    monkeypatch.setattr(uf2, "MOUNTS", made.mounts)
    monkeypatch.setattr(uf2, "LABELS", tmp_path / "by-label")
    monkeypatch.setattr(uf2, "_LEAVES_S", 0.5)
    return made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "ANSWER_S", 0.1)
    monkeypatch.setattr(entry, "AGENT_S", 0.1)
    monkeypatch.setattr(entry, "SKETCH_S", 0.1)


@pytest.fixture
def stm32flash(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real program, without parity: a pseudo-terminal has none, and it checks that its settings were taken.

    What it was told is in the file that this is the path of.
    """
    program = tmp_path_factory.mktemp("bin") / "stm32flash"
    told = program.with_name("told")
    program.write_text(f'#!/bin/sh\necho "$@" >> {told}\nexec {shutil.which("stm32flash")} -m 8n1 "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return told


def port_info(device: str, usb: str, serial_number: str = "") -> ListPortInfo:
    info = ListPortInfo(device)
    info.vid, info.pid = (int(word, 16) for word in usb.split(":"))
    info.serial_number = serial_number or None
    return info


def bench_board(folder: Path, bootloader: str) -> Board:
    """QEMU's board with a boot loader, as a file of the test's own."""
    text = (ROOT / "boards" / "mps2-an386.yaml").read_text()
    for old, new in (
        ("id: mps2-an386", "id: mybench"),
        ("aliases: [qemu]\n", ""),
        ("counter: instructions", "counter: cycles"),
        ("  qemu:\n    machine: mps2-an386", f"  bootloader: {bootloader}"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = folder / "mybench.yaml"
    path.write_text(text)
    return load_board(path)


@contextlib.contextmanager
def served(loader: SystemMemory | SamBa) -> Iterator[None]:
    """Let a boot loader answer until the context is left."""

    def serve() -> None:
        with contextlib.suppress(OSError, ValueError):
            while not loader.terminal.closed and not ending.is_set():
                loader.serve()

    ending = threading.Event()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(5)


# ---- a whole run


def with_a_drive(board: Board, line: Terminal, drive: Drive, *images: Image) -> PoweredBoard:
    """Return a board whose boot loader takes each of `images`."""
    known = {Binary.of(one.path, board).data.rstrip(b"\xff"): one for one in images}

    def serve() -> Image | None:
        if not drive.folder.exists():
            drive.plug()
        time.sleep(0.05)
        if (pages := drive.taken(uf2.RP2040)) is None:
            return None
        drive.unplug()
        flash = b"".join(pages[address] for address in sorted(pages))
        base = board.memory.code.base
        assert sorted(pages) == list(range(base, base + len(flash), uf2.PAGE_BYTES))
        return known[flash.rstrip(b"\xff")]

    return PoweredBoard(line, serve)


def planned(board: Board, line: Terminal) -> Plan:
    return dataclasses.replace(
        plan(), board=board, target="bootloader", attached=(("port", line.device), ("wait_s", "0"))
    )


@needs_qemu
def test_an_image_is_loaded_once_and_another_one_over_it(
    tmp_path: Path, line: Terminal, drive: Drive, plugged: list[ListPortInfo], image_cache: Path
):
    """The agent of the first image is asked to make way for the second; what is there then stays."""
    board = bench_board(tmp_path, "{kind: uf2, drive: RPI-RP2}")
    one = make("mps2-an386", image_cache, "echo")
    two = make("mps2-an386", image_cache, "echo", output_bytes=8)
    setting = bench._look_up(planned(board, line))
    with with_a_drive(board, line, drive, one, two).powered(first=one) as powered:
        for image, loads in ((one, 0), (two, 1), (two, 1), (one, 2)):
            with device(setting, image) as opened:
                (inference,) = opened.infer([bytes(range(64))], "inference")
                assert len(inference.output) == image.manifest.model.outputs[0].bytes
            assert (powered.loads, powered.asked) == (loads, loads)


@pytest.mark.slow
@needs_qemu
def test_a_whole_run_is_measured(
    tmp_path: Path, line: Terminal, drive: Drive, plugged: list[ListPortInfo], image_cache: Path
):
    board = bench_board(tmp_path, "{kind: uf2, drive: RPI-RP2}")
    image = bench.built_image(planned(board, line))
    with with_a_drive(board, line, drive, image).powered() as powered:
        record = bench.run(planned(board, line))
    assert powered.loads == 1
    assert record.metrics["latency"].basis == "measured"
    assert record.samples.outputs == bench.run(plan()).samples.outputs
    assert record.target.kind == "bootloader"


@needs_qemu
@needs_stm32flash
def test_a_boot_loader_on_the_agents_own_line_gives_it_back(
    tmp_path: Path, line: Terminal, plugged: list[ListPortInfo], image_cache: Path
):
    board = bench_board(tmp_path, "{kind: stm32flash, chip: 0x415}")
    image = make("mps2-an386", image_cache, "echo")
    # Erased already, as stm32flash takes the chip's flash to be elsewhere than QEMU's board has it.
    chip = SystemMemory(line, base=board.memory.code.base, flash=bytearray(b"\xff" * (1 << 20)))
    content = Binary.of(image.path, board).data
    settings = BootloaderSettings(kind="stm32flash", chip=0x415, port=line.device, wait_s=0)

    def serve() -> Image | None:
        return image if chip.serve() and chip.flash.startswith(content) else None

    with PoweredBoard(line, serve).powered(), Bootloader().run(image.path, board, settings) as loaded:
        client = Client(loaded.stream, 10)
        client.hello(10)
        client.require(image.manifest.build_id)
        assert [inference.invocation for inference in client.infer([bytes(64)] * 2)] == [0, 1]
        loaded.reset()
        client = Client(loaded.stream, 10)
        client.hello(10)
        assert [inference.invocation for inference in client.infer([bytes(64)])] == [0]


def test_the_target_says_that_a_running_board_may_do():
    assert isinstance(Bootloader(), Reusable)


@needs_stm32flash
def test_a_boot_loader_on_the_agents_line_hears_its_own_first_byte_before_any_other(
    tmp_path: Path, line: Terminal, plugged: list[ListPortInfo]
):
    """It takes the line's rate from that byte (AN3155, 2): a question to an agent would make it deaf."""
    board = bench_board(tmp_path, "{kind: stm32flash, chip: 0x415}")
    settings = BootloaderSettings(kind="stm32flash", chip=0x415, port=line.device, wait_s=0)
    with Bootloader().attached(tmp_path / "x.elf", board, settings) as running:
        assert isinstance(running, LoadedBoard), "nobody answers as a boot loader does"
    chip = SystemMemory(line)
    line.some(0.1)
    with served(chip), Bootloader().attached(tmp_path / "x.elf", board, settings) as running:
        assert running is None


# ---- after it was loaded


def answering(board: Board, image: Image, line: Terminal, failure: HilbenchError) -> HilbenchError:
    """Return what becomes of a failure to say hello to a board that was loaded."""
    running = LoadedBoard(Port(line.device, line.device), board.baud, image.path, "press it")
    with pytest.raises(HilbenchError) as told, running, bootloader._explained(running, board, Uf2("X", 1)):
        raise failure
    return told.value


@needs_qemu
def test_a_board_that_is_silent_after_it_was_loaded_is_told_with_its_wires(line: Terminal, image_cache: Path):
    image = make("nano33", image_cache, "echo")
    silent = answering(catalog.board("nano33"), image, line, LinkTimeout("the device does not answer"))
    assert "the image was loaded, and the device does not answer" in silent.what and line.device in silent.what
    assert "TX (P1.03)" in (silent.hint or "")
    wrong = answering(catalog.board("nano33"), image, line, WrongImage("the device runs the image a, not b"))
    assert isinstance(wrong, WrongImage) and "another board" in (wrong.hint or "")


def resets(line: Terminal, monkeypatch: pytest.MonkeyPatch) -> LoadedBoard:
    monkeypatch.setattr(bootloader, "_ANSWER_S", 0.5)
    return LoadedBoard(Port(line.device, line.device), 115200, Path("x.elf"), "press it twice")


def test_a_board_that_takes_no_reset_is_told_with_what_to_press(line: Terminal, monkeypatch: pytest.MonkeyPatch):
    with resets(line, monkeypatch) as board:
        with pytest.raises(TargetError, match="does not take a reset") as told:
            board.reset()
        assert "press its reset button" in (told.value.hint or "") and "press it twice" in (told.value.hint or "")


def test_a_board_that_goes_on_telling_of_its_fault_has_not_been_reset(line: Terminal, monkeypatch: pytest.MonkeyPatch):
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(0.1):
            line.write(encode(Frame.FAULT, 0, 0, bytes(56)))

    thread = threading.Thread(target=tell)
    thread.start()
    with resets(line, monkeypatch) as board, pytest.raises(TargetError, match="does not take a reset"):
        board.reset()
    ended.set()
    thread.join(5)


# ---- entering the boot loader


class Never:
    """A boot loader that does not come."""

    exclusive, on_line, press = "never", False, "press"

    def find(self) -> str | None:
        return None

    def available(self) -> Support:
        return YES

    def unit(self, place: str) -> str:
        return self.exclusive

    def load(self, binary: Binary, place: str) -> None:
        raise AssertionError

    def missing(self) -> Unavailable:
        return Unavailable("it does not come", hint=self.press)


def entering(line: Terminal, loader: Loader, own: Sequence[str] = ()) -> str:
    with entry.entered(loader, Port(line.device, line.device), 115200, [SKETCH_USB], own) as place:
        return place


def test_the_frames_are_the_protocols():
    assert END + encode(Frame.RESET, 0, 0, Reset(AfterReset.BOOT_LOADER).pack()) == entry.BOOT_LOADER_FRAMES


def test_the_agent_is_asked_and_then_the_person(line: Terminal, plugged: list[ListPortInfo], impatient: None):
    with pytest.raises(Unavailable, match="it does not come"):
        entering(line, Never())
    assert line.some(1).endswith(entry.BOOT_LOADER_FRAMES)


def test_a_sketch_is_touched_at_1200_baud(line: Terminal, plugged: list[ListPortInfo], impatient: None):
    """What stands for the sketch is there until it is touched; the boot loader comes in its place."""
    with terminal() as sketch, terminal() as loader:
        plugged.append(port_info(sketch.device, SKETCH_USB))
        before = sketch.baud

        def watch() -> None:
            while sketch.baud == before and not ended.wait(0.01):
                pass
            plugged[:] = [port_info(loader.device, LOADER_USB)]

        ended = threading.Event()
        thread = threading.Thread(target=watch)
        thread.start()
        try:
            place = entering(line, Bossac([LOADER_USB]))
        finally:
            ended.set()
            thread.join(5)
        assert place == loader.device
        assert sketch.baud == 9, "B1200 in termios.h"


def test_of_two_sketches_none_is_touched(line: Terminal, plugged: list[ListPortInfo], impatient: None):
    with terminal() as one, terminal() as two:
        before = one.baud
        plugged += [port_info(one.device, SKETCH_USB, "A"), port_info(two.device, SKETCH_USB)]
        with pytest.raises(Unavailable, match=f"several boards run sketches: {one.device}.*{two.device}") as told:
            entering(line, Bossac([LOADER_USB]))
        assert one.baud == two.baud == before
    assert told.value.hint == "unplug all but the one that is meant, or name the board's own: --hil-loader=A"


def test_of_two_sketches_the_one_is_touched_whose_serial_number_was_named(
    line: Terminal, plugged: list[ListPortInfo], impatient: None
):
    with terminal() as one, terminal() as two:
        before = one.baud
        plugged += [port_info(one.device, SKETCH_USB, "A"), port_info(two.device, SKETCH_USB, "B")]
        with pytest.raises(Unavailable, match="and the serial number X or B"):
            entering(line, Bossac([LOADER_USB], ["X", "B"]), ["X", "B"])
        assert one.baud == before != two.baud


@contextlib.contextmanager
def answered(line: Terminal) -> Iterator[None]:
    """Let an agent answer, which knows no way to a boot loader."""

    def answer() -> None:
        decoder = Decoder()
        while not ended.is_set():
            for frame in decoder.feed(line.some(0.05)):
                if frame.type == Frame.HELLO:
                    line.write(encode(Frame.INFO, 0, 0, frame.payload + bytes(44)))

    ended = threading.Event()
    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(5)


def test_a_boot_loader_that_waits_while_the_agent_answers_is_another_boards(
    line: Terminal, plugged: list[ListPortInfo], drive: Drive
):
    plugged.append(port_info("/dev/ttyACM7", LOADER_USB, "A"))
    drive.plug()
    with answered(line):
        for loader, place in ((Bossac([LOADER_USB]), "/dev/ttyACM7"), (Uf2("RPI-RP2", uf2.RP2040), str(drive.folder))):
            with pytest.raises(Unavailable, match=f"the boot loader at {place} is another board's") as told:
                entering(line, loader)
            assert "unplug the board" in (told.value.hint or "") and "--hil-port" in (told.value.hint or "")


def test_a_sketch_is_not_touched_while_the_agent_answers(
    line: Terminal, plugged: list[ListPortInfo], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(entry, "AGENT_S", 0.1)
    with terminal() as sketch, answered(line):
        before = sketch.baud
        plugged.append(port_info(sketch.device, SKETCH_USB, "A"))
        with pytest.raises(Unavailable, match="does not come"):
            entering(line, Bossac([LOADER_USB]))
        assert sketch.baud == before


def test_a_boot_loader_of_another_serial_number_is_not_taken(
    line: Terminal, plugged: list[ListPortInfo], impatient: None
):
    plugged.append(port_info("/dev/ttyACM7", LOADER_USB, "A"))
    assert entering(line, Bossac([LOADER_USB], ["A"]), ["A"]) == "/dev/ttyACM7"
    with pytest.raises(Unavailable, match="and the serial number B; not so: /dev/ttyACM7") as told:
        entering(line, Bossac([LOADER_USB], ["B"]), ["B"])
    assert "--hil-loader=A" in (told.value.hint or "")


@pytest.mark.parametrize("usb", [LOADER_USB, SKETCH_USB])
def test_the_usb_device_is_held_while_it_is_loaded(
    line: Terminal, plugged: list[ListPortInfo], impatient: None, usb: str
):
    number = f"test-{os.getpid()}"
    with terminal() as other:
        before = other.baud
        plugged.append(port_info(other.device, usb, number))
        with held(number, 0), pytest.raises(Unavailable, match="in use by this process") as told:
            entering(line, Bossac([LOADER_USB]))
        assert other.baud == before and "--hil-loader" in (told.value.hint or "")
        plugged[:] = [port_info(other.device, LOADER_USB, number)]
        with entry.entered(Bossac([LOADER_USB]), Port(line.device, line.device), 115200, [SKETCH_USB]):
            assert holder(number) is not None
        assert holder(number) is None
        plugged_line = Port(line.device, number)  # the line itself is on that device, and held by its own run
        with held(number, 0), entry.entered(Bossac([LOADER_USB]), plugged_line, 115200, [SKETCH_USB]) as place:
            assert place == other.device


# ---- bossac


@needs_bossac
def test_bossac_loads_behind_the_boot_loader(line: Terminal, plugged: list[ListPortInfo]):
    board = SamBa(line)
    with served(board):
        Bossac([LOADER_USB]).load(CONTENT, line.device)
    loaded = board.flash[APPLICATION:]
    assert loaded.startswith(CONTENT.data)
    assert board.flash[:APPLICATION] == b"\xaa" * APPLICATION


@needs_bossac
@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"fault": "verify"}, "reads back otherwise"),
        ({"chip": b"nRF52833-QIAA"}, "does not know the chip at"),
    ],
)
def test_bossac_that_fails_is_told(line: Terminal, changes: dict[str, object], what: str):
    with served(SamBa(line, **changes)), pytest.raises(HilbenchError, match=what):  # type: ignore[arg-type]
        Bossac([LOADER_USB]).load(CONTENT, line.device)


@needs_bossac
def test_a_silent_boot_loader_is_told(line: Terminal):
    with pytest.raises(TargetError, match="does not answer"):
        Bossac([LOADER_USB]).load(CONTENT, line.device)


def test_a_bossac_that_is_not_arduinos_is_told_before_anything_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / "bossac"
    program.write_bytes(b"\x7fELF upstream's")
    program.chmod(0o755)
    monkeypatch.setenv(bossac.VARIABLE, str(program))
    here = Bossac([LOADER_USB]).available()
    assert not here.ok and "is not Arduino's" in here.reason and "arduino-cli core install" in here.remedy
    program.write_bytes(b"\x7fELF ... nRF52840-QIAA")
    assert Bossac([LOADER_USB]).available().ok
    monkeypatch.setenv(bossac.VARIABLE, str(tmp_path / "nothing"))
    assert "not installed" in Bossac([LOADER_USB]).available().reason


def test_the_bossac_that_arduinos_tools_brought_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(bossac.VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    program = tmp_path / ".arduino15/packages/arduino/tools/bossac/1.9.1-arduino2/bossac"
    program.parent.mkdir(parents=True)
    program.write_bytes(b"\x7fELF ... nRF52840-QIAA")
    assert Bossac([LOADER_USB]).available().ok


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("echo Device unsupported; exit 1", "does not know the chip"),
        ("echo No device found on ttyACM0; exit 1", "does not answer"),
        ("echo SAM-BA operation failed; exit 1", "exit code 1.*SAM-BA operation failed"),
        ("exit 0", "could not load"),
    ],
)
def test_what_bossac_says_counts_and_not_only_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: Terminal, script: str, what: str
):
    program = tmp_path / "bossac"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv(bossac.VARIABLE, str(program))
    with pytest.raises(HilbenchError, match=what) as told:
        Bossac([LOADER_USB]).load(CONTENT, line.device)
    assert told.value.hint


def test_two_boards_in_their_boot_loaders_are_told(plugged: list[ListPortInfo]):
    plugged += [port_info("/dev/ttyACM0", LOADER_USB, "A"), port_info("/dev/ttyACM1", LOADER_USB, "B")]
    with pytest.raises(Unavailable, match=r"several boards wait in their boot loaders: /dev/ttyACM0 .*ttyACM1"):
        Bossac([LOADER_USB]).find()


# ---- stm32flash


def at(line: Terminal, chip: int | None = 0x415) -> Stm32Flash:
    return Stm32Flash(Port(line.device, line.device), chip)


@needs_stm32flash
def test_stm32flash_loads_what_it_is_given(line: Terminal):
    chip = SystemMemory(line)
    with served(chip):
        place = at(line).find()
        assert place == line.device
        at(line).load(CONTENT, place)
    assert chip.flash.startswith(CONTENT.data)
    assert bytes(chip.flash).endswith(b"\xaa" * 64 * 1024), "what is not needed is not erased"


@needs_stm32flash
@pytest.mark.parametrize("size", [1, PAGE_BYTES, PAGE_BYTES + 1, 3 * PAGE_BYTES - 2])
def test_stm32flash_is_told_where_the_image_ends_and_erases_its_pages_only(line: Terminal, stm32flash: Path, size: int):
    """Told the start alone, where that is the first page, a version may erase the whole chip."""
    chip = SystemMemory(line)
    binary = Binary(0x08000000, bytes(range(1, 252)) * 40)
    binary = dataclasses.replace(binary, data=binary.data[:size])
    with served(chip):
        at(line).find()
        at(line).load(binary, line.device)
    assert f" -S 0x08000000:0x{size:x} " in stm32flash.read_text()
    assert chip.flash.startswith(binary.data)
    assert sorted(chip.erased) == list(range(-(-size // PAGE_BYTES)))


@needs_stm32flash
def test_a_board_that_stayed_in_its_boot_loader_is_found_again(line: Terminal):
    with served(SystemMemory(line)):
        assert [at(line).find() for _ in range(3)] == [line.device] * 3


@needs_stm32flash
def test_nobody_at_the_line_is_no_boot_loader(line: Terminal):
    assert at(line).find() is None
    assert "BOOT0" in (at(line).missing().hint or "")


@needs_stm32flash
@pytest.mark.parametrize(
    ("chip", "what"), [(0x413, "is 0x413 .*the board's is 0x415"), (0x7FF, "0x7ff, and the board's")]
)
def test_another_chip_is_told_before_anything_is_erased(line: Terminal, chip: int, what: str):
    board = SystemMemory(line, chip=chip)
    with served(board), pytest.raises(TargetError, match=what):
        at(line).find()
    assert set(board.flash) == {0xAA}


@needs_stm32flash
def test_a_chip_that_stm32flash_does_not_know_is_told(line: Terminal):
    with served(SystemMemory(line, chip=0x7FF)), pytest.raises(TargetError, match="does not know the chip 0x7ff"):
        at(line, None).find()


@needs_stm32flash
@pytest.mark.parametrize(
    ("fault", "what", "hint"),
    [("nack", "could not load", "protected"), ("verify", "reads back otherwise", "run again")],
)
def test_stm32flash_that_fails_is_told(line: Terminal, fault: str, what: str, hint: str):
    with served(SystemMemory(line, fault=fault)):
        place = at(line).find()
        assert place
        with pytest.raises(TargetError, match=what) as told:
            at(line).load(CONTENT, place)
    assert hint in (told.value.hint or "")


def test_a_line_of_another_computer_is_no_way_to_a_boot_loader():
    with pytest.raises(Unavailable, match="is another's"):
        Stm32Flash(Port("socket://lab:4000", "lab:4000"), None).find()


# ---- UF2


@given(st.binary(min_size=1, max_size=20_000), st.integers(0, 0x1000).map(lambda page: 0x10000000 + page * 4096))
def test_a_uf2_file_holds_what_was_encoded(data: bytes, base: int):
    pages = decode(uf2.encode(Binary(base, data), 7), 7)
    flash = b"".join(pages[address] for address in sorted(pages))
    assert sorted(pages) == list(range(base, base + len(flash), 256))
    assert flash[: len(data)] == data and not flash[len(data) :].strip(b"\xff")
    assert len(flash) % 4096 == 0 and len(flash) - len(data) < 4096


def test_a_drive_is_found_by_its_board_id(drive: Drive, tmp_path: Path):
    loader = Uf2("RPI-RP2", uf2.RP2040)
    assert loader.find() is None
    assert "BOOTSEL" in (loader.missing().hint or "")
    other = Drive(tmp_path, "RP2350", "other")
    other.plug()
    assert loader.find() is None
    drive.plug()
    assert loader.find() == str(drive.folder)
    (drive.root / drive.name).unlink()
    assert loader.find() is None, "its mount was left behind"


def test_two_drives_are_told(drive: Drive, tmp_path: Path):
    drive.plug()
    Drive(tmp_path, name="RPI-RP21").plug()
    with pytest.raises(Unavailable, match=r"several drives RPI-RP2 are mounted: .*RPI-RP2, .*RPI-RP21"):
        Uf2("RPI-RP2", uf2.RP2040).find()


def not_mounted(drive: Drive) -> Uf2:
    (drive.root / "by-label").mkdir()
    (drive.root / "by-label" / "RPI-RP2").write_text("")
    return Uf2("RPI-RP2", uf2.RP2040)


def test_a_drive_that_is_not_mounted_is_told_with_the_command(drive: Drive, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    loader = not_mounted(drive)
    assert loader.find() is None
    assert "is there and not mounted" in loader.missing().what
    assert f"sudo mount -o uid=$(id -u),flush {drive.root}/by-label/RPI-RP2" in (loader.missing().hint or "")


def test_a_drive_that_is_not_mounted_is_mounted_with_udisksctl(drive: Drive, monkeypatch: pytest.MonkeyPatch):
    loader = not_mounted(drive)
    plain = drive.mounts.read_text()
    drive.plug()
    table = drive.mounts.read_text()
    drive.mounts.write_text(plain)
    (drive.root / "table").write_text(table)
    program = drive.root / "udisksctl"
    program.write_text(f'#!/bin/sh\n[ "$1 $3 $4" = "mount -b {drive.root}/by-label/RPI-RP2" ] || exit 1\n'
                       f"cat {drive.root}/table > {drive.mounts}\n")  # fmt: skip
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(drive.root), prepend=os.pathsep)
    assert loader.find() == str(drive.folder)


@pytest.mark.parametrize(
    ("onto", "what", "hint"),
    [
        ("/dev/full", "has no room for the image's", "empty drive"),
        ("/sys/kernel/notes", "may not be written to: Permission denied", "sudo umount"),
        ("/nowhere/at/all", "left while it was written to", "check the cable"),
    ],
)
def test_a_drive_that_cannot_be_written_to_is_told(drive: Drive, onto: str, what: str, hint: str):
    drive.plug()
    (drive.folder / "HILBENCH.UF2").symlink_to(onto)
    with pytest.raises(HilbenchError, match=what) as told:
        Uf2("RPI-RP2", uf2.RP2040).load(CONTENT, str(drive.folder))
    assert hint in (told.value.hint or "")


def test_a_board_that_keeps_its_drive_has_not_started(drive: Drive):
    drive.plug()
    with pytest.raises(TargetError, match="has the image and does not start it"):
        Uf2("RPI-RP2", uf2.RP2040).load(CONTENT, str(drive.folder))


@pytest.mark.parametrize("leaves", [True, False])
def test_a_drive_may_leave_with_its_last_block(drive: Drive, monkeypatch: pytest.MonkeyPatch, leaves: bool):
    """What the file system has still to write then finds no drive; with the drive still there, it is an error."""
    drive.plug()

    def fails(fd: int) -> None:
        assert drive.taken(uf2.RP2040), "all was written"
        if leaves:
            drive.unplug()
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fails)
    expected = contextlib.nullcontext() if leaves else pytest.raises(TargetError, match="left while it was written to")
    with expected:
        Uf2("RPI-RP2", uf2.RP2040).load(CONTENT, str(drive.folder))


# ---- settings, images, locks


def test_a_kind_needs_what_it_is_found_by(tmp_path: Path):
    for kind, key in (("bossac", "usb"), ("uf2", "drive")):
        with pytest.raises(CatalogError, match=f"kind '{kind}' needs '{key}'"):
            bench_board(tmp_path, f"{{kind: {kind}}}")
    for loader, kind in (("A", "stm32flash"), ('" ,"', 'bossac, usb: ["2341:005a"]')):
        with pytest.raises(CatalogError, match="'loader' is of kind 'bossac'"):
            bench_board(tmp_path, f"{{kind: {kind}, loader: {loader}}}")
    both = BootloaderSettings(kind="bossac", usb=(LOADER_USB,), loader="A, B")
    assert both.own == ("A", "B")


@needs_qemu
def test_an_image_that_would_touch_the_boot_loader_is_refused(image_cache: Path):
    """The nRF52840-DK has no boot loader, so its images begin where that of the Nano lies."""
    image = make("nrf52840-dk", image_cache, "echo")
    with pytest.raises(TargetError, match="takes images from 0x00010000 to 0x00100000"):
        Binary.of(image.path, catalog.board("nano33"))


@needs_qemu
def test_a_binary_begins_where_the_board_runs_it(image_cache: Path):
    for name in ("nano33", "pico"):
        board = catalog.board(name)
        binary = Binary.of(make(name, image_cache, "echo").path, board)
        assert binary.base == board.memory.code.base
        vectors = binary.data[256:] if name == "pico" else binary.data
        assert int.from_bytes(vectors[:4], "little") & 0xFF000000 == board.memory.data.base
        assert int.from_bytes(vectors[4:8], "little") - binary.base in range(len(binary.data))


@needs_qemu
def test_what_is_missing_is_a_reason_and_a_board_in_use_is_told(
    line: Terminal, plugged: list[ListPortInfo], drive: Drive, image_cache: Path
):
    board, image = catalog.board("pico"), make("pico", image_cache, "echo")
    settings = BootloaderSettings(kind="uf2", drive="RPI-RP2", port=line.device, wait_s=0)
    assert Bootloader().available(board, settings).ok
    assert "no serial port" in Bootloader().available(board, settings.model_copy(update={"port": None})).reason
    assert not Bootloader().available(catalog.board("host"), settings).ok
    with held(line.device, 0), pytest.raises(Unavailable, match="is in use by this process"):
        Bootloader().run(image.path, board, settings).__enter__()
    with held("drive RPI-RP2", 0), pytest.raises(Unavailable, match="drive RPI-RP2 is in use by this process"):
        Bootloader().run(image.path, board, settings).__enter__()


# ---- the firmware's part


@needs_cc
def test_a_nano_restarts_into_arduinos_boot_loader(tmp_path: Path):
    soc = on_host(catalog.board("nano33"), tmp_path)
    assert soc.library.host_boot_loader()
    assert soc[0x4000051C] == 0xB0


@needs_cc
def test_a_microbit_has_no_boot_loader_of_its_own(tmp_path: Path):
    assert not on_host(catalog.board("microbit"), tmp_path).library.host_boot_loader()


@needs_qemu
def test_an_agent_that_knows_no_boot_loader_is_just_reset(image_cache: Path):
    image = make("mps2-an386", image_cache, "echo")
    with running(image) as board:
        board.client._line.send(Frame.RESET, Reset(7).pack())
        board.client._line.send(Frame.RESET, b"\1\0")
        assert board.client.hello(5).build_id.hex() == image.manifest.build_id, "what it does not know, it ignores"
        board.client._line.send(Frame.RESET, Reset(AfterReset.BOOT_LOADER).pack())
        with pytest.raises((HilbenchError, DeviceFault)):
            board.client.hello(2)
        assert "reset itself" in str(board.machine.crash())
