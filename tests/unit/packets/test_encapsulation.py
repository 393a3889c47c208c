"""Captures in which IP stands behind something else: each is read as if it did not."""

from __future__ import annotations

import io
import struct

import pytest

from tests.capture.builder import Capture, Flow
from wsdiag.capture.reader import CaptureReader
from wsdiag.judgement.recorded.facts import ConnectionFacts

ETHERNET = b"\0" * 12
OUTER = bytes((10, 9, 0, 1)), bytes((10, 9, 0, 2))


def ipv4(protocol: int, body: bytes) -> bytes:
    """An outer IPv4 packet."""
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0, 64, protocol, 0)
    return head + OUTER[0] + OUTER[1] + body


def udp(port: int, body: bytes) -> bytes:
    """An outer UDP datagram in IPv4."""
    return ipv4(17, struct.pack(">HHHH", 55555, port, 8 + len(body), 0) + body)


def frame(ip: bytes) -> bytes:
    """An Ethernet frame."""
    return ETHERNET + b"\x08\0" + ip


WRAPS = {
    "VLAN": (1, lambda ip: ETHERNET + b"\x81\0\0\x05\x08\0" + ip),
    "two VLANs": (1, lambda ip: ETHERNET + b"\x88\xa8\0\x05\x81\0\0\x06\x08\0" + ip),
    "PPPoE": (
        1,
        lambda ip: (
            ETHERNET + b"\x88\x64\x11\0\0\x01" + (len(ip) + 2).to_bytes(2, "big") + b"\0\x21" + ip
        ),
    ),
    "MPLS": (1, lambda ip: ETHERNET + b"\x88\x47\0\0\x10\x40\0\0\x11\x40" + ip),
    "cooked v1": (113, lambda ip: b"\0" * 14 + b"\x08\0" + ip),
    "cooked v2": (276, lambda ip: b"\x08\0" + b"\0" * 18 + ip),
    "cooked v2, VLAN": (276, lambda ip: b"\x81\0" + b"\0" * 18 + b"\0\x05\x08\0" + ip),
    "PPP": (9, lambda ip: b"\xff\x03\0\x21" + ip),
    "PKTAP": (258, lambda ip: struct.pack("<III", 108, 1, 1) + b"\0" * 96 + frame(ip)),
    "IPIP": (1, lambda ip: frame(ipv4(4, ip))),
    "GRE": (1, lambda ip: frame(ipv4(47, b"\0\0\x08\0" + ip))),
    "GRE with key and number": (
        1,
        lambda ip: frame(ipv4(47, b"\x30\0\x65\x58" + b"\0" * 8 + frame(ip))),
    ),
    "ERSPAN": (
        1,
        lambda ip: frame(ipv4(47, b"\x10\0\x88\xbe" + b"\0" * 4 + b"\x10" + b"\0" * 7 + frame(ip))),
    ),
    "ERSPAN III": (
        1,
        lambda ip: frame(
            ipv4(47, b"\x10\0\x22\xeb" + b"\0" * 4 + b"\x20" + b"\0" * 11 + frame(ip))
        ),
    ),
    "VXLAN": (1, lambda ip: frame(udp(4789, b"\x08\0\0\0\0\0\x2a\0" + frame(ip)))),
    "Geneve": (1, lambda ip: frame(udp(6081, b"\x01\0\x65\x58\0\0\x2a\0" + b"\0" * 4 + frame(ip)))),
    "GRE in VXLAN": (
        1,
        lambda ip: frame(udp(4789, b"\x08\0\0\0\0\0\x2a\0" + frame(ipv4(47, b"\0\0\x08\0" + ip)))),
    ),
}


def read(capture: Capture) -> tuple[list[ConnectionFacts], CaptureReader]:
    """What a capture holds."""
    reader = CaptureReader(io.BytesIO(capture.pcap()), "c")
    return list(reader), reader


def told() -> Capture:
    """A connection that the server closes, as bare IP packets."""
    capture = Capture(101)
    flow = Flow(capture)
    flow.open()
    flow.text(1.0, "client", "hello")
    flow.close(2.0, "server", 1001)
    return capture


@pytest.mark.parametrize("name", WRAPS)
def test_ip_is_found_behind(name: str) -> None:
    link_type, wrap = WRAPS[name]
    capture = told()
    capture.link_type = link_type
    capture.packets = [(at, wrap(ip)) for at, ip in capture.packets]
    (one,), _ = read(capture)
    assert (one.sent.messages, one.closes[0].by, one.closes[0].code) == (1, "server", 1001)
    assert one.server_address == "10.0.0.2:8080"


@pytest.mark.parametrize("name", WRAPS)
def test_what_is_cut_short_is_passed_over(name: str) -> None:
    link_type, wrap = WRAPS[name]
    capture = told()
    capture.link_type = link_type
    whole = [wrap(ip) for _, ip in capture.packets]
    capture.packets = [
        (capture.packets[0][0], packet[:size])
        for packet in whole[:1]
        for size in range(len(packet) - 20)
    ]
    assert read(capture)[0] == []


def test_what_is_not_read_is_said() -> None:
    capture = Capture(101)
    flow = Flow(capture)
    flow.open()
    inner = [ip for _, ip in capture.packets]
    fragment = bytearray(inner[3])
    fragment[6] = 0x20
    for ip in (ipv4(50, b"\0" * 40), udp(443, b"\xc3" * 40), bytes(fragment)):
        capture.packets.append((capture.packets[-1][0], ip))
    (_,), reader = read(capture)
    said = " ".join(reader.totals.notes)
    assert "1 packet of IPsec (ESP) was not read" in said
    assert "1 packet of UDP on port 443 was not read: QUIC" in said
    assert "1 IP fragment was not put together" in said
    capture = told()
    capture.link_type = 105
    (said,) = read(capture)[1].totals.notes
    assert said == f"{len(capture.packets)} packets of link type 105 were not read"
