"""The seal of a document: its last line, which holds the SHA-256 of all bytes before that line.

Whoever changes a byte of a record breaks its seal. Whoever wants to lie can make a new one: a seal tells of damage and
of careless hands, a signature (`hilbench sign`) of others.
"""

from __future__ import annotations

import hashlib
import re

from hilbench.errors import StoreError

_END = "\n}\n"
_SEAL = re.compile(r',\n "seal": "sha256:([0-9a-f]{64})"\n}\n\Z')


def sealed(text: str) -> str:
    """Return the JSON object `text`, which ends with a closing brace on a line of its own, with a seal."""
    body = text.removesuffix(_END)
    return f'{body},\n "seal": "sha256:{_digest(body)}"{_END}'


def has_seal(text: str) -> bool:
    """Say whether `text` ends with a seal, broken or not."""
    return _SEAL.search(text) is not None


def opened(text: str, where: str) -> str:
    """Return the object without its seal; as it is if it has none. Raises `StoreError` when the seal is broken."""
    found = _SEAL.search(text)
    if found is None:
        return text
    body = text[: found.start()]
    if _digest(body) != found[1]:
        raise StoreError(
            "the record was changed after it was written: its seal is broken",
            where=where,
            hint="take it from where it came from again, or run the benchmark again",
        )
    return body + _END


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()
