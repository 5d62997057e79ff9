"""Serial lines: no byte is altered on a pty, a socket or RFC 2217, and every failure to open one says what to do."""

import os
import random
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hilbench.errors import LinkTimeout, Unavailable
from hilbench.targets import serial_trouble
from hilbench.targets.ports import Port
from hilbench.targets.serial_line import FileStream, open_line

from .serial_lines import KINDS, served

ALL_BYTES = bytes(range(256))


def port(url: str) -> Port:
    return Port(url, url)


def read_all(stream, count: int, within_s: float = 10) -> bytes:
    data, deadline = b"", time.monotonic() + within_s
    while len(data) < count and time.monotonic() < deadline:
        data += stream.read(0.2)
    return data


def write_on(stream) -> None:
    for _ in range(50):
        stream.write(b"x")
        time.sleep(0.01)


def refusal(url: str, baud: int = 115200) -> str:
    with pytest.raises(Unavailable) as error, open_line(port(url), baud):
        pass
    return str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_no_byte_is_altered_in_either_direction(kind: str):
    chance = random.Random(kind)
    # IAC, XON, XOFF, CR, LF, NUL and ^C in every order are what terminals and Telnet trip over.
    data = ALL_BYTES + chance.randbytes(3000) + bytes(chance.choices([255, 17, 19, 13, 10, 0, 3, 4], k=3000))
    with served(kind) as line, open_line(port(line.url), 115200) as stream:
        stream.write(data)
        assert line.receive(len(data)) == data
        sender = threading.Thread(target=line.send, args=(data,))
        sender.start()
        assert read_all(stream, len(data)) == data
        sender.join(5)


@pytest.mark.parametrize("kind", KINDS)
def test_two_ends_that_both_write_much_do_not_lock_up(kind: str):
    data = random.Random(1).randbytes(150_000)

    def echo(line) -> None:
        count = 0
        while count < len(data) and (piece := line.receive(1, within_s=5)):
            line.send(piece)
            count += len(piece)

    with served(kind) as line, open_line(port(line.url), 115200) as stream:
        device = threading.Thread(target=echo, args=(line,), daemon=True)
        device.start()
        stream.write(data)  # the device answers all the time, and takes no more until it is heard
        assert read_all(stream, len(data)) == data
        device.join(5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_read_waits_for_its_deadline_and_costs_nothing(kind: str):
    with served(kind) as line, open_line(port(line.url), 115200) as stream:
        assert stream.read(0) == b""
        start, spent = time.monotonic(), time.thread_time()
        assert stream.read(0.3) == b""
        assert 0.29 < time.monotonic() - start < 2
        assert time.thread_time() - spent < 0.05


@pytest.mark.parametrize("kind", ["socket", "rfc2217"])
def test_a_server_that_ends_is_the_end_of_the_line_after_its_last_words(kind: str):
    with served(kind) as line, open_line(port(line.url), 115200) as stream:
        stream.write(b"!")
        assert line.receive(1) == b"!"
        line.send(b"Port already in use")
        time.sleep(0.2)
        line.ending.set()
        assert read_all(stream, 19) == b"Port already in use"
        with pytest.raises(EOFError):
            read_all(stream, 1)
        with pytest.raises(EOFError):
            write_on(stream)  # what the other end's kernel still took is not yet an error


def test_an_unplugged_port_is_the_end_of_the_line():
    master, slave = os.openpty()
    with open_line(port(os.ttyname(slave)), 115200) as stream:
        os.close(slave)
        os.write(master, b"last")
        assert stream.read(1) == b"last"
        os.close(master)
        with pytest.raises(EOFError):
            stream.read(1)
        with pytest.raises(EOFError):
            stream.write(b"x")


def test_what_a_port_had_received_before_is_forgotten():
    with served("pty") as line:
        line.send(b"old")
        time.sleep(0.05)
        with open_line(port(line.url), 115200) as stream:
            line.send(b"new")
            assert read_all(stream, 3) == b"new"


def test_a_line_that_takes_no_bytes_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hilbench.targets.serial_line._WRITE_DEADLINE_S", 0.2)
    with served("pty") as line, open_line(port(line.url), 115200) as stream:
        stream.write(b"x")
        with pytest.raises(LinkTimeout, match="has taken no bytes"):
            stream.write(bytes(1 << 20))


def test_a_closed_stream_touches_no_file_that_has_its_number_now():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = FileStream(ours.fileno())
        stream.close()
        with pytest.raises(EOFError):
            stream.write(b"x")
        assert stream.read(0) == b""
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


def test_baud_rate_and_dtr_reach_a_server_and_dtr_falls_only_when_asked():
    with served("rfc2217") as line, open_line(port(line.url), 460800) as stream:
        assert line.baud[-1] == 460800
        assert set(line.dtr) == {True}
        line.dtr.clear()
        assert stream.pulse_dtr()
        assert line.dtr == [False, True]


def test_a_line_without_dtr_says_so():
    for kind in ("pty", "socket"):
        with served(kind) as line, open_line(port(line.url), 115200) as stream:
            assert not stream.pulse_dtr()


def test_dtr_stays_when_a_port_is_closed():
    import termios

    with served("pty") as line:
        with open_line(port(line.url), 115200):
            pass
        fd = os.open(line.url, os.O_RDWR | os.O_NOCTTY)
        assert not termios.tcgetattr(fd)[2] & termios.HUPCL
        os.close(fd)


def test_a_local_port_has_one_user():
    with served("pty") as line:
        code = "import serial, sys; p = serial.Serial(sys.argv[1], exclusive=True); print('x', flush=True); input()"
        other = subprocess.Popen(
            [sys.executable, "-c", code, line.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        other.stdout.readline()
        told = refusal(line.url)
        other.communicate()
        assert f"{line.url} is in use by" in told and f"(process {other.pid})" in told and "close it" in told
        with open_line(port(line.url), 115200):
            assert "is in use by" in refusal(line.url)


def test_a_port_that_is_not_there_or_none_is_told(tmp_path: Path):
    assert "there is no /dev/ttyNONE" in refusal("/dev/ttyNONE")
    file = tmp_path / "file"
    file.touch()
    assert "is not a serial port" in refusal(str(file))
    assert "is not a serial port" in refusal(str(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="root gives a port to a group here, and becomes somebody else")
def test_a_port_that_belongs_to_a_group_names_it_and_the_command():
    import grp

    with served("pty") as line:
        os.chown(line.url, 0, grp.getgrnam("dialout").gr_gid)
        Path(line.url).chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP)
        code = (
            "import os\nfrom hilbench.targets.ports import Port\nfrom hilbench.targets.serial_line import open_line\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            f"try:\n with open_line(Port({line.url!r}, 'x'), 115200): pass\nexcept Exception as error: print(error)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "only members of the group 'dialout' may open it" in done.stdout, done.stderr
    assert "sudo usermod -aG dialout $USER" in done.stdout


def test_a_baud_rate_that_the_driver_does_not_take_is_told(monkeypatch: pytest.MonkeyPatch):
    with served("pty") as line:
        with open_line(port(line.url), 250_000):  # no name in termios
            pass
        with open_line(port(line.url), 3_000_000):
            pass

        def coarse(fd: int, request: int, words) -> None:
            words[10] = 921600

        monkeypatch.setattr(serial_trouble.fcntl, "ioctl", coarse)  # a driver that sets what it can
        with pytest.raises(Unavailable, match="cannot run at 1000000 baud: its driver sets 921600"):
            serial_trouble.check_rate(0, port(line.url), 1_000_000)
        serial_trouble.check_rate(0, port(line.url), 915_000)


@pytest.mark.parametrize("scheme", ["socket", "rfc2217"])
def test_a_server_that_is_not_there_is_told(scheme: str):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
    told = refusal(url)
    assert f"nothing listens at {url}" in told
    assert "is not known" in refusal(f"{scheme}://no-such-host.invalid:4000")


def test_a_server_of_bytes_alone_is_told_from_one_of_rfc_2217():
    with served("socket") as line:
        url = line.url.replace("socket:", "rfc2217:")
        told = refusal(url + "?timeout=0.3")
    assert "does not speak RFC 2217" in told and line.url in told


def wait_for(tcp_port: int) -> None:
    deadline = time.monotonic() + 20
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", tcp_port)) and time.monotonic() < deadline:
            time.sleep(0.05)
    time.sleep(0.3)  # until the server has seen that this was nobody


@pytest.fixture(scope="module")
def ser2net(tmp_path_factory: pytest.TempPathFactory):
    """Debian's serial server on a pty: the device's end, and the ports of its raw and its RFC 2217 service."""
    program = shutil.which("ser2net")
    if program is None:
        pytest.skip("no ser2net on PATH (apt install ser2net)")
    with served("pty") as line, socket.socket() as raw, socket.socket() as rfc2217:
        for one in (raw, rfc2217):
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in (raw, rfc2217)]
        raw.close()
        rfc2217.close()
        connector = f"connector: serialdev,{line.url},115200n81,local"
        config = tmp_path_factory.mktemp("ser2net") / "ser2net.yaml"
        config.write_text(
            f"connection: &raw\n  accepter: tcp,127.0.0.1,{ports[0]}\n  {connector}\n"
            f"connection: &rfc2217\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{ports[1]}\n  {connector}\n"
        )
        argv = [program, "-n", "-d", "-c", str(config)]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            wait_for(ports[0])
            # Over a pty it cannot set modem lines, and does not answer.
            yield line, [f"socket://127.0.0.1:{ports[0]}", f"rfc2217://127.0.0.1:{ports[1]}?ign_set_control"]
            server.terminate()


def test_ser2net_serves_every_byte_and_one_client(ser2net):
    line, urls = ser2net
    for url in (*urls, *urls):  # one after the other, without a pause
        with open_line(port(url), 115200) as stream:
            stream.write(ALL_BYTES * 4)
            assert line.receive(1024) == ALL_BYTES * 4
            line.send(ALL_BYTES * 4)
            assert read_all(stream, 1024) == ALL_BYTES * 4
            if url.startswith("rfc2217:"):
                assert "closed the connection at once: is the line in use" in refusal(url).replace("\n  hint", "")
            else:
                with open_line(port(url), 115200) as second:
                    assert read_all(second, 21) == b"Port already in use\r\n"


def test_a_server_that_does_not_answer_for_modem_lines_is_told_with_the_option(ser2net):
    _, (_, url) = ser2net
    assert "add ?ign_set_control to the URL" in refusal(url.partition("?")[0])
