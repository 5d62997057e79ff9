"""The agent and its port, on the machines of QEMU that they are for, through the host's own client."""

from __future__ import annotations

import contextlib
import itertools
import random
import shutil
import struct
import time
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from hilbench import resources
from hilbench.errors import DeviceFault, LinkError, LinkTimeout, TargetCrashed, UnstableOutput
from hilbench.link.client import Client
from hilbench.link.faults import FaultyStream
from hilbench.link.framing import Decoder, encode
from hilbench.link.protocol import Data, Frame, c_header
from tests.firmware_images import MACHINES, answer, make, needs_qemu, running, u64s

pytestmark = needs_qemu
M4 = "mps2-an386"
every_machine = pytest.mark.parametrize("machine", MACHINES)
each_architecture = pytest.mark.parametrize(
    "machine", [pytest.param(m, marks=pytest.mark.slow) if m in ("mps2-an385", "mps2-an500") else m for m in MACHINES]
)
"""The Cortex-M3 and M7 are of the M4's architecture."""

# Configurable Fault Status Register: Armv7-M ARM DDI 0403E, B3.2.15; STKOF: Armv8-M ARM DDI 0553, UFSR.
DACCVIOL, MSTKERR, PRECISERR, UNDEFINSTR, STKOF = 1 << 1, 1 << 4, 1 << 9, 1 << 16, 1 << 20


@pytest.fixture
def noise() -> random.Random:
    return random.Random("firmware")


def symbol(path: Path, name: str) -> int:
    with path.open("rb") as file:
        (found,) = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name(name)
        return int(found["st_value"])


def test_the_agents_header_is_the_protocols() -> None:
    assert (resources.FIRMWARE / "agent" / "hb_protocol.h").read_text() == c_header()


@every_machine
def test_every_machine_gives_the_right_outputs(machine: str, image_cache: Path, noise: random.Random) -> None:
    image = make(machine, image_cache, "echo")
    with running(image) as bench:
        bench.client.require(image.manifest.build_id)
        assert bench.client.manifest() == image.elf.manifest()
        inputs = [noise.randbytes(64) for _ in range(200)]
        found = list(bench.client.infer(inputs))
    assert [one.output for one in found] == [answer(data, 12) for data in inputs]
    assert [one.invocation for one in found] == list(range(200))


@each_architecture
def test_time_is_exact_to_the_instruction_at_any_phase(machine: str, image_cache: Path, noise: random.Random) -> None:
    seen = set()
    with running(make(machine, image_cache, "windows", input_bytes=4, output_bytes=48)) as bench:
        turns = [struct.pack("<I", noise.randrange(500)) for _ in range(200)]
        for one in bench.client.infer(turns, depth=1):
            seen.add(u64s(one.output))
    assert seen == {(0, 1, 7, 41, 1000, 12345)}


def test_counts_are_the_same_in_every_repeat_and_every_run(image_cache: Path, noise: random.Random) -> None:
    counts = []
    image = make(M4, image_cache, "echo")
    for _ in range(2):
        with running(image) as bench:
            found = list(bench.client.infer([noise.randbytes(64) for _ in range(20)], repeats=3, depth=1))
        counts.append({times for one in found for times in one.times})
        assert [one.invocation for one in found] == list(range(0, 60, 3))
    assert counts[0] == counts[1]
    assert len(counts[0]) == 1
    assert all(count > 0 for times in counts[0] for count in times)


def test_thirty_starts_in_a_row_all_answer(image_cache: Path) -> None:
    image = make(M4, image_cache, "echo")
    for _ in range(30):
        with running(image) as bench:
            (one,) = bench.client.infer([bytes(64)])
            assert one.output == answer(bytes(64), 12)


def test_an_input_larger_than_a_frame_and_an_output_larger_than_a_result(
    image_cache: Path, noise: random.Random
) -> None:
    with running(make(M4, image_cache, "echo", input_bytes=3000, output_bytes=1300)) as bench:
        inputs = [noise.randbytes(3000) for _ in range(4)]
        found = list(bench.client.infer(inputs))
    assert [one.output for one in found] == [answer(data, 1300) for data in inputs]


@pytest.mark.parametrize("size", [1, 512, 513])
def test_sizes_around_that_of_a_fragment(image_cache: Path, noise: random.Random, size: int) -> None:
    with running(make(M4, image_cache, "echo", input_bytes=size, output_bytes=size)) as bench:
        inputs = [noise.randbytes(size) for _ in range(4)] + [bytes(size), b"\1" * size]
        found = list(bench.client.infer(inputs))
    assert [one.output for one in found] == [answer(data, size) for data in inputs]


def test_frames_that_end_around_a_full_cobs_group(image_cache: Path) -> None:
    with running(make(M4, image_cache, "copies", input_bytes=400, output_bytes=400)) as bench:
        inputs = [b"\1" * zero + b"\0" + b"\2" * (399 - zero) for zero in range(142, 154)]
        inputs += [bytes([value]) * 400 for value in range(1, 5)]
        found = list(bench.client.infer(inputs))
    assert [one.output for one in found] == inputs


def test_on_a_bad_line_nothing_is_wrong_nothing_is_lost_and_each_is_inferred_once(
    image_cache: Path, noise: random.Random
) -> None:
    with running(make(M4, image_cache, "echo", input_bytes=700)) as bench:
        bad = FaultyStream(bench.machine.stream, rate=1e-3, seed=7)
        client = Client(bad, timeout_s=20)
        client.hello(within_s=20)
        inputs = [noise.randbytes(700) for _ in range(50)]
        found = list(client.infer(inputs))
    assert bad.faults > 30
    assert [one.output for one in found] == [answer(data, 12) for data in inputs]
    assert [one.invocation for one in found] == list(range(50))


def test_a_model_that_overwrites_its_input_gets_it_again(image_cache: Path, noise: random.Random) -> None:
    with running(make(M4, image_cache, "overwrites")) as bench:
        inputs = [noise.randbytes(64) for _ in range(4)]
        found = list(bench.client.infer(inputs, repeats=5))
    assert [one.output for one in found] == [answer(data, 12) for data in inputs]


def test_an_output_that_changes_between_repeats_is_an_error(image_cache: Path) -> None:
    with running(make(M4, image_cache, "unstable")) as bench:
        assert len(list(bench.client.infer([bytes(64)], repeats=2))) == 1
        with pytest.raises(UnstableOutput):
            list(bench.client.infer([bytes(64)], repeats=2))


@pytest.mark.parametrize(("program", "words"), [("fails", "the model failed"), ("no_init", "could not be set up")])
def test_a_model_that_says_it_failed_is_a_crash(image_cache: Path, program: str, words: str) -> None:
    with running(make(M4, image_cache, program)) as bench, pytest.raises(TargetCrashed, match=words):
        list(bench.client.infer([bytes(64)]))


def test_a_model_that_hangs_is_told_from_a_device_that_is_dead(image_cache: Path) -> None:
    with running(make(M4, image_cache, "hangs"), timeout_s=1) as bench:
        with pytest.raises(LinkTimeout, match="has been inferring"):
            list(bench.client.infer([bytes(64)]))
        assert "hb_model_invoke" in str(bench.machine.crash())


def test_a_new_session_does_not_get_the_result_of_the_old_one(image_cache: Path, noise: random.Random) -> None:
    with running(make(M4, image_cache, "echo", turns=300_000)) as bench:
        for _ in range(5):
            old = bench.client.infer([noise.randbytes(64) for _ in range(3)])
            next(old)  # and now the device runs the second
            inputs = [noise.randbytes(64) for _ in range(2)]
            found = list(bench.client.infer(inputs))
            assert [one.output for one in found] == [answer(data, 12) for data in inputs]


@each_architecture
@pytest.mark.parametrize(
    ("kind", "place", "cause"),
    [(1, "fault_null_write", DACCVIOL), (2, "fault_undefined", UNDEFINSTR), (3, "fault_bad_read", PRECISERR)],
)
def test_a_fault_is_told_with_its_place(machine: str, image_cache: Path, kind: int, place: str, cause: int) -> None:
    image = make(machine, image_cache, "faults")
    with running(image) as bench, pytest.raises(DeviceFault) as caught:
        list(bench.client.infer([bytes([kind]) + bytes(63)]))
    registers = caught.value.registers
    assert registers["pc"] == symbol(image.path, place)
    assert registers["cfsr"] & cause
    assert symbol(image.path, "hb_port_stack_bottom") < registers["sp"] < symbol(image.path, "hb_port_stack_top")


def test_a_board_that_faulted_begins_anew_after_a_while(image_cache: Path) -> None:
    image = make(M4, image_cache, "faults")
    with running(image) as bench:
        with pytest.raises(DeviceFault):
            list(bench.client.infer([bytes([1]) + bytes(63)]))
        deadline = time.monotonic() + 120
        with contextlib.suppress(EOFError):
            while time.monotonic() < deadline:
                bench.machine.stream.read(1.0)  # QEMU waits for who reads what its guest tells
        assert "the firmware reset itself" in bench.machine.crash().reason  # which ends a machine of QEMU


@each_architecture
def test_a_stack_overflow_is_a_fault_and_nothing_is_overwritten(machine: str, image_cache: Path) -> None:
    image = make(machine, image_cache, "faults")
    with running(image) as bench, pytest.raises(DeviceFault) as caught:
        list(bench.client.infer([b"\4" + bytes(63)]))
    registers = caught.value.registers
    assert registers["cfsr"] & (MSTKERR | STKOF)
    assert abs(registers["sp"] - symbol(image.path, "hb_port_stack_bottom")) < 256


def test_a_fault_halfway_through_sending_a_frame_is_told(image_cache: Path) -> None:
    image = make(M4, image_cache, "faults_in_service")
    with pytest.raises(DeviceFault) as caught, running(image):
        pass
    assert caught.value.registers["pc"] == symbol(image.path, "fault_in_service")


def test_the_stack_that_a_model_uses_is_measured(image_cache: Path) -> None:
    with running(make(M4, image_cache, "stack")) as bench:
        wanted = [64, 1000, 8000, 15000, 2000]
        inputs = [struct.pack("<H", size) + bytes(62) for size in wanted]
        found = list(bench.client.infer(inputs, measure=True, depth=1))
        unmeasured = list(bench.client.infer(inputs))
    assert all(0 <= one.stack_bytes - size < 64 for one, size in zip(found, wanted, strict=True))
    assert {one.stack_bytes for one in unmeasured} == {0}


def test_a_stack_used_to_its_last_word_is_an_error_before_it_is_a_fault(image_cache: Path) -> None:
    with running(make(M4, image_cache, "stack")) as bench:
        sizes = iter(range(16000, 16384, 8))
        overflowed = pytest.raises(TargetCrashed, match="overflowed its stack")
        with overflowed:
            list(itertools.chain.from_iterable(bench.client.infer([struct.pack("<H", n) + bytes(62)]) for n in sizes))


def test_reset_resets(image_cache: Path) -> None:
    with running(make(M4, image_cache, "echo")) as bench:
        bench.client.reset()
        with pytest.raises(LinkError):
            bench.client.hello(within_s=5)
        assert "reset itself" in str(bench.machine.crash())


def test_no_garbage_stops_the_agent(image_cache: Path, noise: random.Random) -> None:
    image = make(M4, image_cache, "echo")
    with running(image) as bench:
        stream = bench.machine.stream
        for _ in range(60):
            stream.write(garbage(noise))
            stream.read(0)
        list(bench.client.infer([bytes(64)]))
        for _ in range(60):  # and now within a session, whose number the garbage may guess
            stream.write(garbage(noise, session=noise.choice([bench.client._line.session, noise.randrange(65536)])))
            stream.read(0)
        time.sleep(0.1)
        bench.client.hello(within_s=5)
        (one,) = bench.client.infer([b"\7" * 64])
    assert one.output == answer(b"\7" * 64, 12)


def garbage(noise: random.Random, session: int = 0) -> bytes:
    """Return random bytes, random good frames, or good frames with a random fault; never a good RESET."""
    kind = noise.randrange(4)
    if kind == 0:
        return noise.randbytes(noise.randrange(1, 3000)) + b"\0"
    payload = noise.randbytes(noise.choice([0, 1, 2, 4, 6, 7, 8, noise.randrange(1600)]))
    types = [frame for frame in Frame if frame != Frame.RESET] + [0, 77, 255]
    wire = encode(noise.choice(types), session, noise.randrange(256), payload)
    if kind == 1:
        at = noise.randrange(len(wire))
        return wire[:at] + noise.randbytes(noise.randrange(3)) + wire[at + noise.randrange(3) :]
    return wire


def test_the_same_sources_make_the_same_bytes_in_any_folder(
    image_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = make(M4, image_cache, "echo").path.read_bytes()
    shutil.copytree(resources.FIRMWARE, tmp_path / "elsewhere" / "fw")
    monkeypatch.setattr(resources, "FIRMWARE", tmp_path / "elsewhere" / "fw")
    there = make(M4, tmp_path / "another cache", "echo").path.read_bytes()
    assert here == there


@pytest.mark.slow
@every_machine
@pytest.mark.parametrize(("rate", "size", "samples"), [(1e-4, 700, 400), (1e-3, 700, 200), (1e-2, 32, 200)])
def test_a_bad_line_on_every_machine(
    machine: str, rate: float, size: int, samples: int, image_cache: Path, noise: random.Random
) -> None:
    with running(make(machine, image_cache, "echo", input_bytes=size)) as bench:
        bad = FaultyStream(bench.machine.stream, rate, seed=samples)
        client = Client(bad, timeout_s=30)
        client.hello(within_s=30)
        inputs = [noise.randbytes(size) for _ in range(samples)]
        found = list(client.infer(inputs))
    assert bad.faults > 20
    assert [one.output for one in found] == [answer(data, 12) for data in inputs]
    first = found[0].invocation
    assert [one.invocation - first for one in found] == list(range(samples))


def test_a_frame_of_another_session_is_not_answered(image_cache: Path, noise: random.Random) -> None:
    with running(make(M4, image_cache, "echo")) as bench:
        data = noise.randbytes(64)
        assert [one.output for one in bench.client.infer([data])] == [answer(data, 12)]
        stream, decoder = bench.machine.stream, Decoder()
        for session in (0x0101, 0xFFFF):
            stream.write(encode(Frame.DATA, bench.client._line.session ^ session, 0, Data(1, 0, 0, data).pack()))
        assert decoder.feed(stream.read(0.5)) == []
