"""A board that stands in for another of the same core: `targets: {qemu: {stand_in: mps2-an386}}`.

The image is built for the stand-in's port and addresses, and runs on its machine; core, clock and the sizes of the
memories stay those of the real board, so that what would not fit there does not fit here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from hilbench.catalog.board import Board, Memory, Region, Strict
from hilbench.errors import CatalogError, nearest


class StandIn(Strict):
    """An entry under a board's `targets:` that names another board instead of settings."""

    stand_in: str = Field(min_length=1, description="a board of the same core that has this target")


def names_one(settings: Any) -> bool:
    """Say whether an entry under `targets:` is a `StandIn`."""
    return isinstance(settings, Mapping) and "stand_in" in settings


def stood_in(board: Board, target: str, known: Mapping[str, Board]) -> Board:
    """Return `board` as `target` runs it: itself, or with port, addresses and counter of the one that stands in.

    Raises `CatalogError` when that board does not exist, has another core, or does not have the target itself.
    """
    if not names_one(board.targets[target]):
        return board
    name = StandIn.model_validate(board.targets[target]).stand_in
    entry = f"board {board.id}: targets.{target}.stand_in: "
    if name not in known:
        raise CatalogError(f"{entry}there is no board '{name}'", hint=nearest(name, known))
    other = known[name]
    if other.core != board.core:
        raise CatalogError(f"{entry}{name} has a {other.core_info.title}, and this is a {board.core_info.title}")
    if target not in other.targets or names_one(other.targets[target]):
        raise CatalogError(f"{entry}{name} has no target '{target}' of its own")
    return board.model_copy(
        update={
            "stand_in": name,
            "port": other.port,
            "memory": _moved(board.memory, other.memory),
            "counter": other.counter,
            "targets": {**board.targets, target: other.targets[target]},
        }
    )


def _moved(memory: Memory | None, to: Memory | None) -> Memory | None:
    """Return memories of the size of `memory`, or what there is of it, at the addresses of `to`."""
    if memory is None or to is None:
        return to
    regions = {
        name: Region(base=there.base, size=min(there.size, own.size))
        for name, own, there in (("code", memory.code, to.code), ("data", memory.data, to.data))
    }
    fits = memory.stack < regions["data"].size
    return Memory(**regions, stack=memory.stack if fits else to.stack)
