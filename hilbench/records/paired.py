"""What else is to be known of two records of a row: how answers to the same samples changed, and what built them."""

from __future__ import annotations

import base64
import contextlib

from hilbench.measure.accuracy import as_array
from hilbench.measure.change import Answers, answers
from hilbench.records.record import Record

_ABSURD = (ValueError, TypeError, IndexError, ArithmeticError)
"""What comes of samples that contradict each other; base64's own error is a ValueError."""
_CLASSES = ("top1", "balanced", "auc_binary", "auc_ovr")


def answers_of(before: Record, after: Record) -> Answers | None:
    """Return how the outputs of two runs on the same samples differ; None where the records do not hold them."""
    sides = [_outputs(record) for record in (before, after)]
    if len(sides[0]) != len(sides[1]) or not sides[0]:
        return None
    right = [_right(record, outputs) for record, outputs in zip((before, after), sides, strict=True)]
    one, other = right
    return answers(sides[0], sides[1], None if one is None or other is None else (one, other))


def notes(before: Record, after: Record, *, compared: bool) -> list[str]:
    """Return a line on the answers if any changed, and one on what else is not the same: versions, compiler, flags."""
    lines = []
    found = None
    if compared:
        with contextlib.suppress(*_ABSURD):  # whoever wants to know what is wrong with a record verifies it
            found = answers_of(before, after)
    if found is not None and found.changed:
        line = f"outputs of {found.changed} of {found.samples} samples changed"
        if found.p is not None:
            line += f": {found.to_wrong} right to wrong, {found.to_right} wrong to right (McNemar p = {found.p:.2g})"
        lines.append(line)
    if built := _built(before, after):
        lines.append("also differs: " + "; ".join(built))
    return lines


def _outputs(record: Record) -> list[bytes]:
    raw, count = base64.b64decode(record.samples.outputs), record.dataset.samples
    size, rest = divmod(len(raw), count)
    return [] if rest or not size else [raw[start : start + size] for start in range(0, len(raw), size)]


def _right(record: Record, outputs: list[bytes]) -> list[bool] | None:
    """Return which answers of a classifier are right; None where labels are no classes, or the tensors not known."""
    labels, tensors = record.samples.labels, record.tensors
    if labels is None or tensors is None or record.scored_by not in _CLASSES or len(labels) != len(outputs):
        return None
    scores = as_array(outputs, tensors.outputs)
    if scores.shape[1] < 2:
        return None
    return [bool(right) for right in scores.argmax(axis=1) == labels]


def _built(before: Record, after: Record) -> list[str]:
    """Return what shaped two runs and is not the same."""
    pairs = {
        "hilbench": (before.hilbench, after.hilbench),
        before.target.kind: (before.target.version, after.target.version),
        "compiler": (before.image.compiler, after.image.compiler),
        "flags": (_without(before.image.flags, after.image.flags), _without(after.image.flags, before.image.flags)),
    }
    versions = before.framework.versions, after.framework.versions
    pairs |= {name: (versions[0].get(name), versions[1].get(name)) for name in {**versions[0], **versions[1]}}
    return [f"{name} {_short(old)} -> {_short(new)}" for name, (old, new) in pairs.items() if old != new]


def _without(flags: tuple[str, ...], others: tuple[str, ...]) -> str:
    return " ".join(flag for flag in flags if flag not in others)


def _short(text: str | None) -> str:
    if not text:
        return "none"
    return text if len(text) <= 40 else f"{text[:12]}…"
