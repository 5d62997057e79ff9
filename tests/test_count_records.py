"""What the plug-in writes is read as it was written, or not at all."""

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.counts import Block, Runs, Window
from hilbench.errors import TargetError, Unavailable
from hilbench.targets.count_records import MISSES, NOPS, REGIONS, read_windows

BLOCK, WINDOW, CALIBRATES, FULL, LOST = range(1, 6)
NOP = b"\x00\xbf"
EMPTY = {0: (1, 1)}
SIZES = {0: 2, 1: NOPS, 2: 3, 3: 7}
"""Blocks by id: how many NOPs each is."""
CALIBRATION = [EMPTY, {0: (1, 1), 1: (1, 0)}]


def stream(*records: tuple[int, bytes]) -> bytes:
    parts = []
    for number, (kind, payload) in enumerate(records):
        record = struct.pack("<III", kind, number, len(payload)) + payload
        parts.append(record + struct.pack("<I", zlib.crc32(record)))
    body = b"".join(parts)
    header = b"HBCOUNT1" + struct.pack("<Q", len(body))
    return header + struct.pack("<I", zlib.crc32(header)) + body


def block(number: int) -> tuple[int, bytes]:
    return BLOCK, struct.pack("<III", number, 0x1000 * number, SIZES[number]) + NOP * SIZES[number]


def window(runs: dict[int, tuple[int, int]], tally: tuple[int, ...] = (0,) * 12) -> tuple[int, bytes]:
    instructions = sum(SIZES[number] * executed for number, (executed, _) in runs.items())
    body = b"".join(struct.pack("<IQQ", number, *both) for number, both in runs.items())
    return WINDOW, struct.pack("<Q12Q", instructions, *tally) + body


def records(*windows: dict[int, tuple[int, int]]) -> list[tuple[int, bytes]]:
    return [*map(block, SIZES), (CALIBRATES, b""), *map(window, [*CALIBRATION, *windows])]


COUNT = st.integers(0, 2**40)
WINDOWS = st.lists(st.dictionaries(st.sampled_from([2, 3]), st.tuples(COUNT.map(lambda n: n + 1), COUNT)), max_size=4)


@given(WINDOWS)
def test_windows_are_read_as_they_were_written_less_the_empty_one(windows):
    expected = [
        {Block(0x1000 * number, NOP * SIZES[number]): Runs(*both) for number, both in runs.items()} for runs in windows
    ]
    found = read_windows(stream(*records(*({**EMPTY, **runs} for runs in windows))), memory=False, caches=False)
    assert [dict(one.blocks) for one in found] == expected
    assert [one.instructions for one in found] == [
        sum(SIZES[number] * executed for number, (executed, _) in runs.items()) for runs in windows
    ]


@given(WINDOWS, st.data())
def test_a_changed_byte_or_a_missing_end_is_an_error(windows, data):
    whole = stream(*records(*windows))
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    for wrong in (changed, whole[:at] if at else whole[:1], whole + b"\0"):
        with pytest.raises(TargetError, match="cannot be read"):
            read_windows(wrong, memory=False, caches=False)


@given(st.lists(st.tuples(st.integers(0, 7), st.binary(max_size=140)), max_size=6))
def test_records_of_any_content_are_an_error_or_windows(found):
    with contextlib.suppress(TargetError, Unavailable):
        assert all(isinstance(one, Window) for one in read_windows(stream(*records(), *found), True, True))


@pytest.mark.parametrize("left_out", range(len(SIZES) + 3))
def test_a_record_that_is_missing_is_an_error(left_out):
    every = records(EMPTY, {2: (5, 1), 3: (1, 1)})
    with pytest.raises((TargetError, Unavailable)):
        read_windows(stream(*every[:left_out], *every[left_out + 1 :]), memory=False, caches=False)


def test_tallies_go_by_their_names_and_lose_what_an_empty_window_has():
    first, then = tuple(range(12)), tuple(range(100, 124, 2))
    every = records()[:-2]
    found = read_windows(
        stream(*every, window(EMPTY, first), window(CALIBRATION[1], first), window(EMPTY, then)), True, True
    )
    assert found == [
        Window(
            0,
            {},
            dict(zip(REGIONS, (100, 101, 102), strict=True)),
            dict(zip(REGIONS, (103, 104, 105), strict=True)),
            dict(zip(MISSES, range(112, 124, 2), strict=True)),
        )
    ]


def test_before_anything_was_counted_there_are_no_windows():
    assert read_windows(b"", memory=False, caches=False) == []
    assert read_windows(stream(), memory=False, caches=False) == []
    assert read_windows(stream(*records()[:-1]), memory=False, caches=False) == []


def test_after_a_reset_the_firmware_calibrates_again():
    again = [(CALIBRATES, b""), *map(window, CALIBRATION), window({**EMPTY, 3: (1, 1)})]
    found = read_windows(stream(*records({**EMPTY, 2: (1, 1)}), *again), memory=False, caches=False)
    assert [one.instructions for one in found] == [3, 7]


@pytest.mark.parametrize(
    ("last", "message"),
    [((FULL, b""), "more counts than are kept"), ((LOST, b"no idea"), "not to be trusted: no idea")],
)
def test_what_the_plugin_complains_of_is_told(last, message):
    with pytest.raises(Unavailable, match=message):
        read_windows(stream(*records(), last), memory=False, caches=False)


def test_a_qemu_that_miscounts_the_calibration_is_not_used():
    every = [*map(block, SIZES), (CALIBRATES, b""), window(EMPTY), window({0: (1, 1), 2: (1, 1)})]
    with pytest.raises(Unavailable, match="counts 3 instructions where there are 1000"):
        read_windows(stream(*every), memory=False, caches=False)
