"""What board files are made of: numbers of bytes, and models that refuse keys they do not know."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

_SIZE = r"\d+ ?[KM]"
_FACTOR = {"K": 1024, "M": 1024 * 1024}
ADDRESSES = 2**32


def _size_bytes(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(_SIZE, value, re.ASCII) and len(value) < 12:
        return int(value[:-1]) * _FACTOR[value[-1]]
    return value


class Strict(BaseModel):
    """A frozen model that refuses keys it does not know, so that a typo is an error and not a silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Bytes = Annotated[
    int,
    BeforeValidator(_size_bytes),
    Field(gt=0, le=ADDRESSES, description="bytes, or a number with K or M, such as 256K"),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{_SIZE}$"}]}),
]
Offset = Annotated[
    int,
    BeforeValidator(_size_bytes),
    Field(ge=0, lt=ADDRESSES, description="bytes from a start, such as 64K"),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": f"^{_SIZE}$"}]}),
]
