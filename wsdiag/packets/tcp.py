"""TCP's header and options (RFC 9293, 3.1; RFC 7323)."""

from __future__ import annotations

from typing import NamedTuple

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_TIMESTAMPS = 8


class TcpHeader(NamedTuple):
    """A TCP header; `start`: where its payload begins in the packet. `window` as it is sent,
    not scaled; `has_timestamps`: the option of RFC 7323 is there.
    """

    source: int
    destination: int
    seq: int
    ack: int
    flags: int
    window: int
    start: int
    has_timestamps: bool


def parse_tcp(data: bytes, at: int) -> TcpHeader | None:
    """The header at `at`; None where it is cut short or malformed."""
    if at + 20 > len(data):
        return None
    size = (data[at + 12] >> 4) * 4
    if size < 20:
        return None
    from_bytes = int.from_bytes
    # Nearly every stack that offers timestamps pads them so: NOP, NOP, timestamps.
    stamped = size >= 32 and data[at + 20 : at + 24] == b"\x01\x01\x08\x0a"
    return TcpHeader(
        data[at] << 8 | data[at + 1],
        data[at + 2] << 8 | data[at + 3],
        from_bytes(data[at + 4 : at + 8], "big"),
        from_bytes(data[at + 8 : at + 12], "big"),
        data[at + 13],
        data[at + 14] << 8 | data[at + 15],
        at + size,
        stamped or (size > 20 and _TIMESTAMPS in options(data, at + 20, at + size)),
    )


def options(data: bytes, at: int, stop: int) -> dict[int, bytes]:
    """The options between two offsets, by kind; what is malformed ends the list."""
    found: dict[int, bytes] = {}
    stop = min(stop, len(data))
    while at < stop:
        kind = data[at]
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        if at + 1 >= stop or data[at + 1] < 2 or at + data[at + 1] > stop:
            break
        found[kind] = data[at + 2 : at + data[at + 1]]
        at += data[at + 1]
    return found
