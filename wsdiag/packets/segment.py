"""All headers of a TCP segment at once, as a capture's every packet goes through here.

Nearly all packets are IPv4 without options, or IPv6 without extension headers, and TCP: their
fields stand at fixed places, and one look takes them all. The others go header by header.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from wsdiag.packets.ip import TCP, parse_ip
from wsdiag.packets.tcp import parse_tcp

_IPV4 = Struct(">H2xHBB2x12sIIBBH")  # from IPv4's total length to TCP's window
_IPV6 = Struct(">H2x36sIIBBH")  # from IPv6's payload length to TCP's window
_PLAIN_4 = 0x45
_IDENTITY = 28
"""Bytes of TCP's header behind its ports: sequence numbers, checksum and timestamps."""
_new = tuple.__new__  # of a named tuple: half the time that calling the class takes


class Segment(NamedTuple):
    """A TCP segment's headers. `ends`: source and destination address, then their ports, as they
    cross; `start` and `stop` bound the payload on the wire, so `stop` may lie behind what was
    captured. `identity`: equal for two captures of one packet (`is_unique`: and for nothing else);
    empty where there is no payload.
    """

    ends: bytes
    seq: int
    ack: int
    flags: int
    window: int
    hop_limit: int
    start: int
    stop: int
    identity: bytes


def parse_segment(data: bytes, at: int) -> Segment | int | None:
    """The segment whose IP header begins at `at`; the protocol's number of another protocol or 0
    for a fragment; None: no IP, or cut short."""
    if at + 40 > len(data):
        return None
    first = data[at]
    if first == _PLAIN_4:
        total, fragment, hop_limit, protocol, ends, seq, ack, size, flags, window = (
            _IPV4.unpack_from(data, at + 2)
        )
        if protocol != TCP:
            return int(protocol)
        if not fragment & 0x3FFF and size >= 0x50 and total:
            tcp = at + 20
            start, stop = tcp + (size >> 4) * 4, at + total
            identity = b""
            if start < stop:
                identity = data[at + 4 : at + 6] + data[tcp + 4 : tcp + 4 + _IDENTITY]
            fields = (ends, seq, ack, flags, window, hop_limit, start, stop, identity)
            return _new(Segment, fields)
    elif first >> 4 == 6 and data[at + 6] == TCP and at + 60 <= len(data):
        length, ends, seq, ack, size, flags, window = _IPV6.unpack_from(data, at + 4)
        if length and size >= 0x50:
            tcp = at + 40
            start = tcp + (size >> 4) * 4
            identity = b"\0\0" + data[tcp + 4 : tcp + 4 + _IDENTITY]
            fields = (ends, seq, ack, flags, window, data[at + 7], start, tcp + length, identity)
            return _new(Segment, fields)
    return _header_by_header(data, at)


def is_unique(identity: bytes) -> bool:
    """Whether a retransmission would have another identity: IPv4 numbers it, or TCP dates it."""
    return identity[:2] != b"\0\0" or identity[18:22] == b"\1\1\x08\x0a"


def _header_by_header(data: bytes, at: int) -> Segment | int | None:
    ip = parse_ip(data, at)
    if ip is None:
        return None
    if ip.protocol != TCP:
        return ip.protocol
    if ip.fragment:
        return 0
    tcp = parse_tcp(data, ip.start)
    if tcp is None:
        return None
    ends = ip.source + ip.destination + data[ip.start : ip.start + 4]
    number = data[at + 4 : at + 6] if len(ip.source) == 4 else b"\0\0"
    identity = number + data[ip.start + 4 : ip.start + 4 + _IDENTITY]
    return Segment(
        ends, tcp.seq, tcp.ack, tcp.flags, tcp.window, ip.hop_limit, tcp.start, ip.stop, identity
    )
