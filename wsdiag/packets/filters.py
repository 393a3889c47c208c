"""Classic BPF programs (bpf(4), Linux socket filters) that pass one TCP connection's packets.

A packet begins with its IP header, as AF_PACKET's SOCK_DGRAM gives it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import ip_address

from wsdiag.packets.ip import TCP
from wsdiag.packets.tcp import FIN, RST, SYN

# Operation codes: load word, half, byte at k, or at X + k; X = 4 * (byte at k & 15); X = k.
_LD, _LDH, _LDB, _LDH_X, _LDB_X, _LDX_MSH, _LDX = 0x20, 0x28, 0x30, 0x48, 0x50, 0xB1, 0x01
_JEQ, _JSET, _RET = 0x15, 0x45, 0x06
# Linux: SKF_AD_OFF with SKF_AD_PROTOCOL and SKF_AD_RANDOM.
_PROTOCOL, _RANDOM = 0xFFFFF000, 0xFFFFF000 + 56
_WHOLE, _HEADERS = 0xFFFF, 128
_SAMPLED = 0x1F
"""Of ordinary packets one in 32 is looked at, where only the end matters."""

Endpoint = tuple[str, int]
# (operation, k, value): load, then go on only where the value is equal; None: load alone.
_Test = tuple[int, int, int | None]


def connection_filter(local: Endpoint, peer: Endpoint) -> bytes:
    """Both directions of a connection, whole packets. ValueError for addresses of two families."""
    found = [_return(_WHOLE)]
    return _assemble([(_tests(local, peer), found), (_tests(peer, local), found)])


def end_filter(local: Endpoint, peer: Endpoint) -> bytes:
    """What the peer sends: every SYN, FIN and RST, and a sample of the rest; headers only."""
    some = [
        struct.pack("=HBBI", _LDB_X, 0, 0, 13),
        struct.pack("=HBBI", _JSET, 2, 0, SYN | FIN | RST),
        struct.pack("=HBBI", _LD, 0, 0, _RANDOM),
        struct.pack("=HBBI", _JSET, 1, 0, _SAMPLED),
        _return(_HEADERS),
        _return(0),
    ]
    return _assemble([(_tests(peer, local), some)])


def peer_filter(peer: Endpoint) -> bytes:
    """What comes from an address and port, to whomever; headers only."""
    return _assemble([(_tests(peer, None), [_return(_HEADERS)])])


def _tests(source: Endpoint, destination: Endpoint | None) -> list[_Test]:
    first = ip_address(source[0]).packed
    second = b"" if destination is None else ip_address(destination[0]).packed
    if second and len(first) != len(second):
        raise ValueError(f"the address of {destination} is of another family than {source[0]}")
    if len(first) == 4:
        head: list[_Test] = [(_LDH, _PROTOCOL, 0x0800), (_LDB, 9, TCP), (_LDX_MSH, 0, None)]
        addresses, at = first + second, 12
    else:
        head = [(_LDH, _PROTOCOL, 0x86DD), (_LDB, 6, TCP), (_LDX, 40, None)]
        addresses, at = first + second, 8
    words = struct.unpack(f"!{len(addresses) // 4}I", addresses)
    tests = head + [(_LD, at + 4 * i, word) for i, word in enumerate(words)]
    tests.append((_LDH_X, 0, source[1]))
    return tests if destination is None else [*tests, (_LDH_X, 2, destination[1])]


def _assemble(alternatives: Sequence[tuple[list[_Test], list[bytes]]]) -> bytes:
    """A program that tries each list of tests; where one fails, the next alternative begins."""
    program = b""
    for tests, found in alternatives:
        count = sum(1 if value is None else 2 for _, _, value in tests)
        for operation, k, value in tests:
            program += struct.pack("=HBBI", operation, 0, 0, k)
            count -= 1
            if value is not None:
                count -= 1
                program += struct.pack("=HBBI", _JEQ, 0, count + len(found), value)
        program += b"".join(found)
    return program + _return(0)


def _return(size: int) -> bytes:
    return struct.pack("=HBBI", _RET, 0, 0, size)
