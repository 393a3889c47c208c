"""IPv4 (RFC 791) and IPv6 (RFC 8200): addresses, hop limit, and where the payload lies."""

from __future__ import annotations

from typing import NamedTuple

TCP = 6
# Extension headers that may stand between IPv6 and TCP, with an 8-octet unit of length each.
_EXTENSIONS = (0, 43, 60, 135, 139, 140)
_FRAGMENT, _AUTHENTICATION = 44, 51
_MOST_EXTENSIONS = 16


class IpHeader(NamedTuple):
    """An IP header. `start` and `stop` bound the payload by the header's own length, in bytes of
    the packet on the wire: `stop` may lie behind what was captured, and padding lies behind it.
    """

    source: bytes
    destination: bytes
    protocol: int
    hop_limit: int
    start: int
    stop: int
    fragment: bool


def parse_ip(data: bytes, at: int) -> IpHeader | None:
    """The header at `at`; None where there is none, or where it is cut short."""
    if at >= len(data):
        return None
    version = data[at] >> 4
    if version == 4:
        return _parse_4(data, at)
    return _parse_6(data, at) if version == 6 else None


def _parse_4(data: bytes, at: int) -> IpHeader | None:
    if at + 20 > len(data):
        return None
    size = (data[at] & 15) * 4
    total = data[at + 2] << 8 | data[at + 3]
    if total == 0:  # segmentation offload: the length is filled in by the hardware
        total = len(data) - at
    fragment = (data[at + 6] << 8 | data[at + 7]) & 0x3FFF != 0
    if size < 20 or total < size:
        return None
    addresses = data[at + 12 : at + 16], data[at + 16 : at + 20]
    return IpHeader(*addresses, data[at + 9], data[at + 8], at + size, at + total, fragment)


def _parse_6(data: bytes, at: int) -> IpHeader | None:
    if at + 40 > len(data):
        return None
    length = data[at + 4] << 8 | data[at + 5]
    stop = at + 40 + length if length else len(data)
    protocol, start, fragment = data[at + 6], at + 40, False
    for _ in range(_MOST_EXTENSIONS):
        if protocol == TCP or start + 8 > len(data):
            break
        if protocol == _FRAGMENT:
            fragment = (data[start + 2] << 8 | data[start + 3]) & 0xFFF9 != 0
            protocol, start = data[start], start + 8
        elif protocol == _AUTHENTICATION:
            protocol, start = data[start], start + (data[start + 1] + 2) * 4
        elif protocol in _EXTENSIONS:
            protocol, start = data[start], start + (data[start + 1] + 1) * 8
        else:
            break
    addresses = data[at + 8 : at + 24], data[at + 24 : at + 40]
    return IpHeader(*addresses, protocol, data[at + 7], start, stop, fragment)


def address_text(address: bytes) -> str:
    """An address as people write it."""
    from ipaddress import ip_address

    return str(ip_address(address))
