"""Nordic's Power Profiler Kit II over its USB serial port: 100,000 samples a second and eight logic inputs.

The protocol has no document of Nordic's; its reference is the source of their Power Profiler application
(github.com/NordicSemiconductor/pc-nrfconnect-ppk: src/constants.ts, src/device/serialDevice.ts).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hilbench.errors import MeterError
from hilbench.meters.base import Block, Capture
from hilbench.meters.port import Port, Recorder, opened
from hilbench.meters.ppk2_stream import Calibration, Decoder

RATE_HZ = 100_000.0
_BAUD = 115200  # a USB serial port has no baud rate: any will do
_AVERAGE_START, _AVERAGE_STOP = 0x06, 0x07
_DEVICE_RUNNING_SET, _REGULATOR_SET, _SET_POWER_MODE, _GET_META_DATA = 0x0C, 0x0D, 0x11, 0x19
_AMPERE_METER, _SOURCE_METER = 1, 2
_ANSWER_S = 1.0


class Ppk2Settings(BaseModel):
    """Options of `--hil-meter=ppk2:`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: str = Field(min_length=1, description="its serial port, such as /dev/ttyACM0")
    mode: Literal["source", "ampere"] = Field(
        default="source", description="source: it powers the board; ampere: it does not"
    )
    voltage: Annotated[float, Field(ge=0.8, le=5.0, allow_inf_nan=False)] = Field(
        description="volts that it supplies, or that the board is supplied with: 0.8 to 5.0"
    )
    trigger: int = Field(default=0, ge=0, le=7, description="the logic input that the trigger pin is wired to: 0 is D0")


class _Instrument:
    def __init__(self, port: Port, settings: Ppk2Settings) -> None:
        self._port = port
        self._settings = settings
        port.write(bytes([_AVERAGE_STOP]))  # it may still stream from a program that was killed
        port.drain()
        answer = port.ask(bytes([_GET_META_DATA]), lambda got: b"END" in got, _ANSWER_S).decode("ascii", "replace")
        if "END" not in answer or "R0:" not in answer:
            raise MeterError(
                f"the device at {port.name} does not answer as a PPK2"
                + (f" (it says {answer[:40]!r})" if answer else " (it is silent)"),
                hint="a PPK2 has two serial ports: try the other; its firmware must be that of the Power Profiler",
            )
        self._calibration = Calibration.parse(answer)
        source = settings.mode == "source"
        millivolts = round(settings.voltage * 1000)
        port.write(bytes([_SET_POWER_MODE, _SOURCE_METER if source else _AMPERE_METER]))
        port.write(bytes([_REGULATOR_SET, millivolts >> 8, millivolts & 0xFF]))
        port.write(bytes([_DEVICE_RUNNING_SET, 1]))
        found = dict(re.findall(r"^(HW|IA|Calibrated): (\S+)", answer, re.MULTILINE))
        self.facts: Mapping[str, str] = {
            "meter": "Nordic PPK2",
            "hardware": found.get("HW", "unknown"),
            "calibrated": found.get("Calibrated", "unknown"),
            "mode": settings.mode,
            "voltage": f"{settings.voltage:g} V" + ("" if source else ", as the user says"),
            "rate": f"{RATE_HZ:g} Hz",
        }
        self._recorder: Recorder | None = None

    def start(self) -> None:
        self._port.drain()
        self._recorder = Recorder(self._port)
        self._recorder.start()
        self._port.write(bytes([_AVERAGE_START]))

    def stop(self) -> Capture:
        assert self._recorder, "start() comes first"
        recorder, self._recorder = self._recorder, None
        try:
            self._port.write(bytes([_AVERAGE_STOP]))
        except MeterError as error:
            recorder.problem = recorder.problem or error.what
        recorder.stop()
        return Capture(RATE_HZ, lambda: self._blocks(recorder), problem=recorder.problem)

    def power_off(self) -> None:
        """Take the supply off the board."""
        self._port.write(bytes([_DEVICE_RUNNING_SET, 0]))

    def _blocks(self, recorder: Recorder) -> Iterator[Block]:
        """Decode what was recorded. Raises `MeterError` when it covers much less than its time."""
        stream, samples = Decoder(self._calibration, self._settings.voltage, self._settings.trigger), 0
        for chunk in recorder.chunks():
            block = stream.feed(chunk)
            samples += len(block.trigger)
            yield block
        block = stream.flush()
        samples += len(block.trigger)
        yield block
        recorder.check_covers(samples / RATE_HZ)


class Ppk2:
    """The Power Profiler Kit II."""

    name = "ppk2"
    Settings: type[BaseModel] = Ppk2Settings

    @contextmanager
    def open(self, settings: Ppk2Settings) -> Iterator[_Instrument]:
        """Open it, set mode and voltage, and switch the board's supply on; on leaving it is off again."""
        with opened(settings.port, _BAUD) as port:
            instrument = _Instrument(port, settings)
            try:
                yield instrument
            finally:
                with suppress(MeterError):  # unplugged: the board has no supply any more
                    instrument.power_off()
