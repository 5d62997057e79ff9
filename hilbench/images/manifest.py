"""The manifest baked into every image: what it is, what went into it, and what the host needs to feed it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from hilbench.tensors import TensorInfo


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ManifestPeak(_Frozen):
    """The most bytes of tensors alive at one operator of the model's graph, and that operator: `liveness.Peak`."""

    bytes: int
    operator: str


class ManifestModel(_Frozen):
    """The model that the image runs."""

    name: str
    sha256: str
    macs: int | None
    operators: tuple[str, ...]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    peak_tensors: ManifestPeak | None = None


class ManifestFramework(_Frozen):
    """The framework that made the code, with its options and the versions of all that shaped it."""

    name: str
    options: dict[str, str]
    versions: dict[str, str]


class ManifestCompiler(_Frozen):
    """The compiler of the image; `flags` are those of the model's own sources."""

    name: str
    version: str
    linker: str
    libraries_sha256: str
    flags: tuple[str, ...]


class Manifest(_Frozen):
    """One image. `build_id` is the hash (32 hexadecimal digits) of everything that went into it.

    `board_digest` is the hash of the board file's facts: numbers from an image hold only for the board as it was then.
    """

    manifest: int = 1
    hilbench: str
    build_id: str
    board: str
    board_digest: str
    core: str
    model: ManifestModel
    framework: ManifestFramework
    compiler: ManifestCompiler | None
    arena_bytes: int | None
