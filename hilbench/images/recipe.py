"""What an image is made of, and the build id that follows from it: the hash of everything that goes in."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilbench import __version__, resources
from hilbench.catalog.board import Board
from hilbench.frameworks.base import Framework, Request
from hilbench.images.toolchain import Toolchain

_BOARD_FACTS = {"id", "core", "clock_hz", "memory", "port"}


def board_digest(board: Board) -> str:
    """Return a hash of what an image and its numbers depend on in a board file."""
    own = board.model_dump(mode="json", include=_BOARD_FACTS)
    facts = json.dumps({**own, "baud": board.baud}, sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Recipe:
    """One image to be: what `request` asks of `framework`, on `board`, by the `toolchain` (None on the host).

    With `profile` it times each operator; it is then another image, and no other number is taken from it.
    """

    board: Board
    framework: Framework
    request: Request
    toolchain: Toolchain | None
    profile: bool = False

    @property
    def build_id(self) -> str:
        """32 hexadecimal digits that name this image: equal if and only if everything that goes in is equal."""
        tools = self.toolchain
        ingredients: dict[str, Any] = {
            "hilbench": __version__,
            "board": board_digest(self.board),
            "model": [self.request.model.name, self.request.model.sha256],
            "framework": [self.framework.name, self.request.options, dict(self.framework.versions(self.request))],
            "compiler": [tools.version, tools.linker, tools.libraries] if tools else None,
            "flags": list(self.board.core_info.gcc_flags),
            "profile": self.profile,
            "sources": _digest(self._sources()),
        }
        text = json.dumps(ingredients, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _sources(self) -> list[tuple[str, Path]]:
        """The files of ours that shape the image: the framework's Python, the builder's, and the firmware's."""
        module = Path(inspect.getfile(type(self.framework)))
        package = module.parent if module.name == "__init__.py" else module
        here = Path(__file__).parent
        roots = [
            ("framework", package),
            ("tflite", here.parent / "frameworks" / "tflite.py"),
            ("base", here.parent / "frameworks" / "base.py"),
            ("liveness", here.parent / "frameworks" / "liveness.py"),
            ("tensors", here.parent / "tensors.py"),
            ("images", here),
        ]
        if self.board.port is not None:
            roots += [
                ("cmake", resources.FIRMWARE / "cmake"),
                ("lists", resources.FIRMWARE / "CMakeLists.txt"),
                ("agent", resources.FIRMWARE / "agent"),
                ("ports", resources.FIRMWARE / "ports"),  # a port shares files with others
                ("glue", resources.FIRMWARE / "frameworks" / self.framework.name),
            ]
        return [(name, path) for name, path in roots if path.exists()]


def _digest(roots: Iterable[tuple[str, Path]]) -> str:
    """Hash the files below `roots` with their names relative to their root."""
    total = hashlib.sha256()
    for name, root in roots:
        files = [root] if root.is_file() else sorted(root.rglob("*"))
        for path in files:
            if path.is_file() and "__pycache__" not in path.parts:
                relative = path.relative_to(root).as_posix() if path != root else ""
                total.update(f"{name}/{relative}\0{path.stat().st_size}\0".encode())
                total.update(path.read_bytes())
    return total.hexdigest()
