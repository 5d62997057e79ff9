"""Makes the metrics of a record again from what it holds, with the functions that made them in the run."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from pydantic import ValidationError

from hilbench.catalog.core import CORES
from hilbench.catalog.data import Samples
from hilbench.errors import ModelError
from hilbench.measure.counted import Claim, EstimatedTimes
from hilbench.measure.energy import estimated_energy, measured_energy
from hilbench.measure.latency import time_metrics
from hilbench.measure.memory import ALL_SPARE, memory_metrics, sizes_of
from hilbench.measure.metric import Metric
from hilbench.measure.profile import OperatorCycles, Profile, profile_of
from hilbench.measure.references import judge_named
from hilbench.measure.score import KINDS, Confusion, Question, confusion_of, score
from hilbench.records.record import Record

TIMES = ("instructions", "cycles", "latency", "first_latency", "input_latency", "output_latency")
MEMORY = ("flash", "ram", "stack", "arena", "arena_asked")
FIDELITY = ("fidelity", "fidelity_lsb")
ENERGY = ("energy", "net_energy", "idle_power")
_OLD = "records of the first schema do not say how outputs are read"
ABSURD = (ModelError, ValidationError, ValueError, ArithmeticError, LookupError, TypeError)
"""What comes of samples that no run could have given."""


class Unknown(Exception):
    """The record does not hold what is needed; the message says what."""


@dataclass
class Remade:
    """Metrics made again; `unknown` are those that cannot be, and `absurd` those that nothing could give, with why."""

    metrics: dict[str, Metric] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    absurd: dict[str, str] = field(default_factory=dict)


def remade(record: Record, data: Samples | None = None) -> Remade:
    """Return all metrics of `record` that can be made again. `data` is its data set, if that is at hand."""
    result = Remade()
    makers: tuple[tuple[tuple[str, ...], Callable[[], dict[str, Metric]]], ...] = (
        (("accuracy",), lambda: _accuracy(record, data)),
        (FIDELITY, lambda: _fidelity(record)),
        (TIMES, lambda: _times(record)),
        (MEMORY, lambda: _memory(record)),
        (ENERGY, lambda: _energy(record)),
    )
    for names, maker in makers:
        try:
            with np.errstate(all="ignore"):  # what comes of absurd samples is no number, and no metric takes that
                result.metrics |= maker()
        except Unknown as reason:
            result.unknown |= dict.fromkeys(names, str(reason))
        except ABSURD as error:
            result.absurd |= dict.fromkeys(names, str(error).partition("\n")[0])
    raw = record.samples
    if raw.cycles is not None and (raw.copy_cycles is None or raw.first_cycles is None):
        for name in ("first_latency", "input_latency", "output_latency"):
            result.metrics.pop(name, None)
            result.unknown[name] = "its cycles are not kept"
    return result


def output_bytes(record: Record, text: str | None = None) -> list[bytes]:
    """Return the outputs (or `text`, the reference's) of each sample. Raises `Unknown`, ValueError for damage."""
    if record.tensors is None:
        raise Unknown(_OLD)
    size = sum(tensor.bytes for tensor in record.tensors.outputs)
    try:
        whole = base64.b64decode(record.samples.outputs if text is None else text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the outputs are no base64: {error}") from None
    if size < 1 or len(whole) != size * record.dataset.samples:
        raise ValueError(
            f"{record.dataset.samples} samples of {size} bytes are claimed, and there are {len(whole)} bytes of outputs"
        )
    return [whole[start : start + size] for start in range(0, len(whole), size)]


@dataclass(frozen=True)
class _Judged:
    accuracy: str | None
    classes: tuple[str, ...] | None


def _question(record: Record, data: Samples | None) -> Question:
    if record.tensors is None:
        raise Unknown(_OLD)
    if data is None:
        raw, facts = record.samples, record.dataset
        labels = None if raw.labels is None else np.asarray(raw.labels, dtype=np.int64)
        data = Samples([], labels, facts.sha256, facts.name, facts.of)
    return Question(data, record.tensors.inputs, record.tensors.outputs)


def _judged(record: Record, data: Samples | None) -> _Judged:
    """Return how the record says that it was judged. Raises `Unknown` where that takes more than is here."""
    kind = record.scored_by
    if record.tensors is None:
        raise Unknown(_OLD)
    if kind is not None and kind not in KINDS:
        raise Unknown(f"'{kind}' is no way of judging that this hilbench knows")
    if kind is not None and data is None and not KINDS[kind].classifies:
        raise Unknown(f"'{kind}' takes the data set, which is not here")
    if kind is not None and KINDS[kind].classifies and record.samples.labels is None:
        raise ValueError(f"'{kind}' takes labels, and there are none")
    return _Judged(kind, record.confusion.classes if record.confusion else None)


def _accuracy(record: Record, data: Samples | None) -> dict[str, Metric]:
    judged = _judged(record, data)
    return {} if judged.accuracy is None else score(judged, _question(record, data), output_bytes(record))


def confusion_again(record: Record) -> Confusion | None:
    """Return the confusion matrix of the outputs. Raises `Unknown`, ValueError and ModelError."""
    if record.scored_by is not None and record.scored_by in KINDS and not KINDS[record.scored_by].classifies:
        return None
    return confusion_of(_judged(record, None), _question(record, None), output_bytes(record))


def _fidelity(record: Record) -> dict[str, Metric]:
    if record.samples.reference is None:
        if record.reference is not None:
            raise ValueError(f"the outputs are said to be compared with {record.reference.name}'s: there are none")
        return {}
    if record.tensors is None:
        raise Unknown(_OLD)
    judge = judge_named(record.reference.name) if record.reference else None
    if judge is None:
        raise Unknown("it does not say with what the outputs were compared, or not in words that this hilbench knows")
    reference = output_bytes(record, record.samples.reference)
    return judge.compare(output_bytes(record), reference, record.tensors.outputs)


def _times(record: Record) -> dict[str, Metric]:
    raw, board = record.samples, record.board
    if not any(part for visit in raw.times for repeat in visit for part in repeat):
        if record.metrics.keys() & set(TIMES):
            raise ValueError("its clock did not count")
        return {}
    if board.core not in CORES:
        raise Unknown(f"this hilbench does not know the core '{board.core}'")
    if (board.clock_hz or 0) < 1 and board.counter != "nanoseconds":
        raise ValueError(f"a board that counts {board.counter} has a clock, but none is told")
    claimed = record.metrics.get("latency")
    first = raw.warmup[0][1] if raw.warmup else None
    metrics = time_metrics(raw.times, board, first, claimed.precision if claimed else None)
    if raw.cycles is None:
        return metrics
    if claimed is None or board.clock_hz is None:
        raise ValueError("cycles were estimated, but no latency is told")
    claim = Claim(claimed.model or "", claimed.error or "", claimed.bound or 0.0)
    nothing = tuple(tuple((0.0, 0.0) for _ in visit) for visit in raw.cycles)
    copies = nothing if raw.copy_cycles is None else raw.copy_cycles
    return metrics | EstimatedTimes(raw.cycles, copies, raw.first_cycles or 0.0).metrics(board.clock_hz, claim)


def _memory(record: Record) -> dict[str, Metric]:
    metrics, parts = record.metrics, record.image.parts_bytes
    if "flash" not in metrics and "stack" not in metrics:
        return {}
    value = {name: int(metrics[name].value) for name in MEMORY if name in metrics}
    asked = metrics.get("arena_asked")
    spare = value["arena_asked"] if asked is not None and asked.detail == ALL_SPARE else None
    sizes = sizes_of(parts, spare)
    if sizes is None:
        raise Unknown("the image does not tell its parts")
    return memory_metrics(
        sizes, value.get("arena"), value.get("stack", 0), value.get("arena_asked") if spare is None else None
    )


def _energy(record: Record) -> dict[str, Metric]:
    claimed, latency, raw = record.metrics.get("energy"), record.metrics.get("latency"), record.samples.energy
    if raw is not None:
        visits = [len(visit) for visit in raw.visits]
        if visits != [len(visit) for visit in record.samples.times]:
            raise ValueError("the meter's windows are not those of the timed inferences")
        return measured_energy(raw.visits, raw.idle)
    if claimed is None:
        return {}
    if claimed.basis == "measured":
        raise Unknown("what the meter saw is not kept")
    if record.board.power is None:
        raise Unknown("the current that it is estimated from is not kept")
    if latency is None:
        raise ValueError("it is estimated from a latency, and there is none")
    return {"energy": estimated_energy(latency, record.board.power)}


def profile_again(record: Record) -> Profile | None:
    """Return the profile. Raises `Unknown` where its rows are not kept, ValueError for rows that are none."""
    profile = record.profile
    if profile is None:
        return None
    if profile.rows is None:
        raise Unknown("what it is the median of is not kept")
    cycles = None
    if profile.cycle_rows is not None:
        cycles = OperatorCycles(profile.cycle_rows, profile.model or "", profile.error or "")
    again = profile_of(profile.rows, record.model.operators, record.board, profile.build_id, cycles)
    return again.model_copy(update={"no_cycles": profile.no_cycles})
