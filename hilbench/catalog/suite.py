"""What a suite is: one `suites/<id>.hil.yaml`, typed. Data only; `hilbench.catalog.load` reads the files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema

from hilbench.catalog.allowance import Written, parse_for
from hilbench.catalog.board import Strict, Word
from hilbench.errors import UsageError

Metric = Literal[
    "latency",
    "first_latency",
    "instructions",
    "cycles",
    "accuracy",
    "fidelity",
    "flash",
    "ram",
    "arena",
    "stack",
    "energy",
]
METRICS: tuple[str, ...] = get_args(Metric)
"""The metrics that `expect:` can set limits to; each in the unit of its record entry."""

Accuracy = Literal["top1", "balanced", "auc_binary", "auc_ovr", "auc", "auc_file", "mse"]
"""The ways to judge outputs; `hilbench.measure.score` has one function for each."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 in lower-case hexadecimal: 64 digits")]
Number = Annotated[float, Field(allow_inf_nan=False)]


class FileRef(Strict):
    """A file named by its contents. `file` is relative to the suite's own folder."""

    file: Word = Field(description="a path relative to the suite's file")
    sha256: Sha256

    @field_validator("file")
    @classmethod
    def _relative(cls, file: str) -> str:
        if not file.isprintable() or "\\" in file:
            raise ValueError("a path has '/' between its parts and no control characters")
        if PurePosixPath(file).is_absolute():
            raise ValueError("an absolute path is right on one computer only; it is relative to the suite's file")
        return file


class ModelRef(FileRef):
    """A model file. `shared: true` means that it is not ours to ship: it is looked for in `--hil-models`."""

    shared: bool = Field(default=False, description="true: looked for in the folders of --hil-models, not shipped")
    source: str = Field(default="", description="where a shared model comes from")


class ArrayData(Strict):
    """Samples in `.npy` files: `inputs` of shape (n, *input shape) and, when there are any, `labels` (n,) of integers.

    An element `x` stands for the real number `x * scale`, which is then quantised as the model's input says. `groups`
    (n,) of integers names the file or recording that each sample was cut from; `targets` (n, *output shape) are the
    real numbers that a regression should give.
    """

    inputs: FileRef
    labels: FileRef | None = None
    groups: FileRef | None = None
    targets: FileRef | None = None
    scale: Number = Field(default=1.0, gt=0)


class RandomData(Strict):
    """Random inputs, the same everywhere for one seed: for latency, memory and fidelity without a data set."""

    seed: int = Field(ge=0, lt=2**63)
    samples: int = Field(default=20, gt=0, le=100_000)


class Dataset(Strict):
    """The samples of a task: either `arrays` or `random`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["arrays"]}, {"required": ["random"]}]})

    name: Word = Field(description="the data set's name in tables and records")
    arrays: ArrayData | None = None
    random: RandomData | None = Field(default=None, validate_default=True)

    @field_validator("random")
    @classmethod
    def _one_kind(cls, random: RandomData | None, info: ValidationInfo) -> RandomData | None:
        if "arrays" in info.data and (info.data["arrays"] is None) == (random is None):
            raise ValueError("give either 'arrays' or 'random'" + (", not both" if random else ""))
        return random


class Latency(Strict):
    """How time is taken: the first `samples` inputs, one at a time on a quiet line, each run `repeats` times.

    Where time is noisy (not where instructions are counted), that is one round of at most `max_rounds`: rounds go on
    until half the 95 % interval of the median is at most `precision` of it.
    """

    samples: int = Field(default=10, gt=0, le=100_000)
    repeats: int = Field(default=3, ge=2, le=16, description="runs of each input, 2 to 16: their outputs are compared")
    warmup: int = Field(default=10, ge=1, le=16, description="inferences before the timed ones, 1 to 16")
    precision: Number = Field(default=0.02, gt=0, lt=1, description="how well the median has to be known: 0.02 is ±2 %")
    max_rounds: int = Field(default=20, ge=1, le=10_000, description="rounds after which an imprecise median will do")


class Bound(Strict):
    """Limits on one metric, in the unit of its record entry."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["min"]}, {"required": ["max"]}]})

    min: Number | None = None
    max: Number | None = Field(default=None, validate_default=True)

    @field_validator("max")
    @classmethod
    def _in_order(cls, upper: float | None, info: ValidationInfo) -> float | None:
        if "min" in info.data:
            lower = info.data["min"]
            if lower is None and upper is None:
                raise ValueError("give 'min', 'max' or both")
            if lower is not None and upper is not None and lower > upper:
                raise ValueError(f"the largest value allowed ({upper:g}) is below the smallest ({lower:g})")
        return upper


class Task(Strict):
    """One question: this model on this data, judged by this metric."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    title: str = ""
    model: ModelRef
    dataset: Dataset
    accuracy: Accuracy | None = Field(
        default=None,
        description="top1, balanced, auc_binary, auc_ovr: of classes; auc, auc_file: input and output differ more if "
        "faulty, by sample or by file; mse: squared error of numbers",
    )
    classes: tuple[Word, ...] | None = Field(default=None, min_length=2, description="the names of a model's classes")
    latency: Latency = Latency()
    expect: dict[Metric, Bound] = Field(default_factory=dict)
    fail: dict[Metric, Written] = Field(default_factory=dict)
    timeout_s: Number = Field(default=60.0, gt=0, description="longest silence of the device before it counts as hung")

    def bars(self, whole: bool) -> dict[Metric, Bound]:
        """Return what is expected of a run: of shares of all samples only of a run of the `whole` data set."""
        return {name: bound for name, bound in self.expect.items() if whole or not _is_share(name, bound)}

    @field_validator("accuracy")
    @classmethod
    def _has_labels(cls, accuracy: str | None, info: ValidationInfo) -> str | None:
        data = info.data.get("dataset")
        if accuracy is None or data is None:
            return accuracy
        if accuracy == "mse":
            if not data.arrays:
                raise ValueError("'mse' needs a data set of arrays: 'inputs', and 'targets' unless the model is an "
                                 "autoencoder")  # fmt: skip
        elif not (data.arrays and data.arrays.labels):
            raise ValueError(f"'{accuracy}' needs a data set with labels")
        elif accuracy == "auc_file" and not data.arrays.groups:
            raise ValueError("'auc_file' needs 'groups' beside the labels: the number of the file each sample is from")
        return accuracy

    @field_validator("classes")
    @classmethod
    def _each_once(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if classes and (twice := next((name for name in classes if classes.count(name) > 1), None)):
            raise ValueError(f"two classes have the name '{twice}'")
        return classes

    @field_validator("fail")
    @classmethod
    def _units_fit(cls, fail: dict[Metric, Written]) -> dict[Metric, Written]:
        for name, allowance in fail.items():
            try:
                parse_for(name, str(allowance))
            except UsageError as error:
                raise ValueError(str(error)) from None
        return fail

    @field_validator("expect")
    @classmethod
    def _accuracy_is_measured(cls, expect: dict[Metric, Bound], info: ValidationInfo) -> dict[Metric, Bound]:
        if "accuracy" in expect and info.data.get("accuracy", "") is None:
            raise ValueError("a limit on 'accuracy', but the task has no 'accuracy:' that says which metric")
        return expect


def _is_share(name: str, bound: Bound) -> bool:
    """Say whether a limit on this metric lets some samples be wrong: a fidelity of 1 holds for each of them."""
    return name == "accuracy" or (name == "fidelity" and (bound.min or 0.0) < 1.0)


class Suite(Strict):
    """A file of tasks. `folder` is where it was read from: file names in it are relative to that."""

    suite: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="the file's name without .hil.yaml")
    title: str = ""
    tasks: tuple[Task, ...] = Field(min_length=1)
    folder: SkipJsonSchema[Path] = Field(default=Path(), exclude=True)
