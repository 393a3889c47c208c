"""What happens to this machine's network interfaces: a link that goes down, an address that goes.

A connection whose source address is gone is dead, whatever the path does, and nothing on it says
so: its packets are just not sent. The kernel says it by rtnetlink(7), without privileges (Linux).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic_ns

_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR, _RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100
_RTM_NEWLINK, _RTM_DELLINK, _RTM_DELADDR = 16, 17, 21
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_IFA_ADDRESS, _IFA_LOCAL, _IFLA_IFNAME = 1, 2, 3
_HEADER, _LINK, _ADDRESS, _ATTRIBUTE = (
    *(struct.Struct(form) for form in ("=IHHII", "=BxHiII", "=BBBBI", "=HH")),
)


@dataclass(frozen=True, slots=True)
class LinkChange:
    """An interface that went down, or (`address`) an address that was taken off it."""

    at_ns: int
    interface: str
    address: str | None = None

    def __str__(self) -> str:
        if self.address is None:
            return f"the interface {self.interface} went down"
        return f"the address {self.address} was removed from {self.interface}"


def parse(data: bytes, at_ns: int) -> list[LinkChange]:
    """The changes that a read from such a socket tells of; what is malformed is passed over."""
    changes: list[LinkChange] = []
    at = 0
    with suppress(struct.error, ValueError):
        while at + _HEADER.size <= len(data):
            length, kind, _, _, _ = _HEADER.unpack_from(data, at)
            body = data[at + _HEADER.size : at + length]
            if length < _HEADER.size:
                break
            at += (length + 3) & ~3
            if kind in (_RTM_NEWLINK, _RTM_DELLINK):
                _, _, index, flags, _ = _LINK.unpack_from(body)
                if kind == _RTM_DELLINK or not (flags & _IFF_UP and flags & _IFF_RUNNING):
                    changes.append(LinkChange(at_ns, _name(body[_LINK.size :], index)))
            elif kind == _RTM_DELADDR:
                family, _, _, _, index = _ADDRESS.unpack_from(body)
                if (address := _address(body[_ADDRESS.size :], family)) is not None:
                    changes.append(LinkChange(at_ns, _interface(index), address))
    return changes


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


def _name(attributes: bytes, index: int) -> str:
    named = _attributes(attributes).get(_IFLA_IFNAME, b"").rstrip(b"\0")
    return named.decode("ascii", "replace") or _interface(index)


def _interface(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except (OSError, OverflowError):
        return f"number {index}"


def _address(attributes: bytes, family: int) -> str | None:
    found = _attributes(attributes)
    packed = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
    known = family in (socket.AF_INET, socket.AF_INET6)
    return str(ipaddress.ip_address(packed)) if known and packed else None


def interface_of(address: str) -> str | None:
    """The interface that has this address; None where that cannot be told."""
    wanted = ipaddress.ip_address(address.partition("%")[0])
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
            sock.settimeout(1.0)
            # RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP
            sock.send(_HEADER.pack(_HEADER.size + _ADDRESS.size, 22, 0x301, 1, 0) + bytes(8))
            while True:
                data, at = sock.recv(1 << 16), 0
                while at + _HEADER.size <= len(data):
                    length, kind, _, _, _ = _HEADER.unpack_from(data, at)
                    if kind != 20 or length < _HEADER.size:  # RTM_NEWADDR; the last one is another
                        return None
                    body = data[at + _HEADER.size : at + length]
                    family, _, _, _, index = _ADDRESS.unpack_from(body)
                    found = _address(body[_ADDRESS.size :], family)
                    if found is not None and ipaddress.ip_address(found) == wanted:
                        return _interface(index)
                    at += (length + 3) & ~3
    except (AttributeError, OSError, struct.error, ValueError):
        return None


class LinkWatch:
    """Calls `on_change` as the kernel tells of changes; never where there is no rtnetlink."""

    def __init__(self, on_change: Callable[[LinkChange], None]) -> None:
        self._on_change = on_change
        self._sock: socket.socket | None = None
        try:
            sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        except (AttributeError, OSError):
            return
        try:
            sock.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR))
        except OSError:
            sock.close()
            return
        self._sock = sock
        asyncio.get_running_loop().add_reader(sock, self._readable)

    def _readable(self) -> None:
        assert self._sock is not None
        try:
            data = self._sock.recv(1 << 16)
        except OSError:  # ENOBUFS: changes were lost; nothing is claimed
            return
        for change in parse(data, monotonic_ns()):
            self._on_change(change)

    def close(self) -> None:
        """Listen no more."""
        if self._sock is not None:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()
            self._sock = None
