"""The seam to a framework: what turns a model into something that runs behind `firmware/agent/hb_model.h`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from hilbench.catalog.core import Core
from hilbench.errors import UsageError, nearest
from hilbench.tensors import TensorInfo


@dataclass(frozen=True)
class Model:
    """A model file, already checked against its hash."""

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Request:
    """What is asked of a framework: one model for one core, with checked options.

    `paths` says where things are on this computer that no package holds, such as `tflm_sdk`. They belong to no record
    and no build id; what they hold does, by its hash in `Framework.versions`.
    """

    model: Model
    core: Core
    options: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Support:
    """Whether something can be done here; when not, `reason` says why and `remedy` what to do about it."""

    ok: bool
    reason: str = ""
    remedy: str = ""


YES = Support(True)

# The files that models come in, by suffix.
_KINDS = {".tflite": "a TensorFlow Lite model", ".skops": "a scikit-learn model", ".keras": "a Keras model"}


def takes(model: Model, *suffixes: str) -> Support:
    """Say whether `model` is of a kind that a framework takes, by the suffix of its file.

    A .tflite file by another name is known by its content. What else a file holds is for its reader to find out.
    """
    suffix = model.path.suffix.lower()
    if suffix not in _KINDS and _is_tflite(model.path):
        suffix = ".tflite"
    if suffix in suffixes:
        return YES
    what = f"it is {_KINDS[suffix]}" if suffix in _KINDS else f"'{model.path.name}' is none of {', '.join(_KINDS)}"
    return Support(False, what, f"give it a model in a file {' or '.join(f'*{item}' for item in suffixes)}")


def _is_tflite(path: Path) -> bool:
    """Say whether the file has the identifier of TensorFlow Lite's schema where flatbuffers have theirs."""
    try:
        with path.open("rb") as file:
            return file.read(8)[4:] == b"TFL3"
    except OSError:
        return False


def checked(name: str, given: Mapping[str, str], known: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return all options of the framework `name`: those `given`, else the first of the values that are `known`.

    Raises `UsageError` for an unknown key or value.
    """
    for key, value in given.items():
        if key not in known:
            hint = nearest(key, known) if known else "it has no options"
            raise UsageError(f"the framework {name} has no option '{key}'", hint=hint)
        if value not in known[key]:
            raise UsageError(f"{name}:{key} cannot be '{value}'", hint=nearest(value, known[key]))
    return {key: given.get(key, values[0]) for key, values in known.items()}


@dataclass(frozen=True)
class Finished:
    """An image that is ready to run: an ELF (.elf), Intel HEX (.hex), or the bytes from the address `base` on (.bin).

    `build_id` (32 hexadecimal digits) is what it answers to `hello`; None when the manifest inside says so.
    """

    path: Path
    base: int | None = None
    build_id: str | None = None


Part = Literal["model", "kernels", "runtime"]
"""What the bytes of an image are for, beside the agent: the model's constants and tensors, its operators, the rest."""


@dataclass(frozen=True)
class Emitted:
    """What a framework made of a model: the parts for a build, and the facts for a record.

    For Cortex-M: C or assembly `sources`, ready `objects`, `include_dirs` and extra compiler `flags`, which together
    implement `hb_model.h`. For the host: a Python `program` (a module's dotted name) run with `data` files beside it.
    `arena_bytes` is the memory planned for tensors; None when only the running model knows. `profiled`: the code tells
    the agent where each of `operators` ends (`HB_OPERATOR_DONE`). With a finished `image`, nothing is compiled.

    `parts` tells what objects are, by globs of their names, the first that fits: `conv.c` for what a source became,
    `libx.a(conv.o)`, or either with a section, `conv.c:.rodata*`. Of an object that none fits, code is kernels and data
    is the model's; but what lies in firmware/frameworks/ is the runtime's, and so are the compiler's libraries, always.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    sources: tuple[Path, ...] = ()
    objects: tuple[Path, ...] = ()
    include_dirs: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()
    program: str | None = None
    data: tuple[Path, ...] = ()
    image: Finished | None = None
    arena_bytes: int | None = None
    operators: tuple[str, ...] = ()
    macs: int | None = None
    profiled: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Part] = field(default_factory=dict)


class Framework(Protocol):
    """Turns a model into C, objects or a host program. Implementations take no arguments and keep no state."""

    name: str
    title: str

    def available(self, core: Core, paths: Mapping[str, Path]) -> Support:
        """Say whether what the framework itself needs is here for `core`. Imports nothing heavy."""

    def check_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """Return all options with defaults filled in. Raises `UsageError` for an unknown key or value."""

    def versions(self, request: Request) -> Mapping[str, str]:
        """Return versions and content hashes of all that shapes the output; the framework's own version comes first.

        They are part of the image cache's key and of the record. The framework's own Python file or package and its
        folder in firmware/frameworks/ are hashed beside them; sources that it takes from elsewhere are not.
        """

    def supports(self, request: Request) -> Support:
        """Say whether the model can run on the core, and if not, which operator (with its index) is in the way."""

    def emit(self, request: Request, into: Path) -> Emitted:
        """Write sources and objects into the empty folder `into`. Raises `UnsupportedModel`, `ModelError`."""
