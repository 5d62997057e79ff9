"""The record of one run, schema `hilbench.record/2`: every number with its unit and basis, and what produced it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from hilbench.catalog.power import Power
from hilbench.catalog.suite import Bound
from hilbench.errors import StoreError
from hilbench.measure.counted import Counts
from hilbench.measure.energy import Metered
from hilbench.measure.metric import Int, Metric, Number, Part
from hilbench.measure.profile import Profile
from hilbench.measure.score import Confusion
from hilbench.records import seal, versions
from hilbench.tensors import TensorInfo

SCHEMA: Literal["hilbench.record/2"] = "hilbench.record/2"
_DAMAGED = "the file is damaged; remove it or run the benchmark again"


class TargetFacts(Part):
    """What the image ran on. `stand_in` names the board that stood in for the real one; `silicon`: no emulator.

    `attached` says how a real board was reached: probe, chip, serial line, and what was flashed.
    """

    kind: str
    version: str
    stand_in: str | None = None
    silicon: bool = False
    attached: dict[str, str] = Field(default_factory=dict)


class BoardFacts(Part):
    """The board: its id, core and clock, what its counter counts, and what an energy was estimated from."""

    id: str
    name: str
    core: str
    clock_hz: Int | None
    counter: str
    power: Power | None = None


class FrameworkFacts(Part):
    """The framework with all its options and the versions and hashes of all that shaped its code.

    `variant` is its name with the options that are not the defaults.
    """

    name: str
    variant: str
    version: str
    options: dict[str, str]
    versions: dict[str, str]


class ModelFacts(Part):
    """The model by its hash. `macs`: multiply-accumulates of one inference, from its shapes."""

    name: str
    sha256: str
    macs: Int | None
    operators: tuple[str, ...]


class DatasetFacts(Part):
    """The data by its hash, and how many `of` its samples were used (always the first ones).

    `inputs_sha256` is the hash of every byte that was streamed, in order: which samples, and how they were quantised.
    """

    name: str
    sha256: str
    samples: Int
    of: Int
    inputs_sha256: str


class ImageFacts(Part):
    """The image: the hash of its file, its build id and compiler. `parts_bytes` is its size by section and by part."""

    sha256: str
    build_id: str
    compiler: str | None
    flags: tuple[str, ...]
    parts_bytes: dict[str, Int]


class Recovery(Part):
    """A failure of the board that the run got over: at which sample of which phase, and how the board had died."""

    phase: str
    sample: Int
    report: str


class ReferenceFacts(Part):
    """What the outputs were compared with."""

    name: str
    versions: dict[str, str]


class Tensors(Part):
    """The model's inputs and outputs: what the bytes of `samples` mean."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]

    @field_validator("inputs", "outputs")
    @classmethod
    def _numbers(cls, tensors: tuple[TensorInfo, ...]) -> tuple[TensorInfo, ...]:
        if not all(-(2**63) <= n < 2**63 for tensor in tensors for n in (*tensor.shape, tensor.zero_point)):
            raise ValueError("a number of a tensor has more than 64 bits")
        return tensors


class Samples(Part):
    """Raw observations, enough to score times, energy, accuracy and fidelity again.

    `times`: one entry a visit of a timed sample, of one [input, inference, output] triple a repeat, in the board's
    counter unit; round after round, so that entry i is of sample i modulo their number. `warmup`: those before them.
    `outputs`: the model's output bytes of all samples one after another, base64. `reference`: the same for
    the reference interpreter, where there is one. Where cycles were estimated, `cycles` are those of each timed
    inference, `copy_cycles` those of its input copy and output copy, and `first_cycles` those of the first inference
    after reset. `energy`: what a meter integrated.
    """

    warmup: tuple[tuple[Int, Int, Int], ...] = ()
    times: tuple[tuple[tuple[Int, Int, Int], ...], ...]
    outputs: str
    reference: str | None = None
    labels: tuple[Int, ...] | None = None
    cycles: tuple[tuple[Number, ...], ...] | None = None
    copy_cycles: tuple[tuple[tuple[Number, Number], ...], ...] | None = None
    first_cycles: Number | None = None
    energy: Metered | None = None


class Record(Part):
    """One run of one task on one board with one framework. `scored_by` is the suite's word for its `accuracy`."""

    record_schema: Literal["hilbench.record/2"] = Field(default=SCHEMA, alias="schema")
    id: str
    started: str
    duration_s: Number
    hilbench: str
    suite: str
    task: str
    board: BoardFacts
    target: TargetFacts
    framework: FrameworkFacts
    model: ModelFacts
    tensors: Tensors | None = Field(description="None in records of the first schema, which did not keep them")
    scored_by: str | None
    dataset: DatasetFacts
    image: ImageFacts
    reference: ReferenceFacts | None
    host: dict[str, str]
    source: dict[str, str]
    metrics: dict[str, Metric]
    confusion: Confusion | None = None
    bars: dict[str, Bound] = Field(description="what the suite's `expect:` asked of this run")
    profile: Profile | None = None
    counts: Counts | None = None
    meter: dict[str, str] | None = Field(default=None, description="the power meter that watched the run")
    missing: dict[str, str] = Field(description="metrics that this run could not have, with the reason")
    samples: Samples
    link: dict[str, Int] = Field(description="what went over the line; `bytes_placed` went past it, into memory")
    recoveries: tuple[Recovery, ...] = ()

    @field_validator("started")
    @classmethod
    def _is_a_time(cls, started: str) -> str:
        time_of(started)
        return started

    @model_validator(mode="after")
    def _measured_on_silicon(self) -> Self:
        """Hold the promise: what an emulator or a computer gave is never called measured."""
        wrong = [name for name, metric in self.metrics.items() if metric.basis == "measured"]
        if self.profile is not None and self.profile.basis == "measured":
            wrong.append("profile")
        if wrong and not self.target.silicon:
            raise ValueError(f"{wrong[0]} is called measured, but {self.target.kind} is no silicon")
        return self

    @property
    def label(self) -> str:
        """The run in one word, such as `digits[mps2-an386-tvm]`."""
        return f"{self.task}[{self.board.id}-{self.framework.variant}]"

    def to_json(self) -> str:
        """Return the document as indented JSON with a final newline, sealed: `hilbench.records.seal`."""
        return seal.sealed(json.dumps(self.model_dump(mode="json", by_alias=True), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def from_json(cls, text: str, where: str) -> Record:
        """Read a document, of an older schema too. Raises `StoreError`, naming `where` and the first thing wrong."""
        try:
            record = cls.model_validate_json(seal.opened(text, where))
            if not seal.has_seal(text):
                raise StoreError("the record has lost its seal, its last line", where=where, hint=_DAMAGED)
            return record
        except ValidationError as error:
            upgraded = versions.upgraded(text, where)
            if upgraded is not None:
                return cls._checked(upgraded, where)
            raise _damaged(error, where) from None

    @classmethod
    def _checked(cls, document: dict[str, Any], where: str) -> Record:
        try:
            return cls.model_validate_json(json.dumps(document))
        except ValidationError as error:
            raise _damaged(error, where) from None


def time_of(text: str) -> datetime:
    """Return an ISO 8601 time, such as a record's `started`, in UTC. Without a zone it is taken for UTC.

    Raises ValueError for what is none, or is one that the years 1 to 9999 of UTC do not have.
    """
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"'{text[:60]}' is no time, such as 2026-01-02T03:04:05+00:00") from None


def _damaged(error: ValidationError, where: str) -> StoreError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "the document"
    count = error.error_count()
    more = f" ({count} mistakes in all)" if count > 1 else ""
    return StoreError(
        f"not a {SCHEMA} record: {field}: {first['msg']}{more}",
        where=where,
        hint=_DAMAGED,
    )


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a record as it is kept: with its seal."""
    schema = Record.model_json_schema(by_alias=True)
    schema["properties"]["seal"] = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$", "description": seal.__doc__}
    return schema
