"""ST's X-NUCLEO-LPM01A ("PowerShield"): text commands over a serial port, and samples as text.

Commands and samples: ST UM2269 rev 6, 4.3 and 4.4. `eventsrc`, which puts a line into the samples for each edge on D7,
is in no manual; the reference is the runner of MLPerf Tiny (github.com/mlcommons/tiny,
benchmark/runner/power_manager/power_manager_lpm.py). The faster binary format has no such events, and without them no
inference can be found in it; so it is not used.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hilbench.errors import MeterError
from hilbench.meters.base import Block, Capture, whole
from hilbench.meters.lpm01a_stream import STAMP_EVERY, Decoder
from hilbench.meters.port import Port, Recorder, opened

_BAUD = 3_686_400  # UM2269 rev 6, table 2
_ANSWER_S = 1.0
_POWER_ON_S = 5.0
"""Setting the voltage calibrates the shield first (UM2269 rev 6, `calib`)."""
_STAMPS = 1.1
"""Between time stamps: so many more are recorded after the last inference, as samples are sure only up to a stamp."""


class Lpm01aSettings(BaseModel):
    """Options of `--hil-meter=lpm01a:`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: str = Field(min_length=1, description="its serial port, such as /dev/ttyACM0")
    voltage: Annotated[float, Field(ge=1.8, le=3.3, allow_inf_nan=False)] = Field(
        description="volts that it supplies the board with: 1.8 to 3.3"
    )
    output: Literal["energy", "current"] = Field(
        default="energy", description="energy: integrated from sample to sample; current: at the instant of each"
    )
    # Faster text ends after a second (UM2269 rev 6, table 2).
    rate: Annotated[Literal[1000, 2000, 5000], BeforeValidator(whole)] = Field(
        default=1000, description="samples a second: 1000, 2000 or 5000"
    )


class _Instrument:
    def __init__(self, port: Port, settings: Lpm01aSettings) -> None:
        self._port = port
        self._settings = settings
        port.write(b"stop\n")  # it may still stream to a program that was killed
        port.drain()
        firmware, _ = self._command("version")
        self._command("htc")
        kilo = f"{settings.rate // 1000}k"
        for command in ("acqmode dyn", "acqtime inf", "trigsrc sw", "trigdelay 0", f"output {settings.output}",
                        "format ascii_dec", f"freq {kilo}"):  # fmt: skip
            self._command(command)
        self._command("eventsrc d7 ris", hint="this firmware marks no edges of D7: without them no inference is found")
        self._command(f"volt {round(settings.voltage * 1000)}m", within_s=_POWER_ON_S)
        self._command("pwr on nostatus")
        self.facts: Mapping[str, str] = {
            "meter": "ST X-NUCLEO-LPM01A",
            "firmware": firmware.strip(": "),
            "mode": f"dyn, {settings.output}",
            "voltage": f"{settings.voltage:g} V",
            "rate": f"{settings.rate} Hz",
        }
        self._recorder: Recorder | None = None

    def start(self) -> None:
        self._port.drain()
        _, begun = self._command("start")
        self._recorder = Recorder(self._port, begun)
        self._recorder.start()

    def stop(self) -> Capture:
        assert self._recorder, "start() comes first"
        recorder, self._recorder = self._recorder, None
        time.sleep(_STAMPS * STAMP_EVERY / self._settings.rate)
        try:
            self._port.write(b"stop\n")
        except MeterError as error:
            recorder.problem = recorder.problem or error.what
        recorder.stop()
        rate_hz = float(self._settings.rate)
        return Capture(rate_hz, lambda: self._blocks(recorder), marks="rises", problem=recorder.problem)

    def close(self) -> None:
        """Take the supply off the board and give the shield back its own buttons."""
        self._command("pwr off")
        self._command("hrc")

    def _blocks(self, recorder: Recorder) -> Iterator[Block]:
        settings = self._settings
        decoder = Decoder(float(settings.rate), settings.voltage, energy=settings.output == "energy")
        samples = 0
        for chunk in recorder.chunks():
            block = decoder.feed(chunk)
            samples += len(block.trigger)
            yield block
        block = decoder.flush()
        yield block
        recorder.check_covers((samples + len(block.trigger)) / settings.rate)

    def _command(self, command: str, *, within_s: float = _ANSWER_S, hint: str = "") -> tuple[str, bytes]:
        """Send a command, wait for its `ack`, and return what follows: in its line, and after it.

        Raises `MeterError` without an `ack`.
        """
        verb = command.split()[0].encode()
        ends: Callable[[bytes], bool] = re.compile(rb"(ack|err\w*) +" + verb + rb"[^\n]*\n").search  # type: ignore[assignment]
        answer = self._port.ask(command.encode() + b"\n", lambda got: bool(ends(got)), within_s)
        if found := re.search(rb"ack +" + re.escape(command.encode()) + rb"([^\n]*)\n", answer):
            return found[1].decode("ascii", "replace").strip(), answer[found.end() :]
        told = answer.decode("ascii", "replace")
        if not told.strip("\x00\r\n"):
            raise MeterError(f"the meter at {self._port.name} does not answer to '{command}'", hint="is it an LPM01A?")
        if re.search(r"err\w* ", told) and "PowerShield" in told:
            raise MeterError(f"the LPM01A refuses '{command}': {' '.join(told.split())[:120]}", hint=hint or None)
        raise MeterError(
            f"the device at {self._port.name} does not answer as an LPM01A: {' '.join(told.split())[:60]!r}",
            hint="another port? `python -m serial.tools.list_ports -v` names it PowerShield",
        )


class Lpm01a:
    """The X-NUCLEO-LPM01A."""

    name = "lpm01a"
    Settings: type[BaseModel] = Lpm01aSettings

    @contextmanager
    def open(self, settings: Lpm01aSettings) -> Iterator[_Instrument]:
        """Open it, set it up, and switch the board's supply on; on leaving it is off again."""
        with opened(settings.port, _BAUD) as port:
            instrument = _Instrument(port, settings)
            try:
                yield instrument
            finally:
                with suppress(MeterError):
                    instrument.close()
