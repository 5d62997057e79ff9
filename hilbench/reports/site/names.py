"""Names of pages: stable, safe in any URL, shell and file system, and never the same for two things."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence

_LONGEST = 40
"""Letters of a readable part: four of them with a hash stay below the 255 bytes that file systems allow."""
_CLEAN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
"""Names that are devices on Windows, whatever their ending."""


def page(name: str) -> str:
    """Return the file name, without ending, of the page of a task, board or framework.

    A name that is lower case letters, digits and single dashes is its own; another gets the hash of what it was behind
    an underscore, which no clean name has: so two names never meet, on file systems without case neither.
    """
    if _CLEAN.fullmatch(name) and len(name) <= _LONGEST and name not in _RESERVED:
        return name
    return f"{slug(name)}_{digest([name], 12)}"


def permalink(readable: Sequence[str], identity: Sequence[str]) -> str:
    """Return the name of a row's page: `readable` words, and the hash of all that tells the row from others."""
    return f"{'-'.join(map(slug, readable))}_{digest(identity, 12)}"


def file(record_id: str) -> str:
    """Return a record's file name without ending: its id, or if that is no safe name its letters and a hash."""
    return record_id if _ID.fullmatch(record_id) else f"{slug(record_id)}={digest([record_id], 12)}"


def slug(text: str) -> str:
    """Return the letters and digits of `text` in lower case, with dashes between; `x` if there are none."""
    plain = unicodedata.normalize("NFKD", text[: 8 * _LONGEST]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST].strip("-") or "x"


def digest(parts: Sequence[str], length: int) -> str:
    """Return the first hex digits of the SHA-256 of `parts`, each told apart from the next."""
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()[:length]
