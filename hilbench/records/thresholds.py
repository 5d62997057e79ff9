"""When a comparison fails: what `--hil-fail=latency:2%,flash:512,accuracy:-0.5pt` says, and what holds without it.

The first of these that says anything says it all: the command line, the ini file, the `fail:` of a suite's task.
Without any, every judged metric is held to the default: an exact one may not get worse at all, one that was measured
not by more than 1 %, and one of this computer's clock (`host`) may do as it likes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hilbench.catalog.allowance import UNITS, Allowance, parse_for
from hilbench.errors import UsageError, nearest
from hilbench.measure.metric import Metric
from hilbench.measure.statistics import exact

MEASURED = Allowance(0.01, "relative")
"""What a measured metric may get worse by default: two runs of one image on one board differ by some 0.1 % for reasons
that no statistics of the runs themselves can see, such as temperature; a slower kernel of interest is beyond 1 %."""
BY_DEFAULT = frozenset(UNITS) - {"input_latency", "output_latency", "idle_power", "peak_tensors"}
"""The metrics that the default holds to something. The others are the harness's own copies, a board at rest and a
property of the model: they are judged where they are named."""
_ONCE = ("first_latency",)
"""One observation a run: where it is noisy, no test can judge it, and the default does not ask for one."""
_WORDS = ("default", "gone", "new", "none")


@dataclass(frozen=True)
class Thresholds:
    """What fails. `named` metrics have allowances of their own; `default`: the others are held to the default.

    With `default` None nobody has said whether they are: they are if no metric is named. `gone` and `new`: a row, or a
    metric of a row, that only one side has fails too; with `new` also a row or metric that cannot be compared.
    """

    named: Mapping[str, Allowance] = field(default_factory=dict)
    default: bool | None = None
    gone: bool = False
    new: bool = False

    def __str__(self) -> str:
        """Return it as it can be written."""
        words = [f"{name}:{allowance}" for name, allowance in self.named.items()]
        words += [word for word, said in (("gone", self.gone), ("new", self.new)) if said]
        if self.default is not None:
            words.insert(0, "default" if self.default else "none")
        return ",".join(words)

    @property
    def says(self) -> bool:
        """Whether anything is said of how much worse metrics may get."""
        return bool(self.named) or self.default is not None

    def allowance(self, name: str, metric: Metric) -> Allowance | None:
        """Return how much worse `metric` may get; None if it does not matter."""
        if name in self.named:
            return self.named[name]
        held = not self.named if self.default is None else self.default
        if not held or name not in BY_DEFAULT or metric.basis == "host":
            return None
        if name in _ONCE and not exact(metric):
            return None
        return Allowance() if exact(metric) else MEASURED


def parse(texts: Iterable[str]) -> Thresholds:
    """Read what people write: `METRIC:ALLOWANCE` and words, with commas. A metric that is named leaves the others out.

    The words: `default` (also hold the others to the default), `none` (hold nothing to it), `gone` and `new`. Raises
    `UsageError` for an unknown metric, unit or word, with the nearest.
    """
    named: dict[str, Allowance] = {}
    words = set()
    for part in (part.strip() for text in texts for part in text.split(",")):
        name, colon, allowed = part.partition(":")
        if not part:
            continue
        if colon:
            if name in named:
                raise UsageError(f"'{part}': how much worse {name} may get is said twice", hint="say it once")
            named[name] = parse_for(name, allowed)
        elif part in _WORDS:
            words.add(part)
        elif part in UNITS:
            raise UsageError(f"'{part}' does not say how much worse it may get", hint=f"{part}:2%, or {part}:any")
        else:
            raise UsageError(f"'{part}' says nothing of when to fail", hint=nearest(part, {*_WORDS, *UNITS}))
    if {"default", "none"} <= words:
        raise UsageError("'default' and 'none' cannot both hold", hint="leave out one of them")
    default = True if "default" in words else False if "none" in words else None
    return Thresholds(named, default, "gone" in words, "new" in words)


def first_of(given: Thresholds, otherwise: Thresholds) -> Thresholds:
    """Return what holds where two places may say it: of metrics the first that says anything of them, and the words
    `gone` and `new` of both, since they say nothing of metrics.
    """
    said = given if given.says else otherwise
    return replace(said, gone=given.gone or otherwise.gone, new=given.new or otherwise.new)


def chosen(given: Thresholds, fail: Mapping[Any, Allowance]) -> Thresholds:
    """Return what holds for a run: what was `given` with options, else the `fail:` of its task, else the default."""
    return first_of(given, Thresholds(dict(fail)))
