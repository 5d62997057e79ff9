"""The bench itself: boards to plug in, and the environment in which programs find them."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import dataclasses
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import serial.tools.list_ports

from .enumeration import comports
from .plugged import VARIABLE, Plugged

_ROOT = Path(__file__).resolve().parents[2]
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ANSWER_S = 30.0
_METADATA = "Metadata-Version: 2.1\nName: virtual-bench\nVersion: 0\n"
_ENTRY_POINTS = "[pyocd.probe]\nvirtual = tests.virtual_bench.probe:VirtualProbePlugin\n"
_SITE = "from tests.virtual_bench.enumeration import install\n\ninstall()\n"


class VirtualBench:
    """Boards on a bench, until the context is left. `folder` is empty or new; the bench leaves nothing in it.

    `environment` is what a program needs to find the boards: a copy of `os.environ` and a little more.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder) / "bench"
        self.boards: list[VirtualBoard] = []
        self._site = Path(folder) / "site"

    def __enter__(self) -> VirtualBench:
        metadata = self._site / "virtual_bench-0.dist-info"
        self.folder.mkdir(parents=True)
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(_METADATA)
        (metadata / "entry_points.txt").write_text(_ENTRY_POINTS)
        (self._site / "sitecustomize.py").write_text(_SITE)
        return self

    def __exit__(self, *_: object) -> None:
        for board in self.boards:
            board.close()

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(self._site), str(_ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
        return {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep), VARIABLE: str(self.folder)}

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """Let this process, and those that it starts, find the boards; pyOCD only where it is imported in them."""
        before = {name: os.environ.get(name) for name in ("PYTHONPATH", VARIABLE)}
        real = serial.tools.list_ports.comports
        os.environ.update(self.environment)
        serial.tools.list_ports.comports = comports
        try:
            yield
        finally:
            serial.tools.list_ports.comports = real
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value

    def plug(
        self,
        part: str,
        *,
        serial_number: str,
        usb: str = "0d28:0204",
        manufacturer: str = "Arm",
        product: str = "CMSIS-DAP",
        probe: bool = True,
        port: bool = True,
        adapter: tuple[str, str] | None = None,
        image: Path | None = None,
        qemu: Sequence[str] = (),
    ) -> VirtualBoard:
        """Plug in a board with a chip of `parts.PARTS`; with `image`, an ELF that is in its flash already.

        One USB device is its `probe` and its serial `port`, or one of these; with `adapter`, (USB ids, serial number),
        the port is that of another device. `qemu` are more options for QEMU: its clock is the wall clock, and with
        ("-icount", "shift=0") the instructions that it has run.
        """
        vid, pid = _ids(usb)
        of_port = (*_ids(adapter[0]), adapter[1]) if adapter else None
        address = f"virtual-bench-{secrets.token_hex(8)}"
        location = f"1-{len(self.boards) + 1}"
        names = (manufacturer, product)
        pty = "" if port else None
        plugged = Plugged(serial_number, vid, pid, *names, address, pty, probe, location, of_port)
        board = VirtualBoard(self.folder, plugged, part, qemu)
        self.boards.append(board)
        if image is not None:
            board.program(image)
        board.plug_in()
        return board


class VirtualBoard:
    """A board of the bench: a process of its own, which ends with this one, whatever happens to it."""

    def __init__(self, folder: Path, plugged: Plugged, part: str, qemu: Sequence[str] = ()) -> None:
        self.serial_number = plugged.serial_number
        self._control, theirs = socket.socketpair()
        self._control.settimeout(_ANSWER_S)
        self._answers = self._control.makefile("rb")
        text = json.dumps(dataclasses.asdict(plugged))
        argv = [sys.executable, "-m", "tests.virtual_bench.board", str(theirs.fileno()), str(folder), text, part, *qemu]
        with theirs:
            self._process = subprocess.Popen(
                argv,
                cwd=_ROOT,
                env={name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", VARIABLE)},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    @property
    def process_id(self) -> int:
        """The board process; `status()["pid"]` is its QEMU."""
        return self._process.pid

    @property
    def port(self) -> str:
        """The name of its serial port, which is another one each time that it is plugged in."""
        return self.status()["port"]

    def status(self) -> Mapping[str, Any]:
        """Return `powered`, `running`, `halted`, `locked_up`, `resets`, `transfers`, `security`, …"""
        return self._ask("status")

    def fault(self, name: str, *, after: int = 0, **details: Any) -> None:
        """Let a fault happen, now or with the `after`-th transfer from now on, until `heal()`.

        no_ack: nothing answers on the wire. slow(latency_s): each transfer takes longer. wrong_part(idr): another
        DPIDR. bus_fault(address): a word that faults. stuck(address, value): a cell of flash that keeps a value.
        word(address, value): what a debugger reads there (part numbers). flash_fails: flash routines fail (not on the
        microbit). locked: APPROTECT. unplug. dead: the chip dies, its probe does not. line(silent, drop, flip,
        garbage): the serial line loses or damages bytes.
        """
        if "garbage" in details:
            details["garbage"] = base64.b64encode(details["garbage"]).decode()
        self._ask("fault", name=name, after=after, details=details)

    def heal(self) -> None:
        """Take all faults back, but for what is unplugged or dead: `plug_in()`, `power(True)`."""
        self._ask("heal")

    def unplug(self) -> None:
        """Pull the cable: no probe, no port, no power."""
        self._ask("unplug")

    def plug_in(self) -> None:
        """Plug the cable in: its port has another name now."""
        self._ask("plug_in")

    def power(self, on: bool) -> None:
        """Switch the chip off, or off and on; probe and port stay."""
        self._ask("power", on=on)

    def reset(self) -> None:
        """Reset the chip, as a brown-out does."""
        self._ask("reset")

    def program(self, image: Path) -> None:
        """Put an ELF into flash, as a factory does, and start it."""
        self._ask("program", image=str(image))

    def read(self, address: int, size: int) -> bytes:
        """Return what is in memory, behind the back of every debugger."""
        return base64.b64decode(self._ask("read", address=address, size=size)["data"])

    def close(self) -> None:
        """End the board."""
        self._answers.close()
        self._control.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, what: str, **details: Any) -> dict[str, Any]:
        with contextlib.suppress(BrokenPipeError):
            self._control.sendall(json.dumps({"do": what, **details}).encode() + b"\n")
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"the board process of {self.serial_number} is gone")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"board {self.serial_number}: {what}: {answer['error']}")
        return answer


def _ids(usb: str) -> tuple[int, int]:
    vid, pid = (int(number, 16) for number in usb.split(":"))
    return vid, pid


def _end_with_parent() -> None:
    """Between fork and exec: have the kernel end the board, tidily, when the thread that started it is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
