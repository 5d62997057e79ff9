"""Which of the attached debug probes is a board's: never one that could be another board's, and nobody is asked."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from hilbench.catalog.board import Board
from hilbench.errors import Unavailable, UsageError, nearest
from hilbench.targets.addresses import one_name
from hilbench.targets.debug.client import AttachedProbe, PyOcd
from hilbench.targets.ports import AttachedPort, attached_ports

OPTION = "--hil-probe"
_DEVICES = Path("/sys/bus/usb/devices")
_DOCTOR = "`hilbench doctor` lists what is attached"
_REMOTE = "remote:"
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*")
_IF_IT_IS = "if one is wired to this board, its board id goes to `debugger: board_ids` of a board file of your own"
_NUMBER = re.compile(r"[0-9]{1,6}")
_SERVER_PORT = 5555  # of `pyocd server`
_SEGGER = "1366:"

_log = logging.getLogger(__name__)


def find_probe(pyocd: PyOcd, board: Board, wanted: str | None) -> AttachedProbe:
    """Return the probe with the unique id `wanted`, else the only one that can be the board's.

    Raises `Unavailable`, with what is attached and what to type, when there is none or it could be several;
    `UsageError` for `remote:…` that is no address. A probe that says it is on another board than this one, which has a
    debugger of its own, is none of those, even if it is named; `Unavailable` says what it is.
    """
    if wanted and wanted.lower().startswith(_REMOTE):
        return AttachedProbe(_remote(wanted), "a probe at another computer")
    attached = pyocd.probes(board_ids=board.debugger is None or bool(board.debugger.board_ids))
    told = f"attached: {', '.join(map(str, attached))}" if attached else "no debug probe is attached"
    told += pyocd.complaint
    if wanted:
        return _named(wanted, board, attached, told)
    fitting = possible(board, attached, usb_ids())
    if len(fitting) == 1:
        return fitting[0]
    nameable = fitting or [probe for probe in attached if not is_anothers(probe, board)]
    choices = " or ".join(f"{OPTION}={probe.unique_id}" for probe in nameable)
    if fitting:
        raise Unavailable(f"several debug probes can be that of board {board.id} ({told})", hint=choices)
    if attached:
        raise Unavailable(
            f"none of the debug probes is that of a {board.name} ({told})",
            hint=f"if one is: {choices}; {_DOCTOR}" if nameable else f"plug in its own; {_IF_IT_IS}",
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


def is_anothers(probe: AttachedProbe, board: Board) -> bool:
    """Whether a probe says that it is on another board, and `board` has a debugger that says on which it is."""
    wanted = {board_id.lower() for board_id in board.debugger.board_ids} if board.debugger else set()
    return bool(wanted and probe.board_id.strip("0")) and probe.board_id.lower() not in wanted


def own_ports(unique_id: str) -> list[AttachedPort]:
    """Return the serial ports of the USB device that a probe is, by a serial number that no other device has."""
    number = plain(unique_id)
    return [one for one in attached_ports() if number and not one.shared and plain(one.serial_number) == number]


def unit(unique_id: str) -> str:
    """Return the name under which a probe is locked: that of its serial port, where it has one; of a server, one."""
    if unique_id.startswith(_REMOTE):
        host, _, port = unique_id[len(_REMOTE) :].partition(":")
        return _REMOTE + one_name(host, int(port))
    return next((port.unit for port in own_ports(unique_id)), unique_id)


def plain(serial_number: str) -> str:
    """Return a serial number as it is compared: J-Link's has zeros in front in USB and none in pyOCD."""
    return serial_number.lower().lstrip("0")


def _named(wanted: str, board: Board, attached: Sequence[AttachedProbe], told: str) -> AttachedProbe:
    names = {wanted.lower(), wanted.partition(":")[2].lower()}
    exact = [probe for probe in attached if probe.unique_id.lower() in names]
    if len(exact) == 1:
        _check_board(exact[0], board)
        return exact[0]
    known = [probe.unique_id for probe in attached]
    raise Unavailable(
        f"no debug probe has the unique id '{wanted}' ({told})",
        hint=f"{OPTION}=ID, {nearest(wanted, known)}" if known else f"check its cable; {_DOCTOR}",
    )


def _check_board(probe: AttachedProbe, board: Board) -> None:
    """Raise `Unavailable` for a probe on another board; say so where it may be wired to this one all the same."""
    if is_anothers(probe, board):
        raise Unavailable(
            f"debug probe {probe} is not that of a {board.name}, and nothing was flashed there",
            hint=f"leave {OPTION} out, or name this board's; {_IF_IT_IS}",
        )
    if probe.board_id.strip("0") and (board.debugger is None or not board.debugger.board_ids):
        _log.warning("%s: debug probe %s was named: is it wired to this board, and not to its own?", board.id, probe)


def _remote(wanted: str) -> str:
    """Return the id of a probe behind a pyOCD server as it is written one way only."""
    host, colon, port = wanted[len(_REMOTE) :].strip().partition(":")
    number = port if colon else str(_SERVER_PORT)
    if not _HOST.fullmatch(host) or not _NUMBER.fullmatch(number) or not 0 < int(number) < 65536:
        raise UsageError(f"'{wanted}' is no pyOCD server", hint=f"{OPTION}=remote:HOST:PORT")
    return f"{_REMOTE}{host.lower()}:{int(number)}"
