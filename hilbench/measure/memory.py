"""Memory: what an image costs beside the agent, from its sections, and what the running model used of its stack."""

from __future__ import annotations

from hilbench.images.elf import Sizes
from hilbench.measure.metric import Metric


def memory_metrics(sizes: Sizes, arena_bytes: int | None, stack_bytes: int) -> dict[str, Metric]:
    """Return `flash`, `ram`, `stack` and (when known) `arena`, in bytes.

    `flash` is the model with its kernels and runtime, without the agent; `ram` likewise, plus the model's stack. An
    arena that was planned on the device lies in RAM that no section sets aside: what was used of it counts. An image
    that others linked does not tell the agent apart, and one that was no ELF says nothing of RAM, so `ram` is left out.
    """
    whole = not sizes.flash_agent
    arena_beside = (arena_bytes or 0) if sizes.spare_used else 0

    def count(value: int, detail: str) -> Metric:
        return Metric(value=value, unit="B", basis="counted", detail=detail)

    metrics = {
        "flash": count(
            sizes.flash_model,
            "the whole image, the agent too" if whole else "model, kernels and runtime; without the agent",
        ),
        "stack": count(stack_bytes, "high-water mark of the model's own stack over the timed samples"),
    }
    if sizes.ram_total:
        metrics["ram"] = count(
            sizes.ram_model + arena_beside + stack_bytes,
            "static memory of the whole image"
            if whole
            else "static memory and arena of model and runtime, and the stack used",
        )
    if arena_bytes:
        metrics["arena"] = count(arena_bytes, "memory for tensors")
    return metrics
