"""`--hil-shard=2/4`: the second of four runs that together do what one would do, on as many computers."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import pytest

from hilbench.pytest_plugin.options import value


@dataclass(frozen=True)
class Shard:
    """The `index`-th of `count` shards, from 1."""

    index: int
    count: int


def chosen(config: pytest.Config) -> Shard | None:
    """Return what `--hil-shard` says, None if it is not given. Raises `pytest.UsageError` (exit code 4)."""
    given = value(config, "hil_shard")
    if not given:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", given)
    shard = Shard(*map(int, match.groups())) if match else None
    if shard is None or shard.index > shard.count:
        raise pytest.UsageError(f"--hil-shard is {given!r}: I/N is needed with 1 <= I <= N, such as 2/4")
    return shard


def keep_share(config: pytest.Config, items: list[Any]) -> None:
    """Leave in `items` this shard's share, in their order, and tell pytest of the others.

    All tests are dealt, ordinary ones too: whatever the run would do, one shard does it, and only one. They are dealt
    like cards, so that shares differ by one at most, in the order of the hashes of their ids, so that no share gets all
    of one framework or board. That needs no word between shards, nor between workers of pytest-xdist.
    """
    shard = chosen(config)
    if shard is None:
        return
    dealt = sorted(items, key=lambda item: hashlib.sha256(item.nodeid.encode()).digest())
    kept = {id(item) for item in dealt[shard.index - 1 :: shard.count]}
    left_out = [item for item in items if id(item) not in kept]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if id(item) in kept]


def forgive_empty(session: pytest.Session, exitstatus: int) -> None:
    """Let a shard without a test pass. The first has one if there is any, and fails (exit code 5) if there is none."""
    shard = chosen(session.config)
    if shard is not None and shard.index > 1 and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK
