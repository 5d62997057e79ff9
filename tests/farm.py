"""A labgrid farm for tests: a real coordinator and exporters on loopback, and a QEMU board with a power switch."""

from __future__ import annotations

import contextlib
import http.server
import os
import re
import select
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from hilbench import catalog
from hilbench.images.image import Image
from hilbench.targets.qemu import Machine, Qemu, QemuSettings

from .serial_lines import ServedLine, served

COORDINATOR, EXPORTER, CLIENT = (
    str(Path(sys.executable).with_name(f"labgrid-{name}")) for name in ("coordinator", "exporter", "client")
)


class PoweredBoard:
    """QEMU's mps2-an386 that runs an image while it has power, on a line that stays. `switched` is its history."""

    def __init__(self, line: ServedLine) -> None:
        self.line = line
        self.switched: list[bool] = []
        self.machine: Machine | None = None
        self._image: Image | None = None
        self._life = contextlib.ExitStack()
        self._lock = threading.RLock()
        self._hangs_after = -1

    def load(self, image: Image | None) -> None:
        """Be a board that runs another image; with None, one without any."""
        self._image = image
        self.power(False)
        self.power(True)
        self.hang(-1)
        self.switched.clear()

    def hang(self, after: int) -> None:
        """Have the processor stop for good when it was sent `after` more pieces of data."""
        self._hangs_after = after

    def power(self, on: bool) -> None:
        with self._lock:
            self.switched.append(on)
            if on and self.machine is None and self._image is not None:
                run = Qemu().run(self._image.path, catalog.board("mps2-an386"), QemuSettings(machine="mps2-an386"))
                self.machine = self._life.enter_context(run)
                self.machine.qmp.execute("set-action", reboot="reset")
            if not on:
                self.machine = None
                self._life.close()

    def hear(self) -> None:
        """Be the wire to the machine until the line ends. A board without power hears nothing."""
        while not self.line.ending.is_set():
            if select.select([self.line.far], [], [], 0.05)[0]:
                data = os.read(self.line.far, 65536)
                with contextlib.suppress(OSError, ValueError, EOFError):
                    if (machine := self.machine) is not None:
                        machine.stream.write(data)
                        self._hangs_after -= 1
                        if self._hangs_after == 0:
                            machine.qmp.execute("stop")

    def speak(self) -> None:
        """Be the wire from the machine until the line ends."""
        while not self.line.ending.is_set():
            if (machine := self.machine) is None:
                time.sleep(0.02)
                continue
            with contextlib.suppress(OSError, ValueError, EOFError):
                if said := machine.stream.read(0.05):
                    self.line.send(said)


@contextlib.contextmanager
def powered_board(kind: str = "rfc2217") -> Iterator[PoweredBoard]:
    with served(kind) as line:
        board = PoweredBoard(line)
        wires = [threading.Thread(target=wire, daemon=True) for wire in (board.hear, board.speak)]
        for wire in wires:
            wire.start()
        try:
            yield board
        finally:
            line.ending.set()
            for wire in wires:
                wire.join(5)
            board.power(False)


@contextlib.contextmanager
def power_switch(board: PoweredBoard) -> Iterator[str]:
    """Give the URL of a power switch as labgrid's model `rest` has it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            board.power(self.rfile.read(int(self.headers["Content-Length"])) == b"1")
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        # A machine dies with the thread that started it: one thread answers all requests.
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/relay/{{index}}/value"
        finally:
            server.shutdown()
            thread.join(5)


class Farm:
    """A coordinator and its exporters. `address` is HOST:PORT."""

    def __init__(self, folder: Path, places: Mapping[str, Mapping[str, Any]]) -> None:
        self.folder = folder
        self.places = places
        self.address = ""
        self.coordinator: subprocess.Popen[str] | None = None
        self.exporters: dict[str, subprocess.Popen[str]] = {}

    def start_coordinator(self) -> None:
        """Start it, where it was before if it ran before; it knows `places`, as if it had been told of them."""
        (self.folder / "places.yaml").write_text(
            yaml.safe_dump({name: _place(**of) for name, of in self.places.items()})
        )
        command = [COORDINATOR, "-l", self.address or "127.0.0.1:0"]
        self.coordinator = _started(command, self.folder, "coordinator")
        self.address = _await(self.folder / "coordinator.log", r"listening on (\S+)")

    def start_exporter(self, name: str, resources: Mapping[str, Any], path: str = "") -> None:
        config = self.folder / f"{name}.yaml"
        config.write_text(yaml.safe_dump(dict(resources)))
        command = [EXPORTER, "-c", self.address, "-n", name, "--hostname", "127.0.0.1", str(config)]
        self.exporters[name] = _started(command, self.folder, name, PATH=f"{path}{os.pathsep}{os.environ['PATH']}")
        _await(self.folder / f"{name}.log", r"(creating poll task)")

    def client(self, *words: str, user: str = "") -> str:
        """Run labgrid-client and return what it says."""
        env = {**os.environ, "LG_COORDINATOR": self.address, **({"LG_USERNAME": user} if user else {})}
        done = subprocess.run([CLIENT, *words], env=env, capture_output=True, text=True, check=True)
        return done.stdout

    def holders(self, place: str) -> list[str]:
        """Who has had a place, one after the other; '' where nobody had it, also at the end if nobody has it now."""
        log = (self.folder / "coordinator.log").read_text()
        return [user for _, user in re.findall(rf"^{place}: place (released|acquired by (.*))$", log, re.MULTILINE)]

    def is_free(self, place: str, within_s: float = 5) -> bool:
        end = time.monotonic() + within_s
        while (self.holders(place) or [""])[-1] and time.monotonic() < end:
            time.sleep(0.05)
        return not (self.holders(place) or [""])[-1]

    def kill(self, process: subprocess.Popen[str] | None) -> None:
        if process is not None:
            process.kill()
            process.wait()

    def close(self) -> None:
        for process in (*self.exporters.values(), self.coordinator):
            if process is not None:
                process.terminate()
        for process in (*self.exporters.values(), self.coordinator):
            if process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(3)
                self.kill(process)


def available() -> bool:
    return all(shutil.which(program) for program in (COORDINATOR, EXPORTER, CLIENT))


def _place(tags: Mapping[str, str], matches: list[str], aliases: list[str] | None = None) -> dict[str, Any]:
    """A place as labgrid's coordinator keeps it in places.yaml."""
    split = [dict(zip(("exporter", "group", "cls"), match.split("/"), strict=True)) for match in matches]
    return {
        "aliases": aliases or [],
        "comment": "",
        "tags": dict(tags),
        "matches": split,
        "created": time.time(),
        "changed": time.time(),
    }


def _started(command: list[str], folder: Path, name: str, **env: str) -> subprocess.Popen[str]:
    log = folder / f"{name}.log"
    with log.open("w") as out:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
        )


def _await(log: Path, pattern: str, within_s: float = 30) -> str:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if found := re.search(pattern, log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"no {pattern} in {log.read_text()}")
