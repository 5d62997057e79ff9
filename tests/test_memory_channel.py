"""Inputs that are written straight into the device's memory: the same results, and never a wrong input."""

import dataclasses

import pytest

from hilbench import bench
from hilbench.errors import HilbenchError, LinkTimeout, Unavailable
from hilbench.link.client import Client
from hilbench.targets.qemu import Machine, Qemu, QemuSettings

from .test_end_to_end import numbers, plan

MACHINE = QemuSettings(machine="mps2-an386")


@pytest.fixture
def machine():
    asked = plan()
    with Qemu().run(bench.built_image(asked).path, asked.board, MACHINE) as machine:
        yield machine


def client(machine: Machine, memory: object) -> Client:
    client = Client(machine.stream, timeout_s=20, memory=memory)
    client.hello(within_s=10)
    return client


class Careless:
    """A way into memory that spoils every third write."""

    def __init__(self, machine: Machine) -> None:
        self.memory, self.writes = machine.memory, 0

    def write(self, address: int, data: bytes) -> None:
        self.writes += 1
        if self.writes % 3 == 0:
            data = bytes([data[0] ^ 1]) + data[1:]
        self.memory.write(address, data)


def test_memory_is_read_as_it_was_written_while_the_guest_runs(machine: Machine):
    address = client(machine, None).hello(within_s=10).input_address
    data = bytes(range(256)) * 9
    before = machine.memory.read(address + 64, len(data))
    machine.memory.write(address + 64, data)
    assert machine.memory.read(address + 64, len(data)) == data
    machine.memory.write(address + 64, before)
    assert client(machine, None).hello(within_s=10).input_address == address, "the guest does not go on"


class Lost:
    """A way that leads to where there is no memory."""

    def __init__(self, machine: Machine) -> None:
        self.memory = machine.memory

    def write(self, address: int, data: bytes) -> None:
        self.memory.write(address + 0x7000_0000, data)


def test_a_way_that_leads_nowhere_ends_in_a_message(machine: Machine):
    astray = Client(machine.stream, timeout_s=5, memory=Lost(machine))
    astray.hello(within_s=10)
    with pytest.raises(LinkTimeout, match="has not got on with sample 0"):
        list(astray.infer([b"\1" * 64]))


def test_a_spoilt_input_is_written_again_and_never_inferred(machine: Machine):
    inputs = [bytes([i]) * 64 for i in range(20)]
    expected = [inference.output for inference in client(machine, None).infer(inputs)]
    careless = Careless(machine)
    careful = client(machine, careless)
    assert [inference.output for inference in careful.infer(inputs)] == expected
    assert careless.writes > len(inputs), "nothing was spoilt"
    assert careful.stats.bytes_placed == 64 * careless.writes
    assert [inference.output for inference in careful.infer(inputs[:4], depth=1)] == expected[:4]


def test_a_run_gives_the_same_whatever_way_its_inputs_take():
    serial, memory = (bench.run(dataclasses.replace(plan(), channel=channel)) for channel in ("serial", "memory"))
    assert numbers(serial) == numbers(memory)
    assert serial.link["bytes_placed"] == 0
    assert memory.link["bytes_placed"] >= 64 * memory.dataset.samples
    assert memory.link["bytes_sent"] < serial.link["bytes_sent"]


def test_small_inputs_go_over_the_line_when_nobody_chooses():
    assert bench.run(plan()).link["bytes_placed"] == 0


def test_a_target_without_a_way_into_memory_says_so():
    asked = plan("host", target="host", framework="tflm", channel="memory")
    with pytest.raises(Unavailable, match="the target host has no way into the device's memory") as told:
        bench.run(asked)
    assert isinstance(told.value, HilbenchError) and "serial line" in (told.value.hint or "")
