"""The reference's outputs in a file beside precompiled images, for a bench where its interpreter cannot run."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from hilbench.errors import ModelError
from hilbench.measure.metric import Part

SUFFIX = ".reference.json"


@dataclass(frozen=True)
class Reference:
    """What the reference made of the first samples of a data set, and the versions that shaped it."""

    outputs: tuple[bytes, ...]
    versions: dict[str, str]


class _Document(Part):
    """The file's contents. Outputs are base64, one string a sample."""

    reference_schema: Literal["hilbench.reference/1"] = Field(default="hilbench.reference/1", alias="schema")
    model_sha256: str
    dataset_sha256: str
    versions: dict[str, str]
    outputs: tuple[str, ...]


def to_json(reference: Reference, model_sha256: str, dataset_sha256: str) -> str:
    """Return the file's text."""
    outputs = tuple(base64.b64encode(output).decode() for output in reference.outputs)
    document = _Document(
        model_sha256=model_sha256, dataset_sha256=dataset_sha256, versions=reference.versions, outputs=outputs
    )
    return document.model_dump_json(by_alias=True, indent=1) + "\n"


def find_reference(
    folder: Path, model_sha256: str, dataset_sha256: str, count: int, output_bytes: int
) -> Reference | None:
    """Return the outputs for the first `count` samples of this data set through this model, None when none are kept.

    Raises `ModelError` for a damaged file, also for one whose outputs are not of `output_bytes`.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            document = _Document.model_validate_json(path.read_bytes())
            outputs = tuple(base64.b64decode(text, validate=True) for text in document.outputs)
        except (OSError, ValidationError, binascii.Error) as error:
            raise _damaged(path, str(error).partition("\n")[0]) from error
        if (document.model_sha256, document.dataset_sha256) != (model_sha256, dataset_sha256) or len(outputs) < count:
            continue
        if any(len(output) != output_bytes for output in outputs):
            raise _damaged(path, f"not all outputs have {output_bytes} bytes")
        return Reference(outputs[:count], document.versions)
    return None


def _damaged(path: Path, reason: str) -> ModelError:
    hint = "write them again with `hilbench build`, or remove the file"
    return ModelError(f"the reference outputs cannot be read: {reason}", where=str(path), hint=hint)
