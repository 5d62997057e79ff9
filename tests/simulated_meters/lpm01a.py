"""An X-NUCLEO-LPM01A as UM2269 rev 6 describes it, with the `eventsrc` of the firmware that MLPerf Tiny uses."""

from __future__ import annotations

import time

import numpy as np

from .server import Faults, Server
from .waveform import Board

_KNOWN = ("version", "htc", "hrc", "acqmode", "acqtime", "trigsrc", "trigdelay", "output", "format", "freq", "eventsrc",
          "volt", "pwr", "start", "stop")  # fmt: skip
STAMP_EVERY = 1000


def text_sample(value: float) -> bytes:
    """Return a number as four digits and a power of ten: 640.9 µA is `6409-07`."""
    if value <= 0:
        return b"0000-09\r\n"
    power = int(np.floor(np.log10(value))) - 3
    digits = round(value / 10.0**power)
    if digits == 10_000:
        digits, power = 1000, power + 1
    return f"{digits:04d}{power:+03d}\r\n".encode()


def binary_sample(value: float) -> bytes:
    """Return a number as 12 bits and a negative power of 16: 640.9 µA is 52A0."""
    power = 0
    while power < 14 and round(value * 16.0 ** (power + 1)) < 4096:
        power += 1
    return (power << 12 | round(value * 16.0**power)).to_bytes(2, "big")


class SimulatedLpm01a(Server):
    """Answers as a PowerShield with `board` on its supply. `old` firmware knows no `eventsrc`."""

    def __init__(self, board: Board, faults: Faults = Faults(), *, old: bool = False, reports: bytes = b"") -> None:  # noqa: B008
        super().__init__()
        self._board, self._faults, self._old, self._reports = board, faults, old, reports
        self.commands: list[str] = []
        self.settings: dict[str, str] = {}
        self._typed = b""

    def serve(self) -> None:
        self._typed += self.receive(0.02)
        while b"\n" in self._typed:
            line, _, self._typed = self._typed.partition(b"\n")
            self._obey(line.decode().strip())

    def _obey(self, command: str) -> None:
        self.commands.append(command)
        if self._faults.silent:
            return
        if self._faults.speaks:
            self.send(self._faults.speaks)
            return
        verb, _, value = command.partition(" ")
        if verb not in _KNOWN or (verb == "eventsrc" and self._old):
            self.send(f"PowerShield > error {command}\r\nError detail: unknown command\r\n".encode())
            return
        self.settings[verb] = value
        if verb != "stop":
            self.send(f"PowerShield > ack {command}{': 1.0.7' if verb == 'version' else ''}\r\n".encode())
        if verb == "start":
            self._stream()

    def _stream(self) -> None:
        text = self.settings["format"] == "ascii_dec"
        rate = int(self.settings["freq"].replace("k", "000"))
        fine, line = self._board.samples(100_000)
        every = 100_000 // rate
        count = len(fine) // every
        grid = fine[: count * every].reshape(count, every)
        volts = int(self.settings["volt"].rstrip("m")) / 1000
        energy = self.settings["output"] == "energy"
        values = grid.mean(axis=1) * volts / rate if energy else grid[:, 0]
        rises = np.flatnonzero(np.diff(line.astype(int), prepend=0) == 1) // every
        events = set(rises.tolist()) if text and "eventsrc" in self.settings else set()
        pause = self._board.idle_a * (volts / rate if energy else 1)
        skipped, index, step, piece = 0, 0, max(rate // 100, 1), b""
        end_of_board = time.monotonic()
        while b"stop" not in self._typed and self._master >= 0 and not self._ending.is_set():
            value = values[index] if index < len(values) else pause
            if index % STAMP_EVERY == 0:
                piece += self._stamp(round(index * 1000 / rate), text)
            if index == self._faults.unplugged_at:
                self.send(piece)
                return self.unplug()
            piece += self._faults.garbage.get(index, b"")
            piece += b"event %02d ris\r\n" % index if index in events else b""
            skipped = max(skipped, self._faults.lost.get(index, 0))
            if not skipped:
                piece += text_sample(value) if text else binary_sample(value)
            skipped = max(skipped - 1, 0)
            if self._reports and index == len(values) // 2:
                piece += self._reports
            index += 1
            if index % step == 0:
                self.send(piece)
                piece = b""
                if index <= len(values):
                    end_of_board = time.monotonic()
                else:
                    self.sent_all.set()
                    ahead_s = (index - len(values)) / rate - (time.monotonic() - end_of_board)
                    self._typed += self.receive(max(ahead_s, 0))
        end = b"\r\nend\r\n" if text else b"\xf0\xf4\xff\xff"
        summary = b"\r\nsummary begin\r\n1958-09\r\n2041-05\r\nsummary end\r\n"
        self.send(end + summary + b"PowerShield > Acquisition completed\r\n")
        return None

    @staticmethod
    def _stamp(ms: int, text: bool) -> bytes:
        if text:
            return b"\r\nTimeStamp: %03ds %03dms, buff 02%%\r\n" % divmod(ms, 1000)
        return b"\xf0\xf3" + ms.to_bytes(4, "big") + b"\x02\xff\xff"
