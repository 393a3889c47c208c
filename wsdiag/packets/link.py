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
}

_IP = (0x0800, 0x86DD)
_VLAN = (0x8100, 0x88A8, 0x9100)
_PPPOE = 0x8864


def ip_offset(link_type: int, data: bytes) -> int | None:
    """Where the IP header begins in a packet; None: there is no IP in it, or not enough of it."""
    if link_type == ETHERNET:
        return 14 if data[12:14] == b"\x08\x00" else _ethernet(data, 12)  # nearly always IPv4
    if link_type == LINUX_SLL:
        return _ethernet(data, 14)
    if link_type == LINUX_SLL2:
        return 20 if len(data) > 20 and data[0] << 8 | data[1] in _IP else None
    if link_type in _RAW_KINDS:
        return 0
    if link_type in (NULL, LOOP):
        # An address family of the system that wrote it, in its byte order; IP's version tells more.
        return 4 if len(data) > 4 and data[4] >> 4 in (4, 6) else None
    return None


def _ethernet(data: bytes, at: int) -> int | None:
    """Past the type field at `at`, and past VLAN tags and PPPoE in front of IP."""
    while at + 2 <= len(data):
        kind = data[at] << 8 | data[at + 1]
        if kind in _IP:
            return at + 2
        if kind in _VLAN:
            at += 4
        elif kind == _PPPOE:
            return at + 10 if data[at + 8 : at + 10] in (b"\x00\x21", b"\x00\x57") else None
        else:
            return None
    return None
