"""A server that answers Pings and notes when the kernel received each of them.

    python -m tests.bench.stamping_server

Prints {"port": N}. When the connection ends it prints the arrivals, kernel time in ns, as one line
of JSON, and serves the next. It knows Pings of up to 125 bytes and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import struct

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SO_TIMESTAMPNS = 35  # asm-generic/socket.h: SO_TIMESTAMPNS_OLD, also the cmsg's type


def upgrade(sock: socket.socket) -> None:
    """Read the request, answer 101."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = sock.recv(4096)
        if not part:
            raise ConnectionResetError
        head += part
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    sock.sendall(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")


def answers(data: bytes) -> tuple[bytes, int, bool]:
    """Pongs to the whole frames in `data`, how many Pings that were, whether a Close was there."""
    out, pings, at = [], 0, 0
    while at < len(data):
        size = data[at + 1] & 0x7F
        key, payload = data[at + 2 : at + 6], data[at + 6 : at + 6 + size]
        plain = bytes(byte ^ key[n & 3] for n, byte in enumerate(payload))
        if data[at] & 0x0F == 8:
            return b"".join(out) + bytes([0x88, size]) + plain, pings, True
        out.append(bytes([0x8A, size]) + plain)
        pings += 1
        at += 6 + size
    return b"".join(out), pings, False


def serve(sock: socket.socket) -> list[int]:
    """Answer one connection to its end; when its Pings arrived."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    upgrade(sock)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    found: list[int] = []
    while True:
        data, ancillary, _, _ = sock.recvmsg(4096, 128)
        if not data:
            return found
        pongs, pings, closed = answers(data)
        sock.sendall(pongs)
        for level, kind, stamp in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanos = struct.unpack("=qq", stamp)
                found += [seconds * 10**9 + nanos] * pings
        if closed:
            return found


def main() -> None:
    """Serve one connection after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        while True:
            sock, _ = listener.accept()
            with sock:
                try:
                    found = serve(sock)
                except ConnectionResetError:
                    continue
            if found:
                print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
