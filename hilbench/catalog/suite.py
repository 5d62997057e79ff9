"""What a suite is: one `suites/<id>.hil.yaml`, typed. Data only; `hilbench.catalog.load` reads the files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hilbench.catalog.board import Strict

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 in lower-case hexadecimal")]


class FileRef(Strict):
    """A file named by its contents. `file` is relative to the suite's own folder."""

    file: str
    sha256: Sha256


class ModelRef(FileRef):
    """A model file. `shared: true` means that it is not ours to ship: it is looked for in `--hil-models`."""

    shared: bool = False
    source: str = ""


class ArrayData(Strict):
    """Samples in `.npy` files: `inputs` of shape (n, *input shape) and, when there are any, `labels` (n,) of integers.

    An element `x` stands for the real number `x * scale`, which is then quantised as the model's input says.
    """

    inputs: FileRef
    labels: FileRef | None = None
    scale: float = Field(default=1.0, gt=0)


class RandomData(Strict):
    """Random inputs, the same everywhere for one seed: for latency, memory and fidelity where no data set is at hand."""

    seed: int = Field(ge=0)
    samples: int = Field(default=20, gt=0)


class Dataset(Strict):
    """The samples of a task: either `arrays` or `random`."""

    name: str
    arrays: ArrayData | None = None
    random: RandomData | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Dataset:
        if (self.arrays is None) == (self.random is None):
            raise ValueError("give either 'arrays' or 'random'")
        return self


class Latency(Strict):
    """How time is taken: the first `samples` inputs, one at a time on a quiet line, each run `repeats` times."""

    samples: int = Field(default=10, gt=0)
    repeats: int = Field(default=3, ge=2, le=16)


class Bound(Strict):
    """Limits on one metric, in the unit of its record entry."""

    min: float | None = None
    max: float | None = None


class Task(Strict):
    """One question: this model on this data, judged by this metric."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    title: str = ""
    model: ModelRef
    dataset: Dataset
    accuracy: Literal["top1"] | None = None
    latency: Latency = Latency()
    expect: dict[str, Bound] = Field(default_factory=dict)
    timeout_s: float = Field(default=60.0, gt=0, description="longest silence of the device before it counts as hung")

    @model_validator(mode="after")
    def _labels_for_accuracy(self) -> Task:
        if self.accuracy and not (self.dataset.arrays and self.dataset.arrays.labels):
            raise ValueError(f"accuracy '{self.accuracy}' needs a data set with labels")
        return self


class Suite(Strict):
    """A file of tasks. `folder` is where it was read from: file names in it are relative to that."""

    suite: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    title: str = ""
    tasks: tuple[Task, ...] = Field(min_length=1)
    folder: Path = Field(default=Path(), exclude=True)
