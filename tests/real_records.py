"""Records of real runs, small ones, each made once: what `verify` has to believe."""

import functools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hilbench import bench, catalog, resources
from hilbench.plan import Plan
from hilbench.records import seal
from hilbench.records.record import Record
from hilbench.records.store import Document

SAMPLES = 24
RUNS = {
    "digits": ("digits", "digits", "mps2-an386@qemu", "tvm"),
    "anomaly": ("vibration", "anomaly", "mps2-an386@qemu", "tvm"),
    "squares": ("squares", "anomaly", "mps2-an386@qemu", "tvm"),
    "nano33": ("digits", "digits", "nano33@qemu", "tvm"),
    "host": ("gestures", "gestures", "host", "tflm"),
    "keywords": ("keywords", "keywords", "mps2-an386@qemu", "tvm"),
}
"""Suite, task, board and framework. `squares` is the anomaly detector, judged by its squared error."""


def suite_file(name: str) -> Path:
    return resources.SUITES / f"{name}.hil.yaml" if name != "squares" else squares()


@functools.cache
def squares() -> Path:
    """A suite that judges an autoencoder by its squared error; the files are those of the vibration suite."""
    folder = Path(tempfile.mkdtemp(prefix="hilbench-squares-"))
    (folder / "vibration").symlink_to(resources.SUITES / "vibration")
    suite = yaml.safe_load((resources.SUITES / "vibration.hil.yaml").read_text())
    (anomaly,) = (task for task in suite["tasks"] if task["id"] == "anomaly")
    suite |= {"suite": "squares", "tasks": [{**anomaly, "accuracy": "mse", "expect": {}}]}
    path = folder / "squares.hil.yaml"
    path.write_text(yaml.safe_dump(suite))
    return path


@functools.cache
def real(name: str) -> Record:
    """Return the record of a real run."""
    pytest.importorskip("tvm" if name != "host" else "tflite_micro")
    suite, task, board, framework = RUNS[name]
    (choice,) = catalog.resolve([board])
    plan = Plan(suite_file(suite), task, choice.board, choice.target, framework, samples=SAMPLES,
                profile=name == "digits")  # fmt: skip
    return bench.run(plan)


def kept(record: Record, text: str | None = None) -> Document:
    return Document(record.id, "here", record.to_json() if text is None else text)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each number, word and empty thing in `value`."""
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from leaves(one, (*path, key))
    elif isinstance(value, list) and value:
        for index, one in enumerate(value):
            yield from leaves(one, (*path, index))
    else:
        yield path


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        value = value[part]
    return value


def forged(document: dict[str, Any], path: tuple[str | int, ...], value: Any) -> str:
    """Return the text of `document` with another value at `path`, and a new seal, as one would who knows how."""
    changed = json.loads(json.dumps(document))
    at(changed, path[:-1])[path[-1]] = value
    return seal.sealed(json.dumps(changed, indent=1, ensure_ascii=False) + "\n")
