"""A packet made again: the same numbers, another hop limit, checksums that are right."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

from wsdiag.packets.copies import checksum, copy_of, segment_of
from wsdiag.packets.icmp import parse_icmp_error
from wsdiag.packets.ip import parse_ip
from wsdiag.packets.tcp import parse_tcp

LOCAL = {4: "10.9.1.1", 6: "fd09:1::1"}
PEER = {4: "10.9.6.2", 6: "fd09:6::2"}
STAMPS = b"\x01\x01\x08\x0a" + struct.pack("!II", 1000, 2000)


def packet(version: int, payload: bytes = b"0123456789", *, seq: int = 0xFFFFFFFA) -> bytes:
    """A segment as it leaves through a card that fills checksums in: they are left open."""
    tcp = struct.pack("!HHIIBBHHH", 40000, 443, seq, 77, 0x80, 0x18, 501, 0, 0) + STAMPS
    source, peer = ip_address(LOCAL[version]).packed, ip_address(PEER[version]).packed
    size = len(tcp) + len(payload)
    if version == 4:
        ip = struct.pack("!BBHHHBBH", 0x45, 0x10, 20 + size, 7, 0x4000, 64, 6, 0) + source + peer
    else:
        ip = struct.pack("!IHBB", 0x600ABCDE, size, 6, 64) + source + peer
    return ip + tcp + payload


def tcp_sum(made: bytes) -> int:
    """What the checksum over a packet's pseudo header and TCP comes to; 0: it is right."""
    ip = parse_ip(made, 0)
    assert ip is not None
    rest = made[ip.start :]
    return checksum(ip.source + ip.destination + struct.pack("!II", len(rest), 6) + rest)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("start", "stop"), [(0, 10), (3, 10), (9, 10), (2, 5)])
def test_a_copy_is_of_a_part_with_its_place_in_the_stream(
    version: int, start: int, stop: int
) -> None:
    found = segment_of(packet(version))
    assert found is not None
    segment, header, hop_limit = found
    assert (hop_limit, segment.payload, segment.end) == (64, b"0123456789", 4)
    copy = copy_of(segment, start, stop, 3, 4711)
    ip = parse_ip(copy.packet, 0)
    assert ip is not None
    tcp = parse_tcp(copy.packet, ip.start)
    assert tcp is not None
    assert ip.hop_limit == 3
    assert copy.packet[tcp.start :] == b"0123456789"[start:stop]
    assert tcp.seq == copy.seq == (0xFFFFFFFA + start) & 0xFFFFFFFF
    assert copy.end == (copy.seq + stop - start) & 0xFFFFFFFF
    assert (tcp.ack, tcp.flags, tcp.window) == (header.ack, header.flags, header.window)
    assert copy.packet[ip.start + 20 : tcp.start] == STAMPS
    assert tcp_sum(copy.packet) == 0
    if version == 4:
        assert checksum(copy.packet[:20]) == 0
        assert copy.packet[1] == 0x10
    else:
        assert copy.packet[:4] == b"\x60\x0a\xbc\xde"  # the flow label chooses among equal paths


@pytest.mark.parametrize("version", [4, 6])
def test_what_a_router_quotes_tells_which_copy_it_was(version: int) -> None:
    segment = segment_of(packet(version))
    assert segment is not None
    copy = copy_of(segment[0], 4, 10, 1, 99)
    kind = {4: 11, 6: 3}[version]
    whole = bytes([kind, 0]) + bytes(6) + copy.packet
    error = parse_icmp_error(whole, 0, version)
    assert error is not None
    assert (error.kind, error.seq, error.size) == ("time-exceeded", copy.seq, copy.size)
    assert error.checksum == copy.checksum
    assert (error.source_port, error.destination_port) == (40000, 443)
    head = {4: 20, 6: 40}[version]
    short = parse_icmp_error(whole[: 8 + head + 8], 0, version)  # RFC 792: eight bytes and no more
    assert short is not None
    assert (short.seq, short.checksum) == (copy.seq, None)
    for cut in range(8 + head + 8):
        assert parse_icmp_error(whole[:cut], 0, version) is None


def test_other_icmp_is_none_of_ours() -> None:
    quote = packet(4)
    assert parse_icmp_error(bytes([0, 0]) + bytes(6) + quote, 0, 4) is None  # an echo reply
    udp = bytearray(quote)
    udp[9] = 17
    assert parse_icmp_error(bytes([11, 0]) + bytes(6) + bytes(udp), 0, 4) is None


def test_what_is_no_whole_segment_is_none() -> None:
    assert segment_of(packet(4)[:30]) is None
    assert segment_of(b"") is None


def test_the_checksum_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D
    assert checksum(b"\x01") == 0xFEFF
