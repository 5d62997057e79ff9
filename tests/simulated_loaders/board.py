"""A board with a boot loader: runs in QEMU what was loaded into it, until its agent is asked for the boot loader."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hilbench import catalog
from hilbench.images.image import Image
from hilbench.targets.loaders.entry import BOOT_LOADER_FRAMES
from hilbench.targets.qemu import Qemu, QemuSettings

from .terminal import Terminal


@dataclass
class Board:
    """`serve` is the boot loader: it gives the image that was loaded, or None, and is called again then.

    The agent's line is `line`. `loads` counts images that came, `asked` how often the agent was asked to make way.
    """

    line: Terminal
    serve: Callable[[], Image | None]
    loads: int = 0
    asked: int = 0
    ending: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def powered(self, first: Image | None = None) -> Iterator[Board]:
        """Live while the context is open, beginning with what is in flash already."""
        thread = threading.Thread(target=self._live, args=(first,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.ending.set()
            thread.join(20)

    def _live(self, image: Image | None) -> None:
        while not self.ending.is_set():
            if image is not None:
                self._run(image)
                image = None
            elif (image := self.serve()) is not None:
                self.loads += 1

    def _run(self, image: Image) -> None:
        board = catalog.board("mps2-an386")
        with Qemu().run(image.path, board, QemuSettings(machine=board.id)) as machine:
            machine.qmp.execute("set-action", reboot="reset")
            stop = threading.Event()

            def outward() -> None:
                with contextlib.suppress(EOFError, OSError):
                    while not stop.is_set():
                        if data := machine.stream.read(0.05):
                            self.line.write(data)

            thread = threading.Thread(target=outward, daemon=True)
            thread.start()
            heard = b""
            while not self.ending.is_set():
                data = self.line.some(0.05)
                machine.stream.write(data)
                heard = (heard + data)[-2000:]
                if BOOT_LOADER_FRAMES in heard:
                    self.asked += 1
                    break
            stop.set()
            thread.join(5)
