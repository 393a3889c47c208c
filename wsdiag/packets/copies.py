"""A TCP packet made again from one that was seen: the same numbers, another hop limit.

Checksums are always computed: those of captured packets are left open for the hardware to fill in
(checksum offload), and segments longer than the MTU are cut by it (segmentation offload), so that
a copy is of a part of one.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from wsdiag.packets.ip import TCP, parse_ip
from wsdiag.packets.tcp import TcpHeader, parse_tcp

_WORD = 0xFFFFFFFF


class Segment(NamedTuple):
    """A TCP segment with data, as it was captured: both headers whole, and what it carries."""

    ip: bytes
    tcp: bytes
    seq: int
    payload: bytes

    @property
    def end(self) -> int:
        """The sequence number after its last byte."""
        return self.seq + len(self.payload) & _WORD


class Copy(NamedTuple):
    """A packet to send, and what an ICMP error would quote of it."""

    packet: bytes
    seq: int
    size: int
    """Bytes of TCP's header and of what it carries."""
    checksum: int
    end: int
    """The sequence number after its last byte."""


def segment_of(data: bytes) -> tuple[Segment, TcpHeader, int] | None:
    """(segment, its header, its hop limit) of a packet that begins with IP; None: no whole one."""
    ip = parse_ip(data, 0)
    if ip is None or ip.protocol != TCP or ip.fragment:
        return None
    tcp = parse_tcp(data, ip.start)
    if tcp is None or tcp.start > len(data):
        return None
    payload = data[tcp.start : min(ip.stop, len(data))]
    found = Segment(data[: ip.start], data[ip.start : tcp.start], tcp.seq, payload)
    return found, tcp, ip.hop_limit


def copy_of(segment: Segment, start: int, stop: int, hop_limit: int, identification: int) -> Copy:
    """A packet that carries bytes `start` to `stop` of the segment's, where they are in the stream.

    `identification`: of an IPv4 packet, not zero.
    """
    payload = segment.payload[start:stop]
    seq = segment.seq + start & _WORD
    size = len(segment.tcp) + len(payload)
    if segment.ip[0] >> 4 == 4:
        ip = _ip_4(segment.ip, size, hop_limit, identification)
        pseudo = ip[12:20] + struct.pack("!HH", TCP, size)
    else:  # extension headers were ours to add, and are left out
        ip = segment.ip[:4] + struct.pack("!HBB", size, TCP, hop_limit) + segment.ip[8:40]
        pseudo = ip[8:40] + struct.pack("!II", size, TCP)
    bare = segment.tcp[:4] + struct.pack("!I", seq) + segment.tcp[8:16] + b"\0\0" + segment.tcp[18:]
    sum_ = checksum(pseudo + bare + payload)
    tcp = bare[:16] + struct.pack("!H", sum_) + bare[18:]
    return Copy(ip + tcp + payload, seq, size, sum_, seq + len(payload) & _WORD)


def _ip_4(header: bytes, size: int, hop_limit: int, identification: int) -> bytes:
    """An IPv4 header without options, like `header`: addresses, type of service, flags."""
    flags = header[6] & 0x40  # don't fragment
    ip = struct.pack(
        "!BBHHBBBBH", 0x45, header[1], 20 + size, identification, flags, 0, hop_limit, TCP, 0
    )
    ip += header[12:20]
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of `data`, in which its own field is zero."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
