"""What `hilbench.yaml` says of code or an image that somebody brings, typed and checked, with file and line.

Compilers are programs with many back doors (`-fplugin`, `-B`, `-specs`, `@file`, `-Wl,…`), so flags are taken only in
the shapes that shape code, and paths only where they stay in the folder.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from hilbench.catalog import yaml_file
from hilbench.catalog.board import Strict, Word
from hilbench.catalog.core import CORES
from hilbench.catalog.load import validated
from hilbench.tensors import TensorInfo

FILE = "hilbench.yaml"

Dtype = Literal["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bool"]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
_Count = Annotated[int, Field(ge=0, lt=1 << 31)]


def _known_core(name: str) -> str:
    known = [core.name for core in CORES.values() if not core.is_host]
    if name not in known:
        raise PydanticCustomError("not_one_of", "'{core}' is not a core", {"core": name, "known": known})
    return name


# A part of a path, which in `sources` and `objects` may hold * and ?.
_PATH = re.compile(r"[\w.+*?-]+(/[\w.+*?-]+)*", re.ASCII)
_MACRO = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_VALUE = re.compile(r'[\w.+*/()", -]*', re.ASCII)
_FLAG = re.compile(
    r"-O([0-3gs]|fast)|-std=[a-z0-9+]+|-U[A-Za-z_]\w*|-D[A-Za-z_]\w*(=[\w.+-]*)?|-W(no-)?[a-z][a-z0-9+-]*(=[a-z0-9]+)?",
    re.ASCII,
)
# Of -f… and -m… only those that shape code: others load or write files, run programs, talk, or leave no machine code.
# Source: the GCC 12 manual, "Options That Control Optimization", "Options for Code Generation Conventions",
# "Options Controlling C Dialect", "ARM Options".
_SHAPES_CODE = re.compile(
    r"-f(no-)?("
    r"(fast|finite|unsafe|associative|reciprocal|trapping|rounding)-math(-only|-optimizations)?|math-errno|signed-zeros"
    r"|signaling-nans|single-precision-constant|cx-limited-range|cx-fortran-rules|excess-precision=(fast|standard)"
    r"|fp-contract=(fast|on|off)|float-store|(allow-)?store-(data-races|merging)"
    r"|(unroll|unroll-all|peel|split|unswitch|move)-loops|move-loop-(invariants|stores)|loop-[a-z-]+|tree-[a-z-]+"
    r"|ipa-[a-z-]+|prefetch-loop-arrays|predictive-commoning|ivopts|vect-cost-model=[a-z-]+|simd-cost-model=[a-z-]+"
    r"|align-(functions|loops|jumps|labels)(=\d+)?|inline(-[a-z-]+)?(=\d+)?|partial-inlining|keep-inline-functions"
    r"|early-inlining|builtin(-[a-z0-9_]+)?|freestanding|hosted|omit-frame-pointer|optimize-(sibling-calls|strlen)"
    r"|(strict|lax)-(aliasing|overflow|volatile-bitfields|vector-conversions)|wrapv(-pointer)?|common|jump-tables"
    r"|delete-(null-pointer-checks|dead-exceptions)|merge-(all-)?constants|section-anchors|(data|function)-sections"
    r"|gcse(-[a-z-]+)?|cse-follow-jumps|if-conversion2?|peephole2?|(modulo-)?sched(ule-insns2?|-pressure|-interblock"
    r"|-spec)?|rename-registers|web|tracer|ira-(region|algorithm)=[a-z]+|live-range-shrinkage|shrink-wrap|caller-saves"
    r"|reorder-(blocks|functions|blocks-and-partition)|toplevel-reorder|thread-jumps|crossjumping|split-wide-types"
    r"|devirtualize|indirect-inlining|dce|dse|split-paths|expensive-optimizations|conserve-stack|strict-enums|trapv"
    r"|forward-propagate|guess-branch-probability|code-hoisting|isolate-erroneous-paths-dereference|short-enums"
    r"|(un)?signed-(char|bitfields)|exceptions|rtti|threadsafe-statics|use-cxa-atexit|gnu89-inline|ms-extensions"
    r"|permissive|zero-initialized-in-bss|stack-protector(-strong|-all)?|visibility=[a-z]+"
    r")"
    r"|-m(no-)?("
    r"slow-flash-data|unaligned-access|pure-code|long-calls|restrict-it|word-relocations|general-regs-only"
    r"|fix-cortex-m3-ldrd|fix-cmse-cve-2021-35465|fp16-format=[a-z]+"
    r")",
    re.ASCII,
)
_BOARDS_OWN = re.compile(
    r"-m(cpu|arch|tune|fpu|float-abi|thumb|arm|big-endian|little-endian|abi|soft-float|hard-float)\b"
)


class Tensor(Strict):
    """One input or output: real = (q - zero_point) * scale for integers."""

    dtype: Dtype
    shape: tuple[Annotated[int, Field(gt=0)], ...]
    scale: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    zero_point: int = 0
    name: str = ""

    def info(self) -> TensorInfo:
        """Return it as the rest of hilbench knows tensors."""
        return TensorInfo(self.name, self.dtype, self.shape, self.scale, self.zero_point)


class Project(Strict):
    """Code that implements hb_model.h, or an `image` that is finished and speaks hilbench's link."""

    name: _Name = Field(description="what tables and records call it")
    version: Word = Field(description='in quotes, such as "1.0"')
    cores: tuple[Annotated[str, AfterValidator(_known_core)], ...] = Field(
        default=(), description="the cores it is for; none: any"
    )
    image: str | None = Field(default=None, description="a finished image: .elf, .hex or .bin")
    base: int | None = Field(
        default=None, ge=0, lt=1 << 32, validate_default=True, description="the address at which a .bin begins"
    )
    build_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = Field(
        default=None, validate_default=True, description="the 32 hexadecimal digits that the image answers to hello"
    )
    sources: tuple[str, ...] = Field(default=(), validate_default=True, description="patterns, such as src/*.c")
    objects: tuple[str, ...] = Field(default=(), description="patterns, such as lib/*.a")
    include_dirs: tuple[str, ...] = ()
    defines: dict[str, str | int] = Field(default_factory=dict)
    flags: tuple[str, ...] = Field(default=(), description="-O2, -ffast-math, -std=c11, …")
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    arena_bytes: _Count | None = Field(default=None, description="memory for tensors, in bytes")

    @field_validator("image")
    @classmethod
    def _one_file(cls, image: str | None) -> str | None:
        if image is not None and ("*" in _inside(image) or Path(image).suffix not in (".elf", ".hex", ".bin")):
            raise ValueError(f"{image!r} is not one .elf, .hex or .bin")
        return image

    @field_validator("base")
    @classmethod
    def _for_bin(cls, base: int | None, info: ValidationInfo) -> int | None:
        is_bin = str(info.data.get("image")).endswith(".bin")
        if is_bin and base is None:
            raise PydanticCustomError("missing", "a .bin does not say where in memory it belongs")
        if base is not None and not is_bin:
            raise ValueError("only an image that is a .bin needs an address")
        return base

    @field_validator("build_id")
    @classmethod
    def _for_images(cls, build_id: str | None, info: ValidationInfo) -> str | None:
        image = info.data.get("image")
        if build_id is not None and image is None:
            raise ValueError("only an image has one")
        if build_id is None and image is not None and not image.endswith(".elf"):
            raise PydanticCustomError("missing", "only an ELF tells by itself")
        return build_id

    @field_validator("sources", "objects", "include_dirs")
    @classmethod
    def _stay_inside(cls, paths: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for path in paths:
            _inside(path)
        has_image = info.data.get("image") is not None
        if paths and has_image:
            raise ValueError("an image is finished: nothing is compiled for it")
        if info.field_name == "sources" and not paths and not has_image and "image" in info.data:
            raise ValueError("give 'sources' that implement hb_model.h, or an 'image'")
        return paths

    @field_validator("defines")
    @classmethod
    def _plain(cls, defines: dict[str, str | int]) -> dict[str, str | int]:
        for name, value in defines.items():
            if not _MACRO.fullmatch(name) or not _VALUE.fullmatch(str(value)):
                raise ValueError(f"'{name}={value}' is not a macro that can be passed on safely")
        return defines

    @field_validator("flags")
    @classmethod
    def _harmless(cls, flags: tuple[str, ...]) -> tuple[str, ...]:
        for flag in flags:
            if _BOARDS_OWN.match(flag):
                raise ValueError(f"{flag!r} is the board's to say")
            if not _FLAG.fullmatch(flag) and not _SHAPES_CODE.fullmatch(flag):
                raise ValueError(f"{flag!r} is not one of -O…, -D…, -U…, -std=…, -f…, -m…, -W… that only shape code")
        return flags

    def compiler_flags(self) -> tuple[str, ...]:
        """Return `flags`, and `defines` as flags."""
        return (*self.flags, *(f"-D{name}={value}" for name, value in self.defines.items()))


def load(folder: Path) -> Project:
    """Return what the folder's `hilbench.yaml` says. Raises `CatalogError` with all that is wrong in it."""
    return validated(yaml_file.read(folder / FILE), Project, [])


def _inside(path: str) -> str:
    if not _PATH.fullmatch(path) or ".." in path.split("/"):
        raise ValueError(f"{path!r} is not a path inside this folder, of letters, digits and . _ + -")
    return path
