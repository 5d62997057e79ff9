"""Data for the pages' scripts, as scripts, which a page of file: may load; nothing in them can be taken for code."""

from __future__ import annotations

import json
from typing import Any

from hilbench.errors import printable

_APART = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
"""What could end a script or a line, where these would be read by something else than JavaScript."""


def call(function: str, value: Any) -> str:
    """Return a script that gives `value`, of JSON types, to one of our functions."""
    return f"{function}({json.dumps(clean(value), ensure_ascii=True, separators=(',', ':')).translate(_APART)});\n"


def clean(value: Any) -> Any:
    """Return `value` with the control characters of its strings as escapes that can be seen."""
    match value:
        case str():
            return printable(value)
        case dict():
            return {clean(key): clean(each) for key, each in value.items()}
        case list() | tuple():
            return [clean(each) for each in value]
    return value
