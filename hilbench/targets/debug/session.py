"""What is asked of pyOCD, with the options under which it asks nobody, reads no files and erases no more than it must.

Runs in the process of `server`. `Session` has a method for each request; each raises `Unavailable` or `TargetError`.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from pyocd.core import exceptions
from pyocd.core import session as pyocd_session
from pyocd.core.target import Target
from pyocd.probe.aggregator import PROBE_CLASSES, DebugProbeAggregator
from pyocd.target import TARGET, normalise_target_type_name

from hilbench.errors import TargetError, Unavailable, nearest
from hilbench.targets.debug import parts, programming
from hilbench.targets.debug.problems import CABLE, Scene, locked
from hilbench.targets.debug.remote import RemoteProbe
from hilbench.targets.debug.wire import NOBODYS_FOLDER

_LOOKS = 3
_LOOK_EVERY_S = 0.003
_HALT_S = 0.5
_CHUNK_BYTES = 16 * 1024
_CPUID = 0xE000ED00  # Armv7-M ARM DDI 0403E, B3.2.3; Armv6-M ARM DDI 0419E, B3.2.3
_FAULT_STATUS = {"cfsr": 0xE000ED28, "hfsr": 0xE000ED2C, "mmfar": 0xE000ED34, "bfar": 0xE000ED38}  # DDI 0403E, B3.2.2
_ICSR, _RETTOBASE = 0xE000ED04, 1 << 11  # DDI 0403E, B3.2.4
_REGISTERS = (*(f"r{n}" for n in range(13)), "sp", "lr", "pc", "xpsr")
_FIRST_RETURN = 0xFFFFFF00  # EXC_RETURN: DDI 0403E, B1.5.8
_RETURN_TO_PSP = 1 << 2
_EXCEPTION_NUMBER = 0x1FF
_FAULTS = range(3, 7)  # HardFault, MemManage, BusFault, UsageFault: DDI 0403E, B1.5.2
_STACKED = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr")
_PACKS = (
    "`pyocd pack install TARGET` gets it from the internet; one that you have is named at this target in the board's "
    "file: `pack: PATH`"
)


class Session:
    """A debug session with at most one chip. `tell` is called with the share of a long request that is done."""

    def __init__(self, tell: Callable[[float], None]) -> None:
        self._tell = tell
        self._scene = Scene()
        self._session: Any = None
        logging.getLogger("pyocd").addHandler(self._scene.warnings)

    def probes(self, board_ids: bool) -> list[dict[str, str]]:
        """Return all attached probes; with `board_ids` also which board each is on, for which it may be opened."""
        self._scene.probe = ""
        with self._scene.doing("looking for probes"):
            found = DebugProbeAggregator.get_all_connected_probes()
        told = self._scene.warnings.told()
        return [{**_described(probe, board_ids), "told": told} for probe in found] or [{"told": told}]

    def open(self, probe: str, target: str, pack: str, frequency_hz: int, connect: str) -> dict[str, Any]:
        """Connect to the chip at `probe` (its whole unique id) and return what it is. Nothing on it is changed."""
        self.close()
        self._scene.probe, self._scene.target = probe, target
        with self._scene.doing("looking for the probe"):
            found = _find(probe)
        options = {
            "target_override": target,
            "frequency": frequency_hz,
            "connect_mode": connect,
            "auto_unlock": False,  # else pyOCD erases a locked chip without a word
            "no_config": True,
            "project_dir": NOBODYS_FOLDER,
            "hide_programming_progress": True,
            "chip_erase": "sector",
            "resume_on_disconnect": True,
            "warning.cortex_m_default": False,
            **({"pack": pack} if pack else {}),
        }
        with self._scene.doing("connecting"):
            session = self._made(found, target, pack, options)
            try:
                session.open()
            except Exception:
                shut = _is_locked(session)
                with contextlib.suppress(Exception):
                    session.close()
                if shut:
                    raise locked(probe, target) from None
                raise
        self._session = session
        with self._scene.doing("reading what chip it is"):
            core = self._core
            return {
                "probe": found.description,
                "unique_id": found.unique_id,
                "core": core.name,
                "cpuid": core.read32(_CPUID),
                "part_id": parts.part_id(target, core),
            }

    def flash(self, segments: list[tuple[int, bytes]], code: tuple[int, int]) -> bool:
        """Write `segments` where the chip has other bytes, inside of `code` alone, and read them back.

        Returns whether anything had to be written.
        """
        target = self._target
        programming.check_map(target.memory_map, segments, self._scene.target)
        with self._scene.doing("reading the flash"):
            if programming.is_there(target, segments, self._tell):
                return False
        with self._scene.doing("programming"):
            programming.program(self._session, segments, code, self._tell)
        with self._scene.doing("reading the flash back"):
            programming.verify(target, segments, self._tell)
        return True

    def read(self, address: int, count: int) -> bytes:
        """Return `count` bytes from `address` on; the chip may run."""
        with self._scene.doing(f"reading 0x{address:08x}"):
            data = bytearray()
            for at in range(address, address + count, _CHUNK_BYTES):
                data += bytes(self._target.read_memory_block8(at, min(_CHUNK_BYTES, address + count - at)))
                self._tell(len(data) / count)
            return bytes(data)

    def write(self, address: int, data: bytes) -> None:
        """Write `data` from `address` on; the chip may run."""
        with self._scene.doing(f"writing 0x{address:08x}"):
            for offset in range(0, len(data), _CHUNK_BYTES):
                self._target.write_memory_block8(address + offset, data[offset : offset + _CHUNK_BYTES])
                self._tell(offset / len(data))
            self._target.flush()

    def reset(self, halt: bool) -> None:
        """Reset the chip, by its pin if it does not listen; it runs afterwards, or stands at its first instruction."""
        with self._scene.doing("resetting"):
            do = self._target.reset_and_halt if halt else self._target.reset
            try:
                do()
            except exceptions.TransferError:
                do(Target.ResetType.HARDWARE)
            if not halt and self._core.get_state() == Target.State.HALTED:
                self._core.resume()

    def halt(self) -> None:
        """Stop the chip."""
        with self._scene.doing("halting"):
            self._halted()

    def resume(self) -> None:
        """Let the chip go on."""
        with self._scene.doing("resuming"):
            self._core.resume()

    def registers(self) -> dict[str, int]:
        """Return the registers of the chip, which stands still."""
        with self._scene.doing("reading registers"):
            return dict(zip(_REGISTERS, self._core.read_core_registers_raw(list(_REGISTERS)), strict=True))

    def look(self) -> dict[str, Any]:
        """Say what the chip does: its state, registers at some moments, the last instruction, and what a fault left.

        It goes on afterwards, if it ran before.
        """
        with self._scene.doing("looking at the chip"):
            state = self._core.get_state()
            looks = []
            for _ in range(1 if state in (Target.State.LOCKUP, Target.State.HALTED) else _LOOKS):
                time.sleep(_LOOK_EVERY_S)
                self._halted()
                looks.append(self.registers())
                last = looks[-1]
                before, faults, frame = self._before(last["pc"]), self._fault_status(), self._frame(last)
                if state not in (Target.State.LOCKUP, Target.State.HALTED):
                    self._core.resume()
            reason = self._core.get_halt_reason() if state == Target.State.HALTED else None
            return {
                "state": state.name.lower(),
                "halted_by": reason.name.lower() if reason is not None else "",
                "looks": looks,
                "before_pc": before,
                "fault": faults,
                "frame": frame,
            }

    def close(self) -> None:
        """Let go of chip and probe; the chip runs on."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(Exception):  # it is gone, or it is let go of when this process ends
                session.close()

    @property
    def _target(self) -> Any:
        if self._session is None:
            raise TargetError("no chip is connected")
        return self._session.target

    @property
    def _core(self) -> Any:
        return self._target.selected_core_or_raise

    def _made(self, probe: Any, target: str, pack: str, options: dict[str, Any]) -> Any:
        try:
            return pyocd_session.Session(probe, options=options)
        except exceptions.TargetSupportError as error:
            raise _unknown(target, pack) from error
        except (exceptions.Error, AttributeError, LookupError, OSError, TypeError, ValueError, SyntaxError) as error:
            if not pack:
                raise
            raise Unavailable(
                f"this is no CMSIS pack that pyOCD can read: {type(error).__name__}: {error}", where=pack, hint=_PACKS
            ) from error

    def _halted(self) -> None:
        self._core.halt()
        end = time.monotonic() + _HALT_S
        while not self._core.is_halted():
            if time.monotonic() > end:
                raise TargetError("the chip cannot be halted", hint="take its power away and give it again")
            time.sleep(0.001)

    def _before(self, pc: int) -> int:
        """Return the halfword before `pc`; 0 where there is no memory."""
        try:
            return int(self._core.read16((pc - 2) & 0xFFFFFFFE))
        except exceptions.TransferError:
            return 0

    def _fault_status(self) -> dict[str, int]:
        """Return the fault status registers, which Armv6-M does not have."""
        if self._core.architecture_version[0] < 7:
            return {}
        return {name: self._core.read32(address) for name, address in _FAULT_STATUS.items()}

    def _frame(self, registers: dict[str, int]) -> dict[str, int]:
        """Return what a fault stacked, where it is plain to see where that is; {} if not."""
        if (registers["xpsr"] & _EXCEPTION_NUMBER) not in _FAULTS:
            return {}
        if registers["lr"] >= _FIRST_RETURN:
            pointer = "psp" if registers["lr"] & _RETURN_TO_PSP else "msp"
        elif self._core.architecture_version[0] >= 7 and self._core.read32(_ICSR) & _RETTOBASE:
            pointer = "psp"  # it came from the thread, and hilbench's firmware has its threads there
        else:
            return {}  # the handler has called something since, and so lost EXC_RETURN
        try:
            stack = self._core.read_core_register_raw(pointer)
            words = self._core.read_memory_block32(stack & ~3, len(_STACKED))
        except exceptions.TransferError:
            return {}
        return dict(zip(_STACKED, words, strict=True))


def _is_locked(session: Any) -> bool:
    """Whether the chip of a session that did not open can say that it is locked, and does."""
    try:
        return bool(session.target.is_locked())
    except Exception:  # it cannot, or not even that is to be read
        return False


def _described(probe: Any, board_ids: bool) -> dict[str, str]:
    board = None
    if board_ids:
        with contextlib.suppress(Exception):  # another program uses it
            board = getattr(probe, "board_id", None)
    return {"unique_id": probe.unique_id, "description": probe.description, "board_id": board or ""}


def _find(wanted: str) -> Any:
    """Return the probe with the unique id `wanted`, which pyOCD itself compares in part only."""
    kind, colon, rest = wanted.partition(":")
    if kind.lower() == "remote":
        return RemoteProbe(rest)
    explicit = bool(colon) and kind.lower() in {name.lower() for name in PROBE_CLASSES}
    found = DebugProbeAggregator.get_all_connected_probes(wanted if explicit else None)
    names = {wanted.lower(), rest.lower()} if explicit else {wanted.lower()}
    exact = [probe for probe in found if probe.unique_id.lower() in names]
    if len(exact) != 1:
        attached = ", ".join(f"'{probe.unique_id}' ({probe.description})" for probe in found) or "none"
        raise Unavailable(
            f"{'several probes have' if exact else 'no probe has'} the unique id '{wanted}' (attached: {attached})",
            hint=CABLE,
        )
    return exact[0]


def _unknown(target: str, pack: str) -> Unavailable:
    name = normalise_target_type_name(target)
    if pack:
        return Unavailable(f"this pack has no '{target}'", where=pack, hint=nearest(name, TARGET))
    close = nearest(name, TARGET)
    meant = f"{close} Else its" if close.startswith("did you mean") else "its"
    return Unavailable(
        f"pyOCD {version('pyocd')} knows no target '{target}' without a CMSIS pack",
        hint=f"{meant} pack is needed: {_PACKS.replace('TARGET', target)}",
    )
