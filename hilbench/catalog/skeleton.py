"""Writes the text of a new board file: valid as it is, with what is still to be filled in marked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hilbench.catalog.board import Board, Memory, Port, Region
from hilbench.catalog.core import CORES
from hilbench.catalog.stand_in import names_one
from hilbench.catalog.wiring import DEFAULT_BAUD, Debugger, Serial
from hilbench.errors import UsageError, nearest

FILL_IN = "FILL IN"
"""Marks each line of a skeleton that its writer has to look at."""

_CLOCK_HZ = 64_000_000
_CODE = Region(base=0x0000_0000, size=256 * 1024)
_DATA = Region(base=0x2000_0000, size=64 * 1024)
_COMMENTED = "# "


def board_text(name: str, core: str, like: Board | None, known: Mapping[str, Board]) -> str:
    """Return a file for the board `name`; what `like` has is taken over, but for its sources.

    Without `like`, a board of `known` that has the core and a machine of QEMU stands in, if there is one. Raises
    `UsageError` for a core that does not exist, or that is not that of `like`.
    """
    boards = [one for one in CORES if not CORES[one].is_host]
    if core not in boards:
        raise UsageError(f"there is no core '{core}' for a board", hint=nearest(core, boards))
    if like and like.core != core:
        raise UsageError(f"{like.id} has a {like.core_info.title}, not a {CORES[core].title}", hint="leave out --core")
    origin = f", begun as a copy of {like.id}" if like else ""
    return "\n".join(
        [
            f"# {FILL_IN}: what this board is{origin}. Each number with the document it is from.",
            "# See docs/add-a-board.md; `hilbench schema board` has all keys, and `hilbench boards` checks the file.",
            f"id: {name}",
            f"name: {json.dumps(name)} # {FILL_IN}: as its maker writes it",
            f"core: {core} # or {', '.join(one for one in boards if one != core)}",
            f"clock_hz: {(like and like.clock_hz) or _CLOCK_HZ} # {FILL_IN}: hertz at which the firmware runs the core",
            "counter: cycles # a cycle counter on silicon; an emulator's counts take its place",
            *_memory(like.memory if like and like.memory else Memory(code=_CODE, data=_DATA)),
            *_how_it_runs(core, like, known),
            *_wiring(like),
            "",
        ]
    )


def _memory(memory: Memory) -> list[str]:
    return [
        f"# {FILL_IN}: flash without what a boot loader takes, and the RAM.",
        "memory:",
        f"  code: {_region(memory.code)}",
        f"  data: {_region(memory.data)}",
        f"  stack: {_size(memory.stack)} # of data: the model's own stack",
    ]


def _how_it_runs(core: str, like: Board | None, known: Mapping[str, Board]) -> list[str]:
    """Return the port and the targets."""
    if like:
        return [*_port(like.port), *_targets(like.targets)]
    stand_in = next((one.id for one in known.values() if one.core == core and _emulated(one)), None)
    if stand_in is None:
        return [*_port(Port(name="my_soc")), *_targets({"attach": {}})]
    return [*_port(None), *_targets({"qemu": {"stand_in": stand_in}})]


def _emulated(board: Board) -> bool:
    return "qemu" in board.targets and not names_one(board.targets["qemu"])


def _port(port: Port | None) -> list[str]:
    """Return the port; as comments where there is none yet, so that the board can only be stood in for."""
    lead = "" if port else _COMMENTED
    lines = [
        f"# {FILL_IN}: the folder under firmware/ports of its SoC, and the numbers that it wants.",
        f"{lead}port:",
        f"{lead}  name: {port.name if port else 'my_soc'}",
    ]
    defines = dict(port.defines) if port else {"uart_tx": 6, "uart_rx": 8}
    if defines:
        lines += [f"{lead}  defines:", *(f"{lead}    {key}: {_number(value)}" for key, value in defines.items())]
    return lines


def _targets(targets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    more = {"probe": {"target": "my_chip"}, "attach": {}}
    return [
        "# What can run it; the first is taken when --board names none.",
        "targets:",
        *(f"  {name}: {_flow(settings)}".rstrip() for name, settings in targets.items()),
        *(f"{_COMMENTED}  {name}: {_flow(more[name])}".rstrip() for name in more if name not in targets),
    ]


def _wiring(like: Board | None) -> list[str]:
    serial = like.serial if like and like.serial else Serial(baud=DEFAULT_BAUD)
    debugger = like.debugger if like else None
    shown = debugger or Debugger(name="ST-LINK/V2-1", usb=("0483:374b",))
    lead = "" if debugger else _COMMENTED
    usb = serial.usb or shown.usb
    return [
        f"# {FILL_IN}: the line to the agent, and the USB devices that carry it (`hilbench doctor` lists yours).",
        "serial:",
        f"  baud: {serial.baud}",
        f"{'' if serial.usb else _COMMENTED}  usb: {_flow(list(usb))}",
        f"{'' if serial.pins else _COMMENTED}  pins: {json.dumps(serial.pins or 'UART2: PA2 (TX), PA3 (RX)')}",
        f"# {FILL_IN}: the debug probe on the board; leave it out if there is none.",
        f"{lead}debugger:",
        f"{lead}  name: {json.dumps(shown.name)}",
        f"{lead}  usb: {_flow(list(shown.usb))}",
        f"# {FILL_IN}: the pin that is high in an inference, for a power meter.",
        f"{'' if like and like.trigger else _COMMENTED}trigger: {json.dumps((like and like.trigger) or 'D2')}",
    ]


def _region(region: Region) -> str:
    return f"{{base: 0x{region.base:08x}, size: {_size(region.size)}}}"


def _size(count: int) -> str:
    for unit, factor in (("M", 1 << 20), ("K", 1 << 10)):
        if count % factor == 0:
            return f"{count // factor}{unit}"
    return str(count)


def _number(value: int) -> str:
    """Return small numbers (pins, interrupts) as people write them, and addresses as such."""
    return str(value) if value < 1 << 16 else f"0x{value:08x}"


def _flow(value: Any) -> str:
    """Return a value on one line; nothing for what is empty."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_flow(one)}' for key, one in value.items())}}}" if value else ""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_flow, value))}]"
    return json.dumps(value)
