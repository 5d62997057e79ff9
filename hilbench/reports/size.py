"""The table of what images take of their boards: one for each task and board, a column a framework. Nothing is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hilbench.catalog.board import Board
from hilbench.measure.memory import FULL, Footprint

_NONE = "—"
_PARTS = ("model", "kernels", "runtime", "agent")


@dataclass(frozen=True)
class Sized:
    """One image: the task that it runs, its board, its framework with options, and what it takes."""

    task: str
    board: Board
    framework: str
    footprint: Footprint


def print_sizes(console: Console, images: Sequence[Sized]) -> None:
    """Print one table for each task and board, in the order of their first image."""
    groups: dict[tuple[str, str], list[Sized]] = {}
    for image in images:
        groups.setdefault((image.task, image.board.id), []).append(image)
    for group in groups.values():
        board = group[0].board
        console.print()
        console.print(Text(f"{group[0].task} on {board.id} ({board.name}), bytes counted in the image", style="bold"))
        console.print(_table(group))
        for line in _notes(group):
            console.print(Text(line, style="dim"))


def _table(group: Sequence[Sized]) -> Table:
    table = Table()
    table.add_column("", overflow="fold")
    for image in group:
        table.add_column(Text(image.framework), justify="right", overflow="fold")

    def row(title: str, cell: Callable[[Footprint], str | Text], ends: bool = False) -> None:
        table.add_row(title, *(cell(image.footprint) for image in group), end_section=ends)

    for part in _PARTS:
        row(f"flash: {part}", partial(_part, "flash", part))
    row("flash", lambda f: Text(_bytes(f.flash_bytes), style="bold"))
    row(f"of {group[0].footprint.flash_of:,}", lambda f: _share(f.flash_share), ends=True)
    for part in (*_PARTS, "stack"):
        row(f"RAM: {part}", partial(_part, "ram", part))
    row("RAM", lambda f: Text(_bytes(f.ram_bytes), style="bold"))
    row(f"of {group[0].footprint.ram_of:,}", lambda f: _share(f.ram_share), ends=True)
    row("arena", _arena)
    row("peak tensors", lambda f: _bytes(f.peak.bytes if f.peak else None))
    return table


def _arena(footprint: Footprint) -> str:
    if footprint.spare_bytes is not None:
        return f"up to {footprint.spare_bytes:,}"
    return _bytes(footprint.planned_bytes)


def _bytes(value: int | None) -> str:
    return _NONE if value is None else f"{value:,}"


def _part(memory: str, part: str, footprint: Footprint) -> str:
    return _bytes(footprint.parts.flat()[f"{memory}_{part}"] if footprint.parts else None)


def _share(share: float | None) -> Text:
    if share is None:
        return Text(_NONE)
    return Text(f"{100 * share:.1f} % !", style="bold red") if share > FULL else Text(f"{100 * share:.1f} %")


def _notes(group: Sequence[Sized]) -> list[str]:
    """Return the small print: what is nearly full, what no image can tell, and where the tensors peak."""
    lines = [
        f"! {image.framework} takes more than {FULL:.0%} of the {memory}".replace("%", " %")
        for image in group
        for memory, share in (("flash", image.footprint.flash_share), ("RAM", image.footprint.ram_share))
        if share is not None and share > FULL
    ]
    if spare := [image.framework for image in group if image.footprint.spare_bytes is not None]:
        lines.append(
            f"{', '.join(spare)}: the arena is planned on the device, in RAM that is left; a run tells its size"
        )
    if whole := [image.framework for image in group if image.footprint.parts is None]:
        lines.append(f"{', '.join(whole)}: only the whole is known, as of any image that hilbench did not link")
    peaks = {peak.operator for image in group if (peak := image.footprint.peak)}
    lines += [f"tensors peak at operator {operator}" for operator in sorted(peaks)]
    return lines
