"""Which place of a farm is meant: the one that was named, else the only one whose tags say that it has the board."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hilbench.catalog.board import Board
from hilbench.errors import Unavailable, nearest

OPTION = "--hil-place"
TAG = "board"
"""A place says with this tag which board it has: `labgrid-client -p PLACE set-tags board=nano33`."""


@dataclass(frozen=True)
class FarmPlace:
    """A place of a farm. `reservation` is the token of the reservation that it is allotted to; '' without."""

    name: str
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    reservation: str = ""

    def __str__(self) -> str:
        board = f" ({TAG}={self.tags[TAG]})" if TAG in self.tags else ""
        return f"{self.name}{board}"


def find_place(board: Board, wanted: str | None, places: Sequence[FarmPlace]) -> FarmPlace:
    """Return the place `wanted` (a name, an alias, or `+TOKEN` of a reservation), else the only one with the board.

    `+` is the reservation in LG_TOKEN. Raises `Unavailable` with the places there are and what to type.
    """
    if wanted:
        found = _named(wanted, places)
        if not _fits(found, board) and TAG in found.tags:
            raise Unavailable(
                f"place {found} has another board than {board.id}", hint=f"{OPTION}={board.id}=PLACE names another"
            )
        return found
    fitting = [place for place in places if _fits(place, board)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise Unavailable(
            f"several places have a {board.id}: {', '.join(place.name for place in fitting)}",
            hint=" or ".join(f"{OPTION}={place.name}" for place in fitting),
        )
    raise Unavailable(
        f"no place of the farm has the tag {TAG}={board.id} ({_told(places)})",
        hint=f"{OPTION}=PLACE names one; `labgrid-client -p PLACE set-tags {TAG}={board.id}` tells everybody",
    )


def _named(wanted: str, places: Sequence[FarmPlace]) -> FarmPlace:
    if wanted.startswith("+"):
        token = wanted[1:] or os.environ.get("LG_TOKEN", "")
        reserved = [place for place in places if token and place.reservation == token]
        if reserved:
            return reserved[0]
        raise Unavailable(
            f"the reservation '{token}' has no place",
            hint=f"`labgrid-client reserve --wait {TAG}=…` makes one, and waits for its place",
        )
    for place in places:
        if place.name == wanted or wanted in place.aliases:
            return place
    raise Unavailable(
        f"the farm has no place '{wanted}' ({_told(places)})",
        hint=nearest(wanted, [place.name for place in places]) if places else "`labgrid-client create` makes one",
    )


def _fits(place: FarmPlace, board: Board) -> bool:
    return place.tags.get(TAG) in (board.id, *board.aliases)


def _told(places: Sequence[FarmPlace]) -> str:
    return f"places: {', '.join(map(str, places))}" if places else "it has no places at all"
