"""Streams of meters: any split of the bytes gives the same samples, and no bytes at all crash a decoder."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.errors import MeterError
from hilbench.meters.base import Block, Capture
from hilbench.meters.joulescope import _Track
from hilbench.meters.lpm01a_stream import Decoder as Lpm01aDecoder
from hilbench.meters.ppk2_stream import Calibration
from hilbench.meters.ppk2_stream import Decoder as Ppk2Decoder
from hilbench.meters.windows import Timed, find_windows

from .simulated_meters.lpm01a import text_sample
from .simulated_meters.ppk2 import METADATA, step_a, words

VOLTS = 3.0
CALIBRATION = Calibration.parse(METADATA)

currents = st.lists(st.floats(1e-6, 0.5), min_size=0, max_size=60)
faults = st.lists(st.tuples(st.integers(0, 59), st.one_of(st.binary(max_size=9), st.integers(0, 70))), max_size=3)
cuts = st.lists(st.integers(0, 700), max_size=8)


def ppk2_bytes(values: Sequence[float], spoilt: Sequence[tuple[int, bytes | int]]) -> bytes:
    """Return a PPK2's stream with bytes inserted before a sample, or so many samples left out from it on."""
    trigger = np.arange(len(values)) % 7 > 3
    pieces = [word.tobytes() for word in words(np.array(values), trigger, VOLTS)]
    for at, fault in spoilt:
        if isinstance(fault, int):
            pieces[at : at + fault] = [b""] * len(pieces[at : at + fault])
        elif at < len(pieces):
            pieces[at] = fault + pieces[at]
    return b"".join(pieces)


def lpm01a_bytes(values: Sequence[float], spoilt: Sequence[tuple[int, bytes | int]]) -> bytes:
    pieces = [text_sample(value) for value in values]
    for at in range(0, len(pieces), 20):
        pieces[at] = b"\r\nTimeStamp: 000s %03dms, buff 01%%\r\n" % at + b"event 01 ris\r\n" + pieces[at]
    for at, fault in spoilt:
        if isinstance(fault, int):
            pieces[at : at + fault] = [b""] * len(pieces[at : at + fault])
        elif at < len(pieces):
            pieces[at] = fault + pieces[at]
    return b"".join(pieces)


def decoders():
    return {
        "ppk2": lambda: Ppk2Decoder(CALIBRATION, VOLTS, 0),
        "lpm01a": lambda: Lpm01aDecoder(1000.0, VOLTS, energy=False),
    }


def decoded(name: str, data: bytes, at: Sequence[int] = ()) -> tuple[np.ndarray, np.ndarray, np.ndarray] | str:
    """Return current, trigger and overload of `data`, fed in pieces; or what the decoder says is wrong."""
    decoder = decoders()[name]()
    edges = [0, *sorted(min(cut, len(data)) for cut in at), len(data)]
    try:
        blocks = [decoder.feed(data[a:b]) for a, b in pairwise(edges)]
        blocks.append(decoder.flush())
    except MeterError as error:
        return error.what
    current, trigger, overload = (
        np.concatenate([getattr(block, name) for block in blocks]) for name in ("current_a", "trigger", "overload")
    )
    assert len(current) == len(trigger) == len(overload)
    return current, trigger, overload


def assert_same(one, other) -> None:
    assert type(one) is type(other)
    if isinstance(one, str):
        assert one == other
    else:
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@given(currents, faults, cuts)
@settings(deadline=None)
def test_any_split_of_a_ppk2_stream_gives_the_same_samples(values, spoilt, at):
    data = ppk2_bytes(values, spoilt)
    assert_same(decoded("ppk2", data, at), decoded("ppk2", data))


@given(currents, faults, cuts)
@settings(deadline=None)
def test_any_split_of_an_lpm01a_stream_gives_the_same_samples(values, spoilt, at):
    data = lpm01a_bytes(values, spoilt)
    assert_same(decoded("lpm01a", data, at), decoded("lpm01a", data))


@pytest.mark.parametrize("name", ["ppk2", "lpm01a"])
@given(st.binary(max_size=600), cuts)
@settings(deadline=None)
def test_noise_never_crashes_a_decoder(name: str, data: bytes, at: list[int]):
    assert_same(decoded(name, data, at), decoded(name, data))


@given(st.lists(st.floats(2e-6, 0.5), min_size=8, max_size=60))
@settings(deadline=None)
def test_a_ppk2_sample_is_the_current_to_half_a_step(values):
    steady = np.repeat(values, 6)  # after a change of range three samples settle
    current, _, overload = decoded("ppk2", words(steady, np.zeros(len(steady), bool), VOLTS).tobytes())
    assert len(current) == len(steady) and not overload.any()
    for got, value in zip(current[5::6], values, strict=True):
        assert got == pytest.approx(value, abs=step_a(value) * 0.6 + 0.01 * step_a(value))


def test_samples_that_a_ppk2_lost_keep_their_place():
    stream = words(np.full(100, 0.01), np.arange(100) >= 50, VOLTS)
    current, trigger, _ = decoded("ppk2", np.delete(stream, range(20, 30)).tobytes())
    assert len(current) == 100
    assert list(np.flatnonzero(np.isnan(current))) == list(range(20, 30))
    assert list(np.flatnonzero(trigger)) == list(range(50, 100))


def test_samples_lost_right_before_a_change_of_range_keep_their_place_too():
    stream = words(np.repeat([0.0005, 0.02], 30), np.zeros(60, bool), VOLTS)
    data = np.delete(stream, range(25, 30)).tobytes()
    current, _, _ = decoded("ppk2", data, range(0, len(data), 4))
    assert list(np.flatnonzero(np.isnan(current))) == list(range(25, 30))


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.data())
def test_bits_of_a_joulescope_are_those_that_it_sent(bits, data):
    track = _Track(bits=True)
    whole = np.array(bits + [False] * (-len(bits) % 8))
    cut = 8 * data.draw(st.integers(0, len(whole) // 8))
    for first, piece in ((0, whole[:cut]), (cut, whole[cut:])):
        track.add({"sample_id": 900 + first, "decimate_factor": 1, "data": np.packbits(piece, bitorder="little")})
    ids = np.arange(898, 900 + len(whole) + 2)
    assert list(track.at(ids, -1.0)) == [-1, -1, *whole.astype(int), -1, -1]


def test_spikes_of_a_change_of_range_are_no_samples():
    steps = np.concatenate((np.full(50, 0.0005), np.full(50, 0.02), np.full(50, 0.0005)))
    current, _, _ = decoded("ppk2", words(steps, steps > 1, VOLTS, spikes=True).tobytes())
    np.testing.assert_allclose(current, steps, rtol=2e-3)


def test_calibration_reads_what_the_meter_tells_and_keeps_defaults_for_the_rest():
    read = Calibration.parse("R0: 1003.35\r\nR1: -nan\nR2: 0\nGS0: 0.0000\nO4: 87.2177\nI0: -1.5e-7\nHW: 9173\nEND\n")
    assert read.r == (1003.35, 101.65, 10.15, 0.94, 0.043)
    assert (read.gs[0], read.o[4], read.i[0]) == (1.0, 87.2177, -1.5e-7)


def test_a_time_stamp_in_the_wrong_place_is_an_error():
    late = b"TimeStamp: 000s 000ms, buff 01%\r\n" + b"1000-06\r\n" * 40 + b"TimeStamp: 000s 010ms, buff 01%\r\n"
    assert "more than its time stamps allow" in decoded("lpm01a", late)


# Windows, from blocks that are split anywhere.


def in_blocks(current: np.ndarray, trigger: np.ndarray, at: Sequence[int]) -> Capture:
    edges = [0, *sorted(min(cut, len(current)) for cut in at), len(current)]

    def blocks() -> Iterator[Block]:
        for a, b in pairwise(edges):
            yield Block(current[a:b], 2.0, trigger[a:b], np.zeros(b - a, bool))

    return Capture(1000.0, blocks)


@given(st.lists(st.integers(20, 60), min_size=1, max_size=6), st.lists(st.integers(0, 500), max_size=8), st.randoms())
@settings(deadline=None)
def test_windows_do_not_depend_on_how_samples_come_in_blocks(lengths, at, random):
    levels = [level for n in lengths for level in ([False] * random.randint(3, 30) + [True] * n)] + [False] * 3
    trigger = np.array(levels)
    current = np.where(trigger, 0.01, 0.001) * (1 + 0.1 * np.sin(np.arange(len(trigger))))
    timed = [Timed(i, n / 1000) for i, n in enumerate(lengths)]
    whole, split = (find_windows(in_blocks(current, trigger, cut), timed) for cut in ([], at))
    assert [w.samples for w in whole.windows] == lengths
    for one, other in zip(whole.windows + whole.idle, split.windows + split.idle, strict=True):
        assert one.energy_j == pytest.approx(other.energy_j)
        assert (one.samples, one.lost) == (other.samples, other.lost)
    edges = np.flatnonzero(np.diff(trigger.astype(int))) + 1
    first = slice(edges[0], edges[1])
    assert whole.windows[0].energy_j == pytest.approx(float((current[first] * 2.0).sum() / 1000))


def rises_at(places: Sequence[int], total: int, inside_a: float) -> Capture:
    trigger = np.zeros(total, bool)
    trigger[list(places)] = True
    current = np.full(total, 0.002)
    for place in places:
        current[place : place + 30] = inside_a
    none = np.zeros(total, bool)
    halves = [Block(current[part], 2.0, trigger[part], none[part]) for part in (slice(0, 70), slice(70, None))]
    return Capture(1000.0, lambda: iter(halves), "rises")


def test_where_only_rises_are_marked_the_board_says_how_long_a_window_is():
    found = find_windows(rises_at([20, 60, 120], 200, 0.010), [Timed(i, 0.030) for i in range(3)])
    assert [window.samples for window in found.windows] == [30, 30, 30]
    assert [window.energy_j for window in found.windows] == pytest.approx([0.010 * 2 * 0.030] * 3)


def test_marks_at_the_end_of_inferences_are_found_out():
    with pytest.raises(MeterError, match="less in the windows"):
        find_windows(rises_at([20, 60, 120], 200, 0.001), [Timed(i, 0.030) for i in range(3)])
