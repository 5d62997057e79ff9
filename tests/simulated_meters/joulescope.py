"""Stands in for the library pyjoulescope_driver 2.2 with one JS220 attached: its topics and messages, not its USB."""

from __future__ import annotations

import threading
import time

import numpy as np

from .server import Faults
from .waveform import Board

DEVICE = "u/js220/001234"
_IDS_HZ = 2_000_000
_MESSAGE_S = 0.005


class Library:
    """What `import pyjoulescope_driver` gives."""

    def __init__(self, board: Board, volts: float = 3.3, faults: Faults = Faults(), devices=(DEVICE,)) -> None:  # noqa: B008
        self.board, self.volts, self.faults, self.devices = board, volts, faults, list(devices)
        self.published: list[tuple[str, object]] = []
        self.sent_all = threading.Event()
        self.finalized = False

    def Driver(self):  # noqa: N802 - the library's name for it
        return _Driver(self)


class _Driver:
    def __init__(self, library: Library) -> None:
        self._library = library
        self._listeners: dict[str, object] = {}
        self._rate = 1_000_000
        self._ending = threading.Event()
        self._gone = False
        self._thread: threading.Thread | None = None

    def device_paths(self) -> list[str]:
        return self._library.devices

    def open(self, device: str) -> None:
        if device not in self._library.devices:
            raise RuntimeError("jsdrv_open failed 6 NOT_FOUND | Not found")

    def close(self, device: str) -> None:
        self._end()

    def finalize(self) -> None:
        self._end()
        self._library.finalized = True

    def subscribe(self, topic: str, flags: str, listener) -> None:
        assert flags == "pub"
        self._listeners[topic.removeprefix(DEVICE + "/")] = listener

    def unsubscribe(self, topic: str, listener) -> None:
        del self._listeners[topic.removeprefix(DEVICE + "/")]

    def publish(self, topic: str, value, timeout=None) -> None:
        if self._gone:
            raise TimeoutError(f"jsdrv_publish timed out | {topic}")
        topic = topic.removeprefix(DEVICE + "/")
        self._library.published.append((topic, value))
        if topic == "h/fs":
            self._rate = value
        elif topic.startswith("s/gpi/") and topic.endswith("/ctrl") and value:
            self._thread = threading.Thread(target=self._stream, args=(topic.removesuffix("/ctrl"),), daemon=True)
            self._thread.start()

    def _end(self) -> None:
        self._ending.set()
        if self._thread:
            self._thread.join(5)

    def _stream(self, gpi: str) -> None:
        """Give messages as the library does: float32 values, bits eight a byte, and a sample id at 2 MHz."""
        board, faults, step = self._library.board, self._library.faults, _IDS_HZ // self._rate
        current, _ = board.samples(self._rate)
        _, trigger = board.samples(_IDS_HZ)
        first_id = 4_000_000_000
        size = round(_MESSAGE_S * self._rate)
        for start in range(0, len(current), size):
            if self._ending.is_set():
                return
            if faults.unplugged_at is not None and start >= faults.unplugged_at:
                self._gone = True
                self._library.sent_all.set()
                return
            end = min(start + size, len(current))
            lost = any(start <= at < end for at in faults.lost)
            values = current[start:end].astype(np.float32)
            for at in faults.garbage:
                if start <= at < end:
                    values[at - start] = np.nan  # what the library gives for a sample that it missed
            ids = first_id + start * step
            bits = np.packbits(trigger[start * step : end * step], bitorder="little")
            if not lost:
                self._give("s/i", ids, step, values)
            self._give("s/v", ids, step, np.full(end - start, self._library.volts, np.float32))
            self._give(gpi, ids, 1, bits)
            time.sleep(0.0005)
        self._library.sent_all.set()

    def _give(self, signal: str, sample_id: int, step: int, data: np.ndarray) -> None:
        message = {"sample_id": sample_id, "utc": 0, "field_id": 1, "index": 0, "sample_rate": _IDS_HZ,
                   "decimate_factor": step, "time_map": {}, "data": data}  # fmt: skip
        if listener := self._listeners.get(f"{signal}/!data"):
            listener(f"{DEVICE}/{signal}/!data", message)
