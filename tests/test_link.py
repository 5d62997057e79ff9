"""The link end to end: host against device over a socket pair, on good lines and bad ones."""

import random
import socket
import threading
import time
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.errors import (
    DeviceFault,
    LinkClosed,
    LinkError,
    LinkTimeout,
    ModelError,
    TargetCrashed,
    UnstableOutput,
    WrongImage,
)
from hilbench.link.client import Client
from hilbench.link.device import Device
from hilbench.link.faults import FaultyStream
from hilbench.link.framing import Decoder, encode
from hilbench.link.protocol import TIMES, VERSION, Ack, Fault, Frame, Hello, Info, Result
from hilbench.link.window import WINDOW_FRAMES, Window, unwrap
from hilbench.targets.streams import SocketStream

BUILD_ID = bytes(range(16))
MANIFEST = b'{"a manifest": "of more than one chunk"}' * 40


@dataclass
class Model:
    """Stands for a model: its output depends on every bit of its input. Counts how often each input was run."""

    input_bytes: int = 64
    output_bytes: int = 12
    arena_bytes: int = 0
    runs: Counter = field(default_factory=Counter)
    input: bytes = b""
    output: bytes = b""

    def set_input(self, data):
        self.input = data

    def invoke(self):
        self.runs[self.input] += 1
        self.output = expected(self.input, self.output_bytes)
        self.input = b""  # as a runtime does that reuses its input's memory

    def get_output(self):
        return self.output


def expected(data: bytes, size: int) -> bytes:
    return random.Random(data).randbytes(size)


def random_inputs(count: int, size: int, seed: int = 1) -> list[bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(size) for _ in range(count)]


@contextmanager
def connected(model=None, rate=0.0, seed=0, timeout_s=5.0, hello=True):
    """Give a client and the device at its other end."""
    ours, theirs = socket.socketpair()
    with SocketStream(ours) as stream, SocketStream(theirs) as device_stream:
        device = Device(model or Model(), device_stream, BUILD_ID, MANIFEST)
        thread = threading.Thread(target=device.serve, daemon=True)
        thread.start()
        client = Client(FaultyStream(stream, rate, seed) if rate else stream, timeout_s)
        if hello:
            client.hello(5)
        yield client, device
        ours.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@contextmanager
def scripted(answer):
    """Give a client whose device answers each frame with the bytes that `answer(frame)` returns."""
    ours, theirs = socket.socketpair()
    with SocketStream(ours) as stream, SocketStream(theirs) as device_stream:

        def serve():
            decoder = Decoder()
            try:
                while True:
                    for frame in decoder.feed(device_stream.read(60)):
                        device_stream.write(answer(frame))
            except EOFError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Client(stream, timeout_s=0.5)
        ours.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def check(client, model, inputs, **how):
    inferences = list(client.infer(inputs, **how))
    assert [inference.index for inference in inferences] == list(range(len(inputs)))
    assert [inference.output for inference in inferences] == [expected(data, model.output_bytes) for data in inputs]
    return inferences


# ---- who is there


def test_hello_tells_the_image_and_its_sizes():
    with connected(Model(700, 20, 3000)) as (client, _):
        info = client.hello(5)
    assert (info.build_id, info.input_bytes, info.output_bytes, info.arena_bytes) == (BUILD_ID, 700, 20, 3000)
    assert info.manifest_bytes == len(MANIFEST)


def test_the_manifest_is_read_whole_and_between_inferences_too():
    model = Model()
    with connected(model) as (client, _):
        assert client.manifest() == MANIFEST
        check(client, model, random_inputs(3, 64))
        assert client.manifest() == MANIFEST
        client.hello(5)
        check(client, model, random_inputs(3, 64))


def test_the_right_image_is_accepted_and_another_is_named():
    with connected() as (client, _):
        client.require(BUILD_ID.hex())
        with pytest.raises(WrongImage) as error:
            client.require("ff" * 16)
    assert BUILD_ID.hex() in str(error.value)
    assert "ff" * 16 in str(error.value)
    assert error.value.hint


def info_answer(**changes):
    def answer(frame):
        hello = Hello.unpack(frame.payload)
        info = Info(hello.nonce, VERSION, 2, 512, BUILD_ID, 100, 64, 12, 0, 0)
        return encode(Frame.INFO, frame.session, 0, replace(info, **changes).pack())

    return answer


def test_another_version_of_the_protocol_is_told_with_both_versions():
    with (
        scripted(info_answer(version=VERSION + 41)) as client,
        pytest.raises(LinkError, match=rf"version {VERSION + 41}.*version {VERSION}\b"),
    ):
        client.hello(5)


def test_another_version_is_told_even_when_its_info_has_another_size():
    def answer(frame):
        return encode(Frame.INFO, 0, 0, frame.payload[:4] + bytes([VERSION + 1]))

    with scripted(answer) as client, pytest.raises(LinkError, match="version"):
        client.hello(5)


@pytest.mark.parametrize("field", ["chunk_bytes", "slots", "input_bytes", "output_bytes"])
def test_sizes_of_zero_are_no_device(field):
    with scripted(info_answer(**{field: 0})) as client, pytest.raises(LinkError, match="no sense"):
        client.hello(5)


def test_a_silent_device_is_a_timeout():
    with scripted(lambda frame: b"") as client:
        start = time.monotonic()
        with pytest.raises(LinkTimeout, match="0 bytes"):
            client.hello(0.3)
        assert time.monotonic() - start < 2


def test_chatter_of_another_program_is_told_apart_from_silence():
    with scripted(lambda frame: b"login: \0") as client, pytest.raises(LinkTimeout, match="no frame") as error:
        client.hello(0.3)
    assert "baud" in error.value.hint


def test_a_device_that_boots_late_is_found():
    ours, theirs = socket.socketpair()
    with SocketStream(ours) as stream, SocketStream(theirs) as device_stream:
        device = Device(Model(), device_stream, BUILD_ID)
        boot = threading.Timer(0.4, device.serve)
        boot.daemon = True
        boot.start()
        assert Client(stream, 5).hello(10).build_id == BUILD_ID


# ---- every sample once, and right


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("size", [1, 511, 512, 513, 27_648])
def test_inputs_of_any_size_arrive(size, depth):
    model = Model(input_bytes=size)
    inputs = random_inputs(5, size)
    with connected(model) as (client, device):
        check(client, model, inputs, depth=depth)
        assert client.stats.frames_resent == 0
    assert model.runs == Counter(inputs)
    assert device.inferences == len(inputs)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("size", [1, 512, 513, 5000])
def test_outputs_of_any_size_come_back(size, depth):
    model = Model(output_bytes=size)
    with connected(model) as (client, _):
        check(client, model, random_inputs(7, 64), depth=depth, repeats=2)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize(("rate", "count"), [(1e-4, 1500), (1e-3, 800)])
def test_a_bad_line_costs_time_but_no_sample(rate, count, depth):
    model = Model()
    inputs = random_inputs(count, 64)
    with connected(model, rate, seed=count) as (client, _):
        inferences = check(client, model, inputs, depth=depth)
    if depth == 2:
        assert model.runs == Counter(inputs), "each inferred once"
    else:  # a measurement that was disturbed was made again
        assert set(model.runs) == set(inputs)
    assert len({inference.invocation for inference in inferences}) == count


@pytest.mark.parametrize("depth", [1, 2])
def test_a_hopeless_line_loses_nothing_either(depth):
    """One byte in a hundred: a frame of input arrives whole in half of all cases."""
    model = Model()
    inputs = random_inputs(60, 64)
    with connected(model, 1e-2, seed=depth, timeout_s=20) as (client, _):
        check(client, model, inputs, depth=depth)
        assert client.stats.frames_resent > 0
        assert client.stats.damaged_in > 0
        assert client.stats.damaged_out > 0
    assert set(model.runs) == set(inputs)


@pytest.mark.parametrize("seed", range(4))
def test_large_inputs_and_outputs_survive_a_bad_line(seed):
    model = Model(input_bytes=5000, output_bytes=1700)
    inputs = random_inputs(10, 5000)
    with connected(model, 5e-4, seed) as (client, _):
        check(client, model, inputs, depth=2, repeats=3)
    assert model.runs == Counter(dict.fromkeys(inputs, 3))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_thousands_of_samples_on_a_bad_line(seed):
    model = Model()
    inputs = random_inputs(3000, 64, seed)
    with connected(model, 2e-3, seed, timeout_s=20) as (client, _):
        check(client, model, inputs)
    assert model.runs == Counter(inputs)


def test_a_sample_number_is_found_from_its_low_sixteen_bits():
    done = 65_530
    assert [unwrap((done + i) & 0xFFFF, done) for i in range(-20, 20)] == [done + i for i in range(-20, 20)]


@pytest.mark.slow
def test_more_samples_arrive_than_sixteen_bits_can_number():
    model = Model(input_bytes=2, output_bytes=1)
    inputs = [bytes(divmod(i % 65_521, 256)) for i in range(65_600)]
    with connected(model) as (client, device):
        check(client, model, inputs)
    assert device.inferences == len(inputs)


def test_a_sample_can_be_sent_again_in_a_new_session():
    model = Model()
    inputs = random_inputs(4, 64)
    with connected(model) as (client, device):
        next(client.infer(inputs))  # and leave the rest
        check(client, model, inputs)
    assert device.inferences >= 5


# ---- measuring


def test_repeats_are_timed_apart_and_invocations_counted():
    model = Model()
    inputs = random_inputs(3, 64)
    with connected(model) as (client, _):
        first = check(client, model, inputs, repeats=4, depth=1)
        again = check(client, model, inputs, repeats=1)
    assert [inference.invocation for inference in first] == [0, 4, 8]
    assert [inference.invocation for inference in again] == [12, 13, 14]
    assert all(len(inference.times) == 4 for inference in first)
    assert all(count > 0 for inference in first for times in inference.times for count in times)


def test_the_input_is_loaded_again_before_every_repeat():
    """The model destroys its input; were it not loaded again, the repeats would differ."""
    model = Model()
    inputs = random_inputs(2, 64)
    with connected(model) as (client, _):
        check(client, model, inputs, repeats=3)
    assert model.runs == Counter(dict.fromkeys(inputs, 3))


def test_a_model_whose_repeats_differ_is_an_error_that_names_the_sample():
    class Unstable(Model):
        def invoke(self):
            super().invoke()
            if sum(self.runs.values()) == 6:
                self.output = bytes(12)

    with connected(Unstable()) as (client, _):
        inferences = client.infer(random_inputs(4, 64), repeats=2)
        assert [next(inferences).index, next(inferences).index] == [0, 1]
        with pytest.raises(UnstableOutput, match="sample 2"):
            next(inferences)


class Noisy(Model):
    """Makes bytes arrive while the first `disturbances` samples are inferred."""

    noise: socket.socket
    disturbances = 0

    def invoke(self):
        super().invoke()
        if sum(self.runs.values()) <= self.disturbances:
            self.noise.send(b"\0")
            time.sleep(0.05)  # long enough for the link to notice, in one thread of many on a loaded computer


@contextmanager
def noisy(disturbances):
    model = Noisy()
    model.disturbances = disturbances
    ours, theirs = socket.socketpair()
    model.noise = ours
    with SocketStream(ours) as stream, SocketStream(theirs) as device_stream:
        threading.Thread(target=Device(model, device_stream, BUILD_ID).serve, daemon=True).start()
        client = Client(stream, 5)
        client.hello(5)
        yield client, model


def test_a_disturbed_measurement_is_made_again():
    inputs = random_inputs(3, 64)
    with noisy(2) as (client, model):
        inferences = check(client, model, inputs, depth=1)
    assert model.runs == Counter({inputs[0]: 3, inputs[1]: 1, inputs[2]: 1})
    assert inferences[0].invocation == 2, "the time is that of the undisturbed run"


def test_a_line_that_is_never_quiet_cannot_be_measured():
    with (
        noisy(10_000) as (client, _),
        pytest.raises(LinkError, match="sample 0: each of 20 measurements was disturbed"),
    ):
        list(client.infer(random_inputs(1, 64), depth=1))


def test_the_line_is_silent_while_a_measured_inference_runs():
    class Slow(Model):
        def invoke(self):
            super().invoke()
            time.sleep(0.3)

    model = Slow()
    with connected(model) as (client, device):
        check(client, model, random_inputs(2, 64), depth=1)
        assert client.stats.polls == 0
    assert device.inferences == 2


# ---- when the device fails


def test_a_device_that_hangs_in_an_inference_is_a_timeout():
    class Hanging(Model):
        release = threading.Event()

        def invoke(self):
            self.release.wait(60)

    with connected(Hanging(), timeout_s=0.5) as (client, _):
        start = time.monotonic()
        with pytest.raises(LinkTimeout, match="has been inferring sample 0"):
            list(client.infer(random_inputs(2, 64)))
        assert time.monotonic() - start < 5
        Hanging.release.set()


def answer_until(stop):
    """Answer hello and start, and data with an ACK; nothing any more once `stop()` is true."""

    def answer(frame):
        if stop():
            return b""
        if frame.type == Frame.HELLO:
            return info_answer()(frame)
        if frame.type == Frame.START:
            return encode(Frame.STARTED, frame.session, 0, frame.payload[:4])
        return encode(Frame.ACK, frame.session, 0, Ack(frame.sequence, 0, 0, 1, 0, 0, 0).pack())

    return answer


def test_a_device_that_falls_silent_is_a_timeout():
    frames = iter(range(100))
    with scripted(answer_until(lambda: next(frames) >= 3)) as client:
        client.hello(5)
        with pytest.raises(LinkTimeout, match="stopped answering at sample 0"):
            list(client.infer(random_inputs(2, 64)))


def test_a_device_that_was_reset_in_between_is_told():
    def answer(frame):
        return answer_until(lambda: False)(frame) if frame.type in (Frame.HELLO, Frame.START) else b""

    with scripted(answer) as client:
        client.hello(5)
        with pytest.raises(LinkError, match="was reset at sample 0"):
            list(client.infer(random_inputs(2, 64)))


def test_a_model_that_fails_names_the_sample():
    class Failing(Model):
        def invoke(self):
            super().invoke()
            if len(self.runs) == 3:
                raise RuntimeError("no more memory")

    with connected(Failing()) as (client, _), pytest.raises(TargetCrashed, match="sample 2: the model failed"):
        list(client.infer(random_inputs(4, 64)))


def test_a_fault_comes_with_its_registers():
    fault = Fault(*range(0x100, 0x10E))

    def answer(frame):
        if frame.type == Frame.DATA:
            return encode(Frame.FAULT, 0, 0, fault.pack())
        return answer_until(lambda: False)(frame)

    with scripted(answer) as client:
        client.hello(5)
        with pytest.raises(DeviceFault, match="0x00000106") as error:
            list(client.infer(random_inputs(2, 64)))
    assert error.value.registers["pc"] == 0x106
    assert error.value.registers["bfar"] == 0x10D
    assert len(error.value.registers) == 14


@pytest.mark.parametrize(("wrong", "message"), [("input_crc", "another input"), ("output_crc", "output changed")])
def test_a_result_for_another_input_or_output_is_refused(wrong, message):
    """Frames of a device that is wrong, not a line that is bad: the CRC of the frame is right."""

    class Wrong(Device):
        def _infer(self, *arguments):
            result, output = super()._infer(*arguments)
            return replace(result, **{wrong: getattr(result, wrong) ^ 1}), output

    ours, theirs = socket.socketpair()
    with SocketStream(ours) as stream, SocketStream(theirs) as device_stream:
        threading.Thread(target=Wrong(Model(), device_stream, BUILD_ID).serve, daemon=True).start()
        client = Client(stream, 5)
        client.hello(5)
        with pytest.raises(LinkError, match=message):
            list(client.infer(random_inputs(1, 64)))


class HauntedStream:
    """A line on which, after each frame of the host, a well-formed RESULT of another session turns up."""

    def __init__(self, stream, data):
        self.stream, self.decoder, self.data, self.ghosts = stream, Decoder(), data, b""

    def write(self, wire):
        for frame in self.decoder.feed(wire):
            wrong = bytes(12)
            ghost = Result(0, 0, 1, 0, zlib.crc32(self.data), zlib.crc32(wrong), 0, 0, TIMES.pack(1, 1, 1) + wrong)
            self.ghosts += encode(Frame.RESULT, frame.session ^ 0x0101, 0, ghost.pack())
        self.stream.write(wire)

    def read(self, timeout_s):
        ghosts, self.ghosts = self.ghosts, b""
        return ghosts or self.stream.read(timeout_s)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_result_of_another_session_is_never_taken_for_one_of_this(depth):
    ours, theirs = socket.socketpair()
    data, model = bytes(range(64)), Model()
    with SocketStream(ours) as stream, SocketStream(theirs) as device_stream:
        threading.Thread(target=Device(model, device_stream, BUILD_ID).serve, daemon=True).start()
        client = Client(HauntedStream(stream, data), 5)
        client.hello(5)
        check(client, model, [data, bytes(64)], depth=depth)


def test_a_device_that_is_gone_is_not_waited_for():
    ours, theirs = socket.socketpair()
    with SocketStream(ours) as stream:
        theirs.close()
        start = time.monotonic()
        with pytest.raises(LinkClosed):
            Client(stream, 60).hello(60)
    assert time.monotonic() - start < 5


def test_an_input_of_the_wrong_size_is_refused_before_anything_is_sent():
    with connected() as (client, _):
        sent = client.stats.bytes_sent
        with pytest.raises(ModelError, match="sample 1 has 63 bytes; the model's input has 64"):
            client.infer([bytes(64), bytes(63)])
        assert client.stats.bytes_sent == sent


def test_reset_ends_the_device():
    ours, theirs = socket.socketpair()
    with SocketStream(ours) as stream, SocketStream(theirs) as device_stream:
        Client(stream, 5).reset()
        assert Device(Model(), device_stream, BUILD_ID).serve() is True


# ---- the parts


@given(st.floats(0, 0.5), st.integers(0, 1000), st.binary(max_size=500))
def test_the_same_seed_makes_the_same_faults(rate, seed, data):
    class Loop:
        def __init__(self):
            self.sent = b""

        def write(self, data):
            self.sent += data

        def read(self, timeout_s):
            return data

    outcomes = []
    for _ in range(2):
        loop = Loop()
        stream = FaultyStream(loop, rate, seed)
        stream.write(data)
        outcomes.append((loop.sent, stream.read(0), stream.faults))
        if rate == 0:
            assert outcomes[-1] == (data, data, 0)
    assert outcomes[0] == outcomes[1]


@given(st.data(), st.integers(1, 40), st.integers(1, WINDOW_FRAMES))
def test_a_window_gets_every_fragment_across_whatever_is_lost(data, fragments, size):
    """The device here is a set; frames are lost as hypothesis likes, ACKs tell the state of that moment."""
    window = Window(fragments, size)
    window.admit(0)
    there: set[int] = set()
    newest = number = -1
    flips = st.lists(st.booleans(), min_size=size, max_size=size)
    for _ in range(2000):
        if window.idle:
            break
        for lost in data.draw(flips) if number < 400 else [False] * size:
            if (fragment := window.take(number + 1)) is None:
                break
            number += 1
            if not lost:
                there.add(fragment.index)
                newest = number
        else:
            assert len(window._flying) <= size
        number += 1  # a poll, which always arrives here
        newest = number
        have = next(i for i in range(fragments + 1) if i not in there)
        bitmap = sum(1 << i for i in range(32) if have + i in there)
        window.acknowledge(Ack(0, 0, 0, have, bitmap, 0, 0), 0, newest)
    assert window.idle
    assert there == set(range(fragments))


def test_a_window_on_a_good_line_sends_nothing_twice():
    window = Window(20, 4)
    window.admit(0)
    for number in range(20):
        assert window.take(number).index == number
        assert window.acknowledge(Ack(0, 0, 0, number + 1, 0, 0, 0), 0, number)
    assert window.idle
    assert window.resent == 0
    assert window.take(20) is None
