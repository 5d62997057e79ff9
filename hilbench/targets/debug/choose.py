"""Which of the attached debug probes is a board's: never one that could be another board's, and nobody is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from hilbench.catalog.board import Board
from hilbench.errors import Unavailable, UsageError, nearest
from hilbench.targets.debug.client import AttachedProbe, PyOcd
from hilbench.targets.ports import attached_ports

OPTION = "--hil-probe"
_DEVICES = Path("/sys/bus/usb/devices")
_DOCTOR = "`hilbench doctor` lists what is attached"
_REMOTE = "remote:"
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*")
_NUMBER = re.compile(r"[0-9]{1,6}")
_SERVER_PORT = 5555  # of `pyocd server`
_SEGGER = "1366:"


def find_probe(pyocd: PyOcd, board: Board, wanted: str | None) -> AttachedProbe:
    """Return the probe with the unique id `wanted`, else the only one that can be the board's.

    Raises `Unavailable`, with what is attached and what to type, when there is none or it could be several;
    `UsageError` for `remote:…` that is no address.
    """
    if wanted and wanted.lower().startswith(_REMOTE):
        return AttachedProbe(_remote(wanted), "a probe at another computer")
    attached = pyocd.probes(board_ids=board.debugger is None or bool(board.debugger.board_ids))
    told = f"attached: {', '.join(map(str, attached))}" if attached else "no debug probe is attached"
    told += pyocd.complaint
    if wanted:
        return _named(wanted, attached, told)
    fitting = possible(board, attached, usb_ids())
    if len(fitting) == 1:
        return fitting[0]
    choices = " or ".join(f"{OPTION}={probe.unique_id}" for probe in fitting or attached)
    if fitting:
        raise Unavailable(f"several debug probes can be that of board {board.id} ({told})", hint=choices)
    if attached:
        raise Unavailable(
            f"none of the debug probes is that of a {board.name} ({told})", hint=f"if one is: {choices}; {_DOCTOR}"
        )
    what = f"its {board.debugger.name}" if board.debugger else "a debug probe"
    jlink = any(usb.startswith(_SEGGER) for usb in board.debugger.usb) if board.debugger else False
    also = "; a J-Link needs SEGGER's J-Link software too" if jlink else ""
    raise Unavailable(
        f"board {board.id} is not here: {told}", hint=f"plug in {what}; {_DOCTOR}, and what needs a udev rule{also}"
    )


def possible(board: Board, attached: Sequence[AttachedProbe], usb: Mapping[str, str]) -> list[AttachedProbe]:
    """Return the probes that can be the board's. `usb` has the VID:PID of a USB serial number, where that is known."""
    debugger = board.debugger
    if debugger is None:  # a probe that is on another board is none to wire to this one, unless it is named
        return [probe for probe in attached if not probe.board_id.strip("0")]
    wanted = {board_id.lower() for board_id in debugger.board_ids}
    certain, likely, unknown = [], [], []
    for probe in attached:
        vid_pid = usb.get(plain(probe.unique_id), "")
        if wanted and probe.board_id.strip("0"):
            certain += [probe] if probe.board_id.lower() in wanted else []
        elif vid_pid and debugger.usb:
            likely += [probe] if vid_pid in debugger.usb else []
        else:
            unknown.append(probe)
    return certain or likely or unknown


def usb_ids() -> dict[str, str]:
    """Return the VID:PID of each USB serial number of what is attached."""
    found = {}
    for path in _DEVICES.glob("*/serial"):
        try:
            words = [(path.parent / name).read_text().strip() for name in ("serial", "idVendor", "idProduct")]
        except (OSError, UnicodeDecodeError):
            continue  # unplugged meanwhile
        found[plain(words[0])] = f"{words[1]}:{words[2]}"
    return found | {plain(port.serial_number): port.usb for port in attached_ports() if port.serial_number}


def plain(serial_number: str) -> str:
    """Return a serial number as it is compared: J-Link's has zeros in front in USB and none in pyOCD."""
    return serial_number.lower().lstrip("0")


def _named(wanted: str, attached: Sequence[AttachedProbe], told: str) -> AttachedProbe:
    names = {wanted.lower(), wanted.partition(":")[2].lower()}
    exact = [probe for probe in attached if probe.unique_id.lower() in names]
    if len(exact) == 1:
        return exact[0]
    known = [probe.unique_id for probe in attached]
    raise Unavailable(
        f"no debug probe has the unique id '{wanted}' ({told})",
        hint=f"{OPTION}=ID, {nearest(wanted, known)}" if known else f"check its cable; {_DOCTOR}",
    )


def _remote(wanted: str) -> str:
    """Return the id of a probe behind a pyOCD server as it is written one way only: a board is locked by it."""
    host, colon, port = wanted[len(_REMOTE) :].strip().partition(":")
    number = port if colon else str(_SERVER_PORT)
    if not _HOST.fullmatch(host) or not _NUMBER.fullmatch(number) or not 0 < int(number) < 65536:
        raise UsageError(f"'{wanted}' is no pyOCD server", hint=f"{OPTION}=remote:HOST:PORT")
    return f"{_REMOTE}{host.lower()}:{int(number)}"
