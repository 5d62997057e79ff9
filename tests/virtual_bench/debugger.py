"""A user of plain pyOCD, in a process of its own: `python -m tests.virtual_bench.debugger` in a bench's environment.

Does what it is asked, one JSON object a line, and answers with the result, or with the kind and the text of the error.
"""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_OPTIONS = {
    "no_config": True,
    "hide_programming_progress": True,
    "chip_erase": "sector",
    "connect_mode": "attach",
    "resume_on_disconnect": True,
}


class Debugger:
    """Runs pyOCD in another process, with this process's hands off it."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.virtual_bench.debugger"],
            env=environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Debugger:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def start(self, what: str, **details: Any) -> None:
        """Ask for something, and do not wait."""
        self.process.stdin.write(json.dumps({"do": what, **details}) + "\n")
        self.process.stdin.flush()

    def ask(self, what: str, **details: Any) -> Any:
        """Return what a function of this module returns; `(kind, text)` of the error that it raised."""
        self.start(what, **details)
        answer = json.loads(self.process.stdout.readline())
        return answer["result"] if "result" in answer else (answer["error"], answer["text"])


@contextlib.contextmanager
def _session(probe: str, target: str, unlock: bool = False) -> Iterator[Any]:
    from pyocd.core.helpers import ConnectHelper
    from pyocd.core.session import Session

    probes = ConnectHelper.get_all_connected_probes(blocking=False, unique_id=probe, print_wait_message=False)
    with Session(probes[0], options={**_OPTIONS, "target_override": target, "auto_unlock": unlock}) as session:
        yield session


def do_probes(unique_id: str | None = None) -> list[list[str]]:
    from pyocd.core.helpers import ConnectHelper

    probes = ConnectHelper.get_all_connected_probes(blocking=False, unique_id=unique_id, print_wait_message=False)
    return [[probe.unique_id, probe.description] for probe in probes]


def do_ports() -> list[list[Any]]:
    import serial.tools.list_ports

    return [[port.device, port.vid, port.pid, port.serial_number] for port in serial.tools.list_ports.comports()]


def do_flash(probe: str, target: str, image: str, unlock: bool = False) -> bool:
    """Flash, read back and reset; say whether what was read is what was written."""
    from elftools.elf.elffile import ELFFile
    from pyocd.flash.file_programmer import FileProgrammer

    with _session(probe, target, unlock) as session:
        session.target.reset_and_halt()  # as `pyocd load` does: interrupts would end a flash routine
        FileProgrammer(session, smart_flash=True, trust_crc=False, keep_unwritten=False).program(image)
        with Path(image).open("rb") as file:
            segments = [part for part in ELFFile(file).iter_segments() if part["p_type"] == "PT_LOAD"]
            same = all(
                bytes(session.target.read_memory_block8(part["p_paddr"], part["p_filesz"])) == part.data()
                for part in segments
                if part["p_filesz"]
            )
        session.target.reset()
        return same


def do_read(probe: str, target: str, address: int) -> int:
    with _session(probe, target) as session:
        return session.target.read32(address)


def do_idr(probe: str, target: str) -> int:
    with _session(probe, target) as session:
        return session.target.dp.dpidr.idr


def do_debug(probe: str, target: str, function: int, counter: int) -> dict[str, Any]:
    """Look at a running program, stop it, stop it in `function`, step, write a register and let it go."""
    from pyocd.core.target import Target

    with _session(probe, target) as session:
        core = session.target
        seen: dict[str, Any] = {"running": core.get_state() is Target.State.RUNNING}
        first = core.read32(counter)
        _wait(lambda: core.read32(counter) > first)
        core.halt()
        seen["halted"] = core.get_state() is Target.State.HALTED
        seen["still"] = [core.read32(counter), core.read32(counter)]
        seen["registers"] = {name: core.read_core_register(name) for name in ("pc", "sp", "msp", "primask", "r0")}
        core.set_breakpoint(function)
        core.resume()
        _wait(lambda: core.get_state() is Target.State.HALTED)
        seen["breakpoint"] = core.read_core_register("pc")
        seen["reason"] = core.get_halt_reason().name
        core.remove_breakpoint(function)
        core.step()
        seen["stepped"] = core.read_core_register("pc")
        kept = core.read_core_register("r5")
        core.write_core_register("r5", 0x1234_5678)
        seen["written"] = core.read_core_register("r5")
        core.write_core_register("r5", kept)
        core.write32(counter, 0x4000_0000)
        core.resume()
        _wait(lambda: core.read32(counter) > 0x4000_0000)
        core.reset_and_halt()
        seen["reset"] = core.read_core_register("pc")
        return seen


def do_ram_program(probe: str, target: str, address: int, data: str) -> int:
    """Run code from RAM until its BKPT; return r0."""
    from pyocd.core.target import Target

    with _session(probe, target) as session:
        core = session.target
        core.reset_and_halt()
        core.write_memory_block8(address, bytes.fromhex(data))
        core.write_core_register("pc", address)
        core.resume()
        _wait(lambda: core.get_state() is Target.State.HALTED)
        return core.read_core_register("r0")


def do_hold(probe: str, target: str) -> None:
    """Keep the probe until this process is killed."""
    with _session(probe, target) as session:
        session.target.halt()
        print(json.dumps({"result": "held"}), flush=True)
        time.sleep(600)


def _wait(condition: Any, timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the target does not stop")


def main() -> None:
    """Do what standard input asks for."""
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"result": globals()["do_" + request.pop("do")](**request)}
        except Exception as error:
            answer = {"error": type(error).__name__, "text": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
