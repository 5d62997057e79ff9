"""Frames on the wire: what was sent comes out, and nothing else ever does."""

import itertools
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.link.framing import MAX_BODY_BYTES, MAX_WIRE_BYTES, Decoder, RawFrame, encode
from hilbench.link.protocol import OVERHEAD_BYTES

frames = st.builds(
    RawFrame,
    st.integers(0, 0xFF),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFF),
    # Zeros and runs without any are what COBS treats apart.
    st.one_of(st.binary(max_size=920), st.integers(0, 920).map(bytes), st.integers(0, 920).map(lambda n: b"\x55" * n)),
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


@given(st.lists(frames, max_size=6), st.lists(st.integers(0, 5000), max_size=10))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(sent, cuts):
    decoder = Decoder()
    wire = b"".join(encode(*frame) for frame in sent)
    assert [frame for piece in pieces(wire, cuts) for frame in decoder.feed(piece)] == sent
    assert decoder.damaged == 0
    assert not decoder.halfway


@given(frames)
def test_a_frame_holds_no_zero_but_its_end(frame):
    wire = encode(*frame)
    assert wire.index(b"\0") == len(wire) - 1
    assert len(wire) <= MAX_WIRE_BYTES + 1


@given(frames, st.data())
def test_a_damaged_frame_is_never_taken_for_another(frame, data):
    """Flip, drop or insert up to five bytes: what comes out, if anything, is the frame itself."""
    wire = bytearray(encode(*frame))
    for _ in range(data.draw(st.integers(1, 5))):
        position = data.draw(st.integers(0, len(wire) - 1))
        kind = data.draw(st.sampled_from(["flip", "drop", "insert"]))
        if kind == "flip":
            wire[position] ^= data.draw(st.integers(1, 0xFF))
        elif kind == "drop" and len(wire) > 1:
            del wire[position]
        else:
            wire.insert(position, data.draw(st.integers(0, 0xFF)))
    decoder = Decoder()
    assert set(decoder.feed(bytes(wire) + b"\0")) <= {frame}


def test_every_single_bit_flip_is_found():
    frame = RawFrame(3, 0x1234, 7, b"\0\1\2\0" + bytes(20) + b"\xff" * 300)
    wire = encode(*frame)
    for bit in range(8 * (len(wire) - 1)):
        spoilt = bytearray(wire)
        spoilt[bit // 8] ^= 1 << bit % 8
        decoder = Decoder()
        assert decoder.feed(bytes(spoilt)) == []
        assert decoder.damaged >= 1


@given(st.binary(max_size=3000), frames)
def test_after_any_garbage_the_next_frame_is_read(garbage, frame):
    decoder = Decoder()
    assert decoder.feed(garbage + b"\0" + encode(*frame))[-1] == frame


@given(st.integers(0, 9))
def test_end_marks_alone_are_no_damage(count):
    decoder = Decoder()
    assert decoder.feed(bytes(count)) == []
    assert decoder.damaged == 0


def test_a_body_too_short_for_its_crc_is_damaged():
    decoder = Decoder()
    assert decoder.feed(b"\x02\x11\0") == []
    assert decoder.damaged == 1


def test_the_crc_is_that_of_zlib_over_header_and_payload():
    wire = encode(1, 0x0302, 4, b"\5")
    assert wire[1:6] == bytes([1, 2, 3, 4, 5])
    assert wire[6:10] == zlib.crc32(bytes([1, 2, 3, 4, 5])).to_bytes(4, "little")


def test_the_largest_frame_fits_and_one_byte_more_does_not():
    payload = b"\x55" * (MAX_BODY_BYTES - OVERHEAD_BYTES)
    assert Decoder().feed(encode(1, 2, 3, payload)) == [RawFrame(1, 2, 3, payload)]
    decoder = Decoder()
    assert decoder.feed(encode(1, 2, 3, payload + b"\x55" * 8)) == []
    assert decoder.damaged == 1


@pytest.mark.parametrize("piece", [b"\x55" * 65536, b"\xff" * 65536])
def test_an_endless_frame_takes_no_memory(piece):
    decoder = Decoder()
    decoder.feed(piece)
    tracemalloc.start()
    try:
        for _ in range(50):
            assert decoder.feed(piece) == []
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 * len(piece)
    assert decoder.halfway
    assert decoder.feed(b"\0" + encode(1, 2, 3, b"x")) == [RawFrame(1, 2, 3, b"x")]
    assert decoder.damaged == 1
