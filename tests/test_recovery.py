"""A real board that fails in mid-run is reset and goes on; one that fails for good is told of, with a report.

The board is a machine of QEMU that the tests call silicon and let fail: whether that is a cable, a crash or a power
supply, the run sees a line that has ended, is silent, or leads to a device that knows nothing of the session.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from hilbench import bench, device, execute
from hilbench.errors import DeviceReset, LinkClosed, TargetCrashed, TargetError
from hilbench.link.client import Client, Inference
from hilbench.plugins import load
from hilbench.records.record import Record
from hilbench.targets.base import CrashReport
from hilbench.targets.qemu import Machine, Qemu, QemuSettings

from .test_end_to_end import plan

SAMPLES = 12


class Line:
    """The line to a machine, which fails at the n-th write and stays failed: `ended`, `silent`, or `reset`."""

    def __init__(self, machine: Machine, how: str, at: int) -> None:
        self._machine, self._how, self._left = machine, how, at

    def read(self, timeout_s: float) -> bytes:
        data = self._machine.stream.read(timeout_s)
        return b"" if self._fails() else data

    def write(self, data: bytes) -> None:
        self._left -= 1
        if self._left == 0 and self._how == "reset":
            self._machine.reset()
        if not self._fails():
            self._machine.stream.write(data)

    def _fails(self) -> bool:
        if self._left > 0 or self._how == "reset":
            return False
        if self._how == "ended":
            raise EOFError
        return True


class Failing:
    """A machine with a line that fails as often as `failures` says, each time at the n-th write since its reset."""

    def __init__(self, machine: Machine, how: str, failures: list[int], startable: bool) -> None:
        self._machine, self._how, self._failures, self._startable = machine, how, failures, startable
        self.stream = self._line()

    def _line(self) -> Line:
        return Line(self._machine, self._how, self._failures.pop(0) if self._failures else 1_000_000)

    def reset(self) -> None:
        if not self._startable:
            raise TargetError("the probe is gone", hint="plug it in")
        self._machine.reset()
        while self._machine.stream.read(0.02):
            pass
        self.stream = self._line()

    def crash(self) -> CrashReport:
        return self._machine.crash()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    """Run digits on a board that fails."""

    def run(how: str, *failures: int, startable: bool = True, silicon: bool = True) -> Record:
        left = list(failures)

        class Board:
            name = "qemu"
            Settings = QemuSettings
            counters = frozenset({"cycles"})
            available, version = Qemu.available, Qemu.version

            @contextmanager
            def run(self, *arguments: object) -> Iterator[Failing]:
                with Qemu().run(*arguments) as machine:
                    yield Failing(machine, how, left, startable)

        Board.silicon = silicon
        monkeypatch.setattr(device, "Client", lambda stream, timeout_s, memory: Client(stream, 1.0, memory))
        monkeypatch.setattr(bench, "load", lambda seam, name: Board if seam == "targets" else load(seam, name))
        asked = plan()
        board = asked.board.model_copy(update={"counter": "cycles"})
        return bench.run(dataclasses.replace(asked, board=board, samples=SAMPLES))

    return run


@pytest.fixture(scope="module")
def undisturbed() -> Record:
    return bench.run(dataclasses.replace(plan(), samples=SAMPLES))


@pytest.mark.parametrize("how", ["ended", "silent", "reset"])
@pytest.mark.parametrize("write", [6, 11, 22])
def test_a_run_goes_on_where_the_board_failed(run, undisturbed: Record, how: str, write: int):
    record = run(how, write)
    assert len(record.recoveries) == 1, "the failure did not come in mid-run"
    assert record.samples.outputs == undisturbed.samples.outputs
    assert record.metrics["accuracy"].value == undisturbed.metrics["accuracy"].value
    assert len(record.samples.times) == len(undisturbed.samples.times)
    (recovery,) = record.recoveries
    assert recovery.phase in ("timing", "inference") and 0 <= recovery.sample < SAMPLES and recovery.report


def test_several_failures_are_got_over(run, undisturbed: Record):
    record = run("ended", 9, 9, 9)
    assert len(record.recoveries) == 3
    assert record.samples.outputs == undisturbed.samples.outputs


def test_a_sample_at_which_a_board_fails_twice_is_a_finding(run):
    with pytest.raises(TargetCrashed, match=r"waiting for input|does not answer|gone"):
        run("ended", 9, 3, 3)


def test_a_board_that_keeps_failing_needs_a_person(run):
    with pytest.raises(TargetCrashed):
        run("ended", *[6] * 40)


def test_a_board_that_cannot_be_started_again_says_so_after_how_it_died(run):
    with pytest.raises(TargetCrashed, match=r"(?s)idle.*could not be started again: the probe is gone") as told:
        run("ended", 9, startable=False)
    assert told.value.hint == "plug it in"


def test_an_emulator_is_not_reset_since_nothing_fails_there_by_chance(run):
    with pytest.raises((TargetCrashed, TargetError)):
        run("ended", 9, silicon=False)


def test_a_cycle_counter_that_may_have_wrapped_is_not_believed(monkeypatch: pytest.MonkeyPatch):
    """At 480 MHz 32 bits last for 8.9 s."""
    board = plan().board.model_copy(update={"counter": "cycles", "clock_hz": 480_000_000})
    seconds = iter([0.0, 3.0, 3.0, 14.0])
    monkeypatch.setattr(execute.time, "monotonic", lambda: next(seconds))
    inferences = (Inference(index, ((0, 960_000_000, 0),), index, b"", 0) for index in range(2))
    device = SimpleNamespace(setting=SimpleNamespace(plan=SimpleNamespace(board=board)), recoveries=[])
    believed = execute._believed(inferences, device)
    assert next(believed).index == 0
    with pytest.raises(TargetError, match=r"sample 1 took 11.0 s here and 2.0 s by the cycle counter"):
        next(believed)


def test_the_time_that_a_board_was_away_is_no_turn_of_its_counter(monkeypatch: pytest.MonkeyPatch):
    board = plan().board.model_copy(update={"counter": "cycles", "clock_hz": 480_000_000})
    seconds = iter([0.0, 62.0, 62.0, 63.0, 63.0])
    monkeypatch.setattr(execute.time, "monotonic", lambda: next(seconds))
    device = SimpleNamespace(setting=SimpleNamespace(plan=SimpleNamespace(board=board)), recoveries=[])

    def inferences() -> Iterator[Inference]:
        device.recoveries.append("one")
        yield Inference(0, ((0, 960_000, 0),), 0, b"", 0)
        yield Inference(1, ((0, 960_000, 0),), 1, b"", 0)

    assert len(list(execute._believed(inferences(), device))) == 2


def test_a_board_that_was_reset_between_two_sessions_is_noticed(image_cache: Path):
    asked = plan()
    with Qemu().run(bench.built_image(asked).path, asked.board, QemuSettings(machine="mps2-an386")) as machine:
        client = Client(machine.stream, timeout_s=10)
        client.hello(within_s=10)
        inputs = [bytes([i]) * 64 for i in range(4)]
        assert [inference.invocation for inference in client.infer(inputs)] == [0, 1, 2, 3]
        assert [inference.invocation for inference in client.infer(inputs[:1])] == [4]
        machine.reset()
        with pytest.raises(DeviceReset, match="the device was reset before sample 0"):
            list(client.infer(inputs))


def test_a_way_into_memory_that_is_lost_is_a_failure_to_get_over(image_cache: Path):
    asked = plan()
    with Qemu().run(bench.built_image(asked).path, asked.board, QemuSettings(machine="mps2-an386")) as machine:

        class Unplugged:
            def write(self, address: int, data: bytes) -> None:
                raise TargetError("the probe is gone")

        client = Client(machine.stream, timeout_s=10, memory=Unplugged())
        client.hello(within_s=10)
        with pytest.raises(LinkClosed, match="memory cannot be reached any more: the probe is gone"):
            list(client.infer([bytes(64)]))
