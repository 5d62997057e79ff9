"""A PPK2: metadata, calibration, ranges that switch with the current, a counter, and eight logic inputs."""

from __future__ import annotations

import time

import numpy as np

from .server import Faults, Server
from .waveform import Board

# As a calibrated meter tells them.
METADATA = """Calibrated: 1
R0: 1003.3506
R1: 101.5865
R2: 10.3027
R3: 0.9636
R4: 0.0564
GS0: 0.0000
GS1: 1.2000
GS2: 1.0500
GS3: 0.9800
GS4: 0.0100
GI0: 1.0000
GI1: 0.9695
GI2: 0.9609
GI3: 0.9519
GI4: 0.9582
O0: 112.9420
O1: 75.4627
O2: 64.6020
O3: 50.4983
O4: 87.2177
S0: 0.000000048
S1: 0.000000596
S2: 0.000005281
S3: 0.000062577
S4: 0.002940743
I0: -0.000000104
I1: -0.000001443
I2: 0.000036439
I3: -0.000374119
I4: -0.009388455
UG0: 1.00
UG1: 1.00
UG2: 1.00
UG3: 1.00
UG4: 1.00
VDD: 3000
HW: 9173
mode: 2
IA: 56
END
"""
_TOPS = np.array([50e-6, 500e-6, 5e-3, 60e-3, 1.0])  # where the ranges end (PPK2 user guide)
_VALUES = {name: np.array([float(line.split(": ")[1]) for line in METADATA.split("\n")
                           if line[:-1].split(": ")[0][:-1] == name and line[len(name)].isdigit()][:5])
           for name in ("R", "GS", "GI", "O", "S", "I")}  # fmt: skip


def adc_of(current: np.ndarray, volts: float) -> tuple[np.ndarray, np.ndarray]:
    """Return range and ADC value (14 bits) of currents: the meter's own arithmetic backwards."""
    ranges = np.minimum(np.searchsorted(_TOPS, current), 4)
    r, gs, gi, o, s, i = (_VALUES[name][ranges] for name in ("R", "GS", "GI", "O", "S", "I"))
    gs = np.where(gs == 0, 1.0, gs)  # 0 means the default
    wanted = current - (s * volts + i)
    x = wanted / gi
    for _ in range(30):  # x * (gs * x + gi) = wanted
        x = wanted / (gs * x + gi)
    adc = np.round((x / (1.8 / 163840 / r) + o) / 4)
    return ranges, np.clip(adc, 0, 0x3FFF).astype(np.int64)


def step_a(current: float) -> float:
    """Return the currents' difference between two neighbouring values of the ADC, in the range of `current`."""
    return 4 * 1.8 / 163840 / float(_VALUES["R"][min(np.searchsorted(_TOPS, current), 4)])


def words(current: np.ndarray, trigger: np.ndarray, volts: float, bit: int = 0, spikes: bool = True) -> np.ndarray:
    """Return the samples as the meter sends them. With `spikes`, an amplifier needs three to settle in a new range."""
    ranges, adc = adc_of(current, volts)
    if spikes:
        for start in np.flatnonzero(np.diff(ranges)) + 1:
            adc[start : start + 3] = [0x3FFF, 0, 0x2000][: len(adc[start : start + 3])]
    counter = np.arange(len(adc)) & 63
    return (adc | ranges << 14 | counter << 18 | trigger.astype(np.int64) << (24 + bit)).astype("<u4")


class SimulatedPpk2(Server):
    """Answers as a PPK2 with `board` at its output; `commands` are those it was sent."""

    def __init__(self, board: Board, faults: Faults = Faults(), real_time: bool = False) -> None:  # noqa: B008
        super().__init__()
        self._board, self._faults, self._real_time = board, faults, real_time
        self.commands: list[bytes] = []
        self.millivolts = 0
        self.powered = False

    def serve(self) -> None:
        data = self.receive(0.02)
        while data:
            data = self._obey(data)

    def _obey(self, data: bytes) -> bytes:
        length = {0x0D: 3, 0x0C: 2, 0x11: 2}.get(data[0], 1)
        while len(data) < length:
            data += self.receive(1)
        command, rest = data[:length], data[length:]
        self.commands.append(command)
        if self._faults.silent:
            return rest
        if self._faults.speaks:
            self.send(self._faults.speaks)
        elif command[0] == 0x19:
            self.send(METADATA.encode())
        elif command[0] == 0x0D:
            self.millivolts = command[1] << 8 | command[2]
        elif command[0] == 0x0C:
            self.powered = bool(command[1])
        elif command[0] == 0x06:
            return rest + self._stream()
        return rest

    def _stream(self) -> bytes:
        """Send all samples, or those until it is told to stop; return the commands that came."""
        current, trigger = self._board.samples(100_000)
        stream = words(current, trigger, self.millivolts / 1000)
        stream[list(self._faults.overload)] |= 0x3FFF | 4 << 14
        skipped, begin, step = 0, time.monotonic(), 1000
        for start in range(0, len(stream), step):
            faultless = self._faults == Faults()
            piece = stream[start : start + step].tobytes() if faultless else b""
            for index in range(start, start if faultless else min(start + step, len(stream))):
                if index == self._faults.unplugged_at:
                    self.send(piece)
                    self.unplug()
                    return b""
                piece += self._faults.garbage.get(index, b"")
                skipped = max(skipped, self._faults.lost.get(index, 0))
                piece += b"" if skipped else stream[index].tobytes()
                skipped = max(skipped - 1, 0)
            self.send(piece)
            if self._real_time:
                time.sleep(max(0, begin + (start + step) / 100_000 - time.monotonic()))
            if told := self.receive(0):
                return told
        self.sent_all.set()
        return b""  # a real one goes on until it is told to stop
