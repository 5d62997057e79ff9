"""Work on many things with all cores, in their order, with only a few of them in memory at a time."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

_CHUNK = 64
_AHEAD = 3
"""Chunks a worker that are read before the oldest is taken."""
FEW = 256
"""Below that a pool of processes takes longer to start than to save."""

In = TypeVar("In")
Out = TypeVar("Out")


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool:
    """Applies functions, which must be known to a module by name, in `jobs` processes; in this one if that is 1."""

    def __init__(self, jobs: int, executor: ProcessPoolExecutor | None) -> None:
        self._jobs, self._executor = jobs, executor

    def apply(self, function: Callable[[In], Out], items: Iterable[In]) -> Iterator[tuple[In, Out]]:
        """Yield each item with what `function` made of it, in order. Few items are done in this process."""
        iterator = iter(items)
        first = list(islice(iterator, FEW))
        if self._executor is None or len(first) < FEW:
            for item in (*first, *iterator):
                yield item, function(item)
            return
        waiting: deque[tuple[list[In], Future[list[Out]]]] = deque()
        for chunk in _chunks(first, iterator):
            waiting.append((chunk, self._executor.submit(_each, function, chunk)))
            if len(waiting) > _AHEAD * self._jobs:
                yield from _done(*waiting.popleft())
        while waiting:
            yield from _done(*waiting.popleft())


@contextmanager
def pool(jobs: int) -> Iterator[Pool]:
    """Give a pool of `jobs` processes. They are started when the first many things come, and end with the block."""
    if jobs <= 1:
        yield Pool(1, None)
        return
    # Not forked: a parent with threads, as a test runner may be, must not be copied.
    executor = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield Pool(jobs, executor)
    finally:
        executor.shutdown(cancel_futures=True)


def _chunks(first: Sequence[In], rest: Iterator[In]) -> Iterator[list[In]]:
    for start in range(0, len(first), _CHUNK):
        yield list(first[start : start + _CHUNK])
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def _done(chunk: Sequence[In], future: Future[list[Out]]) -> Iterator[tuple[In, Out]]:
    yield from zip(chunk, future.result(), strict=True)


def _each(function: Callable[[In], Out], items: Sequence[In]) -> list[Out]:
    return [function(item) for item in items]
