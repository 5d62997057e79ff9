"""What a simulated meter sees: inferences on a board, as current and trigger over time, with their exact energy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Board:
    """Pauses and inferences in turn: `pauses_s[i]` before inference i, one more at the end.

    An inference draws `active_a` plus a ripple of whole periods, so that its energy is known in closed form.
    """

    durations_s: tuple[float, ...]
    pauses_s: tuple[float, ...]
    active_a: float = 0.020
    idle_a: float = 0.001
    ripple_a: float = 0.0
    wired: bool = True

    @property
    def total_s(self) -> float:
        return sum(self.durations_s) + sum(self.pauses_s)

    def starts_s(self) -> np.ndarray:
        lengths = np.asarray(self.durations_s)
        return np.cumsum(self.pauses_s[:-1]) + np.concatenate(([0.0], np.cumsum(lengths)[:-1]))

    def samples(self, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
        """Return current (A) and trigger at each sample."""
        times = (np.arange(round(self.total_s * rate_hz)) + 0.5) / rate_hz
        current, trigger = np.full(len(times), self.idle_a), np.zeros(len(times), bool)
        for start, length in zip(self.starts_s(), self.durations_s, strict=True):
            inside = (times >= start) & (times < start + length)
            phase = 2 * np.pi * 5 * (times[inside] - start) / length
            current[inside] = self.active_a + self.ripple_a * np.sin(phase)
            trigger |= inside
        return current, trigger & self.wired

    def energy_j(self, volts: float) -> list[float]:
        """Return the exact energy of each inference: the ripple has whole periods."""
        return [self.active_a * volts * length for length in self.durations_s]


def board(inferences: int = 6, duration_s: float = 0.01, pause_s: float = 0.005, **more) -> Board:
    """A board that runs inferences of nearly equal length."""
    durations = tuple(duration_s * (1 + 0.01 * (i % 3)) for i in range(inferences))
    return Board(durations, (pause_s,) * (inferences + 1), **more)
