"""Runs Arm images in Renode, on platform files of our own that need no network, and counts their instructions.

Renode says little when something is wrong, so all that it would pass over is looked at here: images for another memory,
a core that does not start, calls that do not come back. Its server for commands listens on all networks: `confined`
keeps others out. The guest's UART is a pseudo terminal.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import socket
import tempfile
import time
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, Field

from hilbench.catalog.board import Board, Strict
from hilbench.counts import Probe, Window
from hilbench.errors import TargetError, Unavailable, nearest
from hilbench.frameworks.base import YES, Support
from hilbench.images.elf import Elf
from hilbench.targets import crash, renode_counts
from hilbench.targets.base import IDLE, CrashReport
from hilbench.targets.confined import Confined, confined
from hilbench.targets.process import child
from hilbench.targets.renode_control import Control, Gone
from hilbench.targets.serial_line import FileStream

VARIABLE = "HILBENCH_RENODE"
"""The environment variable that holds the command to start Renode with."""
_PLATFORMS = Path(__file__).parent / "renode_platforms"
_HINT = f"install Renode (renode.io), or set {VARIABLE} to the command that starts it: docs/emulators.md"
_UP_S = 90.0
"""Renode is up within 2 s, on a computer that is far too busy within 20."""
_ANSWER_S = 60.0
"""The slowest command, a platform's description, takes 1 to 5 s."""
_MIPS = 400
"""Virtual time is instructions by this: the more, the less often Renode's threads wait for each other."""
_LOOKS = 3
_LOOK_EVERY_S = 0.01
_REGISTER = re.compile(r"\|\s*(R\d+|SP|LR|PC|CPSR)\b[^|]*\|[^|]*\|\s*0x([0-9A-Fa-f]+)\s*\|")
_WFI = 0xBF30  # Thumb encoding T1: Armv7-M ARM DDI 0403E, A7.7.261
_EXCEPTION_NUMBER = 0x1FF  # of XPSR: DDI 0403E, B1.4.2
_FAULTS = range(3, 7)  # HardFault to UsageFault: DDI 0403E, B1.5.2
_CFSR = 0xE000_ED28
_ODD = re.compile(r"\[(?:WARNING|ERROR)\].*")


class RenodeSettings(Strict):
    """An entry `renode:` under a board's `targets:`."""

    platform: str = Field(
        pattern=r"^(/.*\.repl|[\w.-]+)$", description="a platform of hilbench, or a .repl's full path"
    )
    uart: str = Field(default="uart0", pattern=r"^\w+$", description="the platform's name of the UART to the agent")


class Renode:
    """The target `renode`."""

    name = "renode"
    Settings: type[BaseModel] = RenodeSettings
    counters: frozenset[str] = frozenset()
    silicon = False

    def available(self, board: Board, settings: RenodeSettings) -> Support:
        """Say whether Renode is here, and the platform known."""
        try:
            self.version()
            _platform(settings.platform)
        except Unavailable as reason:
            return Support(False, reason.what, reason.hint or "")
        return YES

    def version(self) -> str:
        """Return Renode's version, such as `1.16.0`. Raises `Unavailable` when it is not here or does not run."""
        return _version(_command())

    @contextlib.contextmanager
    def run(self, image: Path, board: Board, settings: RenodeSettings) -> Iterator[Machine]:
        """Start `image`; when the context is left, Renode is gone.

        Raises `ModelError` for a file that is no Arm ELF, `Unavailable` without Renode, `TargetError` when it refuses.
        """
        with _prepared(Elf.open(image), board, settings) as machine:
            machine.start()
            yield machine

    @contextlib.contextmanager
    def count(self, image: Path, board: Board, settings: RenodeSettings, probe: Probe) -> Iterator[CountedMachine]:
        """Start `image` as `run` does, and count the instructions of its windows; blocks and accesses it cannot.

        Raises `Unavailable` for an image without marks, and what `run` raises.
        """
        elf = Elf.open(image)
        with _prepared(elf, board, settings) as machine:
            counter = renode_counts.attach(machine.control, elf, machine.folder)
            machine.start()
            yield CountedMachine(elf, machine.folder, machine.program, machine.control, machine.stream, counter)


@contextlib.contextmanager
def _prepared(elf: Elf, board: Board, settings: RenodeSettings) -> Iterator[Machine]:
    """Start Renode and make the board's machine, with `elf` loaded and its line open."""
    command, platform = _command(), _platform(settings.platform)
    _require_fits(elf, board)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hilbench-renode-")))
        shutil.copyfile(platform, folder / "platform.repl")
        shutil.copyfile(elf.path, folder / "image.elf")
        port = _free_port()
        options = [
            "--disable-xwt",
            "--plain",
            "--hide-analyzers",
            "--config",
            "config",
            "--robot-server-port",
            str(port),
        ]
        program = stack.enter_context(confined([*command, *options], folder, _environment(folder)))
        control = _opened(program, port)
        _make(control, board, settings, folder / "line")
        line = os.open(folder / "line", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        stack.callback(os.close, line)
        tty.setraw(line)
        yield Machine(elf, folder, program, control, FileStream(line))


def _free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
    return port


def _environment(folder: Path) -> dict[str, str]:
    """Return ours, with all that Renode writes in `folder`.

    .NET, which newer ones run on, maps code twice through a file of 2 GB: more than `child` lets anything write.
    """
    return {**os.environ, "TMPDIR": str(folder), "XDG_CONFIG_HOME": str(folder), "DOTNET_EnableWriteXorExecute": "0"}


def _opened(program: Confined, port: int) -> Control:
    """Return the control of a Renode that has just been started, once it answers."""
    deadline = time.monotonic() + _UP_S
    while True:
        with contextlib.suppress(OSError):
            program.connect(port, _ANSWER_S).close()
            break
        if program.process.poll() is not None:
            raise TargetError(f"Renode does not start: {_last(program)}", hint=f"does {VARIABLE} start a Renode?")
        if time.monotonic() > deadline:
            raise TargetError(f"Renode is not up after {_UP_S:.0f} s: {_last(program)}")
        time.sleep(0.05)
    return Control(lambda: program.connect(port, _ANSWER_S))


def _make(control: Control, board: Board, settings: RenodeSettings, line: Path) -> None:
    """Make the machine, its UART at `line`. Files to read are in the folder that Renode was started in."""
    assert board.memory is not None, "the catalog refuses a board with a core but no memory"
    vectors = f"cpu VectorTableOffset 0x{board.memory.code.base:x}"
    for command in (
        'mach create "board"',
        "machine LoadPlatformDescription @platform.repl",
        f"cpu PerformanceInMips {_MIPS}",
        "emulation SetGlobalAdvanceImmediately true",  # virtual time need not wait for the clock on the wall
        f'emulation CreateUartPtyTerminal "line" "{line}"',
        f"connector Connect sysbus.{settings.uart} line",
        "sysbus LoadELF @image.elf",
        f'macro reset "{vectors}"',
        "runMacro $reset",
    ):
        control.execute(command)


def _require_fits(elf: Elf, board: Board) -> None:
    """Raise `TargetError` for an image that is linked for another memory: Renode starts it, and nothing runs."""
    assert board.memory is not None, "the catalog refuses a board with a core but no memory"
    code = board.memory.code
    outside = [at for at, data in elf.contents() if not code.base <= at <= at + len(data) <= code.end]
    if outside:
        raise TargetError(
            f"the image has code at 0x{outside[0]:08x}, outside of board {board.id}'s, from 0x{code.base:08x} on",
            where=str(elf.path),
            hint="was it built for another board?",
        )


@dataclass(frozen=True)
class Machine:
    """A Renode that runs an image. What it needs as files is in `folder`."""

    elf: Elf
    folder: Path
    program: Confined
    control: Control
    stream: FileStream

    def start(self) -> None:
        """Let the guest run. Raises `TargetError` with Renode's words when its core does not."""
        self.control.execute("start")
        if self._is("IsHalted"):
            raise TargetError(f"Renode's core does not start: {_last(self.program)}", where=str(self.elf.path))

    def reset(self) -> None:
        """Start the image again from its reset vector. Raises `TargetError` when Renode is gone or does not answer."""
        try:
            self.control.execute("machine Reset")
        except Gone:
            raise TargetError(f"Renode cannot be reset, it is gone: {_last(self.program)}") from None

    def crash(self) -> CrashReport:
        """Say how the firmware died, why it hangs, or that it sleeps. Called when it stopped answering.

        Its `kind` is `fault` (nothing handles it), `exit` (Renode ended), `hang` or `idle` (it waits).
        """
        try:
            looks = [self._look() for _ in range(_LOOKS)]
            return self._judged(looks)
        except TargetError as error:
            return CrashReport("hang", f"Renode itself is stuck: {error.what}", log=_last(self.program))
        except Gone:
            return CrashReport("exit", "Renode ended", log=_last(self.program))

    def _judged(self, looks: list[dict[str, int]]) -> CrashReport:
        last, log = looks[-1], _oddities(self.program)
        here = crash.places(self.elf, last)
        at = sorted({look["pc"] for look in looks})
        exception = last["xpsr"] & _EXCEPTION_NUMBER
        if exception in _FAULTS:
            registers = {**last, "cfsr": int(self.control.execute(f"sysbus ReadDoubleWord 0x{_CFSR:x}"), 16)}
            reason = f"nothing handles a fault: {crash.fault_reason(registers)}"
            return CrashReport("fault", reason, registers, here, log)
        if len(at) == 1 and self._sleeps(last):
            if exception == 0:
                return CrashReport(IDLE, "the firmware sleeps (WFI), waiting for input", last, here, log)
            return CrashReport(
                "hang", f"the firmware sleeps (WFI) in the handler of exception {exception}", last, here, log
            )
        also = tuple(f"also 0x{pc:08x} {self.elf.locate(pc)}" for pc in at if pc != last["pc"])
        return CrashReport("hang", "the firmware runs but does not answer", last, here + also, log)

    def _look(self) -> dict[str, int]:
        """Return the core's registers, some moments later."""
        time.sleep(_LOOK_EVERY_S)
        found = {
            name: int(value, 16) for name, value in _REGISTER.findall(self.control.execute("cpu GetRegistersValues"))
        }
        missing = {"PC", "LR", "SP", "CPSR"} - set(found)
        if missing:
            raise TargetError(f"Renode tells no register {', '.join(sorted(missing))}")
        names = {"CPSR": "xpsr"}
        return {names.get(name, name.lower()): value for name, value in found.items()}

    def _sleeps(self, registers: dict[str, int]) -> bool:
        """Say whether the instruction before pc is WFI: while it sleeps, Renode's pc is past it."""
        before = (registers["pc"] - 2) & 0xFFFF_FFFE
        return int(self.control.execute(f"sysbus ReadWord 0x{before:x}"), 16) == _WFI

    def _is(self, name: str) -> bool:
        return self.control.execute(f"cpu {name}") == "True"


@dataclass(frozen=True)
class CountedMachine(Machine):
    """A Renode that runs an image, and counts the instructions of its windows."""

    counter: renode_counts.Counter

    def windows(self) -> list[Window]:
        """Return all windows that have closed so far. Raises `Unavailable` when counts are not to be trusted."""
        return self.counter.windows()


def _last(program: Confined) -> str:
    """Return what Renode said last, in a few lines."""
    return "\n".join(program.process.tail().strip().splitlines()[-5:]) or "it says nothing"


def _oddities(program: Confined) -> str:
    """Return what Renode warned of last."""
    return "\n".join(_ODD.findall(program.process.tail())[-5:])


def _command() -> tuple[str, ...]:
    """Return the command that starts Renode. Raises `Unavailable` when there is none."""
    given = os.environ.get(VARIABLE, "")
    try:
        words = shlex.split(given) if given else ["renode"]
    except ValueError as error:
        raise Unavailable(f"{VARIABLE}='{given}' is no command: {error}", hint=_HINT) from None
    program = shutil.which(words[0]) if words else None
    if program is None:
        what = f"{VARIABLE} names '{words[0] if words else given}', which is not" if given else "renode is not on PATH"
        raise Unavailable(f"{what} here" if given else what, hint=_HINT)
    return (str(Path(program).absolute()), *words[1:])


@cache
def _version(command: tuple[str, ...]) -> str:
    said = ""
    with child([*command, "--version"], pin=False) as asked:
        ended = asked.wait(_ANSWER_S)
        said = asked.tail()
    found = re.search(r"Renode\D{0,12}(\d+\.\d+\.\d+)", said)
    if found is None:
        how = f"says nothing in {_ANSWER_S:.0f} s" if ended is None else f"is no Renode: '{said[:80].strip()}'"
        raise Unavailable(f"'{shlex.join([*command, '--version'])}' {how}", hint=_HINT)
    return found[1]


def _platform(name: str) -> Path:
    path = Path(name) if name.startswith("/") else _PLATFORMS / f"{name}.repl"
    if not path.is_file():
        known = [known.stem for known in _PLATFORMS.glob("*.repl")]
        raise Unavailable(f"there is no platform '{name}' for Renode", hint=nearest(name, known))
    return path
