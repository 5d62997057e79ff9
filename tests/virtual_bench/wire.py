"""The SW-DP of a chip, and the transfers by which a probe talks to it, with the acknowledgements of SWD.

Between a probe (`probe.py`, in the process under test) and a board: a request is `_REQUEST` and then its words; a reply
is `_REPLY` and then its words. Registers: Arm Debug Interface v5.2, IHI 0031F, B2.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from .access_ports import AccessPort, BusFault

_REQUEST = struct.Struct("<BBI")  # operation, register, number of words
_REPLY = struct.Struct("<BI")  # acknowledgement, number of words
_DPIDR, _CTRL_STAT, _SELECT, _RDBUFF = 0x0, 0x4, 0x8, 0xC
_CLEARS_STICKY = 0x1E  # ORUNERRCLR, WDERRCLR, STKERRCLR, STKCMPCLR of ABORT
_STICKY_ERROR = 0x20
_POWER_REQUESTS = 0x5000_0000


class Operation(IntEnum):
    """What a probe can ask for. `count` of `READ_AP` is how often it reads the register."""

    OPEN = 0
    READ_DP = 1
    WRITE_DP = 2
    READ_AP = 3
    WRITE_AP = 4
    RESET = 5
    ASSERT_RESET = 6
    RELEASE_RESET = 7


class Ack(IntEnum):
    """The acknowledgements of SWD (IHI 0031F, B4.2.2), and a probe that somebody else has open."""

    OK = 1
    WAIT = 2
    FAULT = 4
    NONE = 7
    BUSY = 0xFF


class Request(NamedTuple):
    """One transfer."""

    operation: Operation
    register: int = 0
    count: int = 0
    words: Sequence[int] = ()


class Reply(NamedTuple):
    """How it went, and what was read."""

    ack: Ack
    words: Sequence[int] = ()


def ask(connection: socket.socket, request: Request) -> Reply:
    """Do a transfer, as a probe. Raises `OSError` when the board is not there any more."""
    connection.sendall(
        _REQUEST.pack(request.operation, request.register, request.count or len(request.words)) + _packed(request.words)
    )
    ack, count = _REPLY.unpack(_exactly(connection, _REPLY.size))
    return Reply(Ack(ack), _unpacked(_exactly(connection, 4 * count)))


def receive(connection: socket.socket) -> Request:
    """Return the next request, as a board. Raises `OSError` when the probe is gone."""
    operation, register, count = _REQUEST.unpack(_exactly(connection, _REQUEST.size))
    writes = operation in (Operation.WRITE_DP, Operation.WRITE_AP)
    words = _unpacked(_exactly(connection, 4 * count)) if writes else ()
    return Request(Operation(operation), register, count, words)


def send(connection: socket.socket, reply: Reply) -> None:
    """Answer, as a board."""
    connection.sendall(_REPLY.pack(reply.ack, len(reply.words)) + _packed(reply.words))


class DebugPort:
    """A SW-DP and the access ports behind it."""

    def __init__(self, idr: int, ports: dict[int, AccessPort]) -> None:
        self.idr = idr
        self.ports = ports
        self._control = self._select = 0
        self._sticky = False
        self._last = 0

    def transfer(self, request: Request) -> Reply:
        """Serve a transfer to the debug port or to an access port."""
        if request.operation is Operation.READ_DP:
            return Reply(Ack.OK, [self._read(request.register)])
        if request.operation is Operation.WRITE_DP:
            self._write(request.register, request.words[0])
            return Reply(Ack.OK)
        if self._sticky or self._control & _POWER_REQUESTS != _POWER_REQUESTS:
            self._sticky = True
            return Reply(Ack.FAULT)
        port = self.ports.get(self._select >> 24)
        register = self._select & 0xF0 | request.register & 0xC
        try:
            if request.operation is Operation.READ_AP:
                words = port.read(register, request.count) if port else [0] * request.count
                self._last = words[-1]
                return Reply(Ack.OK, words)
            if port:
                port.write(register, request.words)
        except BusFault:
            self._sticky = True
            return Reply(Ack.FAULT)
        return Reply(Ack.OK)

    def _read(self, register: int) -> int:
        powered = self._control & _POWER_REQUESTS
        status = self._control & 0x5000_0F00 | powered << 1 | (_STICKY_ERROR if self._sticky else 0)
        banked = status if self._select & 0xF == 0 else 0
        return {_DPIDR: self.idr, _CTRL_STAT: banked, _RDBUFF: self._last}.get(register, 0)

    def _write(self, register: int, value: int) -> None:
        if register == _DPIDR and value & _CLEARS_STICKY:
            self._sticky = False
        elif register == _CTRL_STAT:
            self._control = value
        elif register == _SELECT:
            self._select = value


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionResetError("the other end is gone")
        data += part
    return data


def _packed(words: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(words)}I", *(word & 0xFFFFFFFF for word in words))


def _unpacked(data: bytes) -> Sequence[int]:
    return struct.unpack(f"<{len(data) // 4}I", data)
