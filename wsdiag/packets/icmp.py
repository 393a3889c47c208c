"""ICMP (RFC 792, 4884) and ICMPv6 (RFC 4443) errors: what happened to a TCP packet, and which.

An error quotes the packet that it is about: its IP header and, of what follows, at least eight
bytes, which are TCP's ports and sequence number. Routers that keep to RFC 1812, 4.3.2.3 quote more.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from wsdiag.packets.ip import TCP, parse_ip

TIME_EXCEEDED_4, UNREACHABLE_4 = 11, 3
TIME_EXCEEDED_6, UNREACHABLE_6 = 3, 1
ErrorKind = Literal["time-exceeded", "unreachable"]

_KINDS: dict[tuple[int, int], ErrorKind] = {
    (4, TIME_EXCEEDED_4): "time-exceeded",
    (4, UNREACHABLE_4): "unreachable",
    (6, TIME_EXCEEDED_6): "time-exceeded",
    (6, UNREACHABLE_6): "unreachable",
}


class IcmpError(NamedTuple):
    """An ICMP error about a TCP packet; `size`: bytes of TCP and what it carries, as quoted.

    `checksum`: TCP's, None where the quote ends before it.
    """

    kind: ErrorKind
    code: int
    source: bytes
    destination: bytes
    source_port: int
    destination_port: int
    seq: int
    size: int
    checksum: int | None


def parse_icmp_error(data: bytes, at: int, version: int) -> IcmpError | None:
    """The error in the ICMP message at `at`; None where it is another message, or cut short."""
    if at + 8 > len(data):
        return None
    kind = _KINDS.get((version, data[at]))
    quote = at + 8
    if kind is None or quote >= len(data) or data[quote] >> 4 != version:
        return None
    ip = parse_ip(data, quote)
    if ip is None or ip.protocol != TCP or ip.start + 8 > len(data):
        return None
    tcp = ip.start
    whole = tcp + 18 <= len(data)
    return IcmpError(
        kind,
        data[at + 1],
        ip.source,
        ip.destination,
        data[tcp] << 8 | data[tcp + 1],
        data[tcp + 2] << 8 | data[tcp + 3],
        int.from_bytes(data[tcp + 4 : tcp + 8], "big"),
        ip.stop - tcp,
        data[tcp + 16] << 8 | data[tcp + 17] if whole else None,
    )
