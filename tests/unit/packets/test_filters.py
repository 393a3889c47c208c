"""What the socket filters pass, by an interpreter of the few instructions that they use."""

from __future__ import annotations

import struct

import pytest

from tests.unit.packets.test_copies import LOCAL, PEER, packet
from wsdiag.packets.filters import connection_filter, end_filter

PROTOCOL, RANDOM = 0xFFFFF000, 0xFFFFF000 + 56


def passes(program: bytes, data: bytes, *, random: int = 1) -> int:
    """How many bytes of a packet the program keeps."""
    code = list(struct.iter_unpack("=HBBI", program))
    a = x = at = 0
    while True:
        operation, true, false, k = code[at]
        at += 1
        if operation == 0x06:
            return k
        if operation in (0x15, 0x45):
            hit = a == k if operation == 0x15 else bool(a & k)
            at += true if hit else false
        elif operation == 0xB1:
            x = 4 * (data[k] & 15)
        elif operation == 0x01:
            x = k
        elif operation == 0x20 and k == RANDOM:
            a = random
        elif operation == 0x28 and k == PROTOCOL:
            a = 0x0800 if data[0] >> 4 == 4 else 0x86DD
        else:
            size = {0x20: 4, 0x28: 2, 0x30: 1, 0x48: 2, 0x50: 1}[operation]
            start = k + (x if operation in (0x48, 0x50) else 0)
            if start + size > len(data):
                return 0
            a = int.from_bytes(data[start : start + size], "big")


def back(data: bytes, flags: int) -> bytes:
    """The peer's packet: addresses and ports exchanged."""
    version, head = data[0] >> 4, 20 if data[0] >> 4 == 4 else 40
    at, size = (12, 4) if version == 4 else (8, 16)
    ip = (
        data[:at]
        + data[at + size : at + 2 * size]
        + data[at : at + size]
        + data[at + 2 * size : head]
    )
    tcp = bytearray(data[head + 2 : head + 4] + data[head : head + 2] + data[head + 4 :])
    tcp[13] = flags
    return ip + bytes(tcp)


@pytest.mark.parametrize("version", [4, 6])
def test_a_connection_is_seen_both_ways_and_nothing_else_is(version: int) -> None:
    local, peer = (LOCAL[version], 40000), (PEER[version], 443)
    program = connection_filter(local, peer)
    ours = packet(version)
    assert passes(program, ours) == passes(program, back(ours, 0x10)) == 0xFFFF
    for other in (
        connection_filter((local[0], 40001), peer),
        connection_filter(local, (peer[0], 444)),
        connection_filter(("10.9.1.3" if version == 4 else "fd09:1::3", 40000), peer),
        connection_filter(local, ("10.9.6.3" if version == 4 else "fd09:6::3", 443)),
    ):
        assert passes(other, ours) == passes(other, back(ours, 0x10)) == 0
    udp = bytearray(ours)
    udp[9 if version == 4 else 6] = 17
    assert passes(program, bytes(udp)) == 0
    assert passes(program, packet(10 - version)) == 0


@pytest.mark.parametrize("version", [4, 6])
def test_of_what_the_peer_sends_every_end_and_a_sample(version: int) -> None:
    program = end_filter((LOCAL[version], 40000), (PEER[version], 443))
    ours = packet(version)
    assert passes(program, ours, random=32) == 0
    for flags in (0x04, 0x14, 0x11, 0x12):
        assert passes(program, back(ours, flags), random=1) == 128
    assert passes(program, back(ours, 0x18), random=1) == 0
    assert passes(program, back(ours, 0x18), random=64) == 128


def test_two_families_are_no_connection() -> None:
    with pytest.raises(ValueError):
        connection_filter(("10.0.0.1", 1), ("::1", 2))
