"""Tunes kernels of the framework tvm for a board: MetaSchedule proposes schedules, an emulator counts instructions.

A batch of candidates for one kernel becomes one image: a model in which each is an operator on the same input, built
and run as any other. Its profile tells what each takes; one whose output is not that of our schedule does not work.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hilbench import resources
from hilbench.catalog.board import Board
from hilbench.catalog.core import Core
from hilbench.catalog.find import Choice
from hilbench.device import HELLO_S
from hilbench.errors import BuildError, LinkError, StoreError, TargetError, Unavailable, UnsupportedModel, UsageError
from hilbench.frameworks import tflite
from hilbench.frameworks.base import YES, Emitted, Model, Request, Support
from hilbench.frameworks.tvm import FLAGS, TVM, kernel, packed, program, tuning
from hilbench.frameworks.tvm.program import Call, Program
from hilbench.images.build import build
from hilbench.link.client import Client
from hilbench.plugins import load
from hilbench.targets.base import Target
from hilbench.tensors import TensorInfo

_TIMEOUT_S = 120.0

Progress = Callable[[str, int, int], None]
"""Called with the operator whose kernel is tuned, how many kernels are done, and how many there are."""


@dataclass(frozen=True)
class Bench:
    """Where candidates run: a board on a target; `codegen` (the option of tvm) says who compiles them."""

    board: Board
    target: Target
    settings: Any
    codegen: str


@dataclass(frozen=True)
class Tuned:
    """A kernel, the operators that call it, the instructions of a call by our schedule and by the best one.

    `tried` is how many schedules were tried now, which is fewer than asked for where there are no more.
    """

    kernel: str
    operators: tuple[str, ...]
    before: int
    after: int
    tried: int


def bench_of(choice: Choice, codegen: str = "c") -> Bench:
    """Return where to tune for a board.

    Raises `UsageError` for one that counts no instructions, `Unavailable` when TVM or the emulator is not here.
    """
    board = choice.board
    if board.core_info.is_host or board.counter != "instructions":
        raise UsageError(
            f"kernels cannot be tuned on {board.id}, which counts {board.counter}",
            hint="an emulated board of the same core counts instructions: `hilbench boards` lists them",
        )
    target: Target = load("targets", choice.target)()
    settings = target.Settings.model_validate(board.targets[choice.target] or {})
    for here in (TVM().available(board.core_info, {}), target.available(board, settings)):
        if not here.ok:
            raise Unavailable(here.reason, hint=here.remedy or None)
    return Bench(board, target, settings, TVM().check_options({"codegen": codegen})["codegen"])


def tune(
    model: Model, bench: Bench, trials: int, folder: Path, progress: Progress = lambda name, done, total: None
) -> tuple[Tuned, ...]:
    """Try at most `trials` more schedules of each kernel of `model`, and keep those that work in `folder`.

    Raises `UnsupportedModel` (also for a model without anything to tune), `ModelError` for a damaged database,
    `StoreError` for a folder that cannot be written, and what a build and a run raise.
    """
    graph = tflite.read(model.path)
    steps = program.build(graph)
    kernels = _tunable(steps, model, bench.board.core_info)
    from hilbench.frameworks.tvm.search import search

    database, core = _database(folder), bench.board.core_info
    names, rows = graph.operator_names(), []
    for done, (what, calls) in enumerate(kernels.items()):
        operators = tuple(names[call.operator] for call in calls)
        progress(operators[0], done, len(kernels))
        with tempfile.TemporaryDirectory(prefix="hilbench-tune-") as work:
            measure = _Measure(what, steps, calls[0], bench, Path(work))
            tried = search(what, core, bench.codegen, trials, measure, database)
        counts, _ = tuning.best(database, what, core, bench.codegen)
        assert counts is not None, "a search begins with our schedule"
        rows.append(Tuned(type(what).__name__, operators, *counts, tried))
    return tuple(rows)


def _tunable(steps: Program, model: Model, core: Core) -> dict[kernel.Kernel, list[Call]]:
    """Return the kernels that can be tuned, and the calls of each."""
    found: dict[kernel.Kernel, list[Call]] = {}
    for call in (packed.rewrite(steps) if core.dsp else steps).calls:
        if isinstance(call.kernel, tuning.TUNABLE):
            found.setdefault(call.kernel, []).append(call)
    if not found:
        why = "; with the DSP extension, packed kernels written by hand are taken" if core.dsp else ""
        raise UnsupportedModel(f"{model.name} has no kernel to tune for {core.title}{why}", where=str(model.path))
    return found


def _database(folder: Path) -> Any:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StoreError(f"the folder cannot be written: {error.strerror}", where=str(folder)) from error
    return tuning.open_database(folder)


# ---- measuring


class _Measure:
    """Measures candidates for the kernel of `call`, each by its PrimFunc. The first one gives the output to reach."""

    def __init__(self, what: kernel.Kernel, steps: Program, call: Call, bench: Bench, work: Path) -> None:
        self._what, self._steps, self._call, self._bench, self._work = what, steps, call, bench, work
        self._expected: bytes | None = None
        self._images = 0

    def __call__(self, functions: Sequence[Any]) -> list[int | None]:
        """Return each one's instructions, None where it does not work.

        What does not build or run takes its batch with it, and is looked for in halves. Raises what a build and a run
        raise if not even the first candidate of all works.
        """
        try:
            outputs, counts = self._run(functions)
        except (BuildError, TargetError, LinkError):
            if self._expected is None:
                raise
            middle = len(functions) // 2
            return [*self(functions[:middle]), *self(functions[middle:])] if middle else [None]
        if self._expected is None:
            self._expected = outputs[0]
        return [count if output == self._expected else None for output, count in zip(outputs, counts, strict=True)]

    def _run(self, functions: Sequence[Any]) -> tuple[list[bytes], Sequence[int]]:
        """Return the outputs of all, and their instructions."""
        bench, self._images = self._bench, self._images + 1
        framework = _Candidates(self._what, self._steps, self._call, tuple(functions))
        request = Request(Model("candidates", Path(), ""), bench.board.core_info, {"codegen": bench.codegen})
        image = build(bench.board, framework, request, self._work / str(self._images), profile=True)
        size = self._steps.value_bytes[_source(self._call)]
        data = np.random.default_rng(0).integers(-128, 128, size, dtype=np.int8).tobytes()
        with bench.target.run(image.path, bench.board, bench.settings) as running:
            client = Client(running.stream, _TIMEOUT_S)
            client.hello(within_s=HELLO_S)
            (inference,) = client.infer([data], depth=1)
            counts = client.profile()[: len(functions)]
        size = self._steps.value_bytes[self._call.output]
        return [inference.output[i * size : (i + 1) * size] for i in range(len(functions))], counts


def _source(call: Call) -> int:
    source = call.arguments[0]
    assert isinstance(source, int), "a kernel's first argument is its input, all others are constants"
    return source


@dataclass(frozen=True)
class _Candidates:
    """Implements `hilbench.frameworks.base.Framework`: a model of one call, once for each of `functions`."""

    what: kernel.Kernel
    steps: Program
    call: Call
    functions: tuple[Any, ...]

    name = "tvm"  # for the helpers of that name
    title = "candidates"

    def available(self, core: Core, paths: Mapping[str, Path]) -> Support:
        return TVM().available(core, paths)

    def check_options(self, options: Mapping[str, str]) -> dict[str, str]:
        return TVM().check_options(options)

    def versions(self, request: Request) -> Mapping[str, str]:
        return TVM().versions(request)

    def supports(self, request: Request) -> Support:
        return YES

    def emit(self, request: Request, into: Path) -> Emitted:
        from hilbench.frameworks.tvm import emit

        numbers = range(len(self.functions))
        source, output = (self.steps.value_bytes[value] for value in (_source(self.call), self.call.output))
        constants = self.call.arguments[1:]
        assert isinstance(self.what, tuning.TUNABLE)
        calls = tuple(Call(i, kernel.Candidate(self.what, i), (0, *constants), 1 + i) for i in numbers)
        model = Program(calls, (source, *[output] * len(calls)), (0,), tuple(1 + i for i in numbers))
        names = tuple(f"candidate {i}" for i in numbers)
        llvm = request.core if request.options["codegen"] == "llvm" else None
        functions = dict(zip((call.kernel for call in calls), self.functions, strict=True))
        written = emit.write(model, names, llvm, into, functions.__getitem__)
        helpers = resources.FIRMWARE / "frameworks" / "tvm"
        return Emitted(
            inputs=(TensorInfo("input", "int8", (source,)),),
            outputs=tuple(TensorInfo(name, "int8", (output,)) for name in names),
            sources=(*written.sources, *sorted(helpers.glob("*.c"))),
            objects=written.objects,
            include_dirs=(into, helpers),
            flags=FLAGS,
            arena_bytes=written.arena_bytes,
            operators=names,
            profiled=True,
        )
