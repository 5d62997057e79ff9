"""Whether an agent answers is told by a whole INFO frame that repeats the question, and by nothing else."""

import time
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from hilbench.link.framing import END, Decoder, encode
from hilbench.link.protocol import VERSION, Fault, Frame, Hello, Info
from hilbench.targets import hello

BUILD = bytes(range(16))
NONCE = bytes.fromhex("04030201")


def info(nonce: int) -> bytes:
    return Info(nonce, VERSION, 2, 512, BUILD, 900, 0, 4, 0, 128).pack()


def wire(nonce: int) -> bytes:
    return encode(Frame.INFO, 0, 0, info(nonce))


class Line:
    """An agent whose answer to a HELLO's nonce is `answer`, in pieces of `piece` bytes."""

    def __init__(self, answer: Callable[[int], bytes], piece: int = 7) -> None:
        self.answer, self.piece, self.asked = answer, piece, 0
        self.decoder, self.waiting = Decoder(), b""

    def write(self, data: bytes) -> None:
        for frame in self.decoder.feed(data):
            assert frame.type == Frame.HELLO
            self.asked += 1
            self.waiting += self.answer(Hello.unpack(frame.payload).nonce)

    def read(self, timeout_s: float) -> bytes:
        if not self.waiting:
            time.sleep(timeout_s)
        data, self.waiting = self.waiting[: self.piece], self.waiting[self.piece :]
        return data


@given(st.integers(0, 2**32 - 1))
def test_question_and_answer_are_those_of_the_protocol(nonce: int):
    packed = Hello(nonce).pack()
    assert hello.hello(packed) == END + encode(Frame.HELLO, 0, 0, packed)
    assert hello.is_answer(wire(nonce).removesuffix(END), packed)
    assert not hello.is_answer(wire(nonce ^ 1).removesuffix(END), packed), "the answer to somebody else, or of before"


def test_the_numbers_are_the_protocols():
    assert (hello._HELLO, hello._INFO) == (Frame.HELLO, Frame.INFO)
    assert len(wire(0)) <= hello._HELD_BYTES


@given(st.binary(max_size=200))
def test_other_bytes_are_no_answer(noise: bytes):
    assert not hello.is_answer(noise, NONCE)


@given(st.integers(0, 59), st.integers(0, 7))
def test_a_damaged_answer_is_none(at: int, bit: int):
    whole = wire(0x01020304).removesuffix(END)
    at %= len(whole)
    damaged = whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :]
    assert hello.is_answer(whole, NONCE) and not hello.is_answer(damaged, NONCE)


def test_an_agent_that_answers_is_heard_behind_the_noise_of_its_pins():
    line = Line(lambda nonce: b"\xff\x00 hello" + END + wire(nonce))
    assert hello.answers(line, 2.0)
    lost_first = Line(lambda nonce: wire(nonce) if lost_first.asked > 1 else wire(nonce)[:20])
    assert hello.answers(lost_first, 2.0) and lost_first.asked > 1


def test_neither_a_fault_nor_text_nor_silence_is_an_answer():
    """A board that died tells so again and again, with more bytes than an INFO has."""
    fault = encode(Frame.FAULT, 0, 0, Fault(*range(14)).pack())
    for said in (fault, b"*** Booting Zephyr OS ***\r\n" * 4, b"", b"\0\x81\x81" + b"\x01" * 60 + b"\0"):
        line = Line(lambda nonce, said=said: said)
        start = time.monotonic()
        assert not hello.answers(line, 0.3)
        assert line.asked > 1 and time.monotonic() - start < 2


def test_an_answer_of_before_is_none():
    """What an agent sent before it hung may lie in the line yet."""
    assert not hello.answers(Line(lambda nonce: wire(nonce ^ 1)), 0.3)


def test_a_line_that_is_gone_has_no_agent():
    class Gone(Line):
        def read(self, timeout_s: float) -> bytes:
            raise EOFError

    assert not hello.answers(Gone(wire), 1.0)
    assert hello.answers(Line(wire), 1.0)
