"""Reads what the counting plug-in of QEMU wrote (firmware/qemu/records.h): windows, without what a window itself costs.

Every record carries its number and a checksum, and the header says how long they are together: a file that was cut or
damaged is an error.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hilbench.counts import Block, Runs, Window
from hilbench.errors import TargetError, Unavailable

REGIONS = ("code", "data", "other")
MISSES = ("fetch_jump", "fetch_sequential", "read_code", "read_data", "write_data", "write_back")
NOPS = 1000
"""Instructions of the second window that the firmware calibrates itself with (firmware/ports/cortex_m/timer.c)."""

_BLOCK, _WINDOW, _CALIBRATES, _FULL, _LOST = range(1, 6)
_MAGIC = b"HBCOUNT1"
_HEADER = struct.Struct("<8sQI")
HEADER_BYTES = _HEADER.size
_RECORD = struct.Struct("<III")
_CRC = struct.Struct("<I")
_BLOCK_FACTS = struct.Struct("<III")
_TALLY = struct.Struct(f"<{1 + 2 * len(REGIONS) + len(MISSES)}Q")
_RUNS = struct.Struct("<IQQ")
_HINT = "run it again; should it stay, please report it"


@dataclass
class _Reading:
    """What the records have said so far: blocks by id with their instructions, and windows since a calibration."""

    blocks: dict[int, tuple[Block, int]] = field(default_factory=dict)
    windows: list[list[Window]] = field(default_factory=list)


def read_windows(data: bytes, memory: bool, caches: bool) -> list[Window]:
    """Return the windows in `data` in their order, without those of calibrations, and without their own cost.

    `memory` and `caches` say what the plug-in was asked to count besides. Raises `TargetError` for data that is not
    whole, and `Unavailable` where the plug-in, or its calibration, says that its counts are not to be trusted.
    """
    reading = _Reading()
    for kind, payload in _records(data):
        _read(kind, payload, reading, memory, caches)
    return [window for run in reading.windows for window in _calibrated(run)]


def records_bytes(header: bytes) -> int:
    """Return how many bytes of records follow a header; what is in the file behind them is still being written."""
    return int(_HEADER.unpack(header)[1]) if len(header) == HEADER_BYTES else 0


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each record's kind and payload, checked."""
    if not data:  # QEMU has not come to the plug-in yet
        return
    if len(data) < _HEADER.size or _HEADER.unpack_from(data)[0] != _MAGIC:
        raise _damaged("no header")
    _, length, crc = _HEADER.unpack_from(data)
    if crc != zlib.crc32(data[: _HEADER.size - _CRC.size]) or length != len(data) - _HEADER.size:
        raise _damaged(f"{len(data) - _HEADER.size} bytes of records, where the header says {length}")
    at, expected = _HEADER.size, 0
    while at < len(data):
        if len(data) - at < _RECORD.size + _CRC.size:
            raise _damaged("cut short")
        kind, number, size = _RECORD.unpack_from(data, at)
        end = at + _RECORD.size + size
        if end + _CRC.size > len(data):
            raise _damaged("cut short")
        if zlib.crc32(data[at:end]) != _CRC.unpack_from(data, end)[0] or number != expected:
            raise _damaged(f"record {expected} is not as it was written")
        yield kind, data[at + _RECORD.size : end]
        at, expected = end + _CRC.size, expected + 1


def _read(kind: int, payload: bytes, reading: _Reading, memory: bool, caches: bool) -> None:
    if kind == _BLOCK and len(payload) > _BLOCK_FACTS.size:
        identity, address, instructions = _BLOCK_FACTS.unpack_from(payload)
        reading.blocks[identity] = (Block(address, payload[_BLOCK_FACTS.size :]), instructions)
    elif kind == _WINDOW and len(payload) >= _TALLY.size and (len(payload) - _TALLY.size) % _RUNS.size == 0:
        if not reading.windows:
            raise _damaged("a window before any calibration")
        reading.windows[-1].append(_window(payload, reading.blocks, memory, caches))
    elif kind == _CALIBRATES:
        reading.windows.append([])
    elif kind == _FULL:
        raise Unavailable(
            "there are more counts than are kept of one run of QEMU", hint="run fewer samples or repeats at once"
        )
    elif kind == _LOST:
        raise Unavailable(f"QEMU's counts are not to be trusted: {payload.decode(errors='replace')}", hint=_HINT)
    else:
        raise _damaged(f"a record of kind {kind} with {len(payload)} bytes")


def _window(payload: bytes, blocks: Mapping[int, tuple[Block, int]], memory: bool, caches: bool) -> Window:
    instructions, *tally = _TALLY.unpack_from(payload)
    entries = list(_RUNS.iter_unpack(payload[_TALLY.size :]))
    try:
        total = sum(executed * blocks[identity][1] for identity, executed, _ in entries)
        runs = {blocks[identity][0]: Runs(executed, left) for identity, executed, left in entries}
    except KeyError as unknown:
        raise _damaged(f"a block {unknown} that was never told") from None
    if total != instructions or len(runs) != len(entries):
        raise _damaged(f"a window of {instructions} instructions whose blocks have {total}")
    regions = len(REGIONS)
    return Window(
        instructions,
        runs,
        dict(zip(REGIONS, tally[:regions], strict=True)) if memory else None,
        dict(zip(REGIONS, tally[regions : 2 * regions], strict=True)) if memory else None,
        dict(zip(MISSES, tally[2 * regions :], strict=True)) if caches else {},
    )


def _calibrated(run: list[Window]) -> list[Window]:
    """Return the windows of a run of the firmware after its first two, without what the first, an empty one, has."""
    if len(run) < 2:
        return []
    empty, *windows = run
    nops, *windows = (_less(window, empty) for window in windows)
    if nops.instructions != NOPS:
        raise Unavailable(
            f"this QEMU counts {nops.instructions} instructions where there are {NOPS}", hint="use another QEMU"
        )
    return windows


def _less(window: Window, empty: Window) -> Window:
    blocks = {}
    for block in {**window.blocks, **empty.blocks}:
        here, there = window.blocks.get(block, Runs(0, 0)), empty.blocks.get(block, Runs(0, 0))
        left = Runs(here.executed - there.executed, here.left - there.left)
        if left != Runs(0, 0):
            blocks[block] = left
    return Window(
        window.instructions - empty.instructions,
        blocks,
        _difference(window.loads, empty.loads),
        _difference(window.stores, empty.stores),
        window.misses,
    )


def _difference(one: Mapping[str, int] | None, other: Mapping[str, int] | None) -> dict[str, int] | None:
    return None if one is None or other is None else {region: one[region] - other[region] for region in one}


def _damaged(how: str) -> TargetError:
    return TargetError(f"what QEMU counted cannot be read: {how}", hint=_HINT)
