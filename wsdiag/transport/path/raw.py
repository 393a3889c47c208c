"""Raw sockets (raw(7), packet(7)): ICMP errors in, packets of our own making out; kernel stamps.

All of it needs CAP_NET_RAW in the network's namespace; whoever lacks it gets PermissionError.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from wsdiag.packets.icmp import (
    TIME_EXCEEDED_4,
    TIME_EXCEEDED_6,
    UNREACHABLE_4,
    UNREACHABLE_6,
    IcmpError,
    parse_icmp_error,
)
from wsdiag.packets.ip import address_text, parse_ip

SO_TIMESTAMPNS = 35  # asm-generic/socket.h: SO_TIMESTAMPNS_OLD, also the cmsg's type
_SOL_RAW, _ICMP_FILTER, _ICMP6_FILTER = 255, 1, 1  # linux/icmp.h, linux/icmpv6.h
_IP_PKTINFO, _IPV6_PKTINFO = 8, 50
_IPV6_RECVHOPLIMIT, _IPV6_HOPLIMIT = 51, 52
_TIMESPEC = struct.Struct("=qq")
_CMSG_SPACE = 256
_BUFFER = 1 << 20

Ancillary = list[tuple[int, int, bytes]]


class IcmpArrival(NamedTuple):
    """An ICMP error, who sent it, with what hop limit it came, and when (CLOCK_REALTIME ns)."""

    error: IcmpError
    address: str
    hop_limit: int | None
    real_ns: int | None


def stamp_ns(ancillary: Ancillary) -> int | None:
    """When the kernel got the packet, in CLOCK_REALTIME ns."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, nanos = _TIMESPEC.unpack_from(data)
            return int(seconds * 1_000_000_000 + nanos)
    return None


class RawSockets:
    """ICMP errors of one address family for whoever listens, and a way out for made packets."""

    def __init__(self, address: str) -> None:
        """Of the family of `address`. PermissionError without CAP_NET_RAW."""
        self._loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._version = 4 if family == socket.AF_INET else 6
        self._listeners: list[Callable[[IcmpArrival], None]] = []
        self._out = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)  # header included
        try:
            self._icmp = _icmp_socket(family)
        except OSError:
            self._out.close()
            raise
        self._out.setblocking(False)
        self._loop.add_reader(self._icmp, self._readable)

    def listen(self, listener: Callable[[IcmpArrival], None]) -> None:
        """Call `listener` with each error from now on."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[IcmpArrival], None]) -> None:
        """Call it no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def send(self, packet: bytes, source: bytes, peer: tuple[Any, ...], interface: int) -> None:
        """Send a packet that begins with its IP header, by `interface` (0: any). OSError.

        The interface is that of the connection's own packets: a route of several next hops is
        chosen by the ports, which the kernel does not look for in packets that others made.
        """
        if self._version == 4:
            info = struct.pack("=i4s4s", interface, source, b"\0" * 4)
            ancillary = [(socket.IPPROTO_IP, _IP_PKTINFO, info)]
        else:
            info = struct.pack("=16sI", b"\0" * 16, interface)
            ancillary = [(socket.IPPROTO_IPV6, _IPV6_PKTINFO, info)]
        where = (peer[0], 0, *peer[2:])
        self._out.sendmsg([packet], ancillary if interface else [], 0, where)

    def close(self) -> None:
        """Close both sockets."""
        self._loop.remove_reader(self._icmp)
        self._icmp.close()
        self._out.close()

    def _readable(self) -> None:
        while True:
            try:
                data, ancillary, _, sender = self._icmp.recvmsg(4096, _CMSG_SPACE)
            except OSError:
                return
            found = self._arrival(data, ancillary, sender)
            if found is not None:
                for listener in tuple(self._listeners):
                    listener(found)

    def _arrival(self, data: bytes, ancillary: Ancillary, sender: Any) -> IcmpArrival | None:
        if self._version == 6:  # the header is the kernel's here
            error, hop_limit = parse_icmp_error(data, 0, 6), _hop_limit(ancillary)
            address = str(sender[0]).partition("%")[0]
        else:
            ip = parse_ip(data, 0)
            if ip is None:
                return None
            error, hop_limit = parse_icmp_error(data, ip.start, 4), ip.hop_limit
            address = address_text(ip.source)
        return error and IcmpArrival(error, address, hop_limit, stamp_ns(ancillary))


def _hop_limit(ancillary: Ancillary) -> int | None:
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IPV6 and kind == _IPV6_HOPLIMIT and len(data) >= 4:
            return int(struct.unpack_from("=i", data)[0])
    return None


def _icmp_socket(family: socket.AddressFamily) -> socket.socket:
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    sock = socket.socket(family, socket.SOCK_RAW, protocol)
    sock.setblocking(False)
    if family == socket.AF_INET:  # a bit set keeps a type out
        wanted = 1 << TIME_EXCEEDED_4 | 1 << UNREACHABLE_4
        sock.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", ~wanted & 0xFFFFFFFF))
    else:
        first = ~(1 << TIME_EXCEEDED_6 | 1 << UNREACHABLE_6) & 0xFFFFFFFF
        blocked = struct.pack("=8I", first, *[0xFFFFFFFF] * 7)
        sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, blocked)
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVHOPLIMIT, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    return sock
