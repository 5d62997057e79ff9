"""The target `probe` on the virtual bench: real pyOCD, its real flash algorithm for the nRF51, and QEMU as the chip.

What runs afterwards is in test_probe_running.py.
"""

import os
import signal
import socket
import threading
import time
import zipfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from hilbench.catalog.wiring import Debugger
from hilbench.errors import TargetError, Unavailable
from hilbench.targets import probe
from hilbench.targets.debug import choose, client
from hilbench.targets.debug.client import AttachedProbe, Link
from hilbench.targets.probe import Probe, ProbeSettings

from .conftest import run_python
from .microbit_bench import CODE, NRF51, PAGE, built, in_use, microbit, needs_qemu, noise, opened, plugged, settings
from .test_process import is_gone

pytest.importorskip("pyocd")
pytestmark = needs_qemu

PDSC = """<?xml version="1.0" encoding="utf-8"?>
<package schemaVersion="1.7"><vendor>Some</vendor><name>Chips_DFP</name>
<devices><family Dfamily="SC" Dvendor="Some:1"><processor Dcore="Cortex-M0" DcoreVersion="r0p0"/>
<debug __dp="0" __ap="0"/>
<device Dname="SC51"><memory name="F" access="rx" start="0x0" size="0x40000" default="1" startup="1"/>
<memory name="R" access="rwx" start="0x20000000" size="0x4000" default="1"/></device></family></devices></package>
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with in_use(tmp_path_factory.mktemp("bench")) as bench:
        yield bench


@pytest.fixture(scope="module")
def same_board(bench):
    with plugged(bench) as board:
        yield board


@pytest.fixture
def board(same_board):
    """A micro:bit, the only one that is plugged in."""
    same_board.heal()
    same_board.plug_in()
    return same_board


@pytest.fixture(scope="module")
def same_pyocd(bench):
    with client.started() as pyocd:
        yield pyocd


@pytest.fixture
def pyocd(same_pyocd):
    """A pyOCD that runs, for tests that leave it alive."""
    yield same_pyocd
    same_pyocd.close()


# What is flashed, and what is not


def test_flash_holds_what_was_written_and_the_same_is_not_written_twice(pyocd, board):
    chip = opened(pyocd, board)
    segments = [(0, noise(5000)), (8192, noise(100))]
    assert chip.core == "Cortex-M0" and chip.unique_id == board.serial_number
    assert pyocd.flash(segments, CODE)
    assert [board.read(address, len(data)) for address, data in segments] == [data for _, data in segments]
    assert not pyocd.flash(segments, CODE)
    other = noise(5000)
    assert pyocd.flash([(0, other)], CODE)
    assert board.read(0, 5000) == other
    assert board.status()["security"]["mass_erases"] == 0


def test_nothing_outside_of_the_image_is_erased(pyocd, board):
    opened(pyocd, board)
    everything = noise(8 * PAGE)
    pyocd.flash([(0, everything)], CODE)
    pyocd.flash([(3 * PAGE, noise(PAGE + 10))], CODE)
    assert board.read(0, 3 * PAGE) == everything[: 3 * PAGE]
    assert board.read(5 * PAGE, 3 * PAGE) == everything[5 * PAGE :]
    # Not even in the image's own sectors, where they are not the board's alone.
    first = 6 * PAGE + 512
    data = noise(256)
    pyocd.flash([(first, data)], (first, CODE[1]))
    assert board.read(6 * PAGE, 512) == everything[6 * PAGE : first]
    assert board.read(first, 256) == data


def test_an_image_that_the_chip_has_no_flash_for_is_refused_before_anything_is_erased(pyocd, board):
    opened(pyocd, board)
    before = board.read(CODE[1] - PAGE, PAGE)
    with pytest.raises(TargetError, match="'nrf51' has no flash to program at 0x00040000"):
        pyocd.flash([(CODE[1] - 16, noise(32))], (0, 1 << 20))
    assert board.read(CODE[1] - PAGE, PAGE) == before


def test_flash_that_keeps_other_bytes_is_found_when_it_is_read_back(pyocd, board):
    opened(pyocd, board)
    data = noise(2048)
    board.fault("stuck", address=1234, value=data[1234] ^ 1)
    with pytest.raises(TargetError, match="flash at 0x000004d2 reads back other bytes than were written"):
        pyocd.flash([(0, data)], CODE)


# Faults of wires, probes and chips: one error each, in time


def test_a_chip_that_does_not_answer(pyocd, board):
    board.fault("no_ack")
    with pytest.raises(TargetError, match="no chip answers probe") as told:
        opened(pyocd, board)
    assert "powered" in told.value.hint
    board.heal()
    opened(pyocd, board)
    board.fault("dead")
    with pytest.raises(TargetError, match="stopped answering"):
        pyocd.read(0, 4)
    board.power(True)


def test_a_bus_fault_names_its_address(pyocd, board):
    opened(pyocd, board)
    with pytest.raises(TargetError, match="reading 0x30000000 ended in a bus fault at 0x30000000"):
        pyocd.read(0x3000_0000, 4)
    board.fault("bus_fault", address=0x2000_0100)
    with pytest.raises(TargetError, match="writing 0x20000100 ended in a bus fault"):
        pyocd.write(0x2000_0100, b"four")
    assert len(pyocd.read(0x2000_0000, 8)) == 8


@pytest.mark.parametrize("after", [2, 60, 300])
def test_a_probe_that_is_unplugged_while_it_flashes(pyocd, board, after):
    opened(pyocd, board)
    board.fault("unplug", after=after)
    with pytest.raises(TargetError, match="went away while") as told:
        pyocd.flash([(0, noise(8000))], CODE)
    assert "cable" in told.value.hint
    board.plug_in()
    opened(pyocd, board)
    data = noise(8000)
    assert pyocd.flash([(0, data)], CODE)
    assert board.read(0, 8000) == data


def test_a_locked_chip_is_not_unlocked_but_told_of(pyocd, bench):
    with plugged(bench, "nrf52840") as board:
        board.fault("locked")
        with pytest.raises(TargetError, match="is locked") as told:
            pyocd.open(board.serial_number, Link("nrf52840"))
        assert "erases ALL" in told.value.hint and "pyocd erase --mass --target nrf52840" in told.value.hint
        assert board.status()["security"]["mass_erases"] == 0


def test_the_boot_loader_of_a_nano33_stays(pyocd, bench):
    with plugged(bench, "nrf52840") as board:
        pyocd.open(board.serial_number, Link("nrf52840"))
        boot_loader, image, (first, end) = noise(8192), noise(5000), (0x10000, 0x100000)
        pyocd.flash([(first - len(boot_loader), boot_loader)], (0, end))
        assert pyocd.flash([(first, image)], (first, end))
        assert board.read(first - len(boot_loader), len(boot_loader) + len(image)) == boot_loader + image


def test_a_chip_of_another_kind(pyocd, board):
    with pytest.raises(TargetError, match="is not a nrf52840: pyOCD fails with KeyError") as told:
        pyocd.open(board.serial_number, Link("nrf52840"))
    assert "target:" in told.value.hint


def test_what_chip_it_is_is_read_from_the_chip(pyocd, bench, board):
    assert (opened(pyocd, board).cpuid, opened(pyocd, board).part_id) == (0x410C_C200, "")
    with plugged(bench, "netduinoplus2", usb="0483:374b") as stm32:
        link = Link("stm32f412xg")  # an F405, in truth
        assert pyocd.open(stm32.serial_number, link).part_id == "DBGMCU_IDCODE 0x10076413"
        stm32.fault("bus_fault", address=0xE004_2000)
        assert pyocd.open(stm32.serial_number, link).part_id == ""
    with plugged(bench, "nrf52840", usb="2e8a:000c") as nrf52:
        assert pyocd.open(nrf52.serial_number, Link("nrf52840")).part_id == "FICR INFO.PART 0x00052840"


def test_a_target_that_pyocd_does_not_know(pyocd, board, tmp_path):
    with pytest.raises(Unavailable, match="knows no target 'nrf52480'") as told:
        pyocd.open(board.serial_number, Link("nrf52480"))
    assert "did you mean 'nrf52840'" in told.value.hint and "pyocd pack install nrf52480" in told.value.hint
    pack = tmp_path / "some.pack"
    pack.write_bytes(b"no zip")
    with pytest.raises(Unavailable, match="pack") as told:
        pyocd.open(board.serial_number, Link("stm32l476rgtx", pack=str(pack)))
    assert str(pack) in str(told.value)


def test_a_chip_from_a_pack(pyocd, board, tmp_path):
    pack = tmp_path / "Some.Chips_DFP.1.0.0.pack"
    with zipfile.ZipFile(pack, "w") as archive:
        archive.writestr("Some.Chips_DFP.pdsc", PDSC)
    assert pyocd.open(board.serial_number, Link("sc51", pack=str(pack))).core == "Cortex-M0"
    with pytest.raises(TargetError, match="'sc51' has no flash to program at 0x00000000"):
        pyocd.flash([(0, b"data")], CODE)
    with pytest.raises(Unavailable, match="this pack has no 'sc52'") as told:
        pyocd.open(board.serial_number, Link("sc52", pack=str(pack)))
    assert told.value.where == str(pack) and "did you mean 'sc51'" in told.value.hint


def test_a_unique_id_is_compared_as_a_whole(pyocd, board):
    with pytest.raises(Unavailable, match=f"no probe has the unique id .* \\(attached: '{board.serial_number}'"):
        pyocd.open(board.serial_number[:-1], NRF51)


def test_a_probe_that_another_program_uses(pyocd, board):
    opened(pyocd, board)
    with client.started() as other, pytest.raises(Unavailable, match=r"cannot be used.*in use"):
        opened(other, board)


def test_a_slow_probe_takes_its_time(pyocd, board, monkeypatch):
    monkeypatch.setattr(client, "SILENCE_S", 1.5)
    opened(pyocd, board)
    board.fault("slow", latency_s=0.002)
    start = time.monotonic()
    assert pyocd.flash([(0, noise(9000))], CODE)
    assert time.monotonic() - start > client.SILENCE_S


def test_no_server_where_a_remote_probe_should_be(pyocd):
    with pytest.raises(Unavailable, match="the pyOCD server localhost:1 does not answer") as told:
        pyocd.open("remote:localhost:1", NRF51)
    assert "pyocd server" in told.value.hint


def test_pyocd_that_waits_for_too_long_is_killed(bench, monkeypatch):
    """As here for a server that takes a request and says nothing."""
    monkeypatch.setattr(client, "SILENCE_S", 0.5)

    def serve(server: socket.socket) -> None:
        with server.accept()[0] as connection:
            while connection.recv(4096):
                pass

    with socket.create_server(("localhost", 0)) as server, client.started() as pyocd:
        threading.Thread(target=serve, args=[server], daemon=True).start()
        start = time.monotonic()
        with pytest.raises(TargetError, match=r"pyOCD was silent for 0.5 s at 'open', and was killed"):
            pyocd.open(f"remote:localhost:{server.getsockname()[1]}", NRF51)
        assert time.monotonic() - start < 2
        assert is_gone(pyocd._process.pid)
        with pytest.raises(TargetError, match="was killed"):
            pyocd.halt()


def test_pyocd_may_die_at_any_time(pyocd, bench, board):
    for delay_s in (0.1, 0.3):
        with client.started() as doomed:
            opened(doomed, board)
            threading.Timer(delay_s, os.kill, (doomed._process.pid, signal.SIGKILL)).start()
            with pytest.raises(TargetError, match=r"pyOCD's process ended at 'flash' \(SIGKILL\)"):
                doomed.flash([(0, noise(100_000))], CODE)
        opened(pyocd, board)
        data = noise(3000)
        assert pyocd.flash([(0, data)], CODE)
        assert board.read(0, 3000) == data
        pyocd.close()


def test_a_script_where_hilbench_is_started_is_not_run(bench, board, tmp_path, monkeypatch):
    (tmp_path / "pyocd_user.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (tmp_path / "json.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (tmp_path / "pyocd.yaml").write_text("auto_unlock: true\n")
    monkeypatch.chdir(tmp_path)
    with client.started() as pyocd:
        opened(pyocd, board)
    assert not (tmp_path / "ran").exists()
    assert Path.cwd() == tmp_path


def test_a_plug_in_of_pyocd_that_does_not_import_is_told_of(tmp_path, monkeypatch):
    metadata = tmp_path / "broken-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text("[pyocd.probe]\nbroken = no_such_module:Plugin\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"pyOCD cannot be loaded: .*no_such_module"), client.started():
        pass


# Which probe


def fitting(attached: list[AttachedProbe], debugger: Debugger | None, usb: dict[str, str] | None = None) -> list[str]:
    board = microbit(debugger=debugger)
    return [found.unique_id for found in choose.possible(board, attached, usb or {})]


def test_the_only_probe_that_can_be_the_boards_is_taken():
    nucleo = Debugger(name="ST-LINK", usb=("0483:374b",), board_ids=("0776",))
    ours, other = AttachedProbe("A1", "STM32 STLink", "0776"), AttachedProbe("B2", "STM32 STLink", "0777")
    silent, foreign = AttachedProbe("C3", "STM32 STLink"), AttachedProbe("00D4", "J-Link")
    usb = {"c3": "0483:374b", "d4": "1366:1055"}
    assert fitting([ours, other, silent], nucleo) == ["A1"]
    assert fitting([other], nucleo) == []
    assert fitting([other, silent, foreign], nucleo, usb) == ["C3"]
    assert fitting([foreign], nucleo, usb) == []
    assert fitting([silent, foreign], nucleo) == ["C3", "00D4"]  # nobody knows what they are: the user says
    # Without a debugger of its own, a board is wired to a probe that is on no other board.
    assert fitting([ours, foreign], None) == ["00D4"]
    assert fitting([ours], None) == []


def test_probes_to_choose_from_are_told_with_what_to_type(pyocd, bench, board):
    with plugged(bench, product="other") as second:
        with pytest.raises(Unavailable, match="several debug probes can be that of board microbit") as told:
            choose.find_probe(pyocd, microbit(), None)
        for one in (board, second):
            assert one.serial_number in told.value.what
            assert f"--hil-probe={one.serial_number}" in told.value.hint
            assert choose.find_probe(pyocd, microbit(), one.serial_number).unique_id == one.serial_number
        # Both are on micro:bits, as their firmware says: a board without a debugger is wired to neither.
        with pytest.raises(Unavailable, match=r"none of the debug probes is that of .*on board 9900"):
            choose.find_probe(pyocd, microbit(debugger=None), None)
        with plugged(bench, usb="2e8a:000c") as loose:
            assert choose.find_probe(pyocd, microbit(debugger=None), None).unique_id == loose.serial_number
        with pytest.raises(Unavailable, match="no debug probe has the unique id '9900'"):
            choose.find_probe(pyocd, microbit(), "9900")


def test_a_probe_that_is_on_another_board_is_refused_even_if_it_is_named(pyocd, bench, board, caplog):
    nucleo = microbit(debugger=Debugger(name="ST-LINK", board_ids=("0776",)), name="Nucleo")
    before = board.status()["transfers"]
    with pytest.raises(Unavailable, match=r"'9900\w+' \(.*on board 9900\) is not that of a Nucleo") as told:
        choose.find_probe(pyocd, nucleo, board.serial_number)
    assert "`debugger: board_ids`" in told.value.hint
    with pytest.raises(Unavailable, match="none of the debug probes is that of a Nucleo") as told:
        choose.find_probe(pyocd, nucleo, None)
    assert board.serial_number not in told.value.hint, "it would be refused"
    assert board.status()["transfers"] == before
    # To a board that has no debugger it may be wired on purpose: it says so, and is used.
    found = choose.find_probe(pyocd, microbit(debugger=None), board.serial_number)
    assert (found.unique_id, found.board_id) == (board.serial_number, "9900")
    assert "is it wired to this board" in caplog.text
    with plugged(bench, usb="2e8a:000c") as loose:
        assert choose.find_probe(pyocd, nucleo, loose.serial_number).unique_id == loose.serial_number


def test_no_probe_at_all(pyocd, board):
    board.unplug()
    with pytest.raises(Unavailable, match="board microbit is not here: no debug probe is attached") as told:
        choose.find_probe(pyocd, microbit(), None)
    assert "DAPLink" in told.value.hint and "udev" in told.value.hint
    with pytest.raises(Unavailable, match="no debug probe has the unique id 'x' \\(no debug probe is attached\\)"):
        choose.find_probe(pyocd, microbit(), "x")


# Images that are not flashed


def test_an_image_with_bytes_outside_of_the_boards_code_is_refused(board, tmp_path):
    before = board.status()["transfers"]
    with (
        pytest.raises(
            TargetError, match=r"at 0x0003ff80, and board microbit takes images from 0x00000000 to 0x"
        ) as told,
        Probe().run(built(tmp_path, first=0x3FF80), microbit(), settings()),
    ):
        pass
    assert "memory: code:" in told.value.hint
    assert board.status()["transfers"] == before


def test_a_board_with_another_core_is_not_flashed(board, tmp_path):
    before = board.read(0, 256)
    with (
        pytest.raises(TargetError, match="has a Cortex-M0, and board microbit a Cortex-M4F"),
        Probe().run(built(tmp_path), microbit(core="cortex-m4f"), settings()),
    ):
        pass
    assert board.read(0, 256) == before


# Before anything is started


def test_what_is_missing_is_told_without_pyocd(monkeypatch, tmp_path):
    target = Probe()
    assert target.available(microbit(), settings()).ok
    without = target.available(microbit(), settings(pack=str(tmp_path / "no.pack")))
    assert not without.ok and "no.pack" in without.reason and "pyocd pack install nrf51" in without.remedy
    code = "from hilbench.targets.probe import *; import sys; Probe().version(); print('pyocd' in sys.modules)"
    assert run_python(code).stdout.strip() == "False"
    monkeypatch.setattr(probe.importlib.util, "find_spec", lambda name: None)
    without = target.available(microbit(), settings())
    assert not without.ok and without.remedy == "pip install 'hilbench[probe]'"


@pytest.mark.parametrize("name", ["cortex_m", "Cortex-M"])
def test_the_target_of_which_pyocd_knows_no_flash_is_refused(name):
    with pytest.raises(ValidationError, match="of which pyOCD knows no flash"):
        ProbeSettings(target=name)
