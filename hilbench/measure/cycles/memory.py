"""The memory system of a board, as its file describes it: which caches to simulate, and how long the core waits."""

from __future__ import annotations

from hilbench.catalog.timing import CacheTiming, Timing
from hilbench.counts import Cache, Caches, Probe, Window


def probe(timing: Timing | None) -> Probe:
    """Return what a counter has to watch so that `stalls` knows all that it needs."""
    if timing is None:
        return Probe()
    uncached = timing.data_cache is None and (timing.code.wait_states > 0 or timing.data.wait_states > 0)
    return Probe(memory=uncached, caches=caches(timing))


def caches(timing: Timing) -> Caches | None:
    """Return the caches of a board to be simulated, None where it has none.

    Without a cache of instructions the buffer of one read is simulated in its place: code that runs on from one line
    to the next waits for each.
    """
    code = timing.code
    instruction = _shape(timing.instruction_cache)
    if instruction is None and code.wait_states > 0:
        instruction = Cache(size=code.width, line=code.width, ways=1)
    data = _shape(timing.data_cache)
    if instruction is None and data is None:
        return None
    cached = timing.data.cached
    return Caches(instruction, data, (cached.first, cached.end) if cached else None)


def stalls(window: Window, timing: Timing, cycles: float) -> dict[str, float]:
    """Return the cycles that the memories add in a window to `cycles`, those of the core alone, by cause.

    Fills of lines for instructions, for constants in `code` and for data in `data`, each as long as
    `MemoryTiming.fill_cycles` says. With `prefetch`, a line that follows the one before it has been asked for when
    that began to run, and makes the core wait only for what is left. Without a data cache each read of `code` waits.
    Stores, and lines that a write fills or writes back, are taken to be hidden by write buffers.
    """
    code, data = timing.code, timing.data
    misses = window.misses
    line = timing.instruction_cache.line if timing.instruction_cache else code.width
    fill = code.fill_cycles(line)
    ahead = max(0.0, fill + 1 - line * _cycles_per_byte(window, cycles)) if code.prefetch else float(fill)
    found = {
        "fetch_jump": misses.get("fetch_jump", 0) * float(fill),
        "fetch_sequential": misses.get("fetch_sequential", 0) * min(float(fill), ahead),
    }
    if timing.data_cache:
        found["read_code"] = misses.get("read_code", 0) * float(code.fill_cycles(timing.data_cache.line))
        found["read_data"] = misses.get("read_data", 0) * float(data.fill_cycles(timing.data_cache.line))
    else:
        loads = window.loads or {}
        found["read_code"] = loads.get("code", 0) * float(code.wait_states)
        found["read_data"] = loads.get("data", 0) * float(data.wait_states)
    return {cause: waited for cause, waited in found.items() if waited}


def _shape(cache: CacheTiming | None) -> Cache | None:
    return Cache(cache.size, cache.line, cache.ways) if cache else None


def _cycles_per_byte(window: Window, cycles: float) -> float:
    """Return how long the core alone takes for a byte of code, on the window's average."""
    run = sum(len(block.code) * runs.executed for block, runs in window.blocks.items())
    return cycles / run if run > 0 else 0.0
