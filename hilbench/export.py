"""Writes images where a bench can find them, each with a readable copy of its manifest and the reference's outputs.

With those outputs a bench can tell fidelity without the reference interpreter, which is not to be had everywhere.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilbench.bench import image_of, reference_of
from hilbench.catalog.data import load_samples
from hilbench.catalog.suite import Suite
from hilbench.errors import StoreError, Unavailable
from hilbench.images.image import Image, digest_file
from hilbench.images.precompiled import file_name
from hilbench.measure.memory import Footprint, footprint
from hilbench.measure.reference_file import SUFFIX, to_json
from hilbench.plan import Plan
from hilbench.records.directory import write_whole


@dataclass(frozen=True)
class Exported:
    """An image that was built. Sizes in bytes; None where there is no ELF to count in."""

    path: Path
    build_id: str
    flash_model: int | None
    ram_model: int | None
    flash_agent: int | None
    ram_agent: int | None
    footprint: Footprint | None = None

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """The sizes in the order of the fields."""
        return self.flash_model, self.ram_model, self.flash_agent, self.ram_agent

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        names = ("build_id", "flash_model", "ram_model", "flash_agent", "ram_agent")
        return {"path": str(self.path), **{name: getattr(self, name) for name in names}}


def export(plan: Plan, suite: Suite, folder: Path | None) -> Exported:
    """Build the plan's image and copy it to `folder` (None: leave it where it is), its manifest beside it as JSON.

    A plan with a folder of precompiled images has its image there.

    Raises what `bench.image_of` raises, and `StoreError` when the folder cannot be written.
    """
    image = image_of(plan)
    path = image.path
    if folder is not None:
        options = dict(plan.options)
        path = folder / file_name(suite.suite, plan.task, plan.board, plan.framework, options, image.path.suffix)
        reference = _reference(plan, suite, image)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, image.path.read_bytes())
            write_whole(digest_file(path), image.sha256.encode())
            write_whole(path.with_suffix(".json"), (image.manifest.model_dump_json(indent=1) + "\n").encode())
            if reference is not None:
                write_whole(folder / f"{suite.suite}-{plan.task}{SUFFIX}", reference.encode())
        except OSError as error:
            raise StoreError(f"the image could not be written: {error.strerror}", where=str(path)) from error
    sizes = image.elf.sizes() if image.elf else None
    return Exported(
        path=path,
        build_id=image.manifest.build_id,
        flash_model=sizes.flash_model if sizes else None,
        ram_model=sizes.ram_model if sizes else None,
        flash_agent=sizes.flash_agent if sizes else None,
        ram_agent=sizes.ram_agent if sizes else None,
        footprint=footprint(image, plan.board),
    )


def _reference(plan: Plan, suite: Suite, image: Image) -> str | None:
    """Return the file of the reference's outputs for all samples of the plan's task; None without the interpreter."""
    task = next(task for task in suite.tasks if task.id == plan.task)
    samples = load_samples(task, suite, image.manifest.model.inputs, plan.samples)
    with contextlib.suppress(Unavailable):
        return to_json(reference_of(plan, image, samples), task.model.sha256, samples.sha256)
    return None
