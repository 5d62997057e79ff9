"""Runs on boards of a labgrid farm: a place gives the serial line, a debug probe if it has one, and power.

With a pyOCD server in the place, images are flashed as by the target `probe`; without, the board must run the image
already, as for the target `attach`. labgrid's own client, in a process of its own, talks to the coordinator
(`hilbench.targets.farm`).
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field

from hilbench.catalog.board import Board
from hilbench.errors import TargetError, Unavailable
from hilbench.frameworks.base import YES, Support
from hilbench.targets import hello
from hilbench.targets.attach import AttachedBoard, attached
from hilbench.targets.base import Attached, CrashReport, Memory
from hilbench.targets.farm.address import DEFAULT_PORT, coordinator_name
from hilbench.targets.farm.choose import find_place
from hilbench.targets.farm.client import Farm, connected
from hilbench.targets.locks import held
from hilbench.targets.ports import Port
from hilbench.targets.probe import FlashedBoard, Probe, ProbeSettings, flashed
from hilbench.targets.serial_line import SerialStream

_VARIABLE, _DEFAULT = "LG_COORDINATOR", f"127.0.0.1:{DEFAULT_PORT}"  # as labgrid's own client has them
_PIP = "pip install 'hilbench[farm]'"
_READY_S = 15.0
"""An exporter starts the server of a serial line when its place is acquired."""
_ALIVE_S = 3.0
"""A board that runs answers within a second of its reset."""

_log = logging.getLogger(__name__)


class LabgridSettings(Attached):
    """An entry `labgrid:` under a board's `targets:`."""

    port: str | None = Field(default=None, description="which of the place's serial ports, by its name there")
    place: str | None = Field(default=None, description="the place: name, alias, or + for a reservation")
    coordinator: str | None = Field(default=None, description="HOST[:PORT]; else LG_COORDINATOR, as labgrid-client")
    off_s: float = Field(default=2.0, ge=0, le=60, description="seconds without power, when it is cycled")


class Labgrid:
    """The target `labgrid`."""

    name = "labgrid"
    Settings: type[BaseModel] = LabgridSettings
    counters = frozenset({"cycles"})
    silicon = True

    def available(self, board: Board, settings: LabgridSettings) -> Support:
        """Say whether labgrid is installed; the farm is asked when an image is to be run."""
        if importlib.util.find_spec("labgrid") is None:
            return Support(False, "labgrid is not installed", _PIP)
        return YES

    def version(self) -> str:
        """Return labgrid's version. Raises `Unavailable` without it."""
        try:
            return importlib.metadata.version("labgrid")
        except importlib.metadata.PackageNotFoundError:
            raise Unavailable("labgrid is not installed", hint=_PIP) from None

    @contextlib.contextmanager
    def run(self, image: Path, board: Board, settings: LabgridSettings) -> Iterator[FarmBoard]:
        """Acquire the board's place, waiting until it is free, flash `image` if there is a probe, and open the line.

        Raises `Unavailable` for a farm, place or exporter that is not there, or not free in time; `WrongImage` when
        there is no probe and another image is on the board; `TargetError` for what goes wrong.
        """
        start_s = time.monotonic()
        coordinator = settings.coordinator or os.environ.get(_VARIABLE) or _DEFAULT
        with contextlib.ExitStack() as stack:
            farm = stack.enter_context(connected(coordinator))
            place = find_place(board, settings.place, farm.places()).name
            # labgrid does not tell two runs of one user on one computer apart.
            stack.enter_context(held(f"{place}@{coordinator_name(coordinator)}", settings.wait_s))
            farm.acquire(place, max(0.0, settings.wait_s - (time.monotonic() - start_s)))
            _log.info("%s: place %s of %s", board.id, place, coordinator)
            line = farm.line(settings.port, _READY_S)
            if farm.power:
                farm.switch("on", settings.off_s)
            if farm.probe and "probe" in board.targets:
                running: FarmBoard = stack.enter_context(_flashed(farm, line, image, board, settings))
            else:
                running = stack.enter_context(_attached(farm, line, image, board, settings))
            yield running


class FarmBoard:
    """A board at a place of a farm. It is its own stream, which ends when the place is not ours any more.

    `facts` tell for a record where it is.
    """

    def __init__(self, farm: Farm, inner: AttachedBoard | FlashedBoard, off_s: float) -> None:
        self.facts = {"place": farm.place, "coordinator": farm.coordinator, **getattr(inner, "facts", {})}
        self._farm, self._inner, self._off_s = farm, inner, off_s

    @property
    def stream(self) -> FarmBoard:
        """The line to the agent."""
        return self

    def read(self, timeout_s: float) -> bytes:
        """Return what has arrived, waiting at most `timeout_s`.

        Raises `EOFError` when the line is gone, `TargetError` when the place is.
        """
        self._farm.check()
        return self._line.read(timeout_s)

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises as `read`, and `LinkTimeout` when the line takes no more."""
        self._farm.check()
        self._line.write(data)

    def reset(self) -> None:
        """Reset the board, by the probe or by asking the agent; take its power away for a moment if that is no use.

        Raises `TargetError` or `Unavailable` when it does not come back.
        """
        self._farm.check()
        lost = None
        try:
            self._inner.reset()
            if self.answers():
                return
        except (TargetError, Unavailable) as error:
            lost = error
        if not self._farm.power:
            if lost is not None:
                raise lost
            return  # whether it only takes its time is for its next answer to say
        _log.info("place %s: power off and on: %s", self._farm.place, lost.what if lost else "no answer")
        try:
            self._farm.switch("cycle", self._off_s)
        except TargetError as unswitched:
            if lost is None:
                raise
            raise TargetError(f"{lost.what}; and {unswitched.what}", hint=lost.hint) from None
        self._inner.reset()

    def crash(self) -> CrashReport | None:
        """Say how the firmware died, if there is a probe, or that line or place are gone; None if nothing is known."""
        return CrashReport("gone", self._farm.lost) if self._farm.lost else self._inner.crash()

    def answers(self) -> bool:
        """Whether an agent answers now. What it says more than that is dropped."""
        return hello.answers(self, _ALIVE_S)

    @property
    def _line(self) -> SerialStream | AttachedBoard:
        return self._inner.stream


class FlashedFarmBoard(FarmBoard):
    """A board with a debug probe at its place."""

    def __init__(self, farm: Farm, inner: FlashedBoard, off_s: float) -> None:
        super().__init__(farm, inner, off_s)
        self._flashed = inner

    @property
    def memory(self) -> Memory:
        """The chip's memory, over the probe, while it runs."""
        return self._flashed.memory


@contextlib.contextmanager
def _flashed(
    farm: Farm, line: Port, image: Path, board: Board, settings: LabgridSettings
) -> Iterator[FlashedFarmBoard]:
    """Flash the board over the place's pyOCD server; one whose chip cannot be reached gets its power anew, once."""
    probe = {**board.targets["probe"], "probe": f"remote:{farm.probe}", "wait_s": settings.wait_s}
    link = ProbeSettings.model_validate(probe)
    here = Probe().available(board, link)
    if not here.ok:
        raise Unavailable(here.reason, hint=here.remedy or None)
    with contextlib.ExitStack() as stack:
        try:
            inner = stack.enter_context(flashed(image, board, link, line))
        except TargetError as error:
            if not farm.power:
                raise
            _log.warning("place %s: power off and on: %s", farm.place, error.what)
            farm.switch("cycle", settings.off_s)
            inner = stack.enter_context(flashed(image, board, link, line))
        yield FlashedFarmBoard(farm, inner, settings.off_s)


@contextlib.contextmanager
def _attached(farm: Farm, line: Port, image: Path, board: Board, settings: LabgridSettings) -> Iterator[FarmBoard]:
    """Open the board's line; one that is silent, as its last user may have left it, gets its power anew."""
    remedy = f"place {farm.place} has no pyOCD server (docs/remote.md): flash {image} yourself"
    with attached(line, board, image, settings.wait_s, remedy) as inner:
        running = FarmBoard(farm, inner, settings.off_s)
        if farm.power and not running.answers():
            running.reset()
        yield running
