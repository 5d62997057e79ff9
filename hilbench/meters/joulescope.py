"""Jetperch's Joulescope JS220 through its maker's library, pyjoulescope_driver: current, voltage, and input 0.

What streams is described in the library's source (github.com/jetperch/joulescope_driver: doc/js220.txt,
src/devices/js220/js220_usb.c, pyjoulescope_driver/binding.pyx): each message has the number of its first sample,
counted at 2 MHz whatever the rate, and how many of those one of its samples stands for.
"""

from __future__ import annotations

import contextlib
import importlib
import tempfile
import threading
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hilbench.errors import MeterError, Unavailable
from hilbench.meters.base import Block, Capture, whole

_SAMPLE_ID_HZ = 2_000_000  # js220_usb.c, SAMPLING_FREQUENCY
_LOADED = "pyjoulescope_driver"


class JoulescopeSettings(BaseModel):
    """Options of `--hil-meter=joulescope:`. The board's supply goes through the meter: it supplies nothing itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    serial: str = Field(default="", description="its serial number, if several are attached")
    rate: Annotated[Literal[10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000], BeforeValidator(whole)] = (
        Field(default=100_000, description="samples a second: 10000 to 1000000")
    )
    trigger: int = Field(default=0, ge=0, le=3, description="the input that the trigger pin is wired to: 0 is IN0")


class _Track:
    """One signal's samples, spooled to a file without a name as they arrive, and where among them which one is."""

    def __init__(self, bits: bool) -> None:
        self._bits = bits
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the recording is of use
        self._lock = threading.Lock()
        self.pieces: list[tuple[int, int, int, int]] = []  # first sample id, ids a sample, samples, offset in the file

    def add(self, value: Mapping[str, Any]) -> None:
        """Keep a message of the library."""
        data = np.asarray(value["data"])
        with self._lock:
            offset = self._file.tell()
            self._file.write((data if self._bits else data.astype(np.float32)).tobytes())
            samples = len(data) * 8 if self._bits else len(data)
            self.pieces.append((int(value["sample_id"]), int(value["decimate_factor"]), samples, offset))

    def piece(self, index: int) -> npt.NDArray[np.generic]:
        """Return the samples of one message."""
        _, _, samples, offset = self.pieces[index]
        self._file.seek(offset)
        if self._bits:
            return np.unpackbits(np.frombuffer(self._file.read(samples // 8), np.uint8), bitorder="little")
        return np.frombuffer(self._file.read(samples * 4), np.float32)

    def at(self, ids: npt.NDArray[np.int64], missing: float) -> npt.NDArray[np.float64]:
        """Return the sample that stands for each of `ids` (ascending), `missing` where none came."""
        values = np.full(len(ids), missing)
        firsts = [piece[0] for piece in self.pieces]
        for index in range(max(bisect_right(firsts, int(ids[0])) - 1, 0), len(firsts)):
            first, step, samples, _ = self.pieces[index]
            if first > ids[-1]:
                break
            inside = (ids >= first) & (ids < first + step * samples)
            values[inside] = self.piece(index)[(ids[inside] - first) // step]
        return values


class _Recording:
    """The three signals of one recording."""

    def __init__(self) -> None:
        self.current, self.voltage, self.trigger = _Track(bits=False), _Track(bits=False), _Track(bits=True)

    def blocks(self, ids_a_sample: int) -> Iterator[Block]:
        """Yield the samples of current, with voltage and trigger at their time; a gap in numbers is lost samples."""
        due = -1
        level = 0.0
        for index, (first, step, samples, _) in enumerate(self.current.pieces):
            if step != ids_a_sample:
                raise MeterError(f"the meter gives a sample every {step} ticks, not every {ids_a_sample}")
            gap = max(first - due, 0) // step if due >= 0 else 0
            ids = first - gap * step + np.arange(gap + samples, dtype=np.int64) * step
            current = np.concatenate((np.full(gap, np.nan), self.current.piece(index).astype(np.float64)))
            trigger = _held(self.trigger.at(ids, np.nan), level)
            level = trigger[-1] if len(trigger) else level
            voltage = self.voltage.at(ids, np.nan)
            current[np.isnan(voltage)] = np.nan  # without its voltage a sample is no power
            lost = np.isnan(current)
            yield Block(current, np.where(lost, 0.0, voltage), trigger > 0, np.zeros(len(current), np.bool_))
            due = first + samples * step


def _held(levels: npt.NDArray[np.float64], before: float) -> npt.NDArray[np.float64]:
    """Return levels in which those that are missing are as the last one before them."""
    known = np.maximum.accumulate(np.where(np.isnan(levels), -1, np.arange(len(levels))))
    held: npt.NDArray[np.float64] = np.where(known >= 0, levels[known], before)
    return held


class _Instrument:
    def __init__(self, driver: Any, device: str, settings: JoulescopeSettings) -> None:
        self._driver = driver
        self._device = device
        self._settings = settings
        self._publish("h/fs", settings.rate)
        self._publish("s/i/range/mode", "auto")
        self.facts: Mapping[str, str] = {
            "meter": f"Joulescope {device.split('/')[1].upper()}",
            "serial": device.split("/")[-1],
            "mode": "current and voltage",
            "rate": f"{settings.rate} Hz",
        }
        self._signals: dict[str, Any] = {}
        self._recording = _Recording()
        self._problem = ""

    def start(self) -> None:
        recording = self._recording = _Recording()
        self._problem = ""
        tracks = {
            "s/i": recording.current,
            "s/v": recording.voltage,
            f"s/gpi/{self._settings.trigger}": recording.trigger,
        }
        for signal, track in tracks.items():
            self._signals[signal] = self._listener(track)
            self._library(self._driver.subscribe, f"{self._device}/{signal}/!data", "pub", self._signals[signal])
            self._publish(f"{signal}/ctrl", 1)

    def stop(self) -> Capture:
        try:
            self.quiet()
        except MeterError as error:
            self._problem = self._problem or error.what
        recording = self._recording
        ids_a_sample = _SAMPLE_ID_HZ // self._settings.rate
        return Capture(float(self._settings.rate), lambda: recording.blocks(ids_a_sample), problem=self._problem)

    def quiet(self) -> None:
        """End the streams."""
        signals, self._signals = self._signals, {}
        for signal, listener in signals.items():
            self._publish(f"{signal}/ctrl", 0)
            self._library(self._driver.unsubscribe, f"{self._device}/{signal}/!data", listener)

    def _listener(self, track: _Track) -> Any:
        def keep(topic: str, value: Mapping[str, Any]) -> None:
            try:
                track.add(value)
            except (OSError, KeyError, TypeError, ValueError) as error:  # in the library's thread: nobody would see it
                self._problem = self._problem or f"what the meter sends cannot be kept: {error!r}"

        return keep

    def _publish(self, topic: str, value: Any) -> None:
        self._library(self._driver.publish, f"{self._device}/{topic}", value)

    def _library(self, call: Any, *arguments: Any) -> None:
        _call(self._device, call, *arguments)


def _call(device: str, call: Any, *arguments: Any) -> Any:
    """Call the library. Its errors become `MeterError`."""
    try:
        return call(*arguments)
    except (RuntimeError, TimeoutError, ValueError, OSError) as error:
        raise MeterError(
            f"the meter {device} failed: {error}", hint="was it unplugged, or does another program use it?"
        ) from None


def _chosen(devices: list[str], serial: str) -> str:
    """Return the device to use. Raises `Unavailable` when there is none, or several to choose from."""
    fitting = [device for device in devices if "/js220/" in device.lower() and device.endswith(serial)]
    if len(fitting) == 1:
        return fitting[0]
    attached = ", ".join(devices) or "none"
    raise Unavailable(
        f"{len(fitting)} Joulescope JS220 fit (attached: {attached})",
        hint="name one with serial=NUMBER" if fitting else "check its cable, and the rights to its USB device",
    )


class Joulescope:
    """The Joulescope JS220."""

    name = "joulescope"
    Settings: type[BaseModel] = JoulescopeSettings

    @contextlib.contextmanager
    def open(self, settings: JoulescopeSettings) -> Iterator[_Instrument]:
        """Open it and set its rate. Raises `Unavailable` without the library or a meter."""
        try:
            library = importlib.import_module(_LOADED)
        except ImportError as error:
            raise Unavailable(f"no {_LOADED}: {error}", hint="pip install 'hilbench[power]'") from None
        driver = _call("library", library.Driver)
        try:
            device = _chosen(_call("library", driver.device_paths), settings.serial)
            _call(device, driver.open, device)
            try:
                instrument = _Instrument(driver, device, settings)
                yield instrument
            finally:
                with contextlib.suppress(MeterError):
                    instrument.quiet()
                with contextlib.suppress(MeterError):
                    _call(device, driver.close, device)
        finally:
            driver.finalize()
