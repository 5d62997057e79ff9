"""Records of older schemas become records of today's: one function a step, each from one number to the next."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from hilbench.errors import StoreError
from hilbench.records import seal

NEWEST = 2
_SCHEMA = re.compile(r"hilbench\.record/([1-9][0-9]{0,5})")
_CLAIM = re.compile(r'"schema"\s*:\s*"hilbench\.record/')


class OtherSchema(StoreError):
    """The record is of a schema that this hilbench does not read: nothing says that it is damaged."""


def is_record(text: str) -> bool:
    """Say whether `text` calls itself a record, of whatever schema; damaged it may be all the same."""
    return _CLAIM.search(text) is not None


def upgraded(text: str, where: str) -> dict[str, Any] | None:
    """Return the document `text` of an older schema as one of the newest; None if it is not of an older one.

    Raises `OtherSchema` when it is of a newer one than this hilbench knows, or a draft that was never released.
    """
    try:
        document = json.loads(seal.opened(text, where))
    except (ValueError, RecursionError):
        return None
    found = _SCHEMA.fullmatch(str(document.get("schema"))) if isinstance(document, dict) else None
    if found is None:
        return None
    version = int(found[1])
    if version > NEWEST:
        raise OtherSchema(
            f"the record is of schema hilbench.record/{version}, and this hilbench reads up to {NEWEST}",
            where=where,
            hint="a newer hilbench wrote it: pip install --upgrade hilbench",
        )
    if version == NEWEST or version not in _STEPS:
        return None
    if version == 1 and isinstance(data := document.get("dataset"), dict) and "of" not in data:
        raise OtherSchema(
            "this is an early draft of hilbench.record/1, which was never released and holds too little to be read",
            where=where,
            hint="nothing is damaged; run the benchmark again for a record of today",
        )
    upgrade: dict[str, Any] = document
    for step in range(version, NEWEST):
        upgrade = _STEPS[step](upgrade)
    return upgrade


def _without_tensors(document: dict[str, Any]) -> dict[str, Any]:
    """1 to 2: the tensors and the way of scoring, which the first schema did not keep, are not known."""
    return {**document, "schema": "hilbench.record/2", "tensors": None, "scored_by": None}


_STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _without_tensors}
