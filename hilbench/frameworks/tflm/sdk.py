"""A TFLM SDK: a folder with the headers and libraries that TensorFlow Lite Micro's own Makefile makes (docs/tflm.md).

    VERSION                                        one line that says which TFLM it is (without it: unknown)
    include/tensorflow/lite/micro/...              headers, with those of flatbuffers and gemmlowp beside them
    lib/CORE-KERNELS/libtensorflow-microlite.a     such as lib/cortex-m4+fp-reference/

CORE is the Makefile's TARGET_ARCH, KERNELS its OPTIMIZED_KERNEL_DIR, or `reference`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hilbench.catalog.core import Core
from hilbench.errors import Unavailable
from hilbench.frameworks.tflm.archive import Archive, Attributes

LIBRARY = "libtensorflow-microlite.a"
LAYOUT = f"a folder with include/, VERSION and lib/CORE-KERNELS/{LIBRARY}: docs/tflm.md says how to make it"
_INTERPRETER = "tensorflow/lite/micro/micro_interpreter.h"
_RESOLVER = "tensorflow/lite/micro/micro_mutable_op_resolver.h"
_COMMENT = re.compile(r"//.*")
_METHOD = re.compile(r"TfLiteStatus (Add\w+)\(")
_OPERATOR = re.compile(r'BuiltinOperator_(\w+)|AddCustom\(\s*"([^"]+)"')
_ANY_OPERATOR = ("AddBuiltin", "AddCustom")
# Objects that are in every library: a kernel, and the core. What they were compiled for goes for the others like them.
# (In some kernels, softmax.o for one, a check outside of any loop stays whatever the build type.)
_KERNEL, _CORE = "conv.o", "micro_interpreter.o"
_PRINTS = "_Z11MicroPrintfPKcz"  # absent when error texts were stripped (BUILD_TYPE=release)
# What a failed assertion ends in, with or without TF_LITE_MCU_DEBUG_LOG: op_macros.h, TFLITE_ABORT.
_ASSERTIONS = (b"HALTED\0", b"\0abort\0")


@dataclass(frozen=True)
class _Target:
    """What TFLM's Makefile calls a core (TARGET_ARCH), and what it compiles for then: cortex_m_generic_makefile.inc."""

    name: str
    arch: str
    fpu: str = "no FPU"


_TARGETS = {
    "cortex-m0": _Target("cortex-m0", "Armv6-M"),
    "cortex-m0plus": _Target("cortex-m0plus", "Armv6-M"),
    "cortex-m3": _Target("cortex-m3", "Armv7-M"),
    "cortex-m4": _Target("cortex-m4", "Armv7E-M"),
    "cortex-m4f": _Target("cortex-m4+fp", "Armv7E-M", "VFPv4-D16"),
    "cortex-m7": _Target("cortex-m7", "Armv7E-M"),
    "cortex-m7f": _Target("cortex-m7+fp", "Armv7E-M", "FPv5-D16"),
    "cortex-m33": _Target("cortex-m33+nodsp", "Armv8-M Mainline"),
    "cortex-m33f": _Target("cortex-m33", "Armv8-M Mainline", "FPv5-D16"),
    "cortex-m55f": _Target("cortex-m55", "Armv8.1-M Mainline", "FPv5-D16"),
    "cortex-m85f": _Target("cortex-m85", "Armv8.1-M Mainline", "FPv5-D16"),
}


@dataclass(frozen=True)
class Library:
    """One library of an SDK that is known to be for its core.

    `prints` says that it holds the texts of its errors; `asserts` that its kernels check themselves in their inner
    loops, which is TFLM's default and makes some of them several times slower.
    """

    path: Path
    sha256: str
    kernel: Attributes
    core: Attributes
    prints: bool
    asserts: bool

    @property
    def optimisation(self) -> str:
        """What it was optimised for, such as "kernels for speed, core for size"."""
        return f"kernels for {self.kernel.goal}, core for {self.core.goal}"


@dataclass(frozen=True)
class Sdk:
    """The SDK in the folder `place`. Make one with `Sdk.open(place)`."""

    place: Path

    @classmethod
    def open(cls, place: Path) -> Sdk:
        """Return the SDK in `place`. Raises `Unavailable` when that is not one."""
        if (place / _INTERPRETER).is_file():
            raise Unavailable("this is a checkout of TFLM, not an SDK made of it", where=str(place), hint=LAYOUT)
        if wrong := set(str(place)) & set(";="):
            # CMake splits lists at one, and GCC's -ffile-prefix-map its argument at the other.
            raise Unavailable(f"builds stumble over '{wrong.pop()}' in its name", where=str(place), hint="move the SDK")
        for header in (_INTERPRETER, _RESOLVER):
            if not (place / "include" / header).is_file():
                raise Unavailable(f"this is not a TFLM SDK: it has no include/{header}", where=str(place), hint=LAYOUT)
        return cls(place)

    @property
    def include(self) -> Path:
        """The folder of its headers."""
        return self.place / "include"

    @property
    def version(self) -> str:
        """The first line of its file VERSION, "unknown" without one: TFLM's headers and libraries do not tell."""
        try:
            return (self.place / "VERSION").read_text(errors="replace").strip().partition("\n")[0] or "unknown"
        except OSError:
            return "unknown"

    def libraries(self) -> list[str]:
        """Return the names of the folders under lib/ that hold a library, such as "cortex-m4+fp-reference"."""
        return sorted(path.parent.name for path in self.place.glob(f"lib/*/{LIBRARY}"))

    def has(self, core: Core) -> bool:
        """Say whether there is a library for `core`, with whatever kernels."""
        prefix = f"{_target(core).name}-"
        return any(name.startswith(prefix) for name in self.libraries())

    def library(self, core: Core, kernels: str) -> Library:
        """Return the library for `core` with `kernels`. Raises `Unavailable` when there is none, or a wrong one."""
        target = _target(core)
        path = self.place / "lib" / f"{target.name}-{kernels}" / LIBRARY
        if not path.is_file():
            raise self.lacks(core, kernels)
        archive = Archive(path)
        kernel, own = archive.attributes(_KERNEL), archive.attributes(_CORE)
        for found in (kernel, own):
            if (found.arch, found.fpu, found.hard_float) != (target.arch, target.fpu, core.fpu):
                expected = f"{target.arch}, {target.fpu}, {'hard' if core.fpu else 'soft'} float ABI"
                raise Unavailable(
                    f"this library is not for {core.title} ({expected}): it is for {found}",
                    where=str(path),
                    hint=f"build it with TARGET_ARCH={target.name}: docs/tflm.md",
                )
        sha256 = hashlib.sha256(archive.data).hexdigest()
        asserts = any(sign in archive.content(_KERNEL) for sign in _ASSERTIONS)
        return Library(path, sha256, kernel, own, archive.defines(_PRINTS), asserts)

    def lacks(self, core: Core, kernels: str) -> Unavailable:
        """Return the error for a library that is not there."""
        target = _target(core).name
        make = f"make ... TARGET_ARCH={target}"
        make += "" if kernels == "reference" else f" OPTIMIZED_KERNEL_DIR={kernels}"
        return Unavailable(
            f"the TFLM SDK has no library lib/{target}-{kernels}/{LIBRARY} for {core.title} "
            f"(it has: {', '.join(self.libraries()) or 'none'})",
            where=str(self.place),
            hint=f"{make} microlite: docs/tflm.md",
        )

    @cached_property
    def adders(self) -> dict[str, str]:
        """The resolver's method that registers an operator, by the operator's name in the schema (or its custom code).

        Read from the header, because each TFLM has more of them: {"CONV_2D": "AddConv2D", "SignalRfft": "AddRfft"}.
        """
        text = _COMMENT.sub("", (self.include / _RESOLVER).read_text(errors="replace"))
        starts = [*_METHOD.finditer(text)]
        ends = [*(start.start() for start in starts[1:]), len(text)]
        found = {}
        for start, end in zip(starts, ends, strict=True):
            operator = _OPERATOR.search(text, start.end(), end)
            if operator and start[1] not in _ANY_OPERATOR:
                found[operator[1] or operator[2]] = start[1]
        return found

    def headers_sha256(self) -> str:
        """Return one hash of all headers, with their names: they are compiled into an image too."""
        total = hashlib.sha256()
        for path in sorted(self.include.rglob("*.h")):
            content = path.read_bytes()
            total.update(f"{path.relative_to(self.include).as_posix()}\0{len(content)}\0".encode())
            total.update(content)
        return total.hexdigest()


def _target(core: Core) -> _Target:
    if core.name not in _TARGETS:
        raise Unavailable(f"TensorFlow Lite Micro's Makefile does not know {core.title}")
    return _TARGETS[core.name]
