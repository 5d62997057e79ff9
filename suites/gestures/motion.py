"""Simulated hand gestures as an accelerometer in the hand feels them.

What is simulated and why is in README.md. Samples are integers, so that the last bit of a sine does not matter.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from making import Draws

CLASSES = ("rest", "tap", "shake", "circle", "swipe left", "swipe right")
RATE_HZ = 50
LENGTH = 128
"""Samples of a window: 2.56 s."""
STEPS_PER_G = 32
"""The accelerometer gives 8 bits for +-4 g."""
G = 9.81
TIME = np.arange(LENGTH) / RATE_HZ
RIGHT, FORWARD, UP = np.eye(3)


@dataclass(frozen=True)
class Split:
    """Which users, and how many windows of each class from each of them."""

    users: range
    windows: int


TRAIN = Split(range(36), 20)
TEST = Split(range(100, 110), 8)


@dataclass(frozen=True)
class User:
    """The habits of one person: `pace` and `vigour` are factors around 1, `grip` is roll, pitch and yaw in radians.

    `tremor` is in g. `returns` is how often the hand goes back after a swipe, `swings` before
    one, `doubles` how often a tap is two.
    """

    pace: float
    vigour: float
    grip: np.ndarray
    tremor: float
    returns: float
    doubles: float
    swings: float
    clockwise: float


def user(number: int) -> User:
    """Return user `number`, the same every time."""
    draws = Draws(1, number)
    return User(
        pace=draws.one(0.75, 1.3),
        vigour=draws.one(0.65, 1.3),
        grip=draws.uniform(-1, 1, 3) * np.radians([40, 40, 35]),
        tremor=draws.one(0.005, 0.03),
        returns=draws.one(0, 1),
        doubles=draws.one(0, 1),
        swings=draws.one(0, 1),
        clockwise=draws.one(0, 1),
    )


def stroke(start_s: float, length_s: float) -> np.ndarray:
    """Return the acceleration (128,), in 1/s^2, of a move by 1 with the least jerk (Flash and Hogan 1985)."""
    tau = np.clip((TIME - start_s) / length_s, 0, 1)
    return (60 * tau - 180 * tau**2 + 120 * tau**3) / length_s**2


def rest(who: User, draws: Draws) -> np.ndarray:
    """The hand is held still, or moves to somewhere else without meaning anything."""
    moves = np.zeros((LENGTH, 3))
    for _ in range(draws.pick(3)):
        where = draws.uniform(-0.15, 0.15, 3) * who.vigour
        moves += np.outer(stroke(draws.one(-0.3, 2.2), draws.one(0.45, 1.2)), where)
    return moves


def tap(who: User, draws: Draws) -> np.ndarray:
    """One knock or two: the case rings for some 50 ms."""
    moves = np.zeros((LENGTH, 3))
    start_s = draws.one(0.3, 1.9)
    direction = -UP + 0.4 * draws.uniform(-1, 1, 3)
    for _ in range(1 + (draws.one(0, 1) < who.doubles)):
        after = np.maximum(0, TIME - start_s)
        ring = np.exp(-after / draws.one(0.02, 0.04)) * np.sin(2 * np.pi * draws.one(12, 20) * after)
        moves += np.outer(ring, direction) * who.vigour * draws.one(1.2, 3.5) * G
        start_s += draws.one(0.15, 0.3)
    return moves


def shake(who: User, draws: Draws) -> np.ndarray:
    """Back and forth, two to six times a second, swelling and fading."""
    start_s, length_s = draws.one(-0.3, 1.3), draws.one(0.7, 1.7)
    tau = np.clip((TIME - start_s) / length_s, 0, 1)
    swell = np.sin(np.pi * tau) ** 0.5
    phase = 2 * np.pi * draws.one(3, 5) * who.pace * (TIME - start_s)
    direction = RIGHT + 0.5 * draws.uniform(-1, 1, 3)
    return np.outer(swell * np.sin(phase), direction) * who.vigour * draws.one(0.5, 1.6) * G


def circle(who: User, draws: Draws) -> np.ndarray:
    """One round or two, upright before the body, either way around."""
    rounds = 1 + draws.pick(2)
    length_s = rounds * draws.one(0.75, 1.1) / who.pace
    start_s = draws.one(-0.2, 2.6 - length_s)
    tau = np.clip((TIME - start_s) / length_s, 0, 1)
    turns = 2 * np.pi * rounds * (1 if draws.one(0, 1) < who.clockwise else -1)
    angle = draws.one(0, 2 * np.pi) + turns * (10 * tau**3 - 15 * tau**4 + 6 * tau**5)
    speed = turns * (30 * tau**2 - 60 * tau**3 + 30 * tau**4) / length_s
    rise = turns * stroke(start_s, length_s)
    radius = draws.one(0.08, 0.16) * who.vigour
    across = radius * (-(speed**2) * np.cos(angle) - rise * np.sin(angle))
    upwards = radius * draws.one(0.7, 1.1) * (-(speed**2) * np.sin(angle) + rise * np.cos(angle))
    plane = UP + 0.4 * draws.one(-1, 1) * FORWARD
    return np.outer(across, RIGHT) + np.outer(upwards, plane)


def swipe(who: User, draws: Draws, side: int) -> np.ndarray:
    """A fast stroke to one side; often one back, sometimes nearly as fast; often a short one before, to swing."""
    reach = draws.one(0.22, 0.42) * who.vigour * (side * RIGHT + draws.uniform(-0.4, 0.4, 3))
    length_s = draws.one(0.3, 0.5) / who.pace
    start_s = draws.one(-0.1, 1.7)
    moves = np.outer(stroke(start_s, length_s), reach)
    if draws.one(0, 1) < who.returns:
        back_s = start_s + length_s + draws.one(0.05, 0.5)
        moves -= np.outer(stroke(back_s, length_s * draws.one(1.1, 2.2)), reach)
    if draws.one(0, 1) < who.swings:
        swing_s = draws.one(0.25, 0.4)
        moves -= np.outer(stroke(start_s - swing_s, swing_s), reach) * draws.one(0.1, 0.35)
    return moves


GESTURES: tuple[Callable[[User, Draws], np.ndarray], ...] = (
    rest,
    tap,
    shake,
    circle,
    lambda who, draws: swipe(who, draws, -1),
    lambda who, draws: swipe(who, draws, 1),
)
"""For each class, what gives the hand's acceleration (128, 3) in m/s^2: to the right, forward, up."""


def into_device(vectors: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return `vectors` (128, 3) as seen from a device turned by roll, pitch and yaw, `angles` (128, 3) in radians."""
    turned = vectors
    for axis in (2, 0, 1):  # yaw, then pitch, then roll
        sine, cosine = np.sin(angles[:, (1, 0, 2)[axis]]), np.cos(angles[:, (1, 0, 2)[axis]])
        first, second = turned[:, (axis + 1) % 3], turned[:, (axis + 2) % 3]
        turned = turned.copy()
        turned[:, (axis + 1) % 3] = cosine * first + sine * second
        turned[:, (axis + 2) % 3] = cosine * second - sine * first
    return turned


def window(number: int, kind: int, index: int) -> np.ndarray:
    """Return window `index` of class `kind` of a user, int8 (1, 128, 3): acceleration along the device's x, y and z."""
    draws, who = Draws(2, number, kind, index), user(number)
    meant = GESTURES[kind](who, draws)
    felt = (meant + rest(who, draws) if kind else meant) / G + UP
    sway = np.outer(0.5 - 0.5 * np.cos(2 * np.pi * draws.one(0.1, 0.5) * TIME), draws.uniform(-0.4, 0.4, 3))
    felt = into_device(felt, who.grip + draws.uniform(-0.2, 0.2, 3) + sway)
    tremor = np.sin(2 * np.pi * (draws.one(8, 12) * TIME[:, np.newaxis] + draws.uniform(0, 1, 3)))
    noise = 0.02 * draws.normal(3 * LENGTH).reshape(LENGTH, 3)
    felt = felt + who.tremor * tremor + noise + draws.uniform(-0.03, 0.03, 3)
    return np.clip(np.rint(felt * STEPS_PER_G), -128, 127).astype(np.int8)[np.newaxis]


def simulate(split: Split, count: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return windows int8 (n, 1, 128, 3) and classes uint8 (n,) of `split`, or the first `count` of them.

    Classes take turns, so that any few samples have some of each.
    """
    chosen = [
        (number, kind, index)
        for index in range(split.windows)
        for number in split.users
        for kind in range(len(CLASSES))
    ][:count]
    return np.stack([window(*which) for which in chosen]), np.array([kind for _, kind, _ in chosen], np.uint8)
