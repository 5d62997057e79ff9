"""Where the files live that travel with the code: boards, suites and firmware sources.

In an installed wheel they are under `hilbench/_data`; in a checkout they are the folders at its top.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_DATA = _PACKAGE / "_data"
ROOT = _DATA if _DATA.is_dir() else _PACKAGE.parent

BOARDS = ROOT / "boards"
SUITES = ROOT / "suites"
FIRMWARE = ROOT / "firmware"
