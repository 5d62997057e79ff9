"""Runs images on real boards over a debug probe: flashes them with pyOCD, starts them, and gives their serial line.

pyOCD runs in a process of its own (`hilbench.targets.debug`). The debug session stays open as long as the image runs:
letting go of a chip switches off the cycle counter that the firmware has switched on.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, field_validator

from hilbench.catalog.board import Board
from hilbench.errors import TargetCrashed, TargetError, Unavailable
from hilbench.frameworks.base import YES, Support
from hilbench.images.elf import Elf
from hilbench.targets.base import Attached, CrashReport, Memory
from hilbench.targets.debug import choose, post_mortem
from hilbench.targets.debug.client import Chip, Link, PyOcd, started
from hilbench.targets.hello import answers
from hilbench.targets.loadable import code_range, loadable
from hilbench.targets.locks import held
from hilbench.targets.ports import Port, find_port, refound
from hilbench.targets.serial_line import SerialStream, open_line

RETURN_S = 15.0
"""A probe, or a board with one on it, that was unplugged or lost its power is back after a few seconds, or not soon."""
_RETRY_EVERY_S = 0.5
_ANSWER_S = 10.0
"""An agent answers within a second of its reset; what is emulated on a loaded computer may need several."""
_SILENT_S = 0.5
_SILENT_REMOTE_S = 1.5
"""An agent that runs answers within milliseconds, or, where a serial server is far away, within this time."""
_PIP = "pip install 'hilbench[probe]'"
# PARTNO of CPUID: Armv7-M ARM DDI 0403E, B3.2.3, and each core's technical reference manual.
_CORES = {
    0xC20: "cortex-m0",
    0xC60: "cortex-m0plus",
    0xC23: "cortex-m3",
    0xC24: "cortex-m4",
    0xC27: "cortex-m7",
    0xD21: "cortex-m33",
    0xD22: "cortex-m55",
}

_VECTORS_BYTES = 8
"""Initial stack pointer and reset vector: DDI 0403E, B1.5.3."""
_log = logging.getLogger(__name__)


class ProbeSettings(Attached):
    """An entry `probe:` under a board's `targets:`."""

    target: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$", description="the chip as `pyocd list --targets` names it")
    pack: str | None = Field(default=None, description="a CMSIS pack (.pack) on this computer that has the target")
    probe: str | None = Field(default=None, description="the debug probe's whole unique id")
    frequency_hz: int = Field(default=4_000_000, ge=1_000, le=50_000_000, description="of SWD")
    connect: Literal["halt", "pre-reset", "under-reset"] = Field(
        default="halt", description="halt the chip, reset it before, or hold it in reset until it is connected"
    )

    @field_validator("target")
    @classmethod
    def _with_flash(cls, target: str) -> str:
        if target.lower().replace("-", "_") == "cortex_m":
            raise ValueError("'cortex_m' is any chip, of which pyOCD knows no flash: name the chip itself")
        return target


class Probe:
    """The target `probe`."""

    name = "probe"
    Settings: type[BaseModel] = ProbeSettings
    counters = frozenset({"cycles"})
    silicon = True

    def available(self, board: Board, settings: ProbeSettings) -> Support:
        """Say whether pyOCD and the pack are here; what is attached is looked at when an image is to be run."""
        if importlib.util.find_spec("pyocd") is None:
            return Support(False, "pyOCD is not installed", _PIP)
        if settings.pack and not Path(settings.pack).expanduser().is_file():
            return Support(
                False,
                f"there is no CMSIS pack {settings.pack}, which board {board.id} needs",
                f"`pyocd pack install {settings.target}`, or get it at www.keil.arm.com/packs; see docs/boards.md",
            )
        return YES

    def version(self) -> str:
        """Return pyOCD's version. Raises `Unavailable` without it."""
        try:
            return f"pyOCD {importlib.metadata.version('pyocd')}"
        except importlib.metadata.PackageNotFoundError:
            raise Unavailable("pyOCD is not installed", hint=_PIP) from None

    @contextlib.contextmanager
    def run(self, image: Path, board: Board, settings: ProbeSettings) -> Iterator[FlashedBoard]:
        """Flash `image`, if it is not on the board already, and start it; the board then is ours alone.

        Raises `Unavailable` for what is not here, or used by others for too long; `ModelError` for what is no image;
        `TargetError` for all that goes wrong.
        """
        with flashed(image, board, settings) as running:
            yield running


@contextlib.contextmanager
def flashed(image: Path, board: Board, settings: ProbeSettings, line: Port | None = None) -> Iterator[FlashedBoard]:
    """Do as `Probe.run`; `line` is the serial line, where somebody else vouches for it: a farm does."""
    elf = Elf.open(image)
    segments = loadable(elf, board)
    pack = str(Path(settings.pack).expanduser().absolute()) if settings.pack else ""
    link = Link(settings.target, pack, settings.frequency_hz, settings.connect)
    with contextlib.ExitStack() as stack:
        pyocd = stack.enter_context(started())
        probe = choose.find_probe(pyocd, board, settings.probe)
        port = line or _port(board, settings.port, probe.unique_id)
        unit = choose.unit(probe.unique_id)
        for one in dict.fromkeys((unit, port.unit)):
            stack.enter_context(held(one, settings.wait_s))
        running = stack.enter_context(FlashedBoard(elf, board, probe.unique_id, link, port, pyocd))
        running.flash(segments)
        if probe.board_id.strip("0"):
            running.facts["probe_board_id"] = probe.board_id
        if line is None and port.unit != unit:
            running.prove_line()
        yield running


class FlashedBoard:
    """A board that runs an image, with a debug probe and a serial line. `facts` tell for a record how it came there."""

    def __init__(self, elf: Elf, board: Board, probe: str, link: Link, port: Port, pyocd: PyOcd) -> None:
        self.facts: dict[str, str] = {}
        self._elf, self._board, self._probe, self._link, self._port = elf, board, probe, link, port
        self._pyocd = pyocd
        self._life = contextlib.ExitStack()
        self._line_life = contextlib.ExitStack()

    def __enter__(self) -> FlashedBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self._line_life.close()
        self._life.close()

    @property
    def stream(self) -> SerialStream:
        """The serial line to the agent."""
        return self._stream

    @property
    def memory(self) -> Memory:
        """The chip's memory, over the probe, while it runs."""
        return self._pyocd

    def flash(self, segments: list[tuple[int, bytes]]) -> None:
        """Connect, write what is not there yet, and start the image with the serial line open."""
        code = code_range(self._board)
        chip = self._pyocd.open(self._probe, self._link)
        _check_core(chip, self._board)
        self._check_boots(code[0])
        start_s = time.monotonic()
        written = self._pyocd.flash(segments, code)
        size = sum(len(data) for _, data in segments)
        how = f"{size} bytes in {time.monotonic() - start_s:.1f} s" if written else "nothing: the image was there"
        _log.info("%s: flashed %s", self._board.id, how)
        self.facts = {
            "probe": chip.probe,
            "probe_id": chip.unique_id,
            "target": self._link.target,
            "cpuid": f"0x{chip.cpuid:08x}",
            **({"part_id": chip.part_id} if chip.part_id else {}),
            "flashed": how,
        }
        self._open_line(time.monotonic() + RETURN_S)
        self._pyocd.reset()

    def _check_boots(self, base: int) -> None:
        """Raise `TargetError` for an image behind a boot loader that is not there: the chip would start in the void."""
        try:
            vectors = self._pyocd.read(0, _VECTORS_BYTES) if base else b""
        except TargetError:
            return  # nothing is at 0 here: it boots elsewhere
        if vectors == b"\xff" * _VECTORS_BYTES:
            raise TargetError(
                f"the chip's flash is empty at 0, where {self._board.name} has the boot loader that starts an image at "
                f"0x{base:08x}",
                hint="put the boot loader back first (its maker says how); an erase of the whole chip took it away",
            )

    def prove_line(self) -> None:
        """Make sure that the line is that of the chip at the probe, and not of another board that runs this image.

        While the probe halts the chip, its line is silent. The image is started again afterwards. Raises `TargetError`
        for the line of another board, `TargetCrashed` where nothing answers at all.
        """
        if not answers(self._stream, _ANSWER_S):
            raise TargetCrashed(str(self.crash()), hint=f"is {self._port} the board's line? See docs/boards.md")
        self._pyocd.halt()
        if answers(self._stream, _SILENT_REMOTE_S if self._port.remote else _SILENT_S):
            self._pyocd.resume()
            raise TargetError(
                f"{self._port} is the line of another board: it answers while the chip at probe '{self._probe}' is "
                "halted",
                hint="--hil-port names the line of the board that this probe is on; `hilbench doctor` lists them",
            )
        self._pyocd.reset()
        self.facts["line"] = "is silent while the probe halts the chip"

    def reset(self) -> None:
        """Start the image again; a probe, or a board, that was gone is waited for. `stream` may be another one then.

        Raises `TargetError` or `Unavailable` when it does not come back.
        """
        if not self._line_ended():
            try:
                self._pyocd.reset()
                return
            except (TargetError, Unavailable) as lost:
                _log.info("%s: %s", self._board.id, lost.what)
        deadline = time.monotonic() + RETURN_S
        self._reconnect(deadline)
        self._open_line(deadline)
        self._pyocd.reset()

    def crash(self) -> CrashReport:
        """Say how the firmware died, why it hangs, or that it waits (`idle`). Called when it stopped answering.

        It goes on afterwards, if it can. Raises `TargetError` or `Unavailable` when the chip cannot be reached.
        """
        try:
            look = self._pyocd.look()
        except TargetError:
            self._reconnect(time.monotonic())
            look = self._pyocd.look()
        return post_mortem.report(look, self._elf, str(self._port))

    def _open_line(self, deadline: float) -> None:
        """Open the serial line, or open it again where it is now."""
        self._line_life.close()
        self._port = refound(self._port, max(0.0, deadline - time.monotonic()))
        self.facts["port"] = self._port.url
        self._stream = self._line_life.enter_context(open_line(self._port, self._board.baud))

    def _line_ended(self) -> bool:
        """Whether the serial line is gone. What has come over it before a reset is dropped."""
        try:
            self._stream.read(0)
        except EOFError:
            return True
        return False

    def _reconnect(self, deadline: float) -> None:
        """Connect again without halting the chip, at once or before `deadline`. Raises what the last attempt did."""
        attach = Link(self._link.target, self._link.pack, self._link.frequency_hz, "attach")
        retried = False
        while True:
            try:
                if self._pyocd.broken:
                    self._life.close()
                    self._pyocd = self._life.enter_context(started())
                self._pyocd.open(self._probe, attach)
                return
            except (TargetError, Unavailable) as lost:
                if time.monotonic() >= deadline:
                    waited = f"after {RETURN_S:g} s of waiting, " if retried else ""
                    raise type(lost)(f"{waited}{lost.what}", where=lost.where, hint=lost.hint) from None
            retried = True
            time.sleep(_RETRY_EVERY_S)


def _port(board: Board, wanted: str | None, probe: str) -> Port:
    """Return the serial port: the one named, the one that the probe has itself, or the board's."""
    if wanted is None:
        usb = board.serial.usb if board.serial else ()
        for port in choose.own_ports(probe):
            if not usb or port.usb in usb:
                return find_port(board, port.serial_number)
    return find_port(board, wanted)


def _check_core(chip: Chip, board: Board) -> None:
    """Raise `TargetError` for a chip with another core than the board's: its image would not run."""
    part = chip.cpuid >> 4 & 0xFFF
    core = board.core_info
    if part in _CORES and _CORES[part] != core.name.removesuffix("f"):
        raise TargetError(
            f"the chip at probe '{chip.unique_id}' has a {chip.core}, and board {board.id} a {core.title}",
            hint=f"another board is attached to this probe: {choose.OPTION}=ID names the right one",
        )
