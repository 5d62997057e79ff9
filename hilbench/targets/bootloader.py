"""Runs images on real boards without a debug probe: the board's own boot loader puts them on it.

The boot loader is on USB or on the agent's own line (`hilbench.targets.loaders`); then the line is opened as the target
`attach` does. A boot loader tells nothing of what is in flash, so a board that runs is asked first (`Reusable`).
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from hilbench.catalog.board import Board
from hilbench.catalog.wiring import UsbId
from hilbench.errors import LinkTimeout, TargetError, Unavailable, UsageError, WrongImage
from hilbench.frameworks.base import Support
from hilbench.targets.attach import AttachedBoard
from hilbench.targets.base import Attached
from hilbench.targets.hello import answers
from hilbench.targets.loaders import uf2
from hilbench.targets.loaders.base import Binary, Loader
from hilbench.targets.loaders.bossac import Bossac
from hilbench.targets.loaders.entry import entered
from hilbench.targets.loaders.stm32flash import Stm32Flash
from hilbench.targets.loaders.uf2 import Uf2
from hilbench.targets.locks import held
from hilbench.targets.ports import Port, find_port, refound

_BACK_S = 15.0
_ANSWER_S = 5.0
"""An agent is ready within a second of its reset."""

_log = logging.getLogger(__name__)


class BootloaderSettings(Attached):
    """An entry `bootloader:` under a board's `targets:`."""

    kind: Literal["bossac", "uf2", "stm32flash"] = Field(
        description="bossac: Arduino's on USB; uf2: a USB drive; stm32flash: ST's, on the board's serial line"
    )
    usb: tuple[UsbId, ...] = Field(default=(), description="of bossac: VID:PID of the boot loader's own serial port")
    touch: tuple[UsbId, ...] = Field(
        default=(), description="VID:PID of serial ports whose programs start the boot loader at 1200 baud"
    )
    loader: str | None = Field(
        default=None, description="of bossac: the board's USB serial numbers, as boot loader and as sketch: A or A,B"
    )
    drive: str | None = Field(default=None, description="of uf2: the drive's label, the Board-ID in its INFO_UF2.TXT")
    family: int = Field(default=uf2.RP2040, ge=0, lt=2**32, description="of uf2: the chip's family id; else RP2040's")
    chip: int | None = Field(default=None, ge=0, lt=2**16, description="of stm32flash: the chip's device id, AN2606")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs = {"bossac": "usb", "uf2": "drive"}.get(self.kind)
        if needs and not getattr(self, needs):
            raise ValueError(f"kind '{self.kind}' needs '{needs}'")
        if self.loader is not None and (self.kind != "bossac" or not self.own):
            raise ValueError("'loader' is of kind 'bossac': USB serial numbers, with commas between")
        return self

    @property
    def own(self) -> tuple[str, ...]:
        """The USB serial numbers that were named; none if any board will do."""
        return tuple(number.strip() for number in (self.loader or "").split(",") if number.strip())


class Bootloader:
    """The target `bootloader`."""

    name = "bootloader"
    Settings: type[BaseModel] = BootloaderSettings
    counters = frozenset({"cycles"})
    silicon = True

    def available(self, board: Board, settings: BootloaderSettings) -> Support:
        """Say whether the tool that loads is here, and the board's serial line; the boot loader comes when asked."""
        if board.core_info.is_host:
            return Support(False, f"{board.name} is no board that has a boot loader", f"--board={board.id}@host")
        try:
            port = find_port(board, settings.port)
        except (Unavailable, UsageError) as reason:
            return Support(False, reason.what, reason.hint or "")
        return _loader(settings, port).available()

    def version(self) -> str:
        """Return hilbench's version: which tool loads is the board's affair, and what it does is checked."""
        return importlib.metadata.version("hilbench")

    @contextlib.contextmanager
    def attached(self, image: Path, board: Board, settings: BootloaderSettings) -> Iterator[LoadedBoard | None]:
        """Hold the board and open its line, whatever runs there. A boot loader on that line hears nothing of it."""
        port = find_port(board, settings.port)
        loader = _loader(settings, port)
        with held(port.unit, settings.wait_s):
            if loader.on_line and loader.find():
                yield None
                return
            with _opened(port, board, image, loader) as running:
                yield running

    @contextlib.contextmanager
    def run(self, image: Path, board: Board, settings: BootloaderSettings) -> Iterator[LoadedBoard]:
        """Load `image`, and open the board's line.

        Raises `Unavailable` for what is not here or used by others for too long, `ModelError` for what is no image,
        `TargetError` for what goes wrong with loading.
        """
        binary = Binary.of(image, board)
        port = find_port(board, settings.port)
        loader = _loader(settings, port)
        with held(port.unit, settings.wait_s):
            entering = entered(loader, port, board.baud, settings.touch, settings.own)
            with held(loader.exclusive, settings.wait_s), entering as place:
                start_s = time.monotonic()
                loader.load(binary, place)
            _log.info("%s: loaded %d bytes in %.1f s", board.id, len(binary.data), time.monotonic() - start_s)
            with _opened(port, board, image, loader) as running, _explained(running, board, loader):
                yield running


class LoadedBoard(AttachedBoard):
    """A board on its open line; `press` is what a person does to start its boot loader."""

    def __init__(self, port: Port, baud: int, image: Path, press: str) -> None:
        super().__init__(port, baud, image)
        self._press = press

    def __enter__(self) -> LoadedBoard:
        super().__enter__()
        return self

    def reset(self) -> None:
        """Do as `attach` does, and make sure of an answer, as there is no other way to reset the board.

        Raises `TargetError` with what to press when there is none.
        """
        super().reset()
        if not answers(self, _ANSWER_S):
            raise TargetError(
                f"the board at {self.port} does not take a reset over its line",
                hint=f"press its reset button, and run again; if it stays silent: {self._press}",
            )


def _opened(port: Port, board: Board, image: Path, loader: Loader) -> LoadedBoard:
    return LoadedBoard(refound(port, _BACK_S), board.baud, image, loader.press)


def _loader(settings: BootloaderSettings, port: Port) -> Loader:
    if settings.kind == "bossac":
        return Bossac(settings.usb, settings.own)
    if settings.kind == "uf2":
        assert settings.drive, "the settings were checked"
        return Uf2(settings.drive, settings.family)
    return Stm32Flash(port, settings.chip)


@contextlib.contextmanager
def _explained(running: LoadedBoard, board: Board, loader: Loader) -> Iterator[None]:
    """Say of a board that was loaded and does not answer, or as another, what that may be."""
    try:
        yield
    except WrongImage as wrong:
        raise WrongImage(
            f"{wrong.what} ({running.port}), after it was loaded",
            hint="the line is that of another board than the boot loader: --hil-port names the right one",
        ) from None
    except LinkTimeout as silence:
        pins = board.serial.pins if board.serial else None
        raise LinkTimeout(
            f"the image was loaded, and {silence.what} ({running.port})",
            hint=f"check the wires{f' ({pins})' if pins else ''} and press reset; else load again: {loader.press}",
        ) from None
