"""A meter during a run: whatever happens to it, the run's other results survive.

with metered(choice) as metering:  # the board is powered from here on, if the meter is its supply
    with target.run(...):
        with metering.recording():  # around the timed inferences and nothing else
            ...
    outcome = metering.outcome(visits)
metrics |= outcome.metrics
missing |= outcome.missing
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from hilbench import plugins
from hilbench.errors import MeterError
from hilbench.measure.energy import Metered, measured_energy
from hilbench.measure.metric import Metric
from hilbench.meters.base import Capture, Instrument, Meter
from hilbench.meters.options import MeterChoice
from hilbench.meters.windows import Timed, find_windows

MISSING = "energy"


@dataclass(frozen=True)
class Outcome:
    """What a run has of its meter: metrics, or the reason under `energy` in `missing`; `facts` for the record.

    `raw` is what the metrics were made of.
    """

    metrics: Mapping[str, Metric] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    raw: Metered | None = None


class Metering:
    """A run's meter, or none. Nothing here raises when a meter fails: `outcome` tells."""

    def __init__(self, instrument: Instrument | None) -> None:
        self._instrument = instrument
        self._capture: Capture | None = None
        self._problem = ""

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record what the board draws while the context is open: the timed inferences, and no others."""
        started = self._attempt_start()
        try:
            yield
        finally:
            if started:
                self._attempt_stop()

    def outcome(self, visits: Sequence[Sequence[Timed]]) -> Outcome:
        """Return the energy of the timed inferences, or why there is none. Empty where there is no meter.

        `visits` has a row a visit of an input, with its repeats; all rows are of one length.
        """
        if self._instrument is None:
            return Outcome()
        facts = dict(self._instrument.facts)
        if self._capture is None:
            return Outcome(missing={MISSING: self._problem or "nothing was recorded"}, facts=facts)
        try:
            found = find_windows(self._capture, [one for visit in visits for one in visit])
        except MeterError as error:
            return Outcome(missing={MISSING: str(error)}, facts=facts)
        windows = iter(found.windows)
        raw = Metered(visits=tuple(tuple(next(windows) for _ in visit) for visit in visits), idle=found.idle)
        return Outcome(measured_energy(raw.visits, raw.idle), facts=facts, raw=raw)

    def _attempt_start(self) -> bool:
        if self._instrument is None:
            return False
        self._capture = None
        try:
            self._instrument.start()
        except MeterError as error:
            self._problem = error.what
            return False
        return True

    def _attempt_stop(self) -> None:
        assert self._instrument
        try:
            self._capture = self._instrument.stop()
        except MeterError as error:
            self._problem = error.what


@contextmanager
def metered(choice: MeterChoice | None) -> Iterator[Metering]:
    """Open the meter of `choice` for one run; None: a run without one.

    A meter that cannot be opened is told at once, before anything has run: raises `Unavailable` when it is not here,
    `MeterError` when it does not answer or another device does. After that nothing of the meter raises.
    """
    if choice is None:
        yield Metering(None)
        return
    meter: Meter = plugins.load("meters", choice.name)()
    with meter.open(choice.settings) as instrument:
        yield Metering(instrument)
