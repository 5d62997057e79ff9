"""Names one server one way, however its host is written: what is locked by its name must not have two of them."""

from __future__ import annotations

import ipaddress
import socket

_LOOPBACK = "127.0.0.1"


def one_name(host: str, port: int) -> str:
    """Return `ADDRESS:PORT` of the first of the host's addresses, in their order; `HOST:PORT` where it has none.

    All names and addresses of this computer are 127.0.0.1.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # it is told of when the line or the probe is opened
        return f"{host.lower()}:{port}"
    addresses = {_plain(str(sockaddr[0])) for *_, sockaddr in found}
    if any(address.is_loopback or _is_ours(address) for address in addresses):
        return f"{_LOOPBACK}:{port}"
    return f"{min(addresses, key=lambda address: (address.version, int(address)))}:{port}"


def _plain(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    return (address.version == 6 and address.ipv4_mapped) or address


def _is_ours(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether this computer has the address: nothing else can be bound to. Nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
