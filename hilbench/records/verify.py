"""Verifies a record: what it claims is made again from its own raw samples, and has to come out the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hilbench.catalog.data import Samples
from hilbench.errors import StoreError
from hilbench.measure.metric import Part
from hilbench.records import seal
from hilbench.records.plausible import FACTS, KNOWN
from hilbench.records.record import Record
from hilbench.records.remake import ABSURD, Remade, Unknown, confusion_again, profile_again, remade
from hilbench.records.store import Document

State = Literal["ok", "failed", "unknown"]
"""`unknown`: the record does not hold what is needed to tell."""
_SUMMED = 1e-9
"""Relative difference that an accuracy made of sums of floats may have: processors and releases of numpy add up in
different orders. What is counted, and all times, have to be equal to the bit."""
_MOST_FIELDS, _LONGEST = 3, 80
_ALWAYS = ("value", "unit", "basis")
_OPTIONAL = {"first_latency"}
"""Where the first inference was disturbed, another one warmed up."""
DECISIVE = frozenset(
    {"document", "seal", "board", "catalog", "fidelity", "accuracy", "cycles", "instructions", "latency"}
)
"""The checks that a record's place among others rests on: if one of them is unknown, it is not called verified."""
_NOT_KEPT = {"peak_tensors": "it is counted in the model's graph, when its image is built"}


@dataclass(frozen=True)
class Check:
    """One claim of a record and what came of it. `detail` says what was claimed and what came out."""

    name: str
    state: State
    detail: str = ""


@dataclass(frozen=True)
class Verdict:
    """What is known of a record's claims. `record` is None where the document is none."""

    record: Record | None
    checks: tuple[Check, ...]

    @property
    def state(self) -> State:
        """`failed` if one check failed, `ok` if all that could be checked are, `unknown` if nothing could be."""
        states = {check.state for check in self.checks}
        return "failed" if "failed" in states else "ok" if "ok" in states else "unknown"

    @property
    def mark(self) -> State:
        """What a reader is told: `ok`, verified, only if all that its place rests on could be checked.

        That is what the record has of `DECISIVE`, and without exception that its outputs are those of a reference, and
        right answers where there are any: a kernel that computes something else may be as fast as it likes.
        """
        return "unknown" if self.state == "ok" and self.lacking else self.state

    @property
    def lacking(self) -> tuple[Check, ...]:
        """What keeps a record of which nothing is wrong from being called verified."""
        unknown = tuple(check for check in self.checks if check.state == "unknown" and check.name in DECISIVE)
        told = {check.name for check in self.checks}
        return unknown + tuple(Check(name, "unknown", why) for name, why in _needed(self.record) if name not in told)

    @property
    def signed(self) -> Check | None:
        """The check of its signature; None if nobody looked for one."""
        return next((check for check in self.checks if check.name == "signature"), None)

    def of(self, state: State) -> tuple[Check, ...]:
        """Return the checks that ended so."""
        return tuple(check for check in self.checks if check.state == state)


def _needed(record: Record | None) -> Iterator[tuple[str, str]]:
    """Yield the checks that a record must have to be called verified, and what it lacks without them."""
    yield "fidelity", "its outputs were compared with no reference"
    if record is not None and (record.samples.labels is not None or record.scored_by is not None):
        yield "accuracy", "nobody counted its right answers"


class Evidence(Protocol):
    """What is at hand beside a record: suites with their models and data, images, signatures (`records.evidence`)."""

    def samples(self, record: Record) -> Samples | None:
        """Return the samples that the record is of, found by its hashes; None where they are not here."""

    def checks(self, document: Document, record: Record) -> Iterator[Check]:
        """Yield what the evidence says of the record's claims."""


def check(document: Document, *, quick: bool = False, evidence: Evidence | None = None) -> Verdict:
    """Return the verdict on `document`; `quick` looks at no more than schema and seal."""
    try:
        record = document.record()
    except StoreError as error:
        return Verdict(None, (Check("document", "failed", str(error)),))
    checks = [Check("document", "ok"), _seal(document)]
    if not quick:
        found = list(_facts(record))
        checks += found
        sound = all(one.state != "failed" for one in found if one.name in ("samples", "tensors"))
        data = evidence.samples(record) if evidence and sound else None
        if sound:
            checks += _metrics(record, remade(record, data), seal.has_seal(document.text))
            checks += _part(record, "confusion", confusion_again)
            checks += _part(record, "profile", profile_again)
        if evidence:
            checks += evidence.checks(document, record)
    return Verdict(record, tuple(checks))


def _seal(document: Document) -> Check:
    if seal.has_seal(document.text):
        return Check("seal", "ok")
    return Check("seal", "unknown", "records of the first schema have none")


def _facts(record: Record) -> Iterator[Check]:
    for name, problems in FACTS.items():
        try:
            wrong = tuple(problems(record))
        except Unknown as reason:
            yield Check(name, "unknown", str(reason))
            continue
        except ABSURD as error:
            wrong = (str(error),)
        yield Check(name, "failed", "; ".join(wrong)) if wrong else Check(name, "ok")


def _metrics(record: Record, again: Remade, whole: bool) -> Iterator[Check]:
    """Yield a check of each metric: of those that the record has, and of those that it should have.

    Unless `whole`, no more than what every hilbench has written alike is compared: its value and what that is.
    """
    for name, claimed in record.metrics.items():
        if name in again.absurd:
            yield Check(name, "failed", again.absurd[name])
        elif name in again.metrics:
            tolerance = _SUMMED if name == "accuracy" and record.scored_by != "top1" else 0.0
            wrong = _differences(claimed, again.metrics[name], tolerance, () if whole else _ALWAYS)
            yield Check(name, "failed", wrong) if wrong else Check(name, "ok")
        elif name in again.unknown:
            yield Check(name, "unknown", again.unknown[name])
        elif name in KNOWN:
            yield Check(name, "unknown", _NOT_KEPT.get(name, "the record holds nothing that it would follow from"))
        else:
            yield Check(name, "unknown", "this hilbench knows no metric of this name")
    for name in again.metrics.keys() - record.metrics.keys() - _OPTIONAL:
        excuse = " (it is said to be missing)" if name in record.missing else ""
        yield Check(name, "failed", f"its samples give it, and the record does not have it{excuse}")


def _part(record: Record, name: str, make: Callable[[Record], Part | None]) -> Iterator[Check]:
    """Yield the check of a part of the record that is made of its samples, where there is one."""
    claimed: Part | None = getattr(record, name)
    try:
        again = make(record)
    except Unknown as reason:
        if claimed is not None:
            yield Check(name, "unknown", str(reason))
        return
    except ABSURD as error:
        yield Check(name, "failed", str(error).partition("\n")[0])
        return
    if claimed is not None and again is not None:
        wrong = _differences(claimed, again)
        yield Check(name, "failed", wrong) if wrong else Check(name, "ok")
    elif again is not None:
        yield Check(name, "failed", "its samples give one, and the record has none")
    elif claimed is not None:
        yield Check(name, "failed", "the record has one, and its samples give none")


def _differences(claimed: Part, again: Part, tolerance: float = 0.0, fields: Sequence[str] = ()) -> str:
    """Return in which `fields` (all, if none are named) the two differ, in words; empty if they are the same."""
    if claimed == again:
        return ""
    wrong = [
        f"{name} is claimed to be {_short(was)}, and its samples give {_short(now)}"
        for name in fields or type(again).model_fields
        if not _same(was := getattr(claimed, name), now := getattr(again, name), tolerance)
    ]
    more = f"; and {len(wrong) - _MOST_FIELDS} fields more" if len(wrong) > _MOST_FIELDS else ""
    return "; ".join(wrong[:_MOST_FIELDS]) + more


def _same(one: Any, other: Any, tolerance: float) -> bool:
    if tolerance and isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=0.0)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(_same(a, b, tolerance) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
