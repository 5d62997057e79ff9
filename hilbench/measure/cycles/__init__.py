"""Estimated cycles: what an emulator counted in a window becomes the time of a named core, behind a board's memories.

Nothing here is fitted to benchmarks; docs/timing.md says where each model is from and how good it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from hilbench.catalog.core import Core
from hilbench.catalog.timing import Timing
from hilbench.counts import Block, Window
from hilbench.measure.cycles import cortex_m0, cortex_m3, cortex_m4, cortex_m7, cortex_m33, cortex_m55
from hilbench.measure.cycles.instruction import Instruction, Kind
from hilbench.measure.cycles.memory import probe, stalls
from hilbench.measure.cycles.model import Branching, CycleModel
from hilbench.measure.cycles.thumb import decode, instructions

__all__ = ["Estimate", "estimate", "model_of", "probe"]

MODELS: Mapping[str, CycleModel] = MappingProxyType(
    {
        "cortex-m0": cortex_m0.M0,
        "cortex-m0plus": cortex_m0.M0_PLUS,
        "cortex-m3": cortex_m3.MODEL,
        "cortex-m4f": cortex_m4.MODEL,
        "cortex-m7f": cortex_m7.MODEL,
        "cortex-m33f": cortex_m33.MODEL,
        "cortex-m55f": cortex_m55.MODEL,
    }
)
"""The cycle models, by the name of the core in `hilbench.catalog.core`."""
_BLOCKS = 1 << 16
_WORD = 4
"""Bytes of a word: where in one a block begins is all that counts of its address."""


@dataclass(frozen=True)
class Estimate:
    """What a window cost. `cycles` are all of them, with `stalls` (cycles waited for memory, by cause) in them.

    `classes` counts the instructions by class, `branches_taken` the branches that were; `unknown` are the instructions
    that the decoder does not know, each taken for one cycle.
    """

    cycles: float
    stalls: Mapping[str, float]
    classes: Mapping[str, int]
    branches_taken: int
    unknown: int


@dataclass(frozen=True)
class _Static:
    """What can be said of a block without its runs."""

    cycles: float
    classes: tuple[tuple[Kind, int], ...]
    last: Instruction | None


def model_of(core_name: str) -> CycleModel | None:
    """Return the cycle model of a core, None where there is none."""
    return MODELS.get(core_name)


def estimate(window: Window, core: Core, timing: Timing | None) -> Estimate:
    """Return what `window` cost on `core`, behind the memories that `timing` describes.

    Without timing there are no stalls; without a model of the core, `cycles` are the instructions.
    """
    model = model_of(core.name)
    entries = {block.address: block for block in window.blocks}
    classes: Counter[Kind] = Counter()
    cycles, taken = 0.0, 0
    for block, runs in window.blocks.items():
        static = _static(core.name, block.code, block.address % _WORD)
        for kind, count in static.classes:
            classes[kind] += count * runs.executed
        cycles += static.cycles * runs.executed
        if static.last is not None and static.last.branches:
            taken += runs.left
            if model:
                cycles += model.branch(static.last, Branching(runs.executed, runs.left, _split(block, static, entries)))
    waited = stalls(window, timing, cycles) if timing else {}
    return Estimate(
        cycles=cycles + sum(waited.values()),
        stalls=waited,
        classes={kind.value: count for kind, count in classes.items()},
        branches_taken=taken,
        unknown=classes[Kind.UNKNOWN],
    )


@lru_cache(maxsize=_BLOCKS)
def _static(core_name: str, code: bytes, at: int) -> _Static:
    model = model_of(core_name)
    decoded = tuple(instructions(code))
    return _Static(
        cycles=model.block(decoded, at) if model else len(decoded),
        classes=tuple(Counter(one.kind for one in decoded).items()),
        last=decoded[-1] if decoded else None,
    )


def _split(block: Block, static: _Static, entries: Mapping[int, Block]) -> bool:
    """Say whether the branch at the block's end goes to a 32-bit instruction that lies across two words."""
    if static.last is None or static.last.target is None:
        return False
    target = block.end - static.last.size + static.last.target
    return target % 4 != 0 and target in entries and not decode(entries[target].code).narrow
