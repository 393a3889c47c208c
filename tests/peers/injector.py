"""A machine on the way that ends connections in the server's name once they have been idle."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from tests.peers.netns import entered
from wsdiag.packets.copies import checksum

RST, FIN = 0x14, 0x11  # with ACK
_OUTGOING = 4
_LOOK_S = 0.05


@contextmanager
def injecting(
    netns: str, server: str, idle_s: float, *, flags: int = RST, hop_limit: int = 64
) -> Iterator[None]:
    """Send each connection to `server` that is idle for `idle_s` a segment with `flags`, IPv4."""
    stop = threading.Event()
    with entered(netns):
        seen = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    seen.settimeout(_LOOK_S)
    work = threading.Thread(target=_work, args=(stop, seen, raw, server, idle_s, flags, hop_limit))
    work.start()
    try:
        yield
    finally:
        stop.set()
        work.join(10)
        seen.close()
        raw.close()


def _work(
    stop: threading.Event,
    seen: socket.socket,
    raw: socket.socket,
    server: str,
    idle_s: float,
    flags: int,
    hop_limit: int,
) -> None:
    there = socket.inet_aton(server)
    # by the client's address and both ports: when it was last heard, and where both ends stand
    flows: dict[tuple[bytes, bytes], tuple[float, int, int]] = {}
    while not stop.is_set():
        try:
            data, where = seen.recvfrom(65536)
        except TimeoutError:
            data = b""
        if len(data) >= 40 and data[9] == 6 and data[16:20] == there and where[2] != _OUTGOING:
            tcp = data[(data[0] & 15) * 4 :]
            seq, ack, offset, bits = struct.unpack_from("!IIBB", tcp, 4)
            key = (data[12:16], tcp[:4])
            size = struct.unpack_from("!H", data, 2)[0] - (data[0] & 15) * 4 - (offset >> 4) * 4
            if bits & 0x07:  # SYN, FIN, RST
                flows.pop(key, None)
            else:
                _, last_ack, last_seq = flows.get(key, (0.0, ack, seq))
                flows[key] = (monotonic(), max(ack, last_ack), max(seq + size, last_seq))
        if select.select([seen], [], [], 0)[0]:
            continue  # where this thread was late, what waits may say that a flow is not idle
        for key, (last_s, seq, ack) in list(flows.items()):
            if monotonic() - last_s >= idle_s:
                del flows[key]
                client, ports = key
                raw.sendto(
                    _packet(there, client, ports[2:] + ports[:2], seq, ack, flags, hop_limit),
                    (socket.inet_ntoa(client), 0),
                )


def _packet(
    source: bytes, target: bytes, ports: bytes, seq: int, ack: int, flags: int, hop_limit: int
) -> bytes:
    tcp = ports + struct.pack("!IIBBHHH", seq, ack, 5 << 4, flags, 512, 0, 0)
    sum_ = checksum(source + target + struct.pack("!HH", 6, len(tcp)) + tcp)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, hop_limit, 6, 0) + source + target
    return ip + tcp[:16] + struct.pack("!H", sum_) + tcp[18:]
