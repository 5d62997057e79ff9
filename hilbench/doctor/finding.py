"""What a look at this machine finds: one thing, whether it is as it should be, and the remedy if not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for. The main job (`make bench`) needs all but what is `optional`."""

    what: str
    ok: bool
    found: str
    remedy: str = ""
    optional: bool = False
