"""Precompiled images: a folder of them, as a bench has it, with no compiler and no framework near."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hilbench.catalog.board import Board
from hilbench.errors import ModelError, Unavailable
from hilbench.images.image import ELF_SUFFIX, HOST_SUFFIX, Image, digest_file
from hilbench.images.recipe import board_digest

_OUR_PROGRAM = re.compile(r"hilbench\.frameworks(\.[a-z_][a-z0-9_]*)+")
"""An image for the host runs on this computer: of programs in files from elsewhere, only ours are started."""


def file_name(suite: str, task: str, board: Board, framework: str, options: Mapping[str, str], suffix: str) -> str:
    """Return the name under which `hilbench build -o` writes an image. For people: the manifest is what counts."""
    place = f"{board.id}-on-{board.stand_in}" if board.stand_in else board.id
    variant = "".join(f"-{key}-{value}" for key, value in sorted(options.items()))
    return f"{suite}-{task}-{place}-{framework}{variant}{suffix}"


def images_in(folder: Path) -> tuple[list[Image], list[ModelError]]:
    """Return the images in `folder`, by name, and the errors of damaged ones. Raises `Unavailable` for no folder."""
    if not folder.is_dir():
        raise Unavailable(
            "there is no such folder of precompiled images",
            where=str(folder),
            hint="`hilbench build … -o DIR` writes one",
        )
    images, damaged = [], []
    for path in sorted(folder.iterdir()):
        if path.suffix in (ELF_SUFFIX, HOST_SUFFIX):
            try:
                images.append(Image.open(path))
            except ModelError as error:
                damaged.append(error)
    return images, damaged


def find_image(folder: Path, model_sha256: str, board: Board, framework: str, options: Mapping[str, str]) -> Image:
    """Return the image in `folder` that runs this model on this board through this framework.

    `options` need only name what was asked for. Raises `Unavailable` when there is none, `ModelError` when there are
    several, when there is none but a damaged file that may be it or one for a board of another description, or when
    it would run a program that is not ours.
    """
    images, damaged = images_in(folder)
    fits = [
        image
        for image in images
        if (image.manifest.model.sha256, image.manifest.board, image.manifest.framework.name)
        == (model_sha256, board.id, framework)
        and options.items() <= image.manifest.framework.options.items()
    ]
    if not fits and damaged:
        raise damaged[0]
    others = fits
    fits = [image for image in fits if image.manifest.board_digest == board_digest(board)]
    if others and not fits:
        raise ModelError(
            f"this image was built for another {board.id}: core, clock, memory, port or baud rate in the board's file "
            "have changed since, or it was built for another of its targets",
            where=str(others[0].path),
            hint="build it again with `hilbench build`, or use the board file that it was built with",
        )
    if not fits:
        raise Unavailable(
            f"no image here runs model {model_sha256[:12]}… on {board.id} through {framework}",
            where=str(folder),
            hint=f"`hilbench build SUITE --board={board.id} --framework={framework} -o {folder}` makes it",
        )
    if len({(image.manifest.build_id, image.sha256) for image in fits}) > 1:
        names = ", ".join(image.path.name for image in fits)
        raise ModelError(f"several images fit: {names}", where=str(folder), hint="keep one, or name its options")
    kept = digest_file(fits[0].path)
    if kept.exists() and kept.read_text().strip() != fits[0].sha256:
        raise ModelError(
            "the image is not the one that was built: its hash is another",
            where=str(fits[0].path),
            hint=f"copy it again, or build it again; {kept.name} holds the hash that it had",
        )
    program = fits[0].program
    if program is not None and not _OUR_PROGRAM.fullmatch(program):
        raise ModelError(
            f"the image would run '{program}', which is no program of hilbench's frameworks, on this computer",
            where=str(fits[0].path),
            hint="build it here: leave out --hil-firmware",
        )
    return fits[0]
