"""Runs a SoC's port on this computer: its registers are memory, so that a test can play the silicon."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hilbench import resources
from hilbench.catalog.board import Board
from hilbench.frameworks.base import Emitted, TensorInfo
from hilbench.images.build import _config_header

_HERE = Path(__file__).parent / "port_on_host"
_PORTS = resources.FIRMWARE / "ports"
_ARCH = {"cortex-m0": 6, "cortex-m0plus": 6, "cortex-m33f": 8, "cortex-m55f": 8}
_AWAITS = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no cc on PATH")


@dataclass
class Soc:
    """A port in a library. `soc[address]` is a register.

    What the port waits for is noted in `awaited`: address, mask, value. It comes true, unless in a register of `stuck`.
    """

    library: Any
    awaited: list[tuple[int, int, int]] = field(default_factory=list)
    stuck: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        assert self.library.host_begin()
        self._base = ctypes.c_void_p.in_dll(self.library, "host_space").value or 0
        self._come_true = _AWAITS(self._awaits)
        ctypes.c_void_p.in_dll(self.library, "host_awaits").value = ctypes.cast(self._come_true, ctypes.c_void_p).value

    def __getitem__(self, address: int) -> int:
        return ctypes.c_uint32.from_address(self._base + address).value

    def __setitem__(self, address: int, value: int) -> None:
        ctypes.c_uint32.from_address(self._base + address).value = value

    def start(self) -> None:
        """Do what the firmware does between reset and its first byte, but for the timer's calibration."""
        self.library.hb_soc_start()
        self.library.hb_soc_open_line()
        self.library.hb_soc_listen()

    def traps(self) -> bool:
        """Return whether `start` ends in a trap. What it has done to the registers is there to be read."""
        child = os.fork()
        if child == 0:  # its registers are ours: MAP_SHARED
            faulthandler.disable()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            Soc.start(self)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGILL, signal.SIGTRAP)

    def received(self) -> bytes:
        """Return what the port has handed to the agent: at most 64 bytes."""
        count = ctypes.c_uint32.in_dll(self.library, "host_received_count").value
        return bytes((ctypes.c_uint8 * 64).in_dll(self.library, "host_received"))[:count]

    def _awaits(self, address: int, mask: int, value: int) -> None:
        self.awaited.append((address, mask, value))
        if address not in self.stuck:
            self[address] = self[address] & ~mask | value


def on_host(board: Board, folder: Path) -> Soc:
    """Compile the port of `board`, as its file sets it up, into `folder`, which must be new."""
    assert board.port is not None
    tensors = (TensorInfo("x", "uint8", (1,)),)
    (folder / "hb_config.h").write_text(_config_header(board, Emitted(inputs=tensors, outputs=tensors), "00" * 16))
    library = folder / "port.so"
    # Copied, because beside the original it would find the cortex_m.h of silicon.
    shutil.copy(_PORTS / "cortex_m" / "dwt.c", folder)
    sources = [*(_PORTS / board.port.name).glob("*.c"), folder / "dwt.c", _HERE / "host.c"]
    includes = [_HERE, _PORTS / "cortex_m", resources.FIRMWARE / "agent", _PORTS / board.port.name, folder]
    arch = ["-U__ARM_ARCH", f"-D__ARM_ARCH={_ARCH.get(board.core, 7)}"]
    said = subprocess.run(
        ["cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-w", *arch, *(f"-I{path}" for path in includes),
         "-o", str(library), *map(str, sources)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    return Soc(ctypes.CDLL(str(library)))
