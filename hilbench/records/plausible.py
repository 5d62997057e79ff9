"""What has to hold in any record, whatever was run: sizes fit, names and times agree, no basis is too good."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np

from hilbench import __version__, plugins, resources
from hilbench.catalog.board import Board
from hilbench.catalog.core import CORES
from hilbench.catalog.find import Files
from hilbench.catalog.load import load_board
from hilbench.catalog.stand_in import names_one
from hilbench.errors import HilbenchError
from hilbench.measure.counted import doubtful
from hilbench.measure.cycles import model_of
from hilbench.measure.cycles.instruction import BRANCHES, Kind
from hilbench.measure.metric import Metric
from hilbench.measure.score import KINDS
from hilbench.records.record import Record
from hilbench.records.remake import Unknown
from hilbench.targets.base import Target

_SECONDS = ("s", ("measured", "estimated", "host"))
_BYTES = ("B", ("counted",))
KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("latency", "first_latency", "input_latency", "output_latency"), _SECONDS),
    **dict.fromkeys(("flash", "ram", "stack", "arena", "arena_asked", "peak_tensors"), _BYTES),
    "instructions": ("instructions", ("counted",)),
    "cycles": ("cycles", ("measured", "estimated")),
    "accuracy": ("share", ("counted",)),
    "fidelity": ("share", ("counted",)),
    "fidelity_lsb": ("LSB", ("counted",)),
    "energy": ("J", ("measured", "estimated")),
    "net_energy": ("J", ("measured",)),
    "idle_power": ("W", ("measured",)),
}
"""The metrics that this hilbench knows: unit, and what they may stand on."""
_SIGNED = ("net_energy",)  # a meter's noise, where an inference adds nothing
_HEX = {length: re.compile(f"[0-9a-f]{{{length}}}") for length in (32, 64)}
_EARLY = timedelta(days=1)
"""How far a clock may be ahead of ours."""
_IN_BOTH = re.compile(r"\.hb_[a-z]+_data")
"""Sections of initialised data in firmware/ports/*/image.ld: kept in flash, and copied to RAM."""
_LARGEST_SCALE = 2**63
_ELEMENTS = 2**24
"""No microcontroller has room for more numbers in one tensor."""
_ROUNDED = 1e-9
"""By which an interval that ends at its value may miss it."""
_DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "int64", "float16", "float32", "float64", "bool")

Problems = Iterator[str]


def samples(record: Record) -> Problems:
    """Yield what is wrong with the numbers and ranges of the raw samples."""
    raw, data = record.samples, record.dataset
    if not 0 < data.samples <= data.of:
        yield f"{data.samples} samples of {data.of} are claimed"
    if raw.labels is not None and len(raw.labels) != data.samples:
        yield f"{data.samples} samples are claimed, and there are {len(raw.labels)} labels"
    if raw.labels and min(raw.labels) < 0:
        yield "a label is negative"
    elif raw.labels and record.tensors is not None and record.tensors.outputs and _classifies(record):
        classes = max(2, math.prod(record.tensors.outputs[0].shape))
        if max(raw.labels) >= classes:
            yield f"a label is {max(raw.labels)}, and there are {classes} classes"
    if not raw.times or len({len(visit) for visit in raw.times}) != 1 or not raw.times[0]:
        yield "the timed inferences are not of as many repeats each"
    flat = [part for visit in (raw.warmup, *raw.times) for repeat in visit for part in repeat]
    if any(part < 0 for part in flat):
        yield "a time is negative"
    shape = [len(visit) for visit in raw.times]
    for name, rows in (("cycles", raw.cycles), ("copy_cycles", raw.copy_cycles)):
        if rows is not None and [len(row) for row in rows] != shape:
            yield f"{name} are not those of the timed inferences"
    estimated = [cycles for row in raw.cycles or () for cycles in row]
    estimated += [cycles for row in raw.copy_cycles or () for pair in row for cycles in pair]
    if any(cycles < 0 for cycles in (*estimated, raw.first_cycles or 0.0)):
        yield "cycles are negative"


def _classifies(record: Record) -> bool:
    return record.scored_by is not None and record.scored_by in KINDS and KINDS[record.scored_by].classifies


def tensors(record: Record) -> Problems:
    """Yield what is wrong with the tensors."""
    if record.tensors is None:
        return
    if not record.tensors.inputs or not record.tensors.outputs:
        yield "a model has inputs and outputs"
    for tensor in (*record.tensors.inputs, *record.tensors.outputs):
        if tensor.dtype not in _DTYPES:
            yield f"'{tensor.dtype}' is no type of a tensor"
        if not tensor.shape or min(tensor.shape) < 1 or math.prod(tensor.shape) > _ELEMENTS:
            yield f"{tensor.shape} is no shape of a tensor"
        if not 0 <= tensor.scale < _LARGEST_SCALE:
            yield f"{tensor.scale} is no scale of a tensor"
        limits = np.iinfo(tensor.dtype) if tensor.dtype in _DTYPES and "int" in tensor.dtype else None
        if tensor.zero_point and (limits is None or not limits.min <= tensor.zero_point <= limits.max):
            yield f"{tensor.zero_point} is no zero point of a tensor of {tensor.dtype}"


def identity(record: Record) -> Problems:
    """Yield where id, names and times do not agree."""
    started = datetime.fromisoformat(record.started)
    if started.tzinfo is None or started.utcoffset():
        yield f"it started at {record.started}, which is not in UTC"
        return
    begin = f"{started:%Y%m%dT%H%M%S}-{record.task}-{record.board.id}-{record.framework.name}-"
    if not re.fullmatch(re.escape(begin) + "[0-9a-f]{8}", record.id):
        yield f"a run of this task, board and framework at {record.started} has an id {begin}…, and not {record.id}"
    if started > datetime.now(UTC) + _EARLY:
        yield f"it started at {record.started}, which is yet to come"
    if record.duration_s < 0:
        yield f"it took {record.duration_s} s"
    facts = record.framework
    name, *options = facts.variant.split(":")
    if name != facts.name or not set(options) <= {f"{key}={value}" for key, value in facts.options.items()}:
        yield f"'{facts.variant}' is not {facts.name} with the options {facts.options}"
    if facts.versions and facts.version != next(iter(facts.versions.values())):
        yield f"version {facts.version} is not the one among {facts.versions}"


def hashes(record: Record) -> Problems:
    """Yield what is no hash."""
    for name, text, length in (
        ("model.sha256", record.model.sha256, 64),
        ("dataset.sha256", record.dataset.sha256, 64),
        ("dataset.inputs_sha256", record.dataset.inputs_sha256, 64),
        ("image.sha256", record.image.sha256, 64),
        ("image.build_id", record.image.build_id, 32),
        ("profile.build_id", record.profile.build_id if record.profile else "0" * 32, 32),
    ):
        if not _HEX[length].fullmatch(text):
            yield f"{name} is not of {length} hexadecimal digits: '{text}'"


def board(record: Record) -> Problems:
    """Yield where board, target and what was counted do not go together. Raises `Unknown` for a target not here."""
    facts = record.board
    if facts.core in CORES and CORES[facts.core].is_host != (facts.counter == "nanoseconds"):
        yield f"the core '{facts.core}' does not count {facts.counter}"
    if facts.counter not in ("instructions", "cycles", "nanoseconds"):
        yield f"nothing counts '{facts.counter}'"
    if (facts.counter == "cycles") != record.target.silicon and facts.counter != "nanoseconds":
        yield f"{facts.counter} are not what {'silicon' if record.target.silicon else record.target.kind} counts"
    try:
        target: Target = plugins.load("targets", record.target.kind)()
    except HilbenchError as error:
        raise Unknown(error.what) from error  # somebody's own, that is not installed here
    if target.silicon != record.target.silicon:
        yield f"the target {record.target.kind} is {'silicon' if target.silicon else 'no silicon'}"


def catalogued(record: Record) -> Problems:
    """Yield where a board that comes with hilbench is not as its file says. Raises `Unknown` for another release's."""
    facts, target = record.board, record.target
    shipped = _shipped()
    if facts.id not in shipped:
        return
    board = shipped[facts.id]
    settings = board.targets.get(target.kind)
    stand_in = settings["stand_in"] if names_one(settings) and settings else None
    claimed = {
        "its core is": (facts.core, board.core),
        "its clock in hertz is": (facts.clock_hz, board.clock_hz),
        "its supply is": (facts.power, facts.power and board.power),
        "it ran on": (target.kind, target.kind if settings is not None else " or ".join(board.targets)),
        "in its place stood": (target.stand_in, stand_in if settings is not None else target.stand_in),
    }
    wrong = [f"{what} {_word(says)}, and its file says {_word(here)}" for what, (says, here) in claimed.items()
             if says != here]  # fmt: skip
    if wrong and record.hilbench != __version__:
        raise Unknown(f"hilbench {record.hilbench} may have had another file of {facts.id}: {'; '.join(wrong)}")
    yield from (f"{facts.id}: {problem}" for problem in wrong)


@cache
def _shipped() -> Files[Board]:
    """Return the boards that come with hilbench: nobody else may have one of their ids."""
    return Files({path.stem: [path] for path in resources.BOARDS.glob("[!.]*.yaml")}, load_board)


def _word(value: object) -> str:
    return "nothing" if value is None else str(value)


def basis(record: Record) -> Problems:
    """Yield metrics whose unit or basis is not that of their kind, and estimates that do not say what made them."""
    for name, metric in record.metrics.items():
        units, bases = KNOWN.get(name, (metric.unit, (metric.basis,)))
        if name == "accuracy" and record.scored_by == "mse":
            units = "1"
        if metric.unit != units and not (name == "accuracy" and record.scored_by is None and metric.unit == "1"):
            yield f"{name} is in {metric.unit}, and not in {units}"
        if metric.basis not in bases:
            yield f"{name} is {metric.basis}, which it never is"
        if metric.basis == "estimated" and not (metric.model and metric.error):
            yield f"{name} is estimated, and does not say by which model, or what is known of its error"
        if metric.basis == "host" and record.board.counter != "nanoseconds":
            yield f"{name} is by the clock of a computer, which {record.board.id} is not"
        if metric.basis == "measured" and metric.unit in ("J", "W") and record.meter is None:
            yield f"{name} is measured, but there was no meter"
    yield from _bound(record)


def _bound(record: Record) -> Problems:
    """Yield where estimated cycles claim another error than the model of their core has."""
    metric, model = record.metrics.get("cycles"), model_of(record.board.core)
    if metric is None or metric.basis != "estimated" or model is None or metric.model != model.name:
        return
    if metric.bound is None or metric.bound < model.bound:
        yield f"cycles are claimed to be within {metric.bound}, and their model says {model.bound} of itself"
    elif not (metric.error or "").startswith(doubtful(metric.bound)):
        yield f"cycles are claimed to be within {metric.bound}, and their error is '{metric.error}'"
    profile = record.profile
    if profile and profile.cycle_rows and (profile.model, profile.error) != (metric.model, metric.error):
        yield "the cycles of operators are estimated by another model than those of the whole, or of another error"


def ranges(record: Record) -> Problems:
    """Yield metrics with numbers that none has."""
    for name, metric in record.metrics.items():
        if metric.unit == "share" and not 0 <= metric.value <= 1:
            yield f"{name} is a share of {metric.value}"
        if metric.value < 0 and name not in _SIGNED:
            yield f"{name} is {metric.value}"
        if metric.unit in ("B", "instructions") and metric.value != int(metric.value):
            yield f"{name} is a part of a whole one: {metric.value}"
        if metric.n is not None and metric.n < 1:
            yield f"{name} is of {metric.n} observations"
        yield from (f"{name}: {problem}" for problem in _spread(metric))


def _spread(metric: Metric) -> Problems:
    ordered = [value for value in (metric.min, metric.median, metric.p90, metric.p99, metric.max) if value is not None]
    if ordered != sorted(ordered):
        yield "its percentiles are not in order"
    if metric.min is not None and metric.max is not None and not metric.min <= metric.value <= metric.max:
        yield f"{metric.value} is not between its least and its largest"
    if metric.ci95 is not None and not metric.ci95[0] - _ROUNDED <= metric.value <= metric.ci95[1] + _ROUNDED:
        yield f"{metric.value} is not in its interval"
    if metric.bound is not None and metric.bound <= 0:
        yield "its bound is none"
    if metric.outliers and (metric.n is None or not 0 <= min(metric.outliers) <= max(metric.outliers) < metric.n):
        yield "an outlier is not among its observations"


def counts(record: Record) -> Problems:
    """Yield where what ran in the median inference does not add up to its instructions."""
    counts = record.counts
    if counts is None:
        return
    every = (counts.mix, counts.loads, counts.stores, counts.misses, counts.stalls)
    numbers = [number for group in every for number in group.values()] + [counts.unknown, counts.branches_taken]
    if min(numbers) < 0:
        yield "a count is negative"
    if record.board.counter != "instructions" or not record.samples.times:
        return
    inferences = sorted(repeat[1] for visit in record.samples.times for repeat in visit)
    median, added = inferences[(len(inferences) - 1) // 2], sum(counts.mix.values())
    if median != added:
        yield f"the instructions by class add up to {added}, and the median inference ran {median}"
    branches = sum(count for name, count in counts.mix.items() if name in _branching(record.board.core))
    if counts.branches_taken > branches:
        yield f"{counts.branches_taken} branches were taken, of {branches} instructions that can branch"
    unknown = counts.mix.get(Kind.UNKNOWN.value, 0)
    if counts.unknown != unknown:
        yield f"{counts.unknown} instructions are unknown, and {unknown} in the mix"


def _branching(core: str) -> frozenset[str]:
    """Return the classes of instructions that can write the program counter, as compilers make them."""
    kinds = BRANCHES | {Kind.LOAD, Kind.LOAD_MULTIPLE, Kind.UNKNOWN}
    # Without TBB, GCC's tables of jumps end in `mov pc, rN` (its thumb1_tablejump).
    return frozenset(kind.value for kind in (kinds | {Kind.ALU} if core.startswith("cortex-m0") else kinds))


def image(record: Record) -> Problems:
    """Yield where the parts of the image do not add up to its sections."""
    parts = record.image.parts_bytes
    if any(size < 0 for size in parts.values()):
        yield "a part of the image has a negative size"
    flash, ram = (sum(size for name, size in parts.items() if name.startswith(memory)) for memory in ("flash_", "ram_"))
    sections = {name: size for name, size in parts.items() if not name.startswith(("flash_", "ram_"))}
    placed = sum(sections.values()) + sum(size for name, size in sections.items() if _IN_BOTH.fullmatch(name))
    if (flash or ram) and flash + ram != placed:
        yield f"{flash} B of flash and {ram} B of RAM are no way to place sections of {placed} B"


FACTS: dict[str, Callable[[Record], Problems]] = {
    "identity": identity,
    "hashes": hashes,
    "board": board,
    "catalog": catalogued,
    "tensors": tensors,
    "samples": samples,
    "basis": basis,
    "ranges": ranges,
    "counts": counts,
    "image": image,
}
"""What is checked of every record, by the name of the check."""
