"""A debug probe of pyOCD's whose other end is a board of the virtual bench.

pyOCD loads this in the processes under test, by the entry point that `bench.py` writes. It must never fail to import:
pyOCD would not start.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

from pyocd.board.board_ids import BOARD_ID_TO_INFO, BoardInfo
from pyocd.board.mbed_board import MbedBoard
from pyocd.core import exceptions
from pyocd.core.plugin import Plugin
from pyocd.probe.debug_probe import DebugProbe

from .plugged import Plugged, attached
from .wire import Ack, Operation, Reply, Request, ask

_DAPLINK = (0x0D28, 0x0204)
"""The probes whose unique id starts with a board id."""


class VirtualProbe(DebugProbe):
    """The probe of a board that is plugged in."""

    @classmethod
    def get_all_connected_probes(cls, unique_id: str | None = None, is_explicit: bool = False) -> list[VirtualProbe]:
        return [cls(board) for board in attached() if board.probe]

    @classmethod
    def get_probe_with_id(cls, unique_id: str, is_explicit: bool = False) -> VirtualProbe | None:
        return next((probe for probe in cls.get_all_connected_probes() if probe.unique_id == unique_id), None)

    def __init__(self, board: Plugged) -> None:
        super().__init__()
        self._plugged = board
        self._connection: socket.socket | None = None
        self._protocol: DebugProbe.Protocol | None = None
        self._reset_asserted = False

    @property
    def vendor_name(self) -> str:
        return self._plugged.manufacturer

    @property
    def product_name(self) -> str:
        return self._plugged.product

    @property
    def unique_id(self) -> str:
        return self._plugged.serial_number

    @property
    def supported_wire_protocols(self) -> list[DebugProbe.Protocol]:
        return [DebugProbe.Protocol.DEFAULT, DebugProbe.Protocol.SWD]

    @property
    def wire_protocol(self) -> DebugProbe.Protocol | None:
        return self._protocol

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    @property
    def capabilities(self) -> set[DebugProbe.Capability]:
        return {DebugProbe.Capability.SWJ_SEQUENCE, DebugProbe.Capability.BANKED_DP_REGISTERS}

    @property
    def associated_board_info(self) -> BoardInfo | None:
        return BOARD_ID_TO_INFO.get(self.board_id) if self.board_id else None

    def create_associated_board(self) -> MbedBoard | None:
        if self.board_id is None:
            return None
        return MbedBoard(self.session, board_info=self.associated_board_info, board_id=self.board_id)

    @property
    def board_id(self) -> str | None:
        return self.unique_id[:4] if (self._plugged.vid, self._plugged.pid) == _DAPLINK else None

    def open(self) -> None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect("\0" + self._plugged.address)
            busy = ask(connection, Request(Operation.OPEN)).ack is Ack.BUSY
        except OSError as error:
            connection.close()
            raise exceptions.ProbeError(f"cannot open probe {self.unique_id}: {error}") from error
        if busy:
            connection.close()
            raise exceptions.ProbeError(f"cannot open probe {self.unique_id}: it is in use")
        self._connection = connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def connect(self, protocol: DebugProbe.Protocol | None = None) -> None:
        self._protocol = DebugProbe.Protocol.SWD

    def disconnect(self) -> None:
        self._protocol = None

    def swj_sequence(self, length: int, bits: int) -> None:
        pass

    def set_clock(self, frequency: float) -> None:
        pass

    def reset(self) -> None:
        self._transfer(Request(Operation.RESET))

    def assert_reset(self, asserted: bool) -> None:
        self._transfer(Request(Operation.ASSERT_RESET if asserted else Operation.RELEASE_RESET))
        self._reset_asserted = asserted

    def is_reset_asserted(self) -> bool:
        return self._reset_asserted

    def read_dp(self, addr: int, now: bool = True) -> Any:
        return self._later(now, lambda: self._transfer(Request(Operation.READ_DP, addr & 0xC, 1)).words[0])

    def write_dp(self, addr: int, data: int) -> None:
        self._transfer(Request(Operation.WRITE_DP, addr & 0xC, words=[data]))

    def read_ap(self, addr: int, now: bool = True) -> Any:
        return self._later(now, lambda: self._transfer(Request(Operation.READ_AP, addr & 0xC, 1)).words[0])

    def write_ap(self, addr: int, data: int) -> None:
        self._transfer(Request(Operation.WRITE_AP, addr & 0xC, words=[data]))

    def read_ap_multiple(self, addr: int, count: int = 1, now: bool = True) -> Any:
        return self._later(now, lambda: list(self._transfer(Request(Operation.READ_AP, addr & 0xC, count)).words))

    def write_ap_multiple(self, addr: int, values: Sequence[int]) -> None:
        self._transfer(Request(Operation.WRITE_AP, addr & 0xC, words=list(values)))

    def _later(self, now: bool, read: Callable[[], Any]) -> Any:
        """Return what `read` returns; unless `now` is meant, something that does, and that raises what it raised."""
        if now:
            return read()
        try:
            result = read()
        except exceptions.Error as error:
            return lambda error=error: _raise(error)
        return lambda: result

    def _transfer(self, request: Request) -> Reply:
        if self._connection is None:
            raise exceptions.ProbeDisconnected(f"probe {self.unique_id} is not open")
        try:
            reply = ask(self._connection, request)
        except OSError as error:
            raise exceptions.ProbeDisconnected(f"probe {self.unique_id} was disconnected ({error})") from error
        if reply.ack is Ack.FAULT:
            raise exceptions.TransferFaultError
        if reply.ack is not Ack.OK:
            raise exceptions.TransferError(f"SWD acknowledgement {reply.ack.name}")
        return reply


def _raise(error: Exception) -> None:
    raise error


class VirtualProbePlugin(Plugin):
    """What pyOCD's entry point `pyocd.probe` is."""

    def load(self) -> type[VirtualProbe]:
        return VirtualProbe

    @property
    def name(self) -> str:
        return "virtual"

    @property
    def description(self) -> str:
        return "Probes of the virtual bench"
