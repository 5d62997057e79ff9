"""Boards of a labgrid farm: a real coordinator and exporters on loopback, a QEMU board with a power switch."""

import contextlib
import dataclasses
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from hilbench import bench, catalog, device
from hilbench.catalog.board import Board
from hilbench.errors import LinkTimeout, TargetError, Unavailable, WrongImage
from hilbench.images.image import Image
from hilbench.link.client import Client
from hilbench.plan import Plan
from hilbench.targets import labgrid, locks
from hilbench.targets.base import Addressable
from hilbench.targets.farm import mark
from hilbench.targets.farm.address import coordinator_name
from hilbench.targets.farm.choose import FarmPlace, find_place
from hilbench.targets.farm.client import connected
from hilbench.targets.labgrid import Labgrid, LabgridSettings
from hilbench.targets.ports import Port
from hilbench.targets.serial_line import open_line

from .conftest import DIGITS, ROOT
from .farm import Farm, PoweredBoard, available, power_switch, powered_board
from .firmware_images import make, needs_qemu
from .microbit_bench import built, in_use, microbit, plugged, reads
from .serial_lines import bench_board_file, served, wired
from .test_end_to_end import plan
from .test_process import is_gone
from .test_remote_probe import Server

pytestmark = [needs_qemu, pytest.mark.skipif(not available(), reason="labgrid is not installed")]

SER2NET = shutil.which("ser2net", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

HOLD = """
import sys, time
from hilbench.targets.farm.client import connected
with connected(sys.argv[1]) as farm:
    print(farm._process.pid, flush=True)
    farm.acquire("lab1", 20)
    print("acquired", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def powered() -> Iterator[PoweredBoard]:
    with powered_board() as board:
        yield board


@pytest.fixture(scope="module", autouse=True)
def own_names() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "LOCK_NAME", f"hilbench-test-{os.getpid()}")
        for name in ("LG_COORDINATOR", "LG_PLACE", "LG_PROXY", "LG_HOSTNAME", "LG_TOKEN", "LG_ENV"):
            patch.delenv(name, raising=False)
        patch.setenv("LG_USERNAME", "me")
        yield


@pytest.fixture(scope="module")
def exported(powered: PoweredBoard) -> Iterator[dict]:
    port = int(powered.line.url.rpartition(":")[2])
    line = {"cls": "NetworkSerialPort", "host": "127.0.0.1", "port": port, "protocol": "rfc2217"}
    with power_switch(powered) as url:
        yield {
            "lab1": {"uart": {**line}, "NetworkPowerPort": {"model": "rest", "host": url, "index": 3}},
            "lab2": {"uart": {**line}},
            "two": {"uart": {**line}, "trace": {**line, "port": 1, "protocol": "raw"}},
        }


@contextmanager
def new_farm(folder: Path, exported: dict) -> Iterator[Farm]:
    places = {
        "lab1": {"tags": {"board": "mybench"}, "matches": ["bench/lab1/*"], "aliases": ["desk", "me:mine", "ann:hers"]},
        "lab2": {"tags": {"board": "mps2-an386"}, "matches": ["bench/lab2/*"]},
        "two": {"tags": {}, "matches": ["bench/two/*"]},
        "shares": {"tags": {}, "matches": ["bench/lab1/NetworkPowerPort"]},
        "bare": {"tags": {}, "matches": ["nobody/bare/*"]},
    }
    farm = Farm(folder, places)
    try:
        farm.start_coordinator()
        farm.start_exporter("bench", exported)
        yield farm
    finally:
        farm.close()


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory, exported: dict) -> Iterator[Farm]:
    with new_farm(tmp_path_factory.mktemp("farm"), exported) as farm:
        yield farm


@pytest.fixture
def nobody(farm: Farm) -> Iterator[Callable[[dict], None]]:
    """Start the exporter of place `bare`, which is gone when the test ends."""
    yield lambda resources: farm.start_exporter("nobody", {"bare": resources})
    farm.kill(farm.exporters.pop("nobody", None))


@pytest.fixture(scope="module")
def echo(image_cache: Path) -> Image:
    return make("mps2-an386", image_cache, "echo")


@pytest.fixture(scope="module")
def board_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """QEMU's board, as if it were in a farm."""
    return bench_board_file(tmp_path_factory.mktemp("boards"), "  labgrid: {off_s: 0.1}")


@pytest.fixture(scope="module")
def board(board_file: Path) -> Board:
    return catalog.boards([board_file.parent])["mybench"]


def planned(board: Board, farm: Farm, **changes: object) -> Plan:
    attached = (("coordinator", farm.address), ("wait_s", "0"))
    return dataclasses.replace(plan(), board=board, target="labgrid", attached=attached, **changes)


def settings(farm: Farm, **given: object) -> LabgridSettings:
    return LabgridSettings(**{"coordinator": farm.address, "wait_s": 0, "off_s": 0.1, **given})


def run(image: Image, farm: Farm, **given: object):
    board = catalog.board("mps2-an386")
    if "place" in given:
        board = board.model_copy(update={"id": "mybench"})
    return Labgrid().run(image.path, board, settings(farm, **given))


def read_on(running, for_s: float) -> None:
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        running.read(0.1)


# A run


def test_a_whole_run_is_measured_on_a_board_of_the_farm(board: Board, farm: Farm, powered: PoweredBoard):
    asked = planned(board, farm)
    powered.load(bench.built_image(asked))
    record = bench.run(asked)
    assert record.metrics["fidelity"].value == 1
    assert record.metrics["latency"].basis == record.metrics["cycles"].basis == "measured"
    assert record.target.kind == "labgrid" and not record.recoveries
    assert farm.is_free("lab1") and farm.holders("lab1")[-2].endswith("/me")
    assert powered.switched == [True], "its power was switched on, and no more"


@pytest.mark.slow
def test_a_board_that_hangs_in_mid_run_has_its_power_cycled_and_the_run_goes_on(
    board: Board, farm: Farm, powered: PoweredBoard, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(device, "Client", lambda stream, timeout_s, memory: Client(stream, 1.0, memory))
    asked = planned(board, farm)
    powered.load(bench.built_image(asked))
    undisturbed = bench.run(asked)
    powered.switched.clear()
    powered.hang(after=30)
    record = bench.run(asked)
    assert len(record.recoveries) == 1, "the failure did not come in mid-run"
    assert record.samples.outputs == undisturbed.samples.outputs
    assert powered.switched == [True, False, True]


@pytest.mark.slow
def test_pytest_finds_the_place_by_its_name(
    pytester: pytest.Pytester, board_file: Path, board: Board, farm: Farm, powered: PoweredBoard,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    monkeypatch.setenv("LG_COORDINATOR", farm.address)
    shutil.copy(board_file, pytester.mkdir("boards"))
    powered.load(bench.built_image(planned(board, farm)))
    arguments = (str(DIGITS), "--board=mybench", "--hil-samples=20", "--hil-wait=0")
    done = pytester.runpytest_subprocess(*arguments, "--hil-place=mybench=lab1")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*measured*"])
    done = pytester.runpytest_subprocess(*arguments, "--hil-place=lab3")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*the farm has no place 'lab3' (places: bare, lab1 (board=mybench), *"])


# A board that does not answer


@pytest.mark.parametrize("before", ["off", "hung"])
def test_a_board_that_its_last_user_left_off_or_hung_is_revived(
    farm: Farm, powered: PoweredBoard, echo: Image, before: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(labgrid, "_ALIVE_S", 0.5)
    powered.load(echo)
    powered.power(False) if before == "off" else powered.machine.qmp.execute("stop")
    powered.switched.clear()
    with run(echo, farm, place="desk", port="uart") as running:
        client = Client(running.stream, 10)
        client.hello(10)
        assert len(list(client.infer([bytes(64)] * 2))) == 2
        assert powered.switched == ([True] if before == "off" else [True, False, True])
        assert running.facts == {"place": "lab1", "coordinator": farm.address}
        assert not isinstance(running, Addressable)


def test_a_reset_is_asked_of_the_agent_first(
    farm: Farm, powered: PoweredBoard, echo: Image, monkeypatch: pytest.MonkeyPatch
):
    powered.load(echo)
    with run(echo, farm) as running:  # lab2, by its tag; it has no power switch
        for _ in range(2):
            client = Client(running.stream, 10)
            client.hello(10)
            assert [inference.invocation for inference in client.infer([bytes(64)] * 2)] == [0, 1]
            running.reset()
            assert running.crash() is None
        assert powered.switched == []
        powered.machine.qmp.execute("stop")
        monkeypatch.setattr(labgrid, "_ALIVE_S", 0.5)
        running.reset()
        with pytest.raises(LinkTimeout, match="does not answer"):
            Client(running.stream, 10).hello(0.3)


@pytest.mark.slow
def test_another_image_on_the_board_is_told_with_what_to_flash(
    farm: Farm, powered: PoweredBoard, echo: Image, image_cache: Path
):
    powered.load(make("mps2-an386", image_cache, "echo", output_bytes=8))

    def ask() -> None:
        with run(echo, farm) as running:
            client = Client(running.stream, 5)
            client.hello(5)
            client.require(echo.manifest.build_id)

    with pytest.raises(WrongImage, match="place lab2, serial port uart") as told:
        ask()
    assert told.value.hint == f"place lab2 has no pyOCD server (docs/remote.md): flash {echo.path} yourself"


@pytest.mark.slow
def test_a_line_of_bytes_alone_serves_as_well(farm: Farm, nobody: Callable[[dict], None], echo: Image):
    with powered_board("socket") as board:
        board.load(echo)
        line = {"host": "127.0.0.1", "port": int(board.line.url.rpartition(":")[2]), "protocol": "raw"}
        nobody({"NetworkSerialPort": line})
        with run(echo, farm, place="bare") as running:
            client = Client(running.stream, 10)
            client.hello(10)
            assert len(list(client.infer([bytes(64)] * 2))) == 2


@pytest.mark.slow
@pytest.mark.skipif(not SER2NET, reason="no ser2net on PATH")
def test_a_port_that_the_exporter_serves_is_found_again_after_the_exporter_was_started_again(
    farm: Farm, nobody: Callable[[dict], None], echo: Image
):
    with powered_board("pty") as board:
        board.load(echo)
        exported = {"RawSerialPort": {"port": board.line.url, "speed": 115200}}
        nobody(exported)
        with run(echo, farm, place="bare") as running:
            client = Client(running.stream, 10)
            client.hello(10)
            assert len(list(client.infer([bytes(64)] * 2))) == 2
            at_first = running._inner.port.url
            farm.exporters.pop("nobody").terminate()
            with pytest.raises((EOFError, LinkTimeout)):
                read_on(running, 10)
            nobody(exported)
            running.reset()
            client = Client(running.stream, 10)
            client.hello(10)
            assert running._inner.port.url != at_first


@pytest.mark.slow
def test_a_place_with_a_pyocd_server_flashes_its_board(farm: Farm, nobody: Callable[[dict], None], tmp_path: Path):
    pytest.importorskip("pyocd")
    with in_use(tmp_path / "bench") as virtual, plugged(virtual) as board, contextlib.ExitStack() as stack:
        server = Server(board)
        stack.callback(server.kill)
        near = stack.enter_context(open_line(Port(board.port, "x"), 115200))
        line = stack.enter_context(served("socket"))
        stack.enter_context(wired(line, near))
        port = int(line.url.rpartition(":")[2])
        nobody({
            "NetworkSerialPort": {"host": "127.0.0.1", "port": port, "protocol": "raw"},
            "pyocd": {"cls": "NetworkService", "address": "127.0.0.1", "port": server.port, "username": ""},
        })  # fmt: skip
        image = built(tmp_path)
        with Labgrid().run(image, microbit(), settings(farm, place="bare")) as running:
            assert reads(running.stream, b"hello\n")
            assert running.facts["probe_id"] == server.probe and running.facts["place"] == "bare"
            assert isinstance(running, Addressable)
            running.memory.write(0x2000_1000, b"four")
            assert running.memory.read(0x2000_1000, 4) == b"four"
            running.stream.write(b"s")
            assert reads(running.stream, b"s")
            assert running.crash().kind == "idle"


@pytest.mark.slow
def test_the_example_of_the_documentation_is_a_farm(tmp_path: Path):
    text = (ROOT / "docs" / "remote.md").read_text()
    (exported,) = re.findall(r"```yaml\n# [^\n]*exporter[^\n]*\n(.*?)```", text, re.DOTALL)
    commands = re.findall(r"^labgrid-client (-p nano33-1 .*?)(?: *#.*)?$", text, re.MULTILINE)
    assert len(commands) >= 3
    farm = Farm(tmp_path, {})
    try:
        farm.start_coordinator()
        farm.start_exporter("bench1", yaml.safe_load(exported))
        for command in commands:
            farm.client(*shlex.split(command))
        with connected(farm.address) as client:
            assert find_place(catalog.board("nano33"), None, client.places()).name == "nano33-1"
            client.acquire("nano33-1", 0)
            assert client.power and client.probe == "bench1.example:5555"
            with pytest.raises(Unavailable, match="its serial port uart is not there"):
                client.line(None, 0)
    finally:
        farm.close()


# Sharing


def test_a_place_that_somebody_has_is_told_or_waited_for(
    farm: Farm, powered: PoweredBoard, echo: Image, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    powered.load(echo)
    monkeypatch.setattr("hilbench.targets.farm.client.TELL_AFTER_S", 0)
    monkeypatch.setenv("LG_USERNAME", "ann")
    with connected(farm.address) as anns:
        monkeypatch.setenv("LG_USERNAME", "me")
        anns.acquire("lab1", 0)
        with pytest.raises(Unavailable) as told, run(echo, farm, place="lab1"):
            pass
        assert f"place lab1 of the farm {farm.address} is in use by ann at " in told.value.what
        assert f"hilbench's process {os.getpid()}" in told.value.what and "since 20" in told.value.what
        assert "--hil-wait" in told.value.hint and "labgrid-client -p lab1 release --kick" in told.value.hint
        with pytest.raises(Unavailable, match="shares bench/lab1 with place lab1"), run(echo, farm, place="shares"):
            pass
        threading.Timer(2, anns._socket.shutdown, [2]).start()
        with run(echo, farm, place="lab1", wait_s=30) as running:
            Client(running.stream, 10).hello(10)
    assert "waiting for place lab1, which is in use by ann at" in caplog.text


def test_two_runs_of_one_user_have_one_place_one_after_the_other(farm: Farm, powered: PoweredBoard, echo: Image):
    powered.load(echo)
    with run(echo, farm), pytest.raises(Unavailable, match=r"lab2@.* is in use by this process"), run(echo, farm):
        pass


def other_name(farm: Farm) -> str:
    """Return the farm's coordinator by another of its names."""
    names = {"127.0.0.1", "localhost"}
    host, _, port = farm.address.rpartition(":")
    return f"{(names - {host}).pop()}:{port}"


def test_two_names_of_one_coordinator_are_one_lock(farm: Farm, powered: PoweredBoard, echo: Image):
    powered.load(echo)
    with run(echo, farm) as running:
        with pytest.raises(Unavailable, match="is in use by this process"):
            run(echo, farm, coordinator=other_name(farm)).__enter__()
        Client(running.stream, 10).hello(10)
        running._farm.check()


def test_a_live_runs_place_is_not_taken_where_the_lock_does_not_tell(farm: Farm):
    """Whatever its lock is called: the process that holds the place lives."""
    with connected(farm.address) as first, connected(other_name(farm)) as second:
        first.acquire("lab1", 0)
        deadline, said = time.monotonic() + 5, ""
        while f"hilbench's process {os.getpid()}" not in said and time.monotonic() < deadline:
            # It is refused each time; whose it is comes to the second client a little after the first has it.
            with pytest.raises(Unavailable) as told:
                second.acquire("lab1", 0)
            said = str(told.value)
        assert re.search(f"is in use by me at .*hilbench's process {os.getpid()}", said), said
        time.sleep(0.3)
        first.check()


def test_a_coordinator_has_one_name_however_it_is_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("LG_PROXY", raising=False)
    for written in (
        "127.0.0.1",
        "127.0.0.1:20408",
        "LOCALHOST",
        "localhost:20408",
        "[::1]",
        "[::ffff:127.0.0.1]:20408",
    ):
        assert coordinator_name(written) == "127.0.0.1:20408"
    assert coordinator_name("localhost:7") == "127.0.0.1:7"
    assert coordinator_name("[2001:DB8::0:1]") == "2001:db8::1:20408"
    assert coordinator_name("no-such-host.invalid") == "no-such-host.invalid:20408"
    assert coordinator_name("host:port") == "host:port"
    monkeypatch.setenv("LG_PROXY", "gate")
    assert coordinator_name("localhost") == "localhost:20408 over gate", "not this computer"


@pytest.mark.slow
def test_a_place_that_was_acquired_by_hand_is_used_and_left_so(farm: Farm, powered: PoweredBoard, echo: Image):
    powered.load(echo)
    farm.client("-p", "lab1", "acquire")
    try:
        with run(echo, farm, place="lab1") as running:
            Client(running.stream, 10).hello(10)
        assert not farm.is_free("lab1", 0)
    finally:
        farm.client("-p", "lab1", "release")


@pytest.mark.slow
def test_a_place_that_is_taken_away_ends_the_run(farm: Farm, powered: PoweredBoard, echo: Image):
    powered.load(echo)
    with run(echo, farm, place="lab1") as running:
        Client(running.stream, 10).hello(10)
        farm.client("-p", "lab1", "release", "--kick", user="bob")
        with pytest.raises(TargetError, match="place lab1 was taken from this run: it was released"):
            read_on(running, 10)
        assert running.crash().kind == "gone"
        with pytest.raises(TargetError, match="was taken"):
            running.reset()


@pytest.mark.slow
def test_a_reservation_gives_its_place(farm: Farm, powered: PoweredBoard, echo: Image, monkeypatch: pytest.MonkeyPatch):
    powered.load(echo)
    said = farm.client("reserve", "--shell", "board=mybench", user="ann")
    token = said.strip().rpartition("=")[2]
    farm.client("wait", token, user="ann")
    with pytest.raises(Unavailable, match=r"place lab1 .* is reserved for ann at"), run(echo, farm, place="lab1"):
        pass
    monkeypatch.setenv("LG_USERNAME", "ann")
    monkeypatch.setenv("LG_TOKEN", token)
    with run(echo, farm, place="+") as running:
        assert running.facts["place"] == "lab1"
    farm.client("cancel-reservation", token, user="ann")


# Ends of all kinds


@pytest.mark.parametrize("keeper_too", [False, True])
def test_a_killed_run_keeps_no_place(farm: Farm, keeper_too: bool):
    holding = subprocess.Popen([sys.executable, "-c", HOLD, farm.address], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    keeper = int(holding.stdout.readline())
    assert holding.stdout.readline() == "acquired\n"
    if keeper_too:  # as a computer that loses power
        os.kill(keeper, signal.SIGKILL)
    holding.kill()
    holding.wait()
    if keeper_too:
        assert not farm.is_free("lab1", 0)
        with connected(farm.address) as next_one:
            next_one.acquire("lab1", 0)
            assert not farm.is_free("lab1", 0)
    assert farm.is_free("lab1")
    end = time.monotonic() + 5
    while not is_gone(keeper) and time.monotonic() < end:
        time.sleep(0.05)
    assert is_gone(keeper)


def test_a_mark_is_of_a_dead_run_where_its_keeper_is_gone_or_the_computer_was_started_again(
    monkeypatch: pytest.MonkeyPatch,
):
    with subprocess.Popen(["sleep", "60"]) as keeper:
        ours = mark.made(4711, keeper.pid)
        head, started = ours.rsplit("-", 1)
        assert not mark.is_of_dead_run(ours)
        assert mark.is_of_dead_run(f"{head}-{int(started) - 1}"), "another process has its id now"
        keeper.kill()
        os.waitid(os.P_PID, keeper.pid, os.WEXITED | os.WNOWAIT)
        assert mark.is_of_dead_run(ours), "a zombie holds nothing"
    boot, network = ours.removeprefix("hilbench/process-4711-").split("-")[:2]
    assert not mark.is_of_dead_run(f"hilbench/process-{os.getpid()}-{boot}-{network}"), "as an older hilbench has it"
    assert mark.found(["host/user", ours]) == ours and mark.found(["host/user"]) is None
    assert mark.process(ours) == "4711"
    assert mark.is_of_dead_run(ours)
    assert not mark.is_of_dead_run(f"hilbench/process-1-{boot}-1"), "another container has locks of its own"
    assert mark.is_of_dead_run(f"hilbench/process-1-00000000-{network}")
    monkeypatch.setenv("LG_HOSTNAME", "ci")
    assert not mark.is_of_dead_run(f"hilbench/process-1-00000000-{network}"), "it may be another computer's"


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_keeps_no_place(farm: Farm):
    for _ in range(12):
        holding = subprocess.Popen(
            [sys.executable, "-c", HOLD, farm.address], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        keeper = int(holding.stdout.readline())
        time.sleep(random.uniform(0, 0.2))
        holding.kill()
        holding.wait()
        end = time.monotonic() + 10
        while not is_gone(keeper) and time.monotonic() < end:
            time.sleep(0.05)
        assert is_gone(keeper) and farm.is_free("lab1")


def test_exporter_and_coordinator_may_go_at_any_time(
    tmp_path: Path, exported: dict, powered: PoweredBoard, echo: Image
):
    powered.load(echo)
    with new_farm(tmp_path, exported) as farm:
        with run(echo, farm, place="lab1") as running:
            Client(running.stream, 10).hello(10)
            farm.kill(farm.exporters["bench"])
            time.sleep(0.5)
            Client(running.stream, 10).hello(10)  # this line does not end with its exporter
            with pytest.raises(Unavailable, match="place lab1: its exporter bench is gone"):
                running._farm.line("uart", 0)
            with pytest.raises(TargetError, match=r"power of place lab1 .* its exporter bench is gone"):
                running._farm.switch("cycle", 0)
            farm.kill(farm.coordinator)
            start = time.monotonic()
            with pytest.raises(TargetError, match=f"the labgrid coordinator {farm.address} went away") as told:
                read_on(running, 20)
            assert "run it again" in told.value.hint
        assert time.monotonic() - start < 10
        with pytest.raises(Unavailable, match=f"no labgrid coordinator answers at {farm.address}") as told:
            run(echo, farm).__enter__()
        assert "LG_COORDINATOR" in told.value.hint


def test_what_is_not_there_is_told(farm: Farm):
    with connected(farm.address) as client:
        with pytest.raises(Unavailable, match=r"place bare: nobody exports nobody/bare/\*") as told:
            client.acquire("bare", 60)
        assert "is labgrid-exporter running on nobody" in told.value.hint
        client.acquire("two", 0)
        with pytest.raises(Unavailable, match="place two has several serial ports: trace, uart") as told:
            client.line(None, 0)
        assert told.value.hint == "--hil-port=trace or --hil-port=uart"
        assert client.line("trace", 0).url == "socket://127.0.0.1:1"
        assert client.line("uart", 0).url.startswith("rfc2217://127.0.0.1:")
        with pytest.raises(Unavailable, match="place two has no serial port 'console'"):
            client.line("console", 0)
        with pytest.raises(TargetError, match="it has 0 power switches"):
            client.switch("on", 0)
        os.kill(client._process.pid, signal.SIGKILL)
        with pytest.raises(TargetError, match=r"the process that holds place two .* has ended"):
            client.places()
    with pytest.raises(Unavailable, match="no way to the labgrid coordinator : "), connected(""):
        pass


def test_labgrid_that_is_missing_or_broken(tmp_path: Path, farm: Farm, monkeypatch: pytest.MonkeyPatch):
    assert Labgrid().available(catalog.board("nano33"), LabgridSettings()).ok
    assert Labgrid().version()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    missing = Labgrid().available(catalog.board("nano33"), LabgridSettings())
    assert (missing.reason, missing.remedy) == ("labgrid is not installed", "pip install 'hilbench[farm]'")
    (tmp_path / "labgrid").mkdir()
    (tmp_path / "labgrid" / "__init__.py").write_text("import no_such_module\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(Unavailable, match=r"labgrid cannot be loaded: .*no_such_module"), connected(farm.address):
        pass


# Which place


def test_the_place_is_the_one_named_or_the_only_one_with_the_board(monkeypatch: pytest.MonkeyPatch):
    nano, two = (
        catalog.board("nano33"),
        [FarmPlace("a", ("desk",), {"board": "nano33"}), FarmPlace("b", reservation="T")],
    )
    assert find_place(nano, None, two).name == "a"
    assert find_place(nano, "desk", two).name == "a"
    assert find_place(nano, "b", two).name == find_place(nano, "+T", two).name == "b"
    monkeypatch.setenv("LG_TOKEN", "T")
    assert find_place(nano, "+", two).name == "b"
    for wanted, places, what, hint in (
        (
            None,
            [*two, FarmPlace("c", (), {"board": "nano33"})],
            "several places have a nano33: a, c",
            "--hil-place=a or ",
        ),
        (None, two[1:], "no place of the farm has the tag board=nano33 (places: b)", "set-tags board=nano33"),
        (None, [], "(it has no places at all)", "--hil-place=PLACE"),
        ("desc", two, "the farm has no place 'desc' (places: a (board=nano33), b)", "one of: a, b"),
        ("+X", two, "the reservation 'X' has no place", "labgrid-client reserve"),
        ("p", [FarmPlace("p", (), {"board": "pico"})], "place p (board=pico) has another board", "--hil-place=nano33="),
    ):
        with pytest.raises(Unavailable) as told:
            find_place(nano, wanted, places)
        assert what in told.value.what and hint in told.value.hint
    assert find_place(catalog.board("mps2-an386"), None, [FarmPlace("q", (), {"board": "qemu"})]).name == "q"


# labgrid's own pytest plug-in


@pytest.mark.slow
def test_labgrids_pytest_plug_in_is_in_nobodys_way(pytester: pytest.Pytester):
    shutil.copytree(DIGITS.parent, pytester.path, dirs_exist_ok=True)
    with_it = pytester.runpytest_subprocess("-W", "error", "digits.hil.yaml", "--board=qemu", "--hil-samples=2")
    with_it.assert_outcomes(passed=1)
    shown = pytester.runpytest_subprocess("--help")
    assert shown.ret == 0
    shown.stdout.fnmatch_lines(["*--hil-place=*", "*--lg-env=*"])
