"""Finds the implementations behind a seam by entry point: frameworks, targets, meters, stores."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from hilbench.errors import Unavailable, UsageError, nearest


@cache
def _group(seam: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"hilbench.{seam}")}


def names(seam: str) -> list[str]:
    """Return the names registered for `seam` ("frameworks", "targets", "meters", "stores"), sorted."""
    return sorted(_group(seam))


def load(seam: str, name: str) -> Any:
    """Return what the entry point `name` of `seam` names (a class).

    Raises `UsageError` for a name nobody registered, `Unavailable` for one whose module does not import.
    """
    points = _group(seam)
    if name not in points:
        raise UsageError(f"there is no {seam.removesuffix('s')} '{name}'", hint=nearest(name, points))
    try:
        return points[name].load()
    except (ImportError, AttributeError) as error:
        raise Unavailable(f"the {seam.removesuffix('s')} '{name}' does not import: {error}") from error
