"""From the link layer to IP, by a capture's link type (tcpdump.org lists them as LINKTYPE_…)."""

from __future__ import annotations

ETHERNET = 1
NULL = 0
LOOP = 108
RAW = 101
LINUX_SLL = 113
LINUX_SLL2 = 276
IPV4 = 228
IPV6 = 229
PPP = 9
PKTAP = 258
_RAW_KINDS = (RAW, IPV4, IPV6, 12, 14)  # 12 and 14: raw IP, as some systems number it

NAMES = {
    ETHERNET: "Ethernet",
    NULL: "BSD loopback",
    LOOP: "OpenBSD loopback",
    RAW: "raw IP",
    IPV4: "raw IPv4",
    IPV6: "raw IPv6",
    12: "raw IP",
    14: "raw IP",
    LINUX_SLL: "Linux cooked v1",
    LINUX_SLL2: "Linux cooked v2",
    PPP: "PPP",
    PKTAP: "Apple's PKTAP",
}

_IP = (0x0800, 0x86DD)
_VLAN = (0x8100, 0x88A8, 0x9100)
_PPPOE = 0x8864
_MPLS = (0x8847, 0x8848)
_PPP_IP = (b"\x00\x21", b"\x00\x57")


def ip_offset(link_type: int, data: bytes) -> int | None:
    """Where the IP header begins in a packet; None: there is no IP in it, or not enough of it."""
    if link_type == ETHERNET:
        return 14 if data[12:14] == b"\x08\x00" else _ethernet(data, 12)  # nearly always IPv4
    if link_type == LINUX_SLL:
        return _ethernet(data, 14)
    if link_type == LINUX_SLL2:
        return _past(data, 0, 20)
    if link_type in _RAW_KINDS:
        return 0
    if link_type in (NULL, LOOP):
        # An address family of the system that wrote it, in its byte order; IP's version tells more.
        return 4 if len(data) > 4 and data[4] >> 4 in (4, 6) else None
    if link_type == PPP:
        at = 2 if data[:2] == b"\xff\x03" else 0
        return at + 2 if data[at : at + 2] in _PPP_IP else None
    return _pktap(data) if link_type == PKTAP else None


def ethernet_payload(data: bytes, at: int) -> int | None:
    """Where the IP header begins in the Ethernet frame at `at`; None: there is none."""
    return _ethernet(data, at + 12)


def _pktap(data: bytes) -> int | None:
    """macOS's capture of all interfaces: a header with the real link type, then the packet."""
    size, link_type = int.from_bytes(data[:4], "little"), int.from_bytes(data[8:12], "little")
    if not 12 <= size < len(data) or link_type == PKTAP:
        return None
    at = ip_offset(link_type, data[size:])
    return None if at is None else size + at


def _ethernet(data: bytes, at: int) -> int | None:
    return _past(data, at, at + 2)


def _past(data: bytes, at: int, start: int) -> int | None:
    """Past the type field at `at`, and past VLAN tags, PPPoE and MPLS in front of IP; `start`:
    where what it names begins."""
    while start <= len(data):
        kind = data[at] << 8 | data[at + 1]
        if kind in _IP:
            return start
        if kind in _VLAN:
            at, start = start + 2, start + 4
        elif kind == _PPPOE:
            return start + 8 if data[start + 6 : start + 8] in _PPP_IP else None
        elif kind in _MPLS:
            return _mpls(data, start)
        else:
            return None
    return None


def _mpls(data: bytes, at: int) -> int | None:
    """Past the labels, the last of which says so (RFC 3032); IP tells itself by its version."""
    while at + 4 < len(data):
        at += 4
        if data[at - 2] & 1:
            return at if data[at] >> 4 in (4, 6) else None
    return None
