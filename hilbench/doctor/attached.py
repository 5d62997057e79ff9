"""Looks at the serial ports and debug probes of this computer: which boards they could be, and who uses them."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterable

from hilbench import catalog
from hilbench.catalog.board import Board
from hilbench.doctor.finding import Finding
from hilbench.errors import HilbenchError
from hilbench.targets.locks import holder
from hilbench.targets.ports import AttachedPort, attached_ports, could_be
from hilbench.targets.serial_trouble import may_not_open, users_of


def serial_ports() -> list[Finding]:
    """Return a finding for each serial port; one, if there is none. No port is opened: that may reset a board."""
    boards = list(catalog.boards().good().values())
    findings = [_port(port, boards) for port in attached_ports()]
    return findings or [Finding("serial ports", True, "none is attached", optional=True)]


def probes() -> list[Finding]:
    """Return a finding for each debug probe that pyOCD sees; nothing where pyOCD is not installed."""
    if importlib.util.find_spec("pyocd") is None:
        return []
    from hilbench.targets.debug import choose, client

    boards = [board for board in catalog.boards().good().values() if board.debugger]
    try:
        with client.started() as pyocd:
            attached = pyocd.probes(board_ids=False)
            complaint = pyocd.complaint
    except HilbenchError as error:
        return [Finding("debug probes", False, error.what, error.hint or "", optional=True)]
    usb = choose.usb_ids()
    findings = []
    for probe in attached:
        could = [board for board in boards if choose.possible(board, [probe], usb)]
        found = _words(probe.description, could, [probe.unique_id])
        findings.append(Finding(f"debug probe {probe.unique_id}", True, found, optional=True))
    if complaint:
        findings.append(Finding("debug probes", False, complaint.strip(), "plug it in again", optional=True))
    return findings or [Finding("debug probes", True, "none is attached", optional=True)]


def _port(port: AttachedPort, boards: Iterable[Board]) -> Finding:
    could = [board for board in boards if could_be(port, board)]
    told = str(port).removeprefix(port.device).strip(" ()") or "not over USB"
    found = _words(told, could, [port.unit], users_of(port.device))
    what = f"serial port {port.device}"
    if os.access(port.device, os.R_OK | os.W_OK):
        return Finding(what, True, found, optional=True)
    reason, remedy = may_not_open(port.device)
    return Finding(what, False, "; ".join(filter(None, (found, reason))), remedy, optional=True)


def _words(told: str, could: Iterable[Board], units: Iterable[str], users: Iterable[str] = ()) -> str:
    """Return on one line what is known of an attached thing."""
    names = ", ".join(board.id for board in could)
    held_by = []
    for unit in units:
        with contextlib.suppress(OSError):
            held_by += [f"in use by {by}" for by in [holder(unit)] if by]
    open_in = [f"open in {user}" for user in users]
    return "; ".join(filter(None, (told, f"could be {names}" if names else "", *(held_by or open_in))))
