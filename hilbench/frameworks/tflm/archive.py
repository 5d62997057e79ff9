"""Reads a static library: its members, and what Arm's build attributes say it was compiled for. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile

from hilbench.errors import Unavailable

# ar(5), the variant of GNU: a magic, then for each member a header of 60 bytes and its data, padded to two bytes.
_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60
_HEADER_END = b"`\n"
_INDEX, _LONG_NAMES = "/", "//"
_BROKEN = (
    *(ELFError, ConstructError),
    *(ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError),
)
"""What pyelftools raises on damaged input: its own errors, and those of code that trusted what it read."""
# Values of build attributes: Arm IHI 0045, "Addenda to, and errata in, the ABI for the Arm Architecture".
_CPU_ARCH = {
    10: "Armv7-M",
    11: "Armv6-M",
    12: "Armv6-M",
    13: "Armv7E-M",
    16: "Armv8-M Baseline",
    17: "Armv8-M Mainline",
    21: "Armv8.1-M Mainline",
}
_FP_ARCH = {0: "no FPU", 5: "VFPv4", 6: "VFPv4-D16", 7: "FPv5", 8: "FPv5-D16"}
_GOALS = {1: "speed", 2: "speed", 3: "size", 4: "size", 5: "debugging", 6: "debugging"}
_IN_FPU_REGISTERS = 1


@dataclass(frozen=True)
class Attributes:
    """What one object was compiled for.

    `arch` is such as "Armv7E-M", `fpu` such as "VFPv4-D16" or "no FPU"; `hard_float` says that floats are passed in
    FPU registers; `goal` is "speed", "size", "debugging" or "unknown"; `compiler` is its own line, empty if none.
    """

    arch: str
    fpu: str
    hard_float: bool
    goal: str
    compiler: str

    def __str__(self) -> str:
        """Return what it was compiled for, as a message names it."""
        return f"{self.arch}, {self.fpu}, {'hard' if self.hard_float else 'soft'} float ABI"


class Archive:
    """A static library, held in memory. Raises `Unavailable` when it cannot be read, or is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.data = path.read_bytes()
        except OSError as error:
            raise Unavailable(f"cannot be read: {error.strerror}", where=str(path)) from error
        try:
            self._places = dict(_members(self.data))
        except ValueError as error:
            raise Unavailable(f"this is not a static library: {error}", where=str(path)) from error

    def names(self) -> list[str]:
        """Return the names of the members, in their order."""
        return list(self._places)

    def defines(self, symbol: str) -> bool:
        """Say whether the library's own index of symbols has `symbol`."""
        start, size = self._places.get(_INDEX, (0, 0))
        index = self.data[start : start + size]
        names = index[4 + 4 * int.from_bytes(index[:4], "big") :]  # a count, as many offsets, then the names
        return symbol.encode() in names.split(b"\0")

    def content(self, member: str) -> bytes:
        """Return the bytes of `member`. Raises `Unavailable` when it is not there."""
        start, size = self._places.get(member, (0, 0))
        if not size:
            raise Unavailable("there is no such object in the library", where=f"{self.path}({member})")
        return self.data[start : start + size]

    def attributes(self, member: str) -> Attributes:
        """Return what `member` was compiled for. Raises `Unavailable` when it is not there, or no object for Arm."""
        content, where = self.content(member), f"{self.path}({member})"
        if not content.startswith(b"\x7fELF"):
            raise Unavailable("this is not an object file", where=where)
        try:
            return _attributes(ELFFile(BytesIO(content)), where)
        except _BROKEN as error:
            raise Unavailable(f"this object is damaged: {error}", where=where) from error


def _members(data: bytes) -> Iterator[tuple[str, tuple[int, int]]]:
    """Give name, start and size of each member; of two with one name, the caller keeps the last."""
    if not data.startswith(_MAGIC):
        raise ValueError("it does not begin with '!<arch>'")
    position, long_names = len(_MAGIC), b""
    while position < len(data):
        header = data[position : position + _HEADER_BYTES]
        if not header.endswith(_HEADER_END) or not header[48:58].strip().isdigit():
            raise ValueError(f"there is no member at byte {position}")
        size, start = int(header[48:58]), position + _HEADER_BYTES
        if start + size > len(data):
            raise ValueError("it is cut short")
        name = header[:16].decode("latin-1").rstrip()
        if name == _LONG_NAMES:
            long_names = data[start : start + size]
        elif name.startswith("/") and name[1:].isdigit():
            name = long_names[int(name[1:]) :].partition(b"/\n")[0].decode("utf-8", "replace")
        yield name if name in (_INDEX, _LONG_NAMES) else name.removesuffix("/"), (start, size)
        position = start + size + size % 2


def _attributes(elf: ELFFile, where: str) -> Attributes:
    if elf.get_machine_arch() != "ARM" or elf.elfclass != 32:
        raise Unavailable(f"this object is for {elf.get_machine_arch()}, {elf.elfclass} bits", where=where)
    values: dict[str, int] = {}
    section: Any = elf.get_section_by_name(".ARM.attributes")
    if section:
        for vendor in section.iter_subsections():
            for part in vendor.iter_subsubsections():
                values |= {attribute.tag: attribute.value for attribute in part.iter_attributes()}
    comment = elf.get_section_by_name(".comment")
    arch, fpu = values.get("TAG_CPU_ARCH", 0), values.get("TAG_FP_ARCH", 0)
    return Attributes(
        arch=_CPU_ARCH.get(arch, f"another architecture (Tag_CPU_arch {arch})"),
        fpu=_FP_ARCH.get(fpu, f"another FPU (Tag_FP_arch {fpu})"),
        hard_float=values.get("TAG_ABI_VFP_ARGS") == _IN_FPU_REGISTERS,
        goal=_GOALS.get(values.get("TAG_ABI_OPTIMIZATION_GOALS", 0), "unknown"),
        compiler=comment.data().strip(b"\0").partition(b"\0")[0].decode("utf-8", "replace") if comment else "",
    )
