"""Plausible records of made-up runs, cheaply: every metric follows from its record's own samples, so `verify` says ok.

A *series* is one task on one board with one framework. Its runs follow each other in time, each from a commit of its
own; at one or two of them its kernels become faster or slower, and stay so. Emulated boards count the same number each
run; silicon is noisy. `generated` yields records, `write` fills a folder with many: it makes each distinct outcome once
and changes only id, time, commit and seal.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hilbench.catalog.board import Board, Memory, Region
from hilbench.catalog.power import Power
from hilbench.images.elf import Sizes
from hilbench.measure.accuracy import confusion, fidelity, top1
from hilbench.measure.energy import estimated_energy
from hilbench.measure.latency import time_metrics
from hilbench.measure.memory import memory_metrics
from hilbench.records import seal
from hilbench.records.record import SCHEMA, Record
from hilbench.tensors import TensorInfo

TASKS = ("digits", "gestures", "keywords")
BOARDS = ("mps2-an386", "mps2-an500", "bench-m4", "bench-m7")
FRAMEWORKS = ("tvm", "tvm:codegen=c", "tflm", "emlearn")

_MEMORY = Memory(code=Region(base=0, size="1M"), data=Region(base=0x2000_0000, size="256K"))
_POWER = Power(active_a=0.0042, voltage_v=3.3, source="a made-up data sheet, revision 0, table 1")
_BOARDS = {
    "mps2-an386": ("Arm MPS2+ with AN386", "cortex-m4f", 25_000_000, False),
    "mps2-an500": ("Arm MPS2+ with AN500", "cortex-m7f", 25_000_000, False),
    "bench-m4": ("a made-up board with a Cortex-M4F", "cortex-m4f", 64_000_000, True),
    "bench-m7": ("a made-up board with a Cortex-M7", "cortex-m7f", 216_000_000, True),
}
_CLASSES, _SAMPLES, _VISITS, _REPEATS = 4, 24, 8, 2
_INPUTS = (TensorInfo("input", "int8", (1, 32), 0.5, -128),)
_OUTPUTS = (TensorInfo("scores", "int8", (1, _CLASSES), 1 / 256, -128),)
_NOISES = 8
"""Different draws of noise a level of a series; they come round again."""
_FIRST = datetime(2025, 1, 6, 8, 0, 0, tzinfo=UTC)
_BETWEEN = timedelta(minutes=7)


def generated(
    count: int,
    *,
    seed: int = 0,
    tasks: Sequence[str] = TASKS,
    boards: Sequence[str] = BOARDS,
    frameworks: Sequence[str] = FRAMEWORKS,
) -> Iterator[Record]:
    """Yield `count` records, oldest first, turn by turn of each series. The same arguments yield the same records."""
    for run in _runs(count, seed, tasks, boards, frameworks):
        changed = {"id": run.id, "started": run.started, "source": run.source}
        yield run.outcome.record.model_copy(update=changed)


def write(
    folder: Path,
    count: int,
    *,
    seed: int = 0,
    tasks: Sequence[str] = TASKS,
    boards: Sequence[str] = BOARDS,
    frameworks: Sequence[str] = FRAMEWORKS,
) -> None:
    """Write the records of `generated` into `folder` as `<id>.json`, sealed: many thousands a second."""
    folder.mkdir(parents=True, exist_ok=True)
    for run in _runs(count, seed, tasks, boards, frameworks):
        (folder / f"{run.id}.json").write_text(run.text(), encoding="utf-8")


@dataclass
class _Outcome:
    """What runs of one series, level and draw of noise have in common."""

    record: Record

    @cached_property
    def template(self) -> str:
        return json.dumps(self.record.model_dump(mode="json", by_alias=True), indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class _Run:
    id: str
    started: str
    source: dict[str, str]
    outcome: _Outcome

    def text(self) -> str:
        like = self.outcome.record
        text = self.outcome.template.replace(f'"id": "{like.id}"', f'"id": "{self.id}"', 1)
        text = text.replace(f'"started": "{like.started}"', f'"started": "{self.started}"', 1)
        return seal.sealed(text.replace(like.source["commit"], self.source["commit"], 1))


def _runs(
    count: int, seed: int, tasks: Sequence[str], boards: Sequence[str], frameworks: Sequence[str]
) -> Iterator[_Run]:
    series = [(task, board, framework) for task in tasks for board in boards for framework in frameworks]
    outcomes: dict[tuple[tuple[str, str, str], int, int], _Outcome] = {}
    runs = max(1, count // len(series))
    for index in range(count):
        which, turn = series[index % len(series)], index // len(series)
        level = sum(turn >= int(runs * share) for share in _steps(seed, which))
        noise = turn % _NOISES if _BOARDS[which[1]][3] else 0
        started = _FIRST + _BETWEEN * index
        commit = hashlib.sha1(f"{seed} {turn}".encode()).hexdigest()
        key = (which, level, noise)
        if key not in outcomes:
            outcomes[key] = _Outcome(_record(seed, which, level, noise))
        unique = hashlib.sha256(f"{seed} {index}".encode()).hexdigest()[:8]
        task, board, framework = which
        yield _Run(
            f"{started:%Y%m%dT%H%M%S}-{task}-{board}-{framework.partition(':')[0]}-{unique}",
            started.isoformat(timespec="seconds"),
            {"commit": commit, "branch": "main"},
            outcomes[key],
        )


def _steps(seed: int, which: tuple[str, str, str]) -> tuple[float, ...]:
    """Return at which shares of its runs a series changes its speed: once or twice."""
    draw = random.Random(f"{seed} {which}")
    return (draw.uniform(0.3, 0.5), draw.uniform(0.6, 0.8))[: draw.randint(1, 2)]


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _board(board: str) -> Board:
    name, core, clock_hz, silicon = _BOARDS[board]
    counter = "cycles" if silicon else "instructions"
    return Board(
        id=board,
        name=name,
        core=core,
        clock_hz=clock_hz,
        counter=counter,
        memory=_MEMORY,
        port={"name": "made_up"},
        targets={"probe" if silicon else "qemu": {}},
    )


def _record(seed: int, which: tuple[str, str, str], level: int, noise: int) -> Record:
    task, board_id, framework = which
    board, name = _board(board_id), framework.partition(":")[0]
    draw = np.random.default_rng([seed, noise, level, *hashlib.sha256(repr(which).encode()).digest()[:8]])
    silicon = _BOARDS[board_id][3]
    times = _times(which, level, draw if silicon else None)
    outputs, reference, labels = _outputs(task, name)
    metrics = (
        fidelity(outputs, reference, _OUTPUTS)
        | memory_metrics(*_sizes(which, level))
        | time_metrics(times[1:], board, times[0][0][1])
        | {"accuracy": top1(outputs, labels, _OUTPUTS)}
    )
    if silicon:
        metrics["energy"] = estimated_energy(metrics["latency"], _POWER)
    return Record.model_validate(
        {
            "schema": SCHEMA,
            "id": "20250101T000000-like-00000000",
            "started": "2025-01-01T00:00:00+00:00",
            "duration_s": 3.25,
            "hilbench": "0.1.0",
            **_facts(which, level, board, silicon),
            "scored_by": "top1",
            "source": {"commit": "0" * 40, "branch": "main"},
            "metrics": metrics,
            "confusion": {"classes": None, "counts": confusion(outputs, labels, _OUTPUTS)},
            "bars": {"fidelity": {"min": 1.0}} if name != "emlearn" else {"accuracy": {"min": 0.5}},
            "missing": {} if silicon else {"energy": "the board's file says nothing of its current"},
            "samples": {
                "warmup": times[0],
                "times": times[1:],
                "outputs": base64.b64encode(b"".join(outputs)).decode(),
                "reference": base64.b64encode(b"".join(reference)).decode(),
                "labels": labels,
            },
            "link": {"bytes_sent": 989, "bytes_received": 1372, "frames_resent": 0},
        }
    )


def _facts(which: tuple[str, str, str], level: int, board: Board, silicon: bool) -> dict[str, Any]:
    task, _, framework = which
    name, *options = framework.split(":")
    version = f"{FRAMEWORKS.index(framework) if framework in FRAMEWORKS else 0}.{level}"
    return {
        "suite": task,
        "task": task,
        "board": {key: getattr(board, key) for key in ("id", "name", "core", "clock_hz", "counter")},
        "target": {"kind": "probe" if silicon else "qemu", "version": "1.0" if silicon else "7.2.22",
                   "silicon": silicon},
        "framework": {"name": name, "variant": framework, "version": version, "versions": {name: version},
                      "options": dict(option.split("=") for option in options)},
        "model": {"name": task, "sha256": _hash("model", task), "macs": 1000 * len(task),
                  "operators": ["0 CONV_2D", "1 FULLY_CONNECTED"]},
        "tensors": {"inputs": _INPUTS, "outputs": _OUTPUTS},
        "dataset": {"name": f"{task}, held out", "sha256": _hash("data", task), "samples": _SAMPLES, "of": _SAMPLES,
                    "inputs_sha256": _hash("inputs", task)},
        "image": {"sha256": _hash("image", which, level), "build_id": _hash("build", which, level)[:32],
                  "compiler": "arm-none-eabi-gcc 12.2.1", "flags": ["-O2"], "parts_bytes": {}},
        "reference": {"name": "TensorFlow Lite Micro", "versions": {"tflite-micro": "0.dev20261023182759"}},
        "host": {"os": "Linux", "machine": "x86_64", "python": "3.11.7"},
    }  # fmt: skip


def _times(
    which: tuple[str, str, str], level: int, noise: np.random.Generator | None
) -> list[list[tuple[int, int, int]]]:
    """Return the warm-up and then the timed visits, of [input, inference, output] triples, in counter units."""
    draw = random.Random(f"times {which}")
    task, board, framework = which
    base = 60_000 * (1 + sum(map(ord, task)) % 5) * (1.0 + 0.35 * (sum(map(ord, framework)) % 7)) * draw.uniform(1, 1.1)
    base *= 0.7 if board.endswith(("m7", "500")) else 1.0
    for _ in range(level):
        base *= draw.choice((0.82, 0.9, 0.95, 1.06))
    visits = []
    for sample in range(_VISITS + 1):
        repeats = 1 if sample == 0 else _REPEATS
        jitter = noise.normal(1.0, 0.004, repeats) if noise is not None else np.ones(repeats)
        visits.append([(73, int(base * float(factor)) + 16 * sample, 54) for factor in jitter])
    return visits


def _outputs(task: str, framework: str) -> tuple[list[bytes], list[bytes], list[int]]:
    """Return outputs, those of the reference, and labels. emlearn differs from the reference for one sample."""
    draw = np.random.default_rng([*task.encode()])
    labels = draw.integers(0, _CLASSES, _SAMPLES)
    scores = draw.integers(-128, 40, (_SAMPLES, _CLASSES)).astype(np.int8)
    scores[np.arange(_SAMPLES), labels] = 100
    scores[0] = np.roll(scores[0], 1)  # one is wrong
    reference = [row.tobytes() for row in scores]
    outputs = list(reference)
    if framework == "emlearn":
        outputs[1] = np.roll(scores[1], 1).tobytes()
    return outputs, reference, labels.tolist()


def _sizes(which: tuple[str, str, str], level: int) -> tuple[Sizes, int, int, int]:
    draw = random.Random(f"sizes {which[0]} {which[2]}")
    flash = draw.randrange(12_000, 60_000) - 256 * level
    arena = draw.randrange(2_000, 16_000)
    return Sizes(flash, 9_000, arena + 512, 12_000, 16_384), arena, draw.randrange(300, 900), arena
