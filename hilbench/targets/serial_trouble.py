"""Says why a serial line cannot be opened, and what to do: one message for each cause."""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import grp
import os
import socket
import termios
from collections.abc import Iterator
from pathlib import Path

import serial

from hilbench.errors import Unavailable
from hilbench.targets.ports import Port

_TOLERATED = 0.03
"""A UART samples a byte's last bit 9.5 bits after its edge: 5 % off is too much, of which the board has its share."""
_TCGETS2 = 0x802C542A  # asm-generic/ioctls.h: the only call that tells a rate which has no name
_SPEED_AT = 10  # struct termios2 as 32-bit words: c_ospeed


@contextlib.contextmanager
def explained(port: Port, baud: int = 0) -> Iterator[None]:
    """Turn what opening `port` raises into `Unavailable`."""
    try:
        yield
    except (OSError, ValueError, OverflowError, termios.error) as error:
        raise (_remote(port, error) if port.remote else _local(port, baud, error)) from None


def check_rate(fd: int, port: Port, baud: int) -> None:
    """Raise `Unavailable` when the port's driver has set another rate than it was asked for."""
    words = array.array("I", [0] * 64)
    with contextlib.suppress(OSError):  # not Linux, or another architecture's number
        fcntl.ioctl(fd, _TCGETS2, words)
    actual = words[_SPEED_AT]
    if actual and abs(actual - baud) > _TOLERATED * baud:
        raise _wrong_rate(port, baud, f"its driver sets {actual} instead")


def users_of(device: str) -> list[str]:
    """Return the other processes that have `device` open, as far as we may know them: `minicom (process 123)`."""
    found, real = [], os.path.realpath(device)
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it is another user's, or has ended
            if any(str(fd.readlink()) == real for fd in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} (process {process.name})")
    return found


def may_not_open(device: str) -> tuple[str, str]:
    """Return why we may not open `device`, and the remedy."""
    group = ""
    with contextlib.suppress(OSError, KeyError):
        group = grp.getgrgid(Path(device).stat().st_gid).gr_name
    if group in ("", "root"):
        return "only root may open it", f"udev rules: `hilbench doctor`; once: sudo chmod a+rw {device}"
    return f"only members of the group '{group}' may open it", f"sudo usermod -aG {group} $USER, then log in again"


def _local(port: Port, baud: int, error: Exception) -> Unavailable:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOENT:
        return Unavailable(f"there is no {port.url}", hint="was it unplugged? `hilbench doctor` lists what is attached")
    if number in (errno.EACCES, errno.EPERM):
        reason, remedy = may_not_open(port.url)
        return Unavailable(f"{port.url} cannot be opened: {reason}", hint=remedy)
    if number in (errno.EBUSY, errno.EAGAIN):
        users = ", ".join(users_of(port.url)) or "another program"
        return Unavailable(f"{port.url} is in use by {users}", hint="close it: a serial line has one reader")
    if isinstance(error, ValueError | OverflowError):
        return _wrong_rate(port, baud, str(error))
    if "Inappropriate ioctl" in str(error) or number in (errno.EISDIR, errno.ENOTTY):
        return Unavailable(f"{port.url} is not a serial port", hint="`hilbench doctor` lists those that are")
    return Unavailable(f"{port.url} cannot be opened: {error}", hint="was it unplugged?")


def _wrong_rate(port: Port, baud: int, why: str) -> Unavailable:
    return Unavailable(
        f"{port.url} cannot run at {baud} baud: {why}",
        hint="another adapter, or another serial.baud in the board's file (then build and flash its images again)",
    )


def _remote(port: Port, error: Exception) -> Unavailable:
    # pyserial puts the cause into a text, and the exception itself where Python keeps it.
    cause = error.__context__ if isinstance(error, serial.SerialException) and error.__context__ else error
    if isinstance(cause, ConnectionRefusedError):
        return Unavailable(f"nothing listens at {port.url}", hint="is the serial server running, on that port?")
    if isinstance(cause, socket.gaierror):
        return Unavailable(f"the host of {port.url} is not known: {cause.strerror}", hint="check its name")
    if isinstance(cause, TimeoutError):
        return Unavailable(f"{port.url} does not answer", hint="is the host up, and no firewall in between?")
    if isinstance(cause, BrokenPipeError | ConnectionResetError):
        return Unavailable(f"{port.url} closed the connection at once", hint="is the line in use by somebody else?")
    if "does not seem to support" in str(error):
        scheme = port.url.replace("rfc2217:", "socket:", 1)
        return Unavailable(f"what listens at {port.url} does not speak RFC 2217", hint=f"for bytes alone: {scheme}")
    if "parameter change" in str(error) or "rejected value" in str(error) or "waiting for option" in str(error):
        return Unavailable(
            f"the server of {port.url} refuses the line's settings: {error}",
            hint="does it support the board's baud rate? A server without DTR and RTS: add ?ign_set_control to the URL",
        )
    return Unavailable(f"{port.url} cannot be opened: {error}", hint="is it a serial server?")
