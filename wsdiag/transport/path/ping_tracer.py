"""The hops of a connection without CAP_NET_RAW: a Ping with a small TTL, and SYNs beside the flow.

TCP sends a lost segment again. So a Ping that left with a small TTL dies at a router, and its
retransmission, with the usual one, is delivered all the same: later, by TCP's retransmission
timeout (200 ms at least on Linux). Whether the router said that it died is an error of the socket
(IP_RECVERR: EHOSTUNREACH), which is read and passed over; by whom it was said is not told. One such
Ping at a time, the next only when it is delivered: a second loss would double the timeout.

A socket that is not connected yet has an error queue, and the queue has the router's address. Its
SYN is of another flow, though: another port, which may take another of several equal paths.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any

from wsdiag.packets.icmp import TIME_EXCEEDED_4, TIME_EXCEEDED_6
from wsdiag.packets.ip import address_text
from wsdiag.transport.session import Session
from wsdiag.transport.stream.tcp import report_icmp_errors, set_hop_limit

_EXTENDED_ERR = struct.Struct("=IBBBBII")  # linux/errqueue.h: struct sock_extended_err
# SO_EE_ORIGIN_ICMP and SO_EE_ORIGIN_ICMP6, and what Time Exceeded is there. Who refuses a SYN by
# another error may be anywhere before its hop.
_DIED = ((2, TIME_EXCEEDED_4), (3, TIME_EXCEEDED_6))
_RECVERR = {(socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25)}
_DELIVERY_NS = 10_000_000_000
_POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class PingTrace:
    """What became of a Ping with a small TTL; `reached`: it came to where TCP ends at once.

    `rtt_ms`: until a router said that it died, by our clock; None: none did. `delivered_ms`: until
    its Pong, or TCP's acknowledgement, the retransmission included; None: neither came in time.
    """

    reached: bool
    rtt_ms: float | None
    delivered_ms: float | None


class PingTracer:
    """Sends Pings with small TTLs on a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        assert session.stream.tcp is not None  # there is no path of TCP over anything else
        self._stream = session.stream.tcp
        self._number = 0

    async def ask(self, hop_limit: int) -> PingTrace:
        """Send one, and wait until it is delivered. LocalProtocolError when closing."""
        stream, errors_ns = self._stream, list[int]()
        before = self._retransmits()
        self._number += 1
        stream.expect_icmp_errors(lambda: errors_ns.append(monotonic_ns()))
        try:
            stream.set_hop_limit(hop_limit)
            try:
                began_ns = monotonic_ns()
                self._session.ping(b"wsdiag path %d" % self._number)
                queued = stream.unsent > 0  # then it leaves later, with the usual TTL
            finally:  # whatever comes: nothing else may leave with so few hops
                stream.set_hop_limit(None)
            delivered = await self._delivered(errors_ns)
            delivered_ms = (monotonic_ns() - began_ns) / 1e6 if delivered else None
        finally:
            with suppress(OSError):
                stream.expect_icmp_errors(None)
        rtt_ms = (errors_ns[0] - began_ns) / 1e6 if errors_ns else None
        reached = delivered and not errors_ns and not queued and self._retransmits() == before
        return PingTrace(reached, rtt_ms, delivered_ms)

    async def _delivered(self, errors_ns: list[int]) -> bool:
        """Whether TCP's far end acknowledged all that we sent, in time; notes ICMP's errors."""
        until_ns = monotonic_ns() + _DELIVERY_NS
        while self._session.ended is None and monotonic_ns() < until_ns:
            if self._stream.take_icmp_error():
                errors_ns.append(monotonic_ns())
            if self._stream.acknowledged():
                return True
            await asyncio.sleep(_POLL_S)  # the kernel tells nobody that a queue is empty
        return False

    def _retransmits(self) -> int:
        info = self._session.tcp_info()
        return 0 if info is None else info.total_retrans


async def syn_trace(peer: tuple[Any, ...], hop_limit: int, timeout_s: float) -> str | None:
    """The address of the router at which a SYN to `peer` died; None: none said so in time."""
    family = socket.AF_INET6 if ":" in str(peer[0]) else socket.AF_INET
    loop = asyncio.get_running_loop()
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        set_hop_limit(sock, hop_limit)
        report_icmp_errors(sock, True)
        sock.connect_ex(peer)
        ready = asyncio.Event()
        loop.add_writer(sock, ready.set)
        try:
            async with asyncio.timeout(timeout_s):
                await ready.wait()
            _, ancillary, _, _ = sock.recvmsg(1, 512, socket.MSG_ERRQUEUE)
        except (TimeoutError, OSError):
            return None
        finally:
            loop.remove_writer(sock)
    return _offender(ancillary)


def _offender(ancillary: list[tuple[int, int, bytes]]) -> str | None:
    """Who said that the packet died, from a message of the error queue (SO_EE_OFFENDER)."""
    for level, kind, data in ancillary:
        if (level, kind) not in _RECVERR or len(data) < _EXTENDED_ERR.size + 8:
            continue
        if _EXTENDED_ERR.unpack_from(data)[1:3] not in _DIED:
            continue
        sender = data[_EXTENDED_ERR.size :]
        family = struct.unpack_from("=H", sender)[0]
        if family == socket.AF_INET:
            return address_text(sender[4:8])
        if family == socket.AF_INET6 and len(sender) >= 24:
            return address_text(sender[8:24])
    return None
