"""What is attached is told with the boards that it could be, who uses it, and the lines to paste where it is closed."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from hilbench.cli.doctor import _mark
from hilbench.doctor import Finding, attached, tools, usb
from hilbench.targets.locks import held

from .firmware_images import needs_qemu
from .serial_lines import served
from .virtual_bench import VirtualBench

STLINK = "0483:374b"


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> list[ListPortInfo]:
    ports: list[ListPortInfo] = []
    monkeypatch.setattr(list_ports, "comports", lambda: list(ports))
    return ports


def plug(device: str, number: str = "066F") -> ListPortInfo:
    port = ListPortInfo(device)
    port.vid, port.pid, port.serial_number, port.product = 0x0483, 0x374B, number, "STM32 STLink"
    return port


def sysfs(folder: Path, name: str, **files: str) -> Path:
    """Return the folder that sysfs would have of a USB device."""
    device = folder / name
    device.mkdir(parents=True)
    for file, text in files.items():
        (device / file).write_text(text + "\n")
    return device


def test_a_port_is_told_with_the_boards_it_could_be_and_who_uses_it(plugged: list[ListPortInfo]):
    with served("pty") as line:
        plugged.append(plug(line.url))
        (finding,) = attached.serial_ports()
        assert finding.ok and finding.optional
        assert finding.what == f"serial port {line.url}"
        assert finding.found.startswith(f"STM32 STLink, {STLINK}, serial number '066F'; could be nucleo-")
        assert "in use" not in finding.found and "open in" not in finding.found
        with held("066F", 0):
            (finding,) = attached.serial_ports()
        assert finding.found.endswith("; in use by this process")
        code = "import serial, sys; p = serial.Serial(sys.argv[1]); print('x', flush=True); input()"
        argv = [sys.executable, "-c", code, line.url]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as other:
            other.stdout.readline()
            (finding,) = attached.serial_ports()
            other.communicate()
        assert f"; open in {Path(sys.executable).name}" in finding.found and f"(process {other.pid})" in finding.found


def test_no_port_is_a_finding_too(plugged: list[ListPortInfo]):
    assert attached.serial_ports() == [Finding("serial ports", True, "none is attached", optional=True)]


@pytest.mark.skipif(os.geteuid() != 0, reason="root gives a port to a group here, and becomes somebody else")
def test_a_port_that_is_closed_to_us_names_the_group(plugged: list[ListPortInfo]):
    with served("pty") as line:
        os.chown(line.url, 0, 20)
        Path(line.url).chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP)
        plugged.append(plug(line.url))
        os.setresuid(65534, 65534, 0)
        try:
            finding = attached._port(attached.attached_ports()[0], [])
        finally:
            os.setresuid(0, 0, 0)
    assert not finding.ok and finding.optional
    assert "only members of the group 'dialout' may open it" in finding.found
    assert finding.remedy == "sudo usermod -aG dialout $USER, then log in again"


SERIAL_NUMBER = f"9900{os.getpid():012x}"


@needs_qemu
def test_the_whole_doctor_sees_a_board_with_its_probe(tmp_path: Path):
    with VirtualBench(tmp_path) as bench:
        board = bench.plug("microbit", serial_number=SERIAL_NUMBER, usb="0d28:0204")
        argv = [sys.executable, "-c", "from hilbench.cli import main; main()", "doctor", "--json"]
        done = subprocess.run(argv, env=bench.environment, capture_output=True, text=True, check=False)
        findings = {finding["what"]: finding for finding in json.loads(done.stdout)}
        port = findings[f"serial port {board.port}"]
        assert "could be microbit" in port["found"] and f"serial number '{SERIAL_NUMBER}'" in port["found"]
        probe = findings[f"debug probe {SERIAL_NUMBER}"]
        assert probe["ok"] and "could be microbit" in probe["found"]
    assert done.returncode == 0, done.stderr


def test_a_probe_that_is_closed_to_us_is_told_with_its_udev_rules(tmp_path: Path):
    devices, dev = tmp_path / "devices", tmp_path / "dev"
    named = {"busnum": "1", "devnum": "7", "manufacturer": "Somebody"}
    mine = sysfs(devices, "1-1", idVendor="cafe", idProduct="4005", product="Fast CMSIS-DAP v2", **named)
    (mine / "1-1:1.0" / "0003:CAFE" / "hidraw" / "hidraw3").mkdir(parents=True)
    sysfs(devices, "1-2", idVendor="0483", idProduct="3748", busnum="1", devnum="8")
    sysfs(devices, "1-3", idVendor="046d", idProduct="c31c", product="Keyboard", busnum="1", devnum="9")
    sysfs(devices, "usb1", idVendor="1d6b", idProduct="0002")
    first, second = usb.closed_probes(devices, dev)
    assert first.what == "USB device cafe:4005 (Somebody Fast CMSIS-DAP v2)" and second.what.startswith(
        "USB device 0483"
    )
    assert not first.ok and first.optional
    assert '\nSUBSYSTEM=="usb", ATTRS{idVendor}=="cafe", ATTRS{idProduct}=="4005", MODE="0660", ' in first.remedy
    assert '\nKERNEL=="hidraw*", ATTRS{idVendor}=="cafe"' in first.remedy
    assert "udevadm control --reload" in first.remedy
    for node in ("bus/usb/001/007", "bus/usb/001/008"):
        (dev / node).parent.mkdir(parents=True, exist_ok=True)
        (dev / node).touch()
    (only,) = usb.closed_probes(devices, dev)
    assert only == first, "its hidraw device is still closed"
    (dev / "hidraw3").touch()
    assert usb.closed_probes(devices, dev) == []


def test_what_only_some_boards_need_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HILBENCH_BOSSAC", raising=False)
    monkeypatch.setenv("HILBENCH_RENODE", str(tmp_path / "nowhere"))
    missing = {finding.what.split()[0]: finding for finding in tools.optional() if not finding.ok}
    assert "arduino-cli core install" in missing["bossac"].remedy
    assert missing["stm32flash"].remedy == "apt install stm32flash"
    assert "HILBENCH_RENODE names" in missing["renode"].found
    assert all(finding.optional and _mark(finding) == "?" for finding in missing.values())
    monkeypatch.setenv("HILBENCH_RENODE", str(tmp_path))
    assert "renode" not in {finding.what.split()[0] for finding in tools.optional() if not finding.ok}
