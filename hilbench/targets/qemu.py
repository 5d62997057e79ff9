"""Runs Arm images on a machine of QEMU, with the instruction count as its clock.

The guest's UART is one end of a socket pair, QEMU's control (QMP) and its gdbstub others: no names, no ports, nothing
left behind.
Semihosting stays off: it would give the firmware the files of this computer. Where QEMU was built with seccomp, it may
start no program and take on no rights.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, Field

from hilbench import programs
from hilbench.catalog.board import Board, Strict
from hilbench.counts import Probe, Window
from hilbench.errors import TargetError, Unavailable, nearest
from hilbench.frameworks.base import YES, Support
from hilbench.images.cache import cache_folder
from hilbench.images.elf import Elf
from hilbench.targets import counting, crash
from hilbench.targets.base import IDLE, CrashReport
from hilbench.targets.gdb_memory import GdbMemory
from hilbench.targets.process import Child, child
from hilbench.targets.qmp import Qmp
from hilbench.targets.streams import SocketStream

_PROGRAM = "qemu-system-arm"
_INSTALL = "apt install qemu-system-arm"
_START_S = 20.0
"""QEMU starts in 0.03 s; a computer on which it takes this long is broken or far too busy."""
_END_S = 2.0
_LOOKS = 3
_LOOK_EVERY_S = 0.003
"""At one guest instruction a nanosecond or so, long enough for a loop to be caught in different places."""
_SANDBOX = ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")
_WFI = 0xBF30  # Thumb encoding T1: Armv7-M ARM DDI 0403E, A7.7.261
_EXCEPTION_NUMBER = 0x1FF  # of XPSR: DDI 0403E, B1.4.2
_REGISTER = re.compile(r"\b(R\d\d|XPSR)=([0-9a-f]{8})")
_NAMES = {"R13": "sp", "R14": "lr", "R15": "pc", "XPSR": "xpsr", **{f"R{n:02}": f"r{n}" for n in range(13)}}


class QemuSettings(Strict):
    """An entry `qemu:` under a board's `targets:`."""

    machine: str = Field(pattern=r"^[\w.-]+$", description="a machine of `qemu-system-arm -M help`")


class Qemu:
    """The target `qemu`."""

    name = "qemu"
    Settings: type[BaseModel] = QemuSettings
    counters = frozenset({"instructions"})
    silicon = False

    def available(self, board: Board, settings: QemuSettings) -> Support:
        """Say whether QEMU is here and knows the machine."""
        program = shutil.which(_PROGRAM)
        if program is None:
            return Support(False, f"{_PROGRAM} is not on PATH", _INSTALL)
        machines = _machines(program)
        if settings.machine not in machines:
            reason = f"QEMU {self.version()} has no machine '{settings.machine}', which board {board.id} names"
            return Support(False, reason, nearest(settings.machine, machines))
        return YES

    def version(self) -> str:
        """Return QEMU's version, such as `7.2.22`. Raises `Unavailable` when it is not here."""
        text = _ask(_program(), "--version")
        found = re.search(r"version (\d[\w.]*)", text)
        if found is None:
            raise Unavailable(f"{_PROGRAM} does not say its version: '{text[:80].strip()}'")
        return found[1]

    @contextlib.contextmanager
    def run(self, image: Path, board: Board, settings: QemuSettings) -> Iterator[Machine]:
        """Start `image`; when the context is left, QEMU is gone.

        Raises `ModelError` for a file that is no Arm ELF, `Unavailable` without QEMU, `TargetError` when QEMU refuses.
        """
        with _started(_program(), Elf.open(image), settings.machine) as machine:
            yield machine

    @contextlib.contextmanager
    def count(self, image: Path, board: Board, settings: QemuSettings, probe: Probe) -> Iterator[CountedMachine]:
        """Start `image` as `run` does, and count in its windows what runs, and what `probe` asks for.

        Raises `Unavailable` with the reason where nothing can be counted, and what `run` raises.
        """
        elf, program = Elf.open(image), _program()
        library = counting.plugin(cache_folder(), program, self.version())
        with (
            counting.counter(library, elf, board, probe) as counter,
            _started(program, elf, settings.machine, counter.arguments, (counter.fd,)) as machine,
        ):
            yield CountedMachine(machine.elf, machine.process, machine.stream, machine.qmp, machine.memory, counter)


@contextlib.contextmanager
def _started(
    program: str, elf: Elf, machine: str, more: Sequence[str] = (), pass_fds: Sequence[int] = ()
) -> Iterator[Machine]:
    """Start `elf` on a `machine` of QEMU with `more` options and inherited files."""
    with contextlib.ExitStack() as stack:
        line, guest_line = (stack.enter_context(end) for end in socket.socketpair())
        control, guest_control = (stack.enter_context(end) for end in socket.socketpair())
        debug, guest_debug = (stack.enter_context(end) for end in socket.socketpair())
        guest = (guest_line, guest_control, guest_debug)
        argv = _arguments(program, machine, elf.path, *(end.fileno() for end in guest))
        inherited = (*(end.fileno() for end in guest), *pass_fds)
        process = stack.enter_context(child([*argv, *more], pass_fds=inherited))
        for end in guest:
            end.close()  # QEMU has its own now, and the line ends with it
        qmp = stack.enter_context(Qmp(control))
        memory = stack.enter_context(GdbMemory(debug, qmp))
        stream = stack.enter_context(SocketStream(line))
        started = Machine(elf, process, stream, qmp, memory)
        started.start()
        yield started


@dataclass(frozen=True)
class Machine:
    """A QEMU that runs an image."""

    elf: Elf
    process: Child
    stream: SocketStream
    qmp: Qmp
    memory: GdbMemory

    def start(self) -> None:
        """Let the guest run, once QEMU is ready. Raises `TargetError` with QEMU's own words when it is not."""
        try:
            self.qmp.open(_START_S)
        except EOFError:
            self.process.wait(_END_S)
            raise TargetError(f"QEMU does not start: {self._words()}", where=str(self.elf.path)) from None
        with contextlib.suppress(EOFError):  # firmware may die before the reply: that is a crash, told by `crash()`
            self.qmp.execute("cont")

    def reset(self) -> None:
        """Start the image again from its reset vector. Raises `TargetError` when QEMU is gone or does not answer.

        What the firmware had already sent may still be in the stream.
        """
        try:
            # QEMU is set to end at any reset, so that the firmware cannot start again unseen.
            self.qmp.execute("stop")
            self.qmp.execute("set-action", reboot="reset")
            self.qmp.events.clear()
            self.qmp.execute("system_reset")
            self.qmp.wait_event("RESET")
            self.qmp.execute("set-action", reboot="shutdown")
            self.qmp.execute("cont")
        except EOFError:
            raise TargetError(f"QEMU cannot be reset, it is gone: {self.crash()}") from None

    def crash(self) -> CrashReport:
        """Say how the firmware died, why it hangs, or that it sleeps. Called when it stopped answering.

        Its `kind` is `lock-up` (a fault in the fault handler), `exit` (it left), `hang` or `idle` (it waits).
        """
        try:
            return self._alive()
        except EOFError:
            ended = self.process.wait(_END_S)
        except TargetError as error:
            return CrashReport("hang", f"QEMU itself is stuck: {error.what}", log=self._words())
        return self._gone(ended)

    def _alive(self) -> CrashReport:
        looks = []
        for _ in range(_LOOKS):
            time.sleep(_LOOK_EVERY_S)
            self.qmp.execute("stop")
            looks.append(_registers(self.qmp.monitor("info registers")))
            asleep = self._sleeps(looks[-1])
            self.qmp.execute("cont")
        last = looks[-1]
        at = sorted({look["pc"] for look in looks if "pc" in look})
        here = crash.places(self.elf, last)
        if asleep and len(at) == 1:
            number = last.get("xpsr", 0) & _EXCEPTION_NUMBER
            if number == 0:
                return CrashReport(IDLE, "the firmware sleeps (WFI), waiting for input", last, here)
            return CrashReport("hang", f"the firmware sleeps (WFI) in the handler of exception {number}", last, here)
        also = tuple(f"also 0x{pc:08x} {self.elf.locate(pc)}" for pc in at if pc != last.get("pc"))
        return CrashReport("hang", "the firmware runs but does not answer", last, here + also)

    def _sleeps(self, registers: dict[str, int]) -> bool:
        """Say whether the instruction before pc is WFI: while it sleeps, QEMU's pc is past it."""
        halfword = self.qmp.monitor(f"xp /1hx 0x{(registers.get('pc', 0) - 2) & 0xFFFFFFFE:x}")
        return halfword.strip().endswith(f"0x{_WFI:04x}")

    def _gone(self, ended: int | None) -> CrashReport:
        words = self._words()
        fatal = re.search(r"qemu: fatal: (.*)", words)
        if fatal:
            registers = _registers(words)
            reason = f"a fault that nothing could handle (QEMU: {fatal[1].strip()})"
            return CrashReport("lock-up", reason, registers, crash.places(self.elf, registers))
        shutdown = self.qmp.last_event("SHUTDOWN")
        why = shutdown["data"].get("reason") if shutdown else None
        reasons = {
            "guest-reset": "the firmware reset itself",
            "guest-shutdown": "the firmware switched the machine off",
        }
        return CrashReport("exit", reasons.get(str(why), f"QEMU ended: {_how(ended)}"), log=words)

    def _words(self) -> str:
        """Return what QEMU said, but for its complaint about a network card that no board of ours uses."""
        lines = self.process.tail().splitlines()
        return "\n".join(line for line in lines if "has no peer" not in line)


@dataclass(frozen=True)
class CountedMachine(Machine):
    """A QEMU that runs an image, and counts what runs in its windows."""

    counter: counting.Counter

    def windows(self) -> list[Window]:
        """Return all windows that have closed so far. Raises `Unavailable` when counts are not to be trusted."""
        return self.counter.windows()


def _arguments(program: str, machine: str, image: Path, line_fd: int, control_fd: int, debug_fd: int) -> list[str]:
    return [
        *(program, "-M", machine, "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none"),
        *_sandbox(program),
        *("-icount", "shift=0"),  # one instruction is 1 ns of guest time: the same in every run
        *("-action", "reboot=shutdown", "-S"),
        *("-chardev", f"socket,id=line,fd={line_fd}", "-serial", "chardev:line"),
        *("-chardev", f"socket,id=control,fd={control_fd}", "-mon", "chardev=control,mode=control"),
        *("-chardev", f"socket,id=debug,fd={debug_fd}", "-gdb", "chardev:debug"),
        *("-kernel", str(image)),
    ]


def _program() -> str:
    program = shutil.which(_PROGRAM)
    if program is None:
        raise Unavailable(f"{_PROGRAM} is not on PATH", hint=_INSTALL)
    return program


@cache
def _ask(program: str, *arguments: str) -> str:
    try:
        done = programs.run([program, *arguments], os.environ, _START_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"'{program} {' '.join(arguments)}' does not run: {error}", hint=_INSTALL) from error
    return done.stdout


def _machines(program: str) -> frozenset[str]:
    return frozenset(line.split()[0] for line in _ask(program, "-M", "help").splitlines()[1:] if line.strip())


def _sandbox(program: str) -> tuple[str, ...]:
    """Return the options that shut QEMU in; none for a QEMU, or a kernel, that has no seccomp: it says no machines."""
    return _SANDBOX if _ask(program, *_SANDBOX, "-M", "help") else ()


def _registers(text: str) -> dict[str, int]:
    """Return the core's registers from what `info registers`, or a QEMU that dies, prints."""
    return {_NAMES[name]: int(value, 16) for name, value in _REGISTER.findall(text) if name in _NAMES}


def _how(ended: int | None) -> str:
    if ended is None:
        return "it closed its line but still runs"
    if ended < 0:
        return f"killed by {signal.Signals(-ended).name}"
    return f"exit code {ended}"
