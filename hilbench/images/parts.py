"""What the bytes of an image are for: the model's constants, kernels, the runtime, the agent; each byte counts once.

The split is made when an image is linked, from the linker's map, and kept in the ELF beside what is loaded: a bench
reads it there, without compiler and map.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from hilbench.errors import ModelError
from hilbench.frameworks.base import Part
from hilbench.frameworks.ready_made import PARTS_OF_OURS
from hilbench.images.elf import Elf, Section
from hilbench.images.map import Output, Piece, read

SECTION = ".hb_parts"
"""Where the split is: not loaded."""
_OBJECTS = "CMakeFiles/image.dir/"  # where firmware/CMakeLists.txt, the target `image`, compiles what is not the agent
_GLUE = _OBJECTS + "frameworks/"
_RUNTIME_SECTIONS = ".hb_runtime"  # .hb_runtime, .hb_runtime_data and .hb_runtime_bss of firmware/ports/*/image.ld
_CODE = (".text", ".gnu.linkonce.t.")
_DATA = (".rodata", ".gnu.linkonce.r.", ".data", ".bss", "COMMON")
_CONSTRUCTORS = (".preinit_array", ".init_array")


class _Stored(BaseModel):
    """What is in the ELF: for each section that is neither the agent's nor the stack, its bytes by part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: Literal[1] = 1
    sections: dict[str, dict[Part, NonNegativeInt]]


@dataclass(frozen=True)
class Parts:
    """Bytes of flash and of RAM by part: "model", "kernels", "runtime" and "agent", in RAM also "stack"."""

    flash: Mapping[str, int]
    ram: Mapping[str, int]

    def flat(self) -> dict[str, int]:
        """Return all in one, such as `flash_model` and `ram_stack`."""
        named = (("flash", self.flash), ("ram", self.ram))
        return {f"{memory}_{part}": size for memory, sizes in named for part, size in sizes.items()}


def split(elf: Elf, map_text: str, rules: Mapping[str, Part]) -> bytes | None:
    """Return what to keep of the split of `elf`, by the linker's map of it and `rules` (`Emitted.parts`).

    None if the map is not that of this ELF, or cannot be understood.
    """
    outputs = {output.name: output for output in read(map_text)}
    sections: dict[str, dict[Part, int]] = {}
    for section in _divided(elf.allocated()):
        output = outputs.get(section.name)
        if output is None or (output.address, output.size) != (section.address, section.size):
            return None
        sections[section.name] = dict(_count(section, output, rules))
    stored = _Stored(sections={name: dict(sorted(parts.items())) for name, parts in sections.items()})
    return json.dumps(stored.model_dump(), separators=(",", ":")).encode()


def parts_of(elf: Elf) -> Parts | None:
    """Return the parts of the image `elf`; None for one that holds no split, as those that others finished.

    Raises `ModelError` when the split is damaged, or not that of this ELF.
    """
    data = elf.section(SECTION)
    if data is None:
        return None
    try:
        stored = _Stored.model_validate_json(data).sections
    except ValidationError as error:
        raise _not_its_own(elf, error.errors()[0]["msg"]) from None
    flash = dict.fromkeys(("model", "kernels", "runtime", "agent"), 0)
    ram = dict.fromkeys((*flash, "stack"), 0)
    for section in elf.allocated():
        sizes = {section.owner: section.size} if section.owner != "model" else {**stored.get(section.name, {})}
        if sum(sizes.values()) != section.size:
            raise _not_its_own(elf, f"the parts of {section.name} do not add up to its {section.size} B")
        for part, size in sizes.items():
            if section.in_flash:
                flash[part if part != "stack" else "agent"] += size
            if section.in_ram:
                ram[part] += size
    return Parts(flash, ram)


def _not_its_own(elf: Elf, why: str) -> ModelError:
    return ModelError(
        f"what the image says of its parts ({SECTION}) is damaged: {why}",
        where=str(elf.path),
        hint="build it again with `hilbench build`",
    )


def _divided(sections: Iterable[Section]) -> Iterator[Section]:
    return (section for section in sections if section.owner == "model")


def _count(section: Section, output: Output, rules: Mapping[str, Part]) -> Counter[Part]:
    """Return the bytes of one section by part. Padding, and what the linker's script puts down, is the runtime's."""
    counted = Counter[Part]()
    for piece, size in output.spans():
        counted["runtime" if piece is None else _part(section, piece, rules)] += size
    return counted


def _part(section: Section, piece: Piece, rules: Mapping[str, Part]) -> Part:
    library, _, member = piece.origin[:-1].rpartition("(") if piece.origin.endswith(")") else ("", "", "")
    from_compiler = library.endswith(PARTS_OF_OURS) or piece.origin == "linker stubs"
    if from_compiler or section.name.startswith(_RUNTIME_SECTIONS) or piece.section.startswith(_CONSTRUCTORS):
        return "runtime"
    name = f"{_file(library)}({member})" if library else _file(piece.origin)
    for pattern, part in rules.items():
        if fnmatchcase(name, pattern) or fnmatchcase(f"{name}:{piece.section}", pattern):
            return part
    if piece.origin.startswith(_GLUE):
        return "runtime"
    is_code = piece.section.startswith(_CODE) or (section.is_code and not piece.section.startswith(_DATA))
    return "kernels" if is_code else "model"


def _file(path: str) -> str:
    """Return a file's name without its folders, and of an object that CMake compiled that of the source."""
    name = path.rpartition("/")[2]
    return name.removesuffix(".obj").removesuffix(".o") if path.startswith(_OBJECTS) else name
