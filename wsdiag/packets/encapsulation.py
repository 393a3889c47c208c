"""IP within IP: tunnels that carry packets as they are, as overlay networks and mirror ports do.

IPIP and 6in4 (RFC 2003, RFC 4213), GRE (RFC 2784, RFC 2890) with ERSPAN in it, VXLAN (RFC 7348)
and Geneve (RFC 8926). What is encrypted (ESP, WireGuard) or is no IP inside stays closed.
"""

from __future__ import annotations

from wsdiag.packets.ip import IpHeader, parse_ip
from wsdiag.packets.link import ethernet_payload

UDP, ESP = 17, 50
_IPV4, _IPV6, _GRE = 4, 41, 47
_VXLAN = (4789, 8472)
_GENEVE = 6081
_ETHERNET, _ERSPAN, _ERSPAN_3 = 0x6558, 0x88BE, 0x22EB


def inner_ip(data: bytes, at: int) -> int | None:
    """Where the IP header begins that the packet at `at` carries; None: it carries none."""
    ip = parse_ip(data, at)
    if ip is None or ip.fragment:
        return None
    if ip.protocol in (_IPV4, _IPV6):
        return ip.start
    if ip.protocol == _GRE:
        return _gre(data, ip.start)
    return _overlay(data, ip) if ip.protocol == UDP else None


def _gre(data: bytes, at: int) -> int | None:
    if at + 4 > len(data) or data[at + 1] & 7:  # another version: PPTP's
        return None
    kind = data[at + 2] << 8 | data[at + 3]
    numbered = bool(data[at] & 0x10)
    start = at + 4 + 4 * (bool(data[at] & 0x80) + bool(data[at] & 0x20) + numbered)
    if kind == _ERSPAN:  # its first version, which has no number, has no header either
        return ethernet_payload(data, start + 8 * numbered)
    if kind == _ERSPAN_3:
        return ethernet_payload(data, start + 12)
    return _inside(data, start, kind)


def _overlay(data: bytes, ip: IpHeader) -> int | None:
    if ip.start + 16 > len(data):
        return None
    port, start = data[ip.start + 2] << 8 | data[ip.start + 3], ip.start + 8
    if port in _VXLAN and data[start] & 8:  # the I flag
        return ethernet_payload(data, start + 8)
    if port == _GENEVE and not data[start] >> 6:
        kind = data[start + 2] << 8 | data[start + 3]
        return _inside(data, start + 8 + (data[start] & 63) * 4, kind)
    return None


def _inside(data: bytes, start: int, kind: int) -> int | None:
    if kind == _ETHERNET:
        return ethernet_payload(data, start)
    return start if kind in (0x0800, 0x86DD) and start < len(data) else None
