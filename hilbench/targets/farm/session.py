"""What is asked of labgrid, with its own client: places, who has them, where their serial line is, and power.

Runs in the process of `keeper`. Raises `Unavailable` and `TargetError`, each with what to do.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import grpc
from labgrid.remote.client import ClientSession, Error
from labgrid.remote.common import Place, ResourceEntry
from labgrid.remote.generated import labgrid_coordinator_pb2 as pb2
from labgrid.resource.serialport import NetworkSerialPort
from labgrid.util.proxy import proxymanager
from labgrid.util.ssh import sshmanager

from hilbench.errors import TargetError, Unavailable
from hilbench.targets.farm import mark
from hilbench.targets.farm.address import DEFAULT_PORT

PROBE = "pyocd"
"""The name of a place's NetworkService that is a pyOCD server."""
_CONNECT_S = 10.0
_CALL_S = 15.0
"""The coordinator gives an exporter 10 s to answer for each resource."""
_RELEASE_S = 8.0
_REFUSALS = (
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.INVALID_ARGUMENT,
)
_LOOK_EVERY_S = 0.1
_TELL_EVERY_S = 1.0
_SWITCHES = (
    "NetworkPowerPort",
    "PDUDaemonPort",
    "NetworkUSBPowerPort",
    "NetworkSiSPMPowerPort",
    "TasmotaPowerPort",
    "NetworkYKUSHPowerPort",
)
"""The power switches that labgrid's client knows (`ClientSession.power`); without GPIOs, which may be anything."""

Tell = Callable[[dict[str, Any]], None]


class Session:
    """A connection to a coordinator, which holds one place at most. Make one with `connected()`."""

    def __init__(self, labgrid: ClientSession, coordinator: str) -> None:
        self._labgrid = labgrid
        self._coordinator = coordinator
        self._place = ""
        self._releases = False
        self._mark = ""
        self._holds = False
        self._call: asyncio.Future[Any] | None = None

    @classmethod
    async def connected(cls, coordinator: str) -> Session:
        """Connect to `HOST[:PORT]`, over SSH where LG_PROXY says so. Raises `Unavailable`."""
        hint = "is labgrid-coordinator running there? LG_COORDINATOR=HOST:PORT names another"
        try:
            address = await asyncio.to_thread(proxymanager.get_grpc_address, coordinator, default_port=DEFAULT_PORT)
            labgrid = ClientSession(address, asyncio.get_running_loop())
            await asyncio.wait_for(labgrid.start(), _CONNECT_S)
        except TimeoutError:
            raise Unavailable(
                f"the labgrid coordinator {coordinator} does not answer within {_CONNECT_S:g} s", hint=hint
            ) from None
        except Error:
            raise Unavailable(f"no labgrid coordinator answers at {coordinator}", hint=hint) from None
        except Exception as error:  # an address that is none, or no SSH to the proxy
            raise Unavailable(f"no way to the labgrid coordinator {coordinator}: {error}", hint=hint) from error
        return cls(labgrid, coordinator)

    async def close(self) -> None:
        """Let go of the place, if it was acquired here, and disconnect."""
        with contextlib.suppress(Exception):
            if self._call is not None:
                await asyncio.wait({self._call}, timeout=_CALL_S)
        with contextlib.suppress(Exception):
            if self._releases:
                await self._release(self._place)
        with contextlib.suppress(Exception):
            sshmanager.close_all()

    async def places(self) -> list[dict[str, Any]]:
        """Return all places, as `choose.FarmPlace` has them."""
        user = self._labgrid.getuser()
        found = []
        for name, place in sorted(self._labgrid.places.items()):
            aliases = [alias.removeprefix(f"{user}:") for alias in place.aliases]
            own = [alias for alias in aliases if ":" not in alias]
            found.append({"name": name, "aliases": own, "tags": place.tags, "reservation": place.reservation or ""})
        return found

    async def acquire(self, name: str, wait_s: float, tell: Tell) -> dict[str, Any]:
        """Acquire a place, or use what its user acquired by hand; return what is there: `probe` and `power`.

        While somebody else has it, `tell` is called with who that is. Raises `Unavailable` when it is not free in time.
        """
        self._place = name
        start = time.monotonic()
        told_s = -_TELL_EVERY_S
        while (taken := await self._try()) is not None:
            waited_s = time.monotonic() - start
            if waited_s >= wait_s:
                waited = f" after {wait_s:g} s of waiting" if wait_s else ""
                kick = f"; if nobody uses it any more: labgrid-client -p {name} release --kick"
                hint = "--hil-wait=SECONDS waits longer" + (kick if self._labgrid.places[name].acquired else "")
                raise Unavailable(f"place {name} of the farm {self._coordinator} {taken}{waited}", hint=hint)
            if waited_s - told_s >= _TELL_EVERY_S:
                tell({"waiting": taken})
                told_s = waited_s
            await asyncio.sleep(_LOOK_EVERY_S)
        self._holds = True
        probe = next((entry for own, entry in self._parts() if entry.cls == "NetworkService" and own == PROBE), None)
        power = [own for own, entry in self._parts() if entry.cls in _SWITCHES]
        at = await self._reachable(probe.params["address"], probe.params["port"], probe) if probe else None
        return {"probe": f"{at[0]}:{at[1]}" if at else "", "power": power}

    async def line(self, name: str | None, within_s: float) -> dict[str, Any]:
        """Return where the place's serial line is, waiting until it is served. Raises `Unavailable`."""
        end = time.monotonic() + within_s
        while True:
            gone = self._gone()
            own, entry = (name or "", None) if gone else self._serial(name)
            if entry is not None and entry.avail and entry.params.get("port") is not None:
                break
            if time.monotonic() >= end:
                reason = gone or f"its serial port {own} is not there"
                raise Unavailable(
                    f"place {self._place}: {reason}", hint="look after labgrid-exporter, and what is attached, there"
                )
            await asyncio.sleep(_LOOK_EVERY_S)
        host, port = await self._reachable(entry.params["host"], entry.params["port"], entry)
        return {"host": host, "port": port, "protocol": entry.params.get("protocol", "rfc2217"), "name": own}

    async def switch(self, action: str, off_s: float) -> None:
        """Switch the board's power: `on`, or `cycle` with `off_s` seconds between. Raises `TargetError`."""
        try:
            if gone := self._gone():
                raise TargetError(gone)
            name = self._power()
            self._labgrid.args = argparse.Namespace(place=self._place, action=action, delay=off_s, name=name)
            await asyncio.to_thread(self._labgrid.power)
        except Exception as error:  # each kind of switch has its own errors
            why = str(error) if isinstance(error, TargetError | Error) else f"{type(error).__name__}: {error}"
            raise TargetError(
                f"the power of place {self._place} cannot be switched ({action}): {why}",
                hint=f"does `labgrid-client -p {self._place} power {action}` work?",
            ) from error

    async def lost(self) -> str:
        """Wait until the place, once acquired, is not ours any more; say why."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if self._labgrid.stopping.is_set():
                place_now = f": whose place {self._place} is now is not known" if self._place else ""
                return f"the labgrid coordinator {self._coordinator} went away{place_now}"
            place = self._labgrid.places.get(self._place) if self._holds else None
            users = (place.acquired, *place.allowed) if place else ()
            if self._holds and (self._me not in users or (self._mark and self._mark not in users)):
                now = f"{_user(place.acquired)} has it now" if place and place.acquired else "it was released"
                return f"place {self._place} was taken from this run: {now}"

    async def _try(self) -> str | None:
        """Acquire the place; return why it cannot be had now, None when it is had."""
        place: Place = self._labgrid.places.get(self._place)
        if place is None:
            raise Unavailable(f"place {self._place} of the farm {self._coordinator} was deleted")
        left = mark.found(place.allowed)
        if place.acquired == self._me and left:
            if mark.is_of_dead_run(left):
                await self._release(place.name)
        elif self._me in (place.acquired, *place.allowed):
            return None
        if place.acquired:
            return f"is in use by {_holder(place)}"
        self._check_parts(place)
        self._releases = True
        self._call = asyncio.ensure_future(self._do_acquire(place))
        try:
            await asyncio.shield(self._call)
        except grpc.aio.AioRpcError as error:
            # What was refused is not ours to release; of what had no answer in time nobody knows.
            self._releases = error.code() not in _REFUSALS
            return await self._refused(place, error)
        return None

    async def _do_acquire(self, place: Place) -> None:
        await self._labgrid.stub.AcquirePlace(pb2.AcquirePlaceRequest(placename=place.name), timeout=_CALL_S)
        ours = mark.made(os.getppid(), os.getpid())
        await self._labgrid.stub.AllowPlace(pb2.AllowPlaceRequest(placename=place.name, user=ours), timeout=_CALL_S)
        await asyncio.wait_for(self._labgrid.sync_with_coordinator(), _CALL_S)
        self._mark = ours

    async def _release(self, name: str) -> None:
        request = pb2.ReleasePlaceRequest(placename=name, fromuser=self._me)
        await self._labgrid.stub.ReleasePlace(request, timeout=_RELEASE_S)
        if not self._labgrid.stopping.is_set():
            await asyncio.wait_for(self._labgrid.sync_with_coordinator(), _RELEASE_S)

    async def _refused(self, place: Place, error: grpc.aio.AioRpcError) -> str:
        """Return in words why the coordinator did not give us the place."""
        if place.reservation:
            with contextlib.suppress(grpc.aio.AioRpcError):
                found = await self._labgrid.stub.GetReservations(pb2.GetReservationsRequest(), timeout=_CALL_S)
                owners = [one.owner for one in found.reservations if one.token == place.reservation]
                return f"is reserved for {_user(owners[0])}" if owners else "is reserved"
        for path, entry in self._resources():
            if place.hasmatch(path) and entry.acquired and entry.acquired != place.name:
                return f"shares {'/'.join(path[:2])} with place {entry.acquired}, which is in use"
        return f"cannot be acquired: {error.details()}"

    def _check_parts(self, place: Place) -> None:
        """Raise `Unavailable` where an exporter of the place is not there, or has something that is broken."""
        if (match := place.unmatched([path for path, _ in self._resources()])) is not None:
            raise Unavailable(
                f"place {place.name}: nobody exports {match}",
                hint=f"is labgrid-exporter running on {match.exporter}, and connected to {self._coordinator}?",
            )
        for path, entry in self._resources():
            if place.hasmatch(path) and (broken := entry.extra.get("broken")):
                raise Unavailable(
                    f"place {place.name}: its {'/'.join(path)} is broken ({broken})",
                    hint=f"look at what labgrid-exporter says on {path[0]} (no ser2net there?), and start it again",
                )

    def _serial(self, name: str | None) -> tuple[str, ResourceEntry]:
        lines = {own: entry for own, entry in self._parts() if entry.cls == "NetworkSerialPort"}
        if name is not None:
            lines = {own: entry for own, entry in lines.items() if own == name}
        if len(lines) == 1:
            return next(iter(lines.items()))
        names = sorted(own for own, entry in self._parts() if entry.cls == "NetworkSerialPort")
        if lines:
            raise Unavailable(
                f"place {self._place} has several serial ports: {', '.join(names)}",
                hint=" or ".join(f"--hil-port={one}" for one in names),
            )
        raise Unavailable(
            f"place {self._place} has no serial port{f' {name!r}' if name else ''}",
            hint=f"--hil-port names one of: {', '.join(names)}"
            if names
            else "it needs a NetworkSerialPort to be of use",
        )

    def _power(self) -> str:
        names = [own for own, entry in self._parts() if entry.cls in _SWITCHES]
        if len(names) > 1 and "power" in names:
            names = ["power"]
        if len(names) != 1:
            raise TargetError(
                f"it has {len(names)} power switches" + (f", and none is called 'power': {names}" if names else "")
            )
        return names[0]

    def _gone(self) -> str:
        """Return which exporter of the place is gone; '' if none is."""
        here = {path for path, _ in self._resources()}
        for path in self._labgrid.places[self._place].acquired_resources:
            if tuple(path) not in here:
                return f"its exporter {path[0]} is gone"
        return ""

    def _parts(self) -> Iterator[tuple[str, ResourceEntry]]:
        """Yield the acquired resources of the place that are there, each with its name in the place."""
        place = self._labgrid.places[self._place]
        resources = dict(self._resources())
        for path in map(tuple, place.acquired_resources):
            if path in resources:
                match = place.getmatch(path)
                yield (match.rename if match and match.rename else path[3]), resources[path]

    def _resources(self) -> Iterator[tuple[tuple[str, str, str, str], ResourceEntry]]:
        for exporter, groups in self._labgrid.resources.items():
            for group, entries in groups.items():
                for name, entry in entries.items():
                    if entry.data:  # else it was deleted
                        yield (exporter, group, entry.cls, name), entry

    async def _reachable(self, host: str, port: int, entry: ResourceEntry) -> tuple[str, int]:
        """Return where `host:port` of an exporter is reached from here: labgrid may have to forward it over SSH."""
        resource = NetworkSerialPort(None, None, host=host, port=int(port))
        resource.extra = entry.extra
        try:
            found = await asyncio.to_thread(proxymanager.get_host_and_port, resource)
        except Exception as error:
            raise Unavailable(
                f"place {self._place}: no SSH tunnel to {host}:{port}: {error}",
                hint=f"does `ssh {entry.extra.get('proxy') or os.environ.get('LG_PROXY')}` work without a password?",
            ) from error
        return str(found[0]), int(found[1])

    @property
    def _me(self) -> str:
        return f"{self._labgrid.gethostname()}/{self._labgrid.getuser()}"


def _holder(place: Place) -> str:
    """Return who has a place, since when, and by which process if that is one of hilbench's."""
    marked = mark.found(place.allowed)
    by = f", hilbench's process {mark.process(marked)}" if marked else ""
    return f"{_user(place.acquired)} since {datetime.fromtimestamp(place.changed):%Y-%m-%d %H:%M}{by}"


def _user(name: str) -> str:
    host, _, user = name.partition("/")
    return f"{user} at {host}"
