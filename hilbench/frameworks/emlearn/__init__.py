"""emlearn: trained scikit-learn estimators and small Keras networks become C.

The conversion runs in a process of its own (`convert`); here it is planned, and its C joined with the glue in
firmware/frameworks/emlearn/ and with the headers of the installed emlearn package.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hilbench import programs, resources
from hilbench.catalog.core import Core
from hilbench.errors import BuildError, UnsupportedModel
from hilbench.frameworks.base import YES, Emitted, Part, Request, Support, checked, takes
from hilbench.frameworks.emlearn import child
from hilbench.tensors import TensorInfo

SUFFIXES = (".skops", ".keras")
# What is pinned in pyproject.toml: how its code compares with thresholds is this release's.
_RELEASE = "0.23."
_PACKAGES = ("emlearn", "scikit-learn", "skops")
_INSTALL = "pip install 'hilbench[emlearn]'"
_CONVERT = "hilbench.frameworks.emlearn.convert"
_HOST_PROGRAM = "hilbench.frameworks.emlearn.host_program"
_HOST_FLAGS = ("-O2", "-std=c11", "-shared", "-fPIC", "-w")
_COMPILE_S = 300.0
# The values of each option, its default first. `auto` is decided by the kind of estimator, and `dtype` by its splits.
OPTIONS: dict[str, tuple[str, ...]] = {
    "method": ("auto", "inline", "loadable"),
    "dtype": ("auto", "int16_t", "float"),
    "leaf_bits": ("auto", "0", "3", "4", "5", "6", "7", "8"),
}
# emlearn's C is a header that the glue includes, so the model is in the glue's objects.
_PARTS: dict[str, Part] = {"tensors.c:.text*": "runtime", "*.c:.text*": "kernels", "*.c": "model"}
_C_TYPES = {"int16": "int16_t", "float32": "float"}


class Emlearn:
    """Implements `hilbench.frameworks.base.Framework`."""

    name = "emlearn"
    title = "emlearn"

    def available(self, core: Core, paths: Mapping[str, Path]) -> Support:
        """Say whether the packages are installed, and for the host a C compiler. `paths` is not needed."""
        for package in _PACKAGES:
            if _version(package) is None:
                return Support(False, f"the package '{package}' is not installed", _INSTALL)
        if not (_version("emlearn") or "").startswith(_RELEASE):
            return Support(False, f"emlearn is {_version('emlearn')}, not {_RELEASE}x", _INSTALL)
        if core.is_host and shutil.which("cc") is None:
            return Support(False, "no C compiler for this computer", "apt install gcc")
        return YES

    def check_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """Return `options` with defaults filled in. Raises `UsageError` for an unknown key or value."""
        return checked(self.name, options, OPTIONS)

    def versions(self, request: Request) -> Mapping[str, str]:
        """Return the packages' versions, the hash of emlearn's own files, and for the host that of its compiler."""
        packages = (*_PACKAGES, "keras") if request.model.path.suffix.lower() == ".keras" else _PACKAGES
        found = {package: release for package in packages if (release := _version(package)) is not None}
        if folder := _folder():
            found["emlearn-files"] = _digest(folder)
        if request.core.is_host and (compiler := _compiler()):
            found["cc"] = compiler
        return found

    def supports(self, request: Request) -> Support:
        """Say whether emlearn converts the model, by converting it. Raises `ModelError` for a damaged file."""
        kind = takes(request.model, *SUFFIXES)
        if not kind.ok:
            return kind
        if request.model.path.suffix.lower() == ".keras" and find_spec("keras") is None:
            return Support(
                False, "reading a .keras model needs Keras, which is not installed", "pip install tensorflow"
            )
        try:
            _converted(request.model.path, request.model.sha256, tuple(sorted(request.options.items())))
        except UnsupportedModel as error:
            return Support(False, error.what, error.hint or "")
        return YES

    def emit(self, request: Request, into: Path) -> Emitted:
        """Write emlearn's C and its numbers into the folder `into`; for the host compile them.

        Raises `UnsupportedModel`, `ModelError`; `BuildError` when the host's compiler refuses.
        """
        made = _converted(request.model.path, request.model.sha256, tuple(sorted(request.options.items())))
        (into / "eml_model.h").write_text(made["code"])
        (into / "hb_emlearn_model.h").write_text(_numbers(made))
        glue = resources.FIRMWARE / "frameworks" / "emlearn"
        sources = (glue / "tensors.c", glue / made["glue"])
        headers = _folder()
        include_dirs = (into, glue, *([headers] if headers else []))
        emitted = Emitted(
            inputs=(TensorInfo("features", made["dtype"], (1, made["features"]), _scale(made["dtype"])),),
            outputs=(TensorInfo("scores", "float32", (1, made["outputs"])),),
            arena_bytes=_tensor_bytes(made),
            operators=tuple(made["operators"]),
            macs=made["macs"],
            versions=self.versions(request),
            parts=_PARTS,
        )
        if request.core.is_host:
            return replace(emitted, program=_HOST_PROGRAM, data=(_library(sources, include_dirs, into),))
        return replace(emitted, sources=sources, include_dirs=include_dirs)


@cache
def _converted(path: Path, sha256: str, options: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Return what `convert` makes of the model. The hash is there for the cache: other contents, another question."""
    return child.ask(_CONVERT, path, options=checked(Emlearn.name, dict(options), OPTIONS))


def _scale(dtype: str) -> float:
    return 1.0 if dtype == "int16" else 0.0


def _tensor_bytes(made: Mapping[str, Any]) -> int:
    width = 2 if made["dtype"] == "int16" else 4
    return int(width * made["features"] + 4 * made["outputs"] + made["working_bytes"])


def _numbers(made: Mapping[str, Any]) -> str:
    """Return `hb_emlearn_model.h`, which hb_emlearn.h in firmware/frameworks/emlearn/ describes."""
    numbers = {
        "HB_FEATURES": made["features"],
        "HB_SCORES": made["outputs"],
        "HB_VALUES": made["values"],
        "HB_WORKING_BYTES": made["working_bytes"],
    }
    lines = [f"#define {name} {int(value)}" for name, value in numbers.items()]
    typedef = f"typedef {_C_TYPES[made['dtype']]} hb_feature;"
    return "\n".join(["/* Written by hilbench for one model. */", "#include <stdint.h>", *lines, typedef, ""])


def _library(sources: tuple[Path, ...], include_dirs: tuple[Path, ...], into: Path) -> Path:
    """Compile `sources` for this computer and return the shared library's path."""
    path = into / "model.so"
    includes = [f"-I{folder}" for folder in (*include_dirs, resources.FIRMWARE / "agent")]
    argv = ["cc", *_HOST_FLAGS, *includes, *map(str, sources), "-lm", "-o", str(path)]
    # Nothing like CPATH, which would silently change what is compiled.
    env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    try:
        done = programs.run(argv, {**env, "LC_ALL": "C"}, _COMPILE_S)
    except subprocess.TimeoutExpired:
        raise BuildError(f"'cc' took longer than {_COMPILE_S:g} s and was stopped") from None
    if done.returncode:
        raise BuildError(f"the model does not build for this computer: {done.stderr.strip()[:500]}")
    return path


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _folder() -> Path | None:
    """Return the folder of the installed emlearn, which is also where its headers are (`emlearn.includedir`)."""
    spec = find_spec("emlearn")
    return Path(spec.origin).parent if spec and spec.origin else None


@cache
def _digest(folder: Path) -> str:
    """Return a hash of the files that shape emlearn's code: converters, templates and headers."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".h", ".jinja"):
            total.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
            total.update(path.read_bytes())
    return total.hexdigest()[:32]


@cache
def _compiler() -> str | None:
    if shutil.which("cc") is None:
        return None
    done = programs.run(["cc", "--version"], os.environ, _COMPILE_S)
    return done.stdout.partition("\n")[0] or None
