"""Places tensors in one arena so that no two that live at the same time overlap. Knows nothing of models or C."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ALIGNMENT = 16
"""Bytes that every offset is a multiple of: room for the widest load that a kernel may use."""

# Orders that are tried when greedy by size is not yet at the lower bound: so many, or fewer where there are so many
# tenants that each try takes long (its time grows with their square).
_TRIES = 1500
_COMPARISONS = 20_000_000


@dataclass(frozen=True)
class Tenant:
    """Something of `size` bytes that is needed from step `first` to step `last`, both included."""

    size: int
    first: int
    last: int

    def meets(self, other: Tenant) -> bool:
        """Say whether both are needed at some step."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Plan:
    """An offset for each tenant, and the bytes of the whole arena."""

    offsets: tuple[int, ...]
    total: int


def lower_bound(tenants: Sequence[Tenant]) -> int:
    """Return the most bytes that are needed at one step: no plan can take less."""
    starts = (Tenant(0, tenant.first, tenant.first) for tenant in tenants)
    return max((sum(_aligned(t.size) for t in tenants if t.meets(step)) for step in starts), default=0)


def plan(tenants: Sequence[Tenant]) -> Plan:
    """Return a plan at or near the lower bound; the same tenants always get the same plan.

    Largest first, each at the lowest free offset; then small changes of that order, kept if they do not cost.
    """
    bound, steps = lower_bound(tenants), random.Random(0)
    sized = (index for index, tenant in enumerate(tenants) if tenant.size)
    order = sorted(sized, key=lambda index: (-tenants[index].size, index))
    best = _place(tenants, order)
    for _ in range(min(_TRIES, _COMPARISONS // len(order) ** 2) if len(order) > 1 else 0):
        if best.total <= bound:
            break
        changed = _changed(order, steps)
        candidate = _place(tenants, changed)
        if candidate.total <= best.total:
            best, order = candidate, changed
    return best


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _place(tenants: Sequence[Tenant], order: Sequence[int]) -> Plan:
    """Give each tenant in `order` the lowest offset where it meets none that is already placed; the others get 0."""
    offsets: dict[int, int] = {}
    for index in order:
        tenant, offset = tenants[index], 0
        for start, end in sorted(_occupied(tenants, offsets, tenant)):
            if offset + _aligned(tenant.size) <= start:
                break
            offset = max(offset, end)
        offsets[index] = offset
    total = max((offset + _aligned(tenants[index].size) for index, offset in offsets.items()), default=0)
    return Plan(tuple(offsets.get(index, 0) for index in range(len(tenants))), total)


def _occupied(tenants: Sequence[Tenant], offsets: dict[int, int], tenant: Tenant) -> Iterator[tuple[int, int]]:
    for index, offset in offsets.items():
        if tenants[index].meets(tenant):
            yield offset, offset + _aligned(tenants[index].size)


def _changed(order: Sequence[int], steps: random.Random) -> list[int]:
    """Move one to four entries elsewhere. Of `random`, only `random()` is promised to stay the same for a seed."""
    changed = list(order)
    for _ in range(1 + int(steps.random() * 4)):
        entry = changed.pop(int(steps.random() * len(changed)))
        changed.insert(int(steps.random() * (len(changed) + 1)), entry)
    return changed
