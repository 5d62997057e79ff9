"""Memory: what an image costs beside the agent, from its sections, and what the running model used of its stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hilbench.catalog.board import Board
from hilbench.images.elf import Elf, Sizes
from hilbench.images.image import Image
from hilbench.images.manifest import ManifestPeak
from hilbench.images.parts import Parts, parts_of
from hilbench.measure.metric import Metric

FULL = 0.9
"""The share of a memory from which on it is called nearly full: a little more code or data will not fit."""


PARTS = ("model", "kernels", "runtime", "agent", "stack")
_NOT_MODEL = ("agent", "stack")
ALL_SPARE = "all RAM that the image leaves"
"""The detail of an `arena_asked` of which no more is known."""


def memory_metrics(
    sizes: Sizes, arena_bytes: int | None, stack_bytes: int, planned_bytes: int | None = None
) -> dict[str, Metric]:
    """Return `flash`, `ram`, `stack` and (when known) `arena` and `arena_asked`, in bytes.

    `flash` is the model with its kernels and runtime, without the agent; `ram` likewise, plus the model's stack. An
    arena that was planned on the device lies in RAM that no section sets aside: what was used of it counts. An image
    that others linked does not tell the agent apart, and one that was no ELF says nothing of RAM, so `ram` is left out.

    `arena_bytes` is what the running model used, `planned_bytes` what the framework planned before it ran: that is
    `arena_asked`, or else all RAM that was left for an arena.
    """
    whole = not sizes.flash_agent
    arena_beside = (arena_bytes or 0) if sizes.spare_used else 0
    metrics = {
        "flash": _count(
            sizes.flash_model,
            "the whole image, the agent too" if whole else "model, kernels and runtime; without the agent",
        ),
        "stack": _count(stack_bytes, "high-water mark of the model's own stack over the timed samples"),
    }
    if sizes.ram_total:
        metrics["ram"] = _count(
            sizes.ram_model + arena_beside + stack_bytes,
            "static memory of the whole image"
            if whole
            else "static memory and arena of model and runtime, and the stack used",
        )
    if arena_bytes:
        metrics["arena"] = _count(arena_bytes, "memory for tensors")
    if planned_bytes is not None:
        metrics["arena_asked"] = _count(planned_bytes, "planned before the model runs")
    elif sizes.spare_bytes is not None:
        metrics["arena_asked"] = _count(sizes.spare_bytes, ALL_SPARE)
    return metrics


def peak_metrics(peak: ManifestPeak | None) -> dict[str, Metric]:
    """Return `peak_tensors`, what an arena can be judged against; nothing where the model has no graph to count in."""
    return {"peak_tensors": _count(peak.bytes, f"tensors alive at operator {peak.operator}")} if peak else {}


def parts_bytes(elf: Elf) -> dict[str, int]:
    """Return the bytes of each section by its name, and what they add up to by part, such as `flash_model`.

    All `flash_…` together are the whole of flash, all `ram_…` that of RAM. Without a split there are only sections.
    Raises `ModelError` for a damaged image.
    """
    parts = parts_of(elf)
    return {**elf.sizes().sections, **(parts.flat() if parts else {})}


def sizes_of(parts: Mapping[str, int], spare_bytes: int | None) -> Sizes | None:
    """Return the sizes behind `parts_bytes`; None where it tells no parts.

    `spare_bytes`, which is no part, is that of `Sizes`.
    """
    memories = {memory: {part: parts.get(f"{memory}_{part}") for part in PARTS} for memory in ("flash", "ram")}
    flash, ram = ({part: size for part, size in of.items() if size is not None} for of in memories.values())
    if not flash or not ram:
        return None
    sections = {name: size for name, size in parts.items() if not name.startswith(("flash_", "ram_"))}
    return Sizes(
        flash_model=sum(size for part, size in flash.items() if part not in _NOT_MODEL),
        flash_agent=flash.get("agent", 0),
        ram_model=sum(size for part, size in ram.items() if part not in _NOT_MODEL),
        ram_agent=ram.get("agent", 0),
        stack_reserved=ram.get("stack", 0),
        sections=sections,
        spare_bytes=spare_bytes,
    )


def _count(value: int, detail: str) -> Metric:
    return Metric(value=value, unit="B", basis="counted", detail=detail)


@dataclass(frozen=True)
class Footprint:
    """What an image takes of its board's memory before it runs, in bytes. `parts` is None where they cannot be told.

    `ram_bytes` is what the image sets aside, None where it does not say. `planned_bytes` is the arena that is part of
    that; None for one that is planned on the device, in the RAM that is left (`spare_bytes`), or not known.
    """

    flash_bytes: int
    ram_bytes: int | None
    flash_of: int
    ram_of: int
    parts: Parts | None
    planned_bytes: int | None
    spare_bytes: int | None
    peak: ManifestPeak | None

    @property
    def flash_share(self) -> float:
        """The share of the board's flash."""
        return self.flash_bytes / self.flash_of

    @property
    def ram_share(self) -> float | None:
        """The share of the board's RAM, without an arena that is planned on the device."""
        return None if self.ram_bytes is None else self.ram_bytes / self.ram_of

    def as_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        flash, ram = (self.parts.flash, self.parts.ram) if self.parts else ({}, {})
        return {
            "flash": {**flash, "total": self.flash_bytes, "board": self.flash_of},
            "ram": {**ram, "total": self.ram_bytes, "board": self.ram_of},
            "arena": self.planned_bytes,
            "arena_left": self.spare_bytes,
            "peak_tensors": self.peak.model_dump() if self.peak else None,
        }


def footprint(image: Image, board: Board) -> Footprint | None:
    """Return what `image` takes of `board`; None for a program of the host, which takes no board's memory.

    Raises `ModelError` for a damaged image.
    """
    elf, memory = image.elf, board.memory
    if elf is None or memory is None:
        return None
    sizes = elf.sizes()
    return Footprint(
        flash_bytes=sizes.flash_total,
        ram_bytes=sizes.ram_total or None,
        flash_of=memory.code.size,
        ram_of=memory.data.size,
        parts=parts_of(elf),
        planned_bytes=image.manifest.arena_bytes,
        spare_bytes=sizes.spare_bytes,
        peak=image.manifest.model.peak_tensors,
    )
