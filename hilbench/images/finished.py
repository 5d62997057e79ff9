"""Takes in an image that somebody else finished: checks what it says of itself, and puts our manifest beside it.

What runs on the device is not changed by a bit. The manifest goes into a section of the ELF that is never loaded, so
that from there on the file is an image like any other.
"""

from __future__ import annotations

from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from hilbench.errors import ModelError, UnsupportedModel
from hilbench.frameworks.base import Finished
from hilbench.images import beside, parts
from hilbench.images.elf import BESIDE, Elf
from hilbench.images.image import Image
from hilbench.images.manifest import Manifest
from hilbench.images.toolchain import Toolchain

_CODE = "alloc,load,readonly,code,contents"
_MAX_PIECES = 256
"""Of a .hex, each at an address of its own: an image has a handful."""


def finish(finished: Finished, manifest: Manifest, toolchain: Toolchain, work: Path) -> Path:
    """Return an ELF in the folder `work` that holds the image and `manifest`, completed by what the image says.

    Raises `UnsupportedModel` when the image says that it is for another model or board, `ModelError` when it cannot be
    read, has changed since, or does not say by which build id the device answers.
    """
    elf = finished.path
    if elf.suffix != ".elf":
        elf = _to_elf(finished, toolchain, work)
    inside = Image.open(elf).manifest if Elf.open(elf).has_manifest() else None
    if inside is not None:
        _check(inside, manifest, finished)
        versions = manifest.framework.versions
        made_by = inside.framework
        theirs = {f"{made_by.name} {name}": version for name, version in made_by.versions.items()}
        manifest = manifest.model_copy(
            update={
                "build_id": inside.build_id,
                "compiler": inside.compiler,
                "arena_bytes": manifest.arena_bytes or inside.arena_bytes,
                "framework": manifest.framework.model_copy(update={"versions": {**versions, **theirs}}),
            }
        )
    elif finished.build_id is not None:
        manifest = manifest.model_copy(update={"build_id": finished.build_id, "compiler": None})
    else:
        raise ModelError(
            "this ELF holds no manifest of hilbench, so nothing says by which build id the device answers",
            where=finished.path.name,
            hint="give 'build_id': the 32 digits that the image answers to hello",
        )
    text, made = work / "manifest.json", work / "image.elf"
    text.write_bytes(manifest.model_dump_json().encode())
    without = () if inside else (parts.SECTION,)  # of an image that others linked it says nothing that we know
    _check_run(*beside.put(BESIDE, text, elf, made, toolchain, without), finished.path)
    return made


def _check(inside: Manifest, manifest: Manifest, finished: Finished) -> None:
    name = finished.path.name
    if inside.model.sha256 != manifest.model.sha256:
        raise UnsupportedModel(
            f"{name} runs another model: {inside.model.name} ({inside.model.sha256[:12]}…), not {manifest.model.name} "
            f"({manifest.model.sha256[:12]}…)",
            hint="bring an image of this model",
        )
    if inside.board != manifest.board:
        raise UnsupportedModel(
            f"{name} is an image for {inside.board}, not for {manifest.board}", hint=f"--board={inside.board}"
        )
    if inside.board_digest != manifest.board_digest:
        raise ModelError(
            f"this image was built for another {inside.board}: its core, clock, memory, port or baud rate was another",
            where=name,
            hint="build it again, or use the board file that it was built with",
        )
    if finished.build_id not in (None, inside.build_id):
        raise ModelError(
            f"the image's build id is {inside.build_id}, not {finished.build_id}",
            where=name,
            hint="leave out 'build_id': this image tells it by itself",
        )


def _to_elf(finished: Finished, toolchain: Toolchain, work: Path) -> Path:
    """Return the contents of a .hex or .bin as an ELF: all of it code, at the addresses where it belongs."""
    loose, elf = work / "contents.o", work / "contents.elf"
    if finished.path.suffix == ".hex":
        how = ["-I", "ihex", f"--set-section-flags=.sec*={_CODE}"]
    else:
        base = finished.base or 0
        how = ["-I", "binary", f"--rename-section=.data=.sec1,{_CODE}", f"--change-section-address=.data={base:#x}"]
    copied = beside.binutil(toolchain, "objcopy", *how, "-O", "elf32-littlearm", str(finished.path), str(loose))
    _check_run(*copied, finished.path)
    with loose.open("rb") as file:
        sections = [section for section in ELFFile(file).iter_sections() if section["sh_flags"] & SH_FLAGS.SHF_ALLOC]
        places = [f"--section-start={section.name}={section['sh_addr']:#x}" for section in sections]
    if not places:
        raise ModelError("it is empty", where=finished.path.name)
    if len(places) > _MAX_PIECES:
        raise ModelError(
            f"it is in {len(places):,} pieces; an image has at most {_MAX_PIECES}",
            where=finished.path.name,
            hint="write it again, with the gaps between its sections filled",
        )
    _check_run(*beside.binutil(toolchain, "ld", "-n", "-e", "0", *places, "-o", str(elf), str(loose)), finished.path)
    return elf


def _check_run(code: int, text: str, image: Path) -> None:
    if code:
        said = text.strip().splitlines()
        raise ModelError(
            f"it is no {image.suffix.removeprefix('.').upper()} file that can be used: {said[0] if said else code}",
            where=image.name,
        )
