"""A QEMU that is a chip: run control by its gdbstub, memory by its qtest server, resets by QMP.

The gdbstub alone will not do: what it writes to a peripheral is lost. qtest reads and writes through the CPU's address
space, peripherals included, while the guest runs, as an AHB access port does. All links are inherited socket pairs:
they have no names and leave nothing behind.
"""

from __future__ import annotations

import base64
import bisect
import contextlib
import re
import select
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hilbench.errors import TargetError
from hilbench.targets.process import Child, child
from hilbench.targets.qmp import Qmp

PROGRAM = "qemu-system-arm"
_ANSWER_S = 10.0
_START_S = 20.0
_READ_BYTES = 1 << 16
_GDB_BLOCK_BYTES = 1024


class Gone(Exception):
    """QEMU has ended, or does not answer."""


class Gdbstub:
    """The side of a debugger in GDB's remote protocol, as far as a debug port needs it."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._received = b""
        self._acknowledges = True

    def open(self) -> None:
        """Agree on how to talk."""
        self.ask("qSupported:xmlRegisters=arm")
        self.ask("QStartNoAckMode")
        self._acknowledges = False

    def send(self, text: str) -> None:
        """Send a packet."""
        data = text.encode()
        self._write(b"$%s#%02x" % (data, sum(data) & 0xFF))

    def interrupt(self) -> None:
        """Send what Ctrl-C sends."""
        self._write(b"\x03")

    def ask(self, text: str) -> str:
        """Send a packet and return the answer."""
        self.send(text)
        return self.answer()

    def answer(self) -> str:
        """Return the next packet."""
        answer = self.poll(_ANSWER_S)
        if answer is None:
            raise Gone("QEMU's gdbstub does not answer")
        return answer

    def poll(self, timeout_s: float = 0.0) -> str | None:
        """Return the next packet, None if none comes in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = re.search(rb"\$([^#]*)#..", self._received, re.DOTALL)
            if found:
                self._received = self._received[found.end() :]
                if self._acknowledges:
                    self._write(b"+")
                return found[1].decode("latin-1")
            left_s = max(0.0, deadline - time.monotonic())
            if not select.select([self._socket], [], [], left_s)[0]:
                return None
            self._received += self._read()

    def feature(self, annex: str) -> str:
        """Return a file of the target's description."""
        text = ""
        while True:
            part = self.ask(f"qXfer:features:read:{annex}:{len(text):x},800")
            text += part[1:]
            if part[0] != "m":
                return text

    def write_memory(self, address: int, data: bytes) -> None:
        """Write memory, also what is read-only for the guest."""
        for start in range(0, len(data), _GDB_BLOCK_BYTES):
            block = data[start : start + _GDB_BLOCK_BYTES]
            if self.ask(f"M{address + start:x},{len(block):x}:{block.hex()}") != "OK":
                raise ValueError(f"QEMU cannot write 0x{address + start:08x}")

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(_READ_BYTES)
        except OSError as error:
            raise Gone("QEMU's gdbstub is gone") from error
        if not data:
            raise Gone("QEMU's gdbstub is gone")
        return data

    def _write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Gone("QEMU's gdbstub is gone") from error


class Bus:
    """The CPU's address space by QEMU's qtest server. Addresses that nothing answers read as 0: see `Chip.kind`."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(_ANSWER_S)
        self._socket = connection
        self._lines = connection.makefile("rb")

    def read(self, address: int, size: int) -> int:
        """Return 1, 2 or 4 bytes."""
        return int(self._ask(f"read{_LETTER[size]} 0x{address:x}"), 16)

    def write(self, address: int, value: int, size: int) -> None:
        """Write 1, 2 or 4 bytes."""
        self._ask(f"write{_LETTER[size]} 0x{address:x} 0x{value:x}")

    def read_block(self, address: int, size: int) -> bytes:
        """Return `size` bytes of memory."""
        return base64.b64decode(self._ask(f"b64read 0x{address:x} 0x{size:x}")) if size else b""

    def write_block(self, address: int, data: bytes) -> None:
        """Write bytes to memory."""
        if data:
            self._ask(f"b64write 0x{address:x} 0x{len(data):x} {base64.b64encode(data).decode()}")

    def fill(self, address: int, size: int, value: int) -> None:
        """Write one byte all over a range."""
        self._ask(f"memset 0x{address:x} 0x{size:x} 0x{value:x}")

    def _ask(self, line: str) -> str:
        try:
            self._socket.sendall(line.encode() + b"\n")
            while answer := self._lines.readline():
                if answer.startswith(b"OK"):
                    return answer[2:].strip().decode()
                if answer.startswith((b"FAIL", b"ERR")):
                    raise ValueError(f"QEMU refuses '{line[:60]}': {answer!r}")
        except OSError as error:
            raise Gone("QEMU's qtest server does not answer") from error
        raise Gone("QEMU's qtest server is gone")


_LETTER = {1: "b", 2: "w", 4: "l"}


@dataclass(frozen=True)
class Chip:
    """A machine of QEMU, stopped at its first instruction. `registers` maps a name to GDB's number and its bytes."""

    gdb: Gdbstub
    bus: Bus
    qmp: Qmp
    process: Child
    registers: dict[str, tuple[int, int]]
    regions: tuple[tuple[int, int, str], ...]

    def kind(self, address: int) -> str | None:
        """Return `ram`, `rom`, `romd` (flash of a controller), `i/o`, or None where nothing answers."""
        index = bisect.bisect_right(self.regions, address, key=lambda region: region[0]) - 1
        return self.regions[index][2] if index >= 0 and address <= self.regions[index][1] else None

    def register(self, name: str) -> int:
        """Return a register of the stopped CPU."""
        number, _ = self.registers[name]
        return int.from_bytes(bytes.fromhex(self.gdb.ask(f"p{number:x}")), "little")

    def set_register(self, name: str, value: int) -> None:
        """Write a register of the stopped CPU."""
        number, size = self.registers[name]
        value &= (1 << 8 * size) - 1
        self.gdb.ask(f"P{number:x}={value.to_bytes(size, 'little').hex()}")

    def system_reset(self) -> None:
        """Reset the machine; whether it runs stays as it is."""
        try:
            self.qmp.events.clear()
            self.qmp.execute("system_reset")
            self.qmp.wait_event("RESET")
            self.qmp.events.clear()
        except (EOFError, TargetError) as error:
            raise Gone("QEMU cannot be reset") from error

    def guest_resets(self) -> int:
        """Return how often the guest has reset itself since this was asked last.

        Asking also makes QEMU look whether the guest's UART takes bytes again, which it does not while nothing happens.
        """
        try:
            self.qmp.execute("query-status")
        except (EOFError, TargetError) as error:
            raise Gone("QEMU is gone") from error
        count = sum(event.get("event") == "RESET" for event in self.qmp.events)
        self.qmp.events.clear()
        return count


@contextlib.contextmanager
def started(machine: str, options: Sequence[str], uart: socket.socket) -> Iterator[Chip]:
    """Start `machine`, stopped, its first UART on `uart`. Raises `Gone` when QEMU does not start."""
    with contextlib.ExitStack() as stack:
        pairs = {name: socket.socketpair() for name in ("gdb", "bus", "qmp")}
        for ours, theirs in pairs.values():
            stack.callback(ours.close)
            stack.callback(theirs.close)
        theirs = {"uart": uart, **{name: pair[1] for name, pair in pairs.items()}}
        argv = [shutil.which(PROGRAM) or PROGRAM, "-M", machine, *options, *_COMMON]
        for name, end in theirs.items():
            argv += ["-chardev", f"socket,id={name},fd={end.fileno()}"]
        process = stack.enter_context(child(argv, pass_fds=[end.fileno() for end in theirs.values()], pin=False))
        for _, end in pairs.values():
            end.close()
        gdb, bus, qmp = Gdbstub(pairs["gdb"][0]), Bus(pairs["bus"][0]), Qmp(pairs["qmp"][0])
        try:
            qmp.open(_START_S)
            gdb.open()
            regions = _regions(qmp.monitor("info mtree -f"))
        except (EOFError, TargetError, Gone) as error:
            process.wait(1.0)
            raise Gone(f"QEMU does not start: {process.tail()}") from error
        yield Chip(gdb, bus, qmp, process, _registers(gdb), regions)


_COMMON = (
    *("-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-S"),
    *("-gdb", "chardev:gdb", "-object", "qtest,id=bus-server,chardev=bus,log=none"),
    *("-mon", "chardev=qmp,mode=control", "-serial", "chardev:uart"),
)


def _registers(gdb: Gdbstub) -> dict[str, tuple[int, int]]:
    registers, number = {}, 0
    for annex in re.findall(r'xi:include href="([^"]+)"', gdb.feature("target.xml")):
        for tag in re.findall(r"<reg\s([^>]*)/>", gdb.feature(annex)):
            fields = dict(re.findall(r'(\w+)="([^"]*)"', tag))
            number = int(fields.get("regnum", number))
            registers[fields["name"]] = (number, int(fields["bitsize"]) // 8)
            number += 1
    return registers


def _regions(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return (first, last, kind) of all that the CPU can reach, from `info mtree -f`."""
    for view in re.split(r"\n(?=FlatView)", text):
        if 'AS "cpu-memory-0"' in view:
            found = re.findall(r"([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ([\w/]+)\)", view)
            return tuple((int(first, 16), int(last, 16), kind) for first, last, kind in found)
    raise Gone("QEMU does not tell the CPU's memory map")
