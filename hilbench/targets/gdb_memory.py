"""Reads and writes a guest's memory through QEMU's gdbstub: far faster than its serial line.

GDB's Remote Serial Protocol (GDB manual, appendix E), and of it only `m` and `M`. The stub answers while the guest is
stopped, so that QMP stops it before and lets it go on after. It says unasked that the guest stopped: that is passed
over. Nothing is acknowledged: QEMU waits for no acknowledgement, and one that it reads after QMP let the guest go on,
which is another socket, stops the guest for good.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Self

from hilbench.errors import TargetError
from hilbench.targets.qmp import Qmp

_PACKET_BYTES = 1024
"""Bytes of memory in one packet, twice as many digits: QEMU's gdbstub takes packets of 4096 (MAX_PACKET_LENGTH)."""
_READ_BYTES = 65536
_TIMEOUT_S = 5.0


class GdbMemory:
    """The memory of a guest, over a socket connected to its gdbstub, which it owns. Stops the guest while it is at it.

    Where there is no memory, QEMU writes nothing and reads zeros, and says neither. Raises `TargetError` when it
    refuses, is gone or does not answer.
    """

    def __init__(self, connection: socket.socket, qmp: Qmp) -> None:
        self._socket = connection
        self._socket.setblocking(False)
        self._qmp = qmp
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def read(self, address: int, count: int) -> bytes:
        """Return `count` bytes from `address` on."""
        ends = range(address, address + count, _PACKET_BYTES)
        packets = [f"m{at:x},{min(_PACKET_BYTES, address + count - at):x}" for at in ends]
        data = b"".join(bytes.fromhex(answer.decode()) for answer in self._ask(packets))
        if len(data) != count:
            raise TargetError(f"QEMU read {len(data)} of {count} bytes at 0x{address:08x}")
        return data

    def write(self, address: int, data: bytes) -> None:
        """Write `data` from `address` on."""
        chunks = [(at, data[at : at + _PACKET_BYTES]) for at in range(0, len(data), _PACKET_BYTES)]
        self._ask([f"M{address + at:x},{len(chunk):x}:{chunk.hex()}" for at, chunk in chunks])

    def _ask(self, packets: list[str]) -> list[bytes]:
        """Send each packet while the guest is stopped, and return the answers."""
        try:
            self._qmp.execute("stop")
            answers = [self._answer(packet.encode()) for packet in packets]
            self._qmp.execute("cont")
        except (EOFError, OSError) as error:
            raise TargetError("QEMU is gone: its memory cannot be reached") from error
        return answers

    def _answer(self, packet: bytes) -> bytes:
        deadline = time.monotonic() + _TIMEOUT_S
        data = b"$" + packet + b"#%02x" % (sum(packet) & 0xFF)
        while data:
            self._wait(deadline, writing=True)
            data = data[self._socket.send(data) :]
        while (answer := self._packet(deadline)).startswith((b"T", b"S")):
            pass
        if answer.startswith(b"E") and len(answer) == 3:
            raise TargetError(f"QEMU refuses '{packet[:20].decode()}': may nothing reach this address?")
        return answer

    def _packet(self, deadline: float) -> bytes:
        """Return the next packet."""
        while True:
            start = self._received.find(b"$")
            end = self._received.find(b"#", start)
            if 0 <= start < end and end + 3 <= len(self._received):
                packet, self._received = self._received[start + 1 : end], self._received[end + 3 :]
                return packet
            self._wait(deadline, writing=False)
            data = self._socket.recv(_READ_BYTES)
            if not data:
                raise EOFError
            self._received += data

    def _wait(self, deadline: float, *, writing: bool) -> None:
        left_s = max(0.0, deadline - time.monotonic())
        wanted = [self._socket]
        if not any(select.select([] if writing else wanted, wanted if writing else [], [], left_s)):
            raise TargetError("QEMU's gdbstub does not answer")
