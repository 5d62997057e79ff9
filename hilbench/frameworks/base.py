"""The seam to a framework: what turns a model into something that runs behind `firmware/agent/hb_model.h`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hilbench.catalog.core import Core
from hilbench.tensors import TensorInfo


@dataclass(frozen=True)
class Model:
    """A model file, already checked against its hash."""

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Support:
    """Whether something can be done here; when not, `reason` says why and `remedy` what to do about it."""

    ok: bool
    reason: str = ""
    remedy: str = ""


YES = Support(True)


@dataclass(frozen=True)
class Emitted:
    """What a framework made of a model: the parts for a build, and the facts for a record.

    For Cortex-M: C or assembly `sources`, ready `objects`, `include_dirs` and extra compiler `flags`, which together
    implement `hb_model.h`. For the host: a Python `program` (a module's dotted name) run with `data` files beside it.
    `arena_bytes` is the memory planned for tensors; None when only the running model knows.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    sources: tuple[Path, ...] = ()
    objects: tuple[Path, ...] = ()
    include_dirs: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()
    program: str | None = None
    data: tuple[Path, ...] = ()
    arena_bytes: int | None = None
    operators: tuple[str, ...] = ()
    macs: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


class Framework(Protocol):
    """Turns a model into C, objects or a host program. Implementations take no arguments and keep no state."""

    name: str
    title: str

    def available(self, core: Core) -> Support:
        """Say whether the framework's own packages are here for `core`. Imports nothing heavy."""

    def versions(self) -> Mapping[str, str]:
        """Return the versions of everything that shapes the output (for the image cache's key and the record).

        The framework's own Python file or package is hashed beside them; sources that it takes from elsewhere are not.
        """

    def check_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """Return all options with defaults filled in. Raises `UsageError` for an unknown key or value."""

    def supports(self, model: Model, core: Core) -> Support:
        """Say whether `model` can run on `core`, and if not, which operator (with its index) is in the way."""

    def emit(self, model: Model, core: Core, options: Mapping[str, str], into: Path) -> Emitted:
        """Write sources and objects into the empty folder `into`. Raises `UnsupportedModel`, `ModelError`."""
