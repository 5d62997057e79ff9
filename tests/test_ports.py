"""A board's serial port is found by its exact USB serial number, and what is not clear is asked for with an example."""

import itertools
import os
import socket
import threading
from pathlib import Path

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from hilbench.catalog import board
from hilbench.catalog.board import Board
from hilbench.catalog.wiring import Debugger, Serial
from hilbench.errors import Unavailable, UsageError
from hilbench.targets.ports import AttachedPort, Port, attached_ports, could_be, find_port, refound


def info(
    device: str, usb: str = "", number: str | None = None, product: str | None = None, location: str | None = None
) -> ListPortInfo:
    port = ListPortInfo(device)
    if usb:
        port.vid, port.pid = (int(part, 16) for part in usb.split(":"))
    port.serial_number, port.product, port.location = number, product, location
    return port


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> list[ListPortInfo]:
    """What is attached: a list to fill."""
    ports: list[ListPortInfo] = []
    monkeypatch.setattr(list_ports, "comports", lambda: list(ports))
    return ports


def real(usb: tuple[str, ...] = ("0483:374b",)) -> Board:
    serial = Serial(usb=usb)
    return board("mps2-an386").model_copy(update={"id": "bench", "name": "Test Bench", "serial": serial})


def refusal(wanted: str | None, of: Board | None = None) -> Unavailable:
    with pytest.raises(Unavailable) as error:
        find_port(of or real(), wanted)
    return error.value


def test_the_boards_own_port_is_found_by_its_usb_id(plugged: list[ListPortInfo]):
    plugged += [info("/dev/ttyUSB0", "0403:6001", "A1"), info("/dev/ttyACM3", "0483:374b", "066F", "STM32 STLink")]
    assert find_port(real(), None) == Port("/dev/ttyACM3", "066F", "STM32 STLink")


def test_a_serial_number_is_compared_as_a_whole(plugged: list[ListPortInfo]):
    plugged += [info("/dev/ttyACM0", "0483:374b", "066F11"), info("/dev/ttyACM1", "0483:374b", "066F1")]
    assert find_port(real(), "066F1").url == "/dev/ttyACM1"
    told = refusal("066F")
    assert "no serial port has the USB serial number '066F'" in told.what and "066F11" in told.what
    assert told.hint == "did you mean '066F1'?"


def test_ports_that_tell_nothing_are_no_stumbling_block(plugged: list[ListPortInfo]):
    plugged += [info("/dev/ttyS0"), info("/dev/ttyUSB0", "0483:374b")]
    assert find_port(real(), None) == Port("/dev/ttyUSB0", "/dev/ttyUSB0")
    assert attached_ports() == (AttachedPort("/dev/ttyS0"), AttachedPort("/dev/ttyUSB0", "0483:374b"))
    assert "/dev/ttyS0" in str(refusal("None"))


def test_two_boards_of_a_kind_are_asked_about_with_what_to_type(plugged: list[ListPortInfo]):
    plugged += [info(f"/dev/ttyACM{n}", "0483:374b", f"066F{n}", "STM32 STLink") for n in range(2)]
    told = refusal(None)
    assert told.what.startswith("several attached serial ports can be that of board bench: /dev/ttyACM0 (STM32 STLink")
    assert told.hint == "--hil-port=066F0 or --hil-port=066F1"


def test_two_ports_of_one_device_are_told_apart_by_their_names(plugged: list[ListPortInfo]):
    plugged += [info(f"/dev/ttyACM{n}", "1366:0105", "000683", location=f"1-1:1.{2 * n}") for n in range(2)]
    told = refusal("000683", real(("1366:0105",)))
    assert "belongs to several serial ports" in told.what
    assert told.hint == "--hil-port=/dev/ttyACM0 or --hil-port=/dev/ttyACM1"
    assert find_port(real(), "/dev/ttyACM1") == Port("/dev/ttyACM1", "000683", interface="1.2", location="1-1")


def test_a_link_to_a_port_is_that_port(plugged: list[ListPortInfo], tmp_path: Path):
    device, link = tmp_path / "ttyACM0", tmp_path / "by-id"
    device.touch()
    link.symlink_to(device)
    plugged.append(info(str(device), "0483:374b", "066F"))
    assert find_port(real(), str(link)) == Port(str(link), "066F")
    plugged.clear()
    assert find_port(real(), str(link)).unit == str(device)


def test_nothing_attached_says_what_was_looked_for(plugged: list[ListPortInfo]):
    told = refusal(None)
    assert told.what == (
        "no serial port of a Test Bench is attached: none has the USB id 0483:374b (no serial port is attached)"
    )
    assert "hilbench doctor" in told.hint
    plugged.append(info("/dev/ttyUSB7", "0403:6001", "A1"))
    assert "--hil-port=A1" in refusal(None).hint
    assert "there is no /dev/ttyACM9 (attached: /dev/ttyUSB7" in str(refusal("/dev/ttyACM9"))


def test_a_board_on_an_adapter_of_the_users_own_asks_for_its_name(plugged: list[ListPortInfo]):
    told = refusal(None, real(usb=()))
    assert "takes a serial adapter of your own" in told.what and "--hil-port=/dev/ttyUSB0" in told.hint
    plugged.append(info("/dev/ttyS0"))
    assert "--hil-port=/dev/ttyS0," in refusal(None, real(usb=())).hint, "it has no serial number"


@pytest.mark.parametrize("url", ["socket://bench:4000", "rfc2217://bench:4000?ign_set_control", "socket://[::1]:4000/"])
def test_a_url_is_taken_as_it_is(plugged: list[ListPortInfo], url: str):
    port = find_port(real(), url)
    assert port.url == url and port.remote
    assert port.unit == ("127.0.0.1:4000" if "::1" in url else "bench:4000")
    assert refound(port, 0) is port


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("socket://bench", "names no port"),
        ("socket://:4000", "names no host"),
        ("socket://bench:port", "is not a URL"),
        ("socket://bench:99999", "is not a URL"),
        ("socket://bench:4000/tty", "nothing may follow the port"),
        ("socket://bench:4000?nodelay", "nothing may follow the port"),
        ("telnet://bench:4000", "there is no line by 'telnet://'"),
        ("loop://", "there is no line by 'loop://'"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(url: str, words: str):
    with pytest.raises(UsageError, match=words) as error:
        find_port(real(), url)
    assert "socket://HOST:PORT" in error.value.hint


def test_a_line_at_another_computer_has_one_unit_however_its_host_is_written(monkeypatch: pytest.MonkeyPatch):
    known = {"lab": ["2001:db8::7", "192.0.2.9", "192.0.2.7"], "lab.example.org": ["192.0.2.7", "192.0.2.9"]}
    resolve = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **how: int) -> list[tuple]:
        return [found for one in known.get(host, [host]) for found in resolve(one, port, **how)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    def units(*hosts: str) -> set[str]:
        return {find_port(real(), f"socket://{host}:4000").unit for host in hosts}

    loopback = {"127.0.0.1:4000"}
    assert units("localhost", "127.0.0.1", "[::1]", "127.0.1.1", "[::ffff:127.0.0.1]") == loopback
    assert units("lab", "LAB.example.org", "192.0.2.7") == {"192.0.2.7:4000"}
    assert units("nowhere.invalid") == {"nowhere.invalid:4000"}


def test_which_board_a_port_could_be_is_known_by_serial_line_and_debugger():
    own = real().model_copy(update={"debugger": Debugger(name="DAPLink", usb=("0d28:0204",))})
    assert could_be(AttachedPort("/dev/a", "0483:374b"), own)
    assert could_be(AttachedPort("/dev/a", "0d28:0204"), own)
    assert not could_be(AttachedPort("/dev/a"), own.model_copy(update={"serial": None}))


def test_a_port_is_found_again_under_another_name(plugged: list[ListPortInfo], tmp_path: Path):
    before, after = tmp_path / "ttyACM0", tmp_path / "ttyACM1"
    for device in (before, after):
        device.touch()
    port = Port(str(before), "066F", interface="1.0")

    def come_back() -> None:
        plugged.append(info(str(tmp_path / "ttyACM2"), "2341:005a", "066F1"))  # another board's serial number
        plugged.append(info(str(after), "2341:805a", "066F"))

    threading.Timer(0.3, come_back).start()
    assert refound(port, 10).url == str(after)
    plugged.append(info(str(before), "2341:805a", "066F", location="1-1:1.0"))
    assert refound(port, 0).url == str(before)  # the interface that it was


@pytest.mark.parametrize("number", ["0001", "", None, "A5"])
def test_one_of_two_adapters_with_one_number_stays_in_its_usb_socket(
    plugged: list[ListPortInfo], tmp_path: Path, number: str | None
):
    names = [str(tmp_path / name) for name in ("ttyUSB0", "ttyUSB1")]
    for name in names:
        Path(name).touch()
    link = tmp_path / "by-path"
    link.symlink_to(names[1])
    plugged += [info(names[n], "10c4:ea60", number, location=f"1-1.{n}") for n in range(2)]
    port = find_port(real(), str(link))
    assert port.unit == "usb:1-1.1" != find_port(real(), names[0]).unit
    assert refound(port, 0).url == names[1]
    plugged[:] = [info(names[0], "10c4:ea60", number, location="1-1.1")]  # enumerated in another order
    assert refound(port, 0).url == names[0] and refound(port, 0).unit == port.unit
    plugged[:] = [info(name, "10c4:ea60", number, location="1-1.0") for name in names]
    with pytest.raises(Unavailable, match="has not come back"):
        refound(port, 0)


def test_a_number_that_a_second_device_has_too_is_none_from_then_on(plugged: list[ListPortInfo], tmp_path: Path):
    names = [str(tmp_path / name) for name in ("ttyUSB0", "ttyUSB1")]
    for name in names:
        Path(name).touch()
    plugged.append(info(names[1], "0403:6001", "A5", location="1-2"))
    port = find_port(real(), "A5")
    assert port.unit == "A5"
    plugged[:] = [info(name, "0403:6001", "A5", location=f"1-{2 - n}") for n, name in enumerate(names)]
    assert refound(port, 0).url == names[0], "the one in the same USB socket"
    assert refound(port, 0).unit == "A5", "it is locked by that"
    assert refusal("A5").hint == f"--hil-port={names[0]} or --hil-port={names[1]}"


def test_the_lone_adapter_of_a_factory_number_is_locked_by_its_usb_socket(plugged: list[ListPortInfo]):
    plugged.append(info("/dev/ttyUSB0", "10c4:ea60", "0001", location="1-1.2"))
    assert find_port(real(), "0001").unit == "usb:1-1.2", "a second one may come"


def test_a_port_of_a_device_in_a_known_usb_socket_is_that_interface(plugged: list[ListPortInfo], tmp_path: Path):
    names = [str(tmp_path / f"ttyUSB{n}") for n in range(2)]
    for name in names:
        Path(name).touch()
    port = Port(names[0], "usb:1-1", interface="1.1", location="1-1")
    plugged.append(info(names[0], "10c4:ea70", location="1-1:1.0"))
    with pytest.raises(Unavailable, match="has not come back"):
        refound(port, 0)
    plugged.append(info(names[1], "10c4:ea70", location="1-1:1.1"))
    assert refound(port, 0).url == names[1]


def test_a_path_that_comes_back_is_waited_for(plugged: list[ListPortInfo], tmp_path: Path):
    device = tmp_path / "ttyS9"
    port = Port(str(device), str(device))
    threading.Timer(0.2, device.touch).start()
    assert refound(port, 10) == port


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open all")
def test_a_port_that_udev_has_not_given_us_yet_is_waited_for(plugged: list[ListPortInfo], tmp_path: Path):
    device = tmp_path / "ttyACM0"
    device.touch(mode=0)
    plugged.append(info(str(device), "2341:805a", "066F"))
    threading.Timer(0.2, device.chmod, [0o600]).start()
    assert refound(Port(str(device), "066F"), 10).url == str(device)


def test_a_port_that_does_not_come_back_is_told(plugged: list[ListPortInfo]):
    plugged.append(info("/dev/ttyACM1", "2341:005a", "other"))
    with pytest.raises(Unavailable, match=r"/dev/ttyACM0 has not come back within 0.1 s \(attached: /dev/ttyACM1"):
        refound(Port("/dev/ttyACM0", "066F"), 0.1)


def test_a_device_that_is_unplugged_during_the_look_is_no_error(monkeypatch: pytest.MonkeyPatch):
    answers = itertools.chain([TypeError("int() argument must be a string, not 'NoneType'")], itertools.repeat([]))

    def comports() -> list[ListPortInfo]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(list_ports, "comports", comports)
    assert attached_ports() == ()
