"""The virtual bench: pyOCD flashes and debugs emulated chips, faults show as on silicon, and nothing stays behind."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from hilbench.images.elf import Elf

from .conftest import ROOT
from .virtual_bench import VirtualBench, VirtualBoard, programs
from .virtual_bench.debugger import Debugger
from .virtual_bench.flash_controllers import Nvmc, Stm32F4

MICROBIT = f"9900{os.getpid():012x}"  # of this process alone: boards are locked for the whole computer
FLASHED = {"microbit": "nrf51", "netduinoplus2": "stm32f412xg", "nrf52840": "nrf52840"}
HELLO, CRASH, RESET = b"hello\n", b"!", b"?"
WAIT_S = 5.0


def why_not() -> str | None:
    if importlib.util.find_spec("pyocd") is None:
        return "no pyOCD: pip install pyocd"
    if importlib.util.find_spec("unicorn") is None:
        return "no Unicorn: pip install unicorn"
    if shutil.which("qemu-system-arm") is None:
        return "no qemu-system-arm on PATH"
    return programs.missing()


needs_bench = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(scope="module")
def elves(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("programs")
    return {part: programs.build(part, folder) for part in FLASHED}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualBench]:
    with VirtualBench(tmp_path_factory.mktemp("bench")) as bench:
        yield bench


@pytest.fixture(scope="module")
def debugger(bench: VirtualBench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debugger]:
    with Debugger(bench.environment, tmp_path_factory.mktemp("debugger")) as debugger:
        yield debugger


@pytest.fixture(scope="module")
def kept(bench: VirtualBench, elves: dict[str, Path]) -> VirtualBoard:
    """A micro:bit with a program, for the tests that leave it as it was."""
    return bench.plug("microbit", serial_number=MICROBIT, image=elves["microbit"])


@pytest.fixture
def microbit(kept: VirtualBoard, elves: dict[str, Path]) -> Iterator[VirtualBoard]:
    yield kept
    kept.unplug()
    kept.heal()
    kept.program(elves["microbit"])
    kept.plug_in()


def until(condition, timeout_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happens"
        time.sleep(0.01)


def alive(process: str) -> bool:
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def symbols(elf: Path) -> dict[str, int]:
    return {name: Elf.open(elf).symbol(name) for name in ("turn", "turns", "reset")}


def read(line: serial.Serial, size: int) -> bytes:
    line.timeout = WAIT_S
    return line.read(size)


@needs_bench
@pytest.mark.parametrize("part", FLASHED)
def test_pyocd_flashes_and_debugs(part: str, bench: VirtualBench, debugger: Debugger, elves: dict[str, Path]):
    board = bench.plug(part, serial_number=f"{part}-1", usb="0483:374b")
    at = symbols(elves[part])
    chosen = {"probe": board.serial_number, "target": FLASHED[part]}
    assert board.status()["locked_up"]  # blank
    assert debugger.ask("flash", **chosen, image=str(elves[part])) is True
    with serial.Serial(board.port, 115200) as line:
        assert read(line, len(HELLO)) == HELLO
        line.write(b"abc")
        assert read(line, 3) == b"abc"
    seen = debugger.ask("debug", **chosen, function=at["turn"] & ~1, counter=at["turns"])
    assert isinstance(seen, dict), seen
    assert seen["running"]
    assert seen["halted"] and seen["still"][0] == seen["still"][1]
    assert seen["registers"]["sp"] == seen["registers"]["msp"]
    assert seen["breakpoint"] == at["turn"] & ~1 and seen["reason"] == "BREAKPOINT"
    assert seen["stepped"] == seen["breakpoint"] + 2
    assert seen["written"] == 0x1234_5678
    assert seen["reset"] == at["reset"] & ~1
    board.close()
    bench.boards.remove(board)


@needs_bench
def test_bkpt_anywhere_halts(debugger: Debugger, microbit: VirtualBoard):
    # movs r0, #42; bkpt 1: no return address leads there.
    assert debugger.ask("ram_program", probe=MICROBIT, target="nrf51", address=0x2000_1000, data="2a2001be") == 42


@needs_bench
def test_a_board_keeps_its_power_between_sessions(debugger: Debugger, microbit: VirtualBoard, elves):
    turns = symbols(elves["microbit"])["turns"]
    with serial.Serial(microbit.port, 115200) as line:
        assert read(line, len(HELLO)) == HELLO
    resets = microbit.status()["resets"]
    first, second = (debugger.ask("read", probe=MICROBIT, target="nrf51", address=turns) for _ in range(2))
    assert 0 < first < second
    assert microbit.status()["resets"] == resets


@needs_bench
def test_boards_are_listed_by_serial_number_while_they_are_plugged_in(bench, debugger: Debugger, microbit):
    twin = bench.plug("microbit", serial_number="9900000099999999", probe=True)
    adapter = bench.plug("mps2-an386", serial_number="A50285BI", usb="0403:6001", probe=False)
    listed = {unique_id for unique_id, _ in debugger.ask("probes")}
    assert {MICROBIT, twin.serial_number} <= listed and adapter.serial_number not in listed
    assert [unique_id for unique_id, _ in debugger.ask("probes", unique_id=MICROBIT)] == [MICROBIT]
    assert debugger.ask("probes", unique_id="9900000012345678") == []
    ports = {port[3]: port for port in debugger.ask("ports")}
    assert ports[MICROBIT] == [microbit.port, 0x0D28, 0x0204, MICROBIT]
    assert ports["A50285BI"] == [adapter.port, 0x0403, 0x6001, "A50285BI"]
    bare = bench.plug("mps2-an386", serial_number="0669FF", usb="0483:3748", adapter=("1a86:7523", "5"))
    assert "0669FF" in {unique_id for unique_id, _ in debugger.ask("probes")}
    assert [bare.port, 0x1A86, 0x7523, "5"] in debugger.ask("ports")
    twin.unplug()
    assert twin.serial_number not in {unique_id for unique_id, _ in debugger.ask("probes")}
    assert twin.serial_number not in {port[3] for port in debugger.ask("ports")}
    for board in (twin, adapter, bare):
        board.close()
        bench.boards.remove(board)


@needs_bench
def test_processes_of_the_environment_and_a_pytest_session_see_the_ports(bench: VirtualBench, microbit: VirtualBoard):
    program = "import serial.tools.list_ports as l; print(*[p.serial_number for p in l.comports()])"
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, env=bench.environment, capture_output=True, text=True, check=True)
    assert MICROBIT in done.stdout.split()
    with bench.here():
        assert MICROBIT in {port.serial_number for port in serial.tools.list_ports.comports()}
    assert MICROBIT not in {port.serial_number for port in serial.tools.list_ports.comports()}
    plugin = "import tests.virtual_bench.plugin; " + program  # as `pytest -p` does, with no more than the variable
    environment = {**os.environ, "VIRTUAL_BENCH": str(bench.folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", plugin], env=environment, capture_output=True, text=True, check=True)
    assert MICROBIT in done.stdout.split()


@needs_bench
@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        ({"name": "no_ack"}, "Error", "Target not detected"),
        ({"name": "no_ack", "after": 100}, "TransferError", "NONE"),
        ({"name": "dead", "after": 100}, "TransferError", "NONE"),
        ({"name": "unplug", "after": 100}, "ProbeDisconnected", MICROBIT),
        ({"name": "bus_fault", "address": 0x400}, "TransferFaultError", "0x00000400"),
    ],
    ids=lambda value: str(value.get("name")) + str(value.get("after", "")) if isinstance(value, dict) else "",
)
def test_a_fault_shows_as_on_silicon(fault, error, text, debugger: Debugger, microbit: VirtualBoard, elves):
    microbit.fault(**fault)
    flash = {"probe": MICROBIT, "target": "nrf51", "image": str(elves["microbit"])}
    kind, message = debugger.ask("flash", **flash)
    assert kind == error and text in message


@needs_bench
def test_a_cell_that_keeps_its_value_shows_when_it_is_read_back(debugger: Debugger, microbit: VirtualBoard, elves):
    microbit.fault("stuck", address=0x81, value=0x55)
    assert debugger.ask("flash", probe=MICROBIT, target="nrf51", image=str(elves["microbit"])) is False
    microbit.heal()
    assert debugger.ask("flash", probe=MICROBIT, target="nrf51", image=str(elves["microbit"])) is True


@needs_bench
def test_a_slow_probe_is_slow_and_another_part_is_told(debugger: Debugger, microbit: VirtualBoard):
    before = microbit.status()["transfers"]
    microbit.fault("slow", latency_s=0.001)
    started = time.monotonic()
    assert debugger.ask("read", probe=MICROBIT, target="nrf51", address=0) == 0x2000_2000
    assert time.monotonic() - started > 0.001 * (microbit.status()["transfers"] - before)


@needs_bench
def test_another_part_is_told(debugger: Debugger, microbit: VirtualBoard):
    microbit.fault("word", address=0x1000_0010, value=0xABC)
    assert debugger.ask("read", probe=MICROBIT, target="nrf51", address=0x1000_0010) == 0xABC
    microbit.fault("wrong_part", idr=0x2BA0_1477)
    assert debugger.ask("idr", probe=MICROBIT, target="nrf51") == 0x2BA0_1477
    assert debugger.ask("idr", probe=MICROBIT, target="nrf52840") == ("KeyError", "1")


@needs_bench
def test_a_locked_chip_stays_locked_until_it_is_erased_on_purpose(bench: VirtualBench, debugger: Debugger, elves):
    board = bench.plug("nrf52840", serial_number="683", usb="1366:1015", image=elves["nrf52840"])
    board.fault("locked")
    flash = {"probe": "683", "target": "nrf52840", "image": str(elves["nrf52840"])}
    content = board.read(0, 64)
    kind, text = debugger.ask("flash", **flash)
    assert kind == "KeyError" and "no selected core" in text
    assert board.status()["security"] == {"locked": True, "mass_erases": 0}
    assert board.read(0, 64) == content != b"\xff" * 64
    assert debugger.ask("flash", **flash, unlock=True) is True
    assert board.status()["security"] == {"locked": False, "mass_erases": 1}
    board.close()
    bench.boards.remove(board)


@needs_bench
def test_a_flash_routine_that_fails_is_told(bench: VirtualBench, debugger: Debugger, elves: dict[str, Path]):
    board = bench.plug("netduinoplus2", serial_number="066C", usb="0483:374b")
    board.fault("flash_fails")
    kind, _ = debugger.ask("flash", probe="066C", target="stm32f412xg", image=str(elves["netduinoplus2"]))
    assert kind in ("FlashEraseFailure", "FlashProgramFailure")
    board.close()
    bench.boards.remove(board)


@needs_bench
def test_one_debugger_at_a_time_and_a_killed_one_lets_go(bench, debugger: Debugger, microbit, tmp_path: Path):
    read = {"probe": MICROBIT, "target": "nrf51", "address": 0}
    with Debugger(bench.environment, tmp_path) as holder:
        assert holder.ask("hold", probe=MICROBIT, target="nrf51") == "held"
        kind, text = debugger.ask("read", **read)
        assert kind == "ProbeError" and "in use" in text
    until(lambda: isinstance(debugger.ask("read", **read), int))


@needs_bench
def test_the_program_may_reset_itself(microbit: VirtualBoard):
    with serial.Serial(microbit.port, 115200) as line:
        assert read(line, len(HELLO)) == HELLO
        resets = microbit.status()["resets"]
        line.write(RESET)
        until(lambda: microbit.status()["resets"] == resets + 1)
        line.timeout = WAIT_S
        assert line.read_until(HELLO).endswith(HELLO)


@needs_bench
def test_nothing_is_lost_before_the_port_is_opened(microbit: VirtualBoard):
    microbit.reset()
    time.sleep(0.1)
    with serial.Serial(microbit.port, 115200) as line:
        assert read(line, 2 * len(HELLO)) == 2 * HELLO  # of the start, and of the reset
        sent = bytes(byte for byte in range(256) if byte not in CRASH + RESET) * 4
        line.write(sent)
        assert read(line, len(sent)) == sent


@needs_bench
def test_a_pulled_cable_ends_the_line_and_the_next_port_has_another_name(microbit: VirtualBoard):
    port = microbit.port
    with serial.Serial(port, 115200) as line:
        assert read(line, len(HELLO)) == HELLO
        microbit.unplug()
        with pytest.raises(serial.SerialException):
            read(line, 1)
    assert not Path(port).exists() and not microbit.status()["powered"]
    microbit.plug_in()
    assert microbit.port != port
    with serial.Serial(microbit.port, 115200) as line:
        assert read(line, len(HELLO)) == HELLO  # it has started anew


@needs_bench
def test_a_line_goes_silent_speaks_garbage_and_drops_bytes(microbit: VirtualBoard):
    with serial.Serial(microbit.port, 115200) as line:
        assert read(line, len(HELLO)) == HELLO
        microbit.fault("line", garbage=b"\x00\xff!?")
        assert read(line, 4) == b"\x00\xff!?"
        microbit.fault("line", silent=True)
        line.write(b"abc")
        line.timeout = 0.1
        assert line.read(1) == b""
        microbit.fault("line", drop=0.2)
        line.write(b"a" * 500)
        line.timeout = 0.3
        assert 200 < len(line.read(500)) < 450  # lost on the way there, and on the way back
        microbit.heal()
        line.write(b"abc")
        assert read(line, 3) == b"abc"


@needs_bench
def test_a_chip_that_locks_up_keeps_its_flash_and_starts_again_after_a_reset(microbit: VirtualBoard):
    with serial.Serial(microbit.port, 115200) as line:
        assert read(line, len(HELLO)) == HELLO
        line.write(CRASH)
        assert read(line, 1) == b"F"  # its HardFault handler, which then waits for more
        line.write(CRASH)
        until(lambda: microbit.status()["locked_up"])
        microbit.reset()
        assert read(line, len(HELLO)) == HELLO


@needs_bench
@pytest.mark.parametrize("how", ["left", "killed"])
def test_nothing_stays_behind(how: str, tmp_path: Path, elves: dict[str, Path]):
    program = f"""if True:
        import pathlib, sys, time
        from tests.virtual_bench import VirtualBench
        with VirtualBench(pathlib.Path({str(tmp_path)!r})) as bench:
            board = bench.plug("microbit", serial_number="1", image=pathlib.Path({str(elves["microbit"])!r}))
            print(board.process_id, board.status()["pid"], board.port, flush=True)
            sys.stdin.readline()
    """
    argv = [sys.executable, "-c", program]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        board, chip, port = process.stdout.readline().split()
        made = Path(port).stat()
        assert alive(board) and alive(chip)
        if how == "killed":
            process.kill()
        else:
            process.stdin.write("\n")
        process.stdin.close()
    until(lambda: not alive(board) and not alive(chip))
    with contextlib.suppress(FileNotFoundError):  # somebody else may have a terminal of this name by now
        assert Path(port).stat().st_ctime_ns != made.st_ctime_ns
    assert list((tmp_path / "bench").iterdir()) == []


def test_flash_controllers_do_only_what_they_are_unlocked_and_set_up_for():
    flash = Stm32F4(b"\xff" * (1 << 20))
    base, control, status = 0x4002_3C00, 0x4002_3C10, 0x4002_3C0C
    flash.store(control, 4, 0x201)
    flash.store(0x0800_0000, 4, 0x1234)
    assert flash.load(0x0800_0000, 4) == 0xFFFF_FFFF and flash.load(status, 4) & 0x80  # it is locked: PGSERR
    flash.store(base + 4, 4, 0x4567_0123)
    flash.store(base + 4, 4, 0xCDEF_89AB)
    flash.store(control, 4, 0x201)
    flash.store(0x0800_4000, 4, 0x1234)
    flash.store(0x0800_4000, 4, 0xFF00_FFF0)
    assert flash.load(0x0800_4000, 4) == 0x1230
    flash.store(control, 4, 0x1000A)  # STRT, sector 1, SER
    assert flash.load(0x0800_4000, 4) == 0xFFFF_FFFF
    assert b"".join(data for _, data in flash.banks[0].changes())[-0x4000:] == b"\xff" * 0x4000

    nvmc = Nvmc(b"\x00" * (1 << 20))
    nvmc.store(0x4001_E508, 4, 0x2000)
    assert nvmc.load(0x2000, 4) == 0
    nvmc.store(0x4001_E504, 4, 2)
    nvmc.store(0x4001_E508, 4, 0x2000)
    assert (nvmc.load(0x1FFC, 4), nvmc.load(0x2000, 4), nvmc.load(0x3000, 4)) == (0, 0xFFFF_FFFF, 0)
