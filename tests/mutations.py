"""Damaged copies of a .tflite file: flipped bytes, extremes of numbers, cuts, splices. A seed gives the same ones."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

# What a field, a length or an offset may wrongly hold: extremes of all widths, and small and page-sized numbers.
_EXTREMES = [0, 1, 2, 3, 4, 8, 127, 128, 255, 256, 4096, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
_WIDTHS = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}


def mutations(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield `count` damaged copies of `data`, which keep the file identifier: without it none would be read."""
    rng = random.Random(seed)
    for _ in range(count):
        copy = bytearray(data)
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            rng.choice([_flip, _extreme, _extreme, _nudge, _splice])(copy, rng)
        if rng.random() < 0.1:
            del copy[rng.randrange(8, len(copy)) :]
        yield bytes(copy[:4]) + b"TFL3" + bytes(copy[8:])


def _place(copy: bytearray, rng: random.Random, width: int) -> int:
    """Return an aligned place. Tables are at the ends of a file; what is between is mostly weights."""
    reach = min(len(copy), rng.choice([64, 2048, len(copy)]))
    place = rng.randrange(0, max(1, reach - width)) // width * width
    return place if rng.random() < 0.5 else max(0, len(copy) - width - place) // width * width


def _flip(copy: bytearray, rng: random.Random) -> None:
    copy[_place(copy, rng, 1)] ^= 1 << rng.randrange(8)


def _extreme(copy: bytearray, rng: random.Random) -> None:
    width = rng.choice(list(_WIDTHS))
    value = rng.choice([*_EXTREMES, len(copy), rng.randrange(1 << 32)]) & ((1 << 8 * width) - 1)
    struct.pack_into(_WIDTHS[width], copy, _place(copy, rng, width), value)


def _nudge(copy: bytearray, rng: random.Random) -> None:
    """Move an offset, a length or a number by a little: the same part of the file is then read as something else."""
    place = _place(copy, rng, 4)
    (value,) = struct.unpack_from("<I", copy, place)
    struct.pack_into("<I", copy, place, (value + rng.choice([-16, -4, -1, 1, 4, 16])) & 0xFFFFFFFF)


def _splice(copy: bytearray, rng: random.Random) -> None:
    """Copy a run of the file over another, so that parts point to each other and to themselves."""
    length = rng.choice([4, 8, 32, 200])
    source, target = (_place(copy, rng, 4) for _ in range(2))
    run = copy[source : source + length][: len(copy) - target]
    copy[target : target + len(run)] = run
