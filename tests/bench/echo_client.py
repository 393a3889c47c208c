"""A load generator on plain sockets: it builds one frame, and counts the bytes that come back.

    python -m tests.bench.echo_client PORT CLIENTS SIZE WINDOW SECONDS
    python -m tests.bench.echo_client PORT CLIENTS 0 0

The first prints messages a second, each client keeping WINDOW of them under way; the second opens
idle connections, prints how many, and keeps them until its standard input ends. Lean on purpose:
one process, one epoll, no parsing. An echo of N bytes is always a frame of the same length.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time

REQUEST = (
    b"GET /echo HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
KEY = b"\x12\x34\x56\x78"
PER_ADDRESS = 10_000


def masked_text(size: int) -> bytes:
    """A text message of `size` bytes as a client sends it."""
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    text = (b"latency " * (size // 8 + 1))[:size]
    return head + KEY + bytes(byte ^ KEY[at & 3] for at, byte in enumerate(text))


def opened(port: int, number: int) -> socket.socket:
    """A connection behind its upgrade; addresses change before ports run out."""
    sock = socket.socket()
    sock.settimeout(30)
    sock.bind((f"127.0.0.{1 + number // PER_ADDRESS}", 0))
    sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(REQUEST)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = sock.recv(4096)
        if not part:
            raise SystemExit(f"connection {number} was not upgraded: {head!r}")
        head += part
    if not head.startswith(b"HTTP/1.1 101"):
        raise SystemExit(f"connection {number} was not upgraded: {head!r}")
    return sock


def rate(port: int, clients: int, size: int, window: int, seconds: float) -> float:
    """Messages echoed a second."""
    frame = masked_text(size)
    echo = len(frame) - len(KEY)
    poller, owed, socks = select.epoll(), dict[int, int](), []
    for number in range(clients):
        sock = opened(port, number)
        sock.setblocking(True)  # a timeout would cost a poll(2) for each call
        socks.append(sock)
        owed[sock.fileno()] = 0
        poller.register(sock, select.EPOLLIN)
    into = [bytearray(65536)]
    echoed, began = 0, time.monotonic()
    for fd in owed:
        os.write(fd, frame * window)
    while time.monotonic() - began < seconds:
        for fd, _ in poller.poll(1):
            count = os.readv(fd, into)
            if not count:
                raise SystemExit("the server closed a connection")
            whole, owed[fd] = divmod(owed[fd] + count, echo)
            if whole:
                echoed += whole
                os.write(fd, frame if whole == 1 else frame * whole)
    return echoed / (time.monotonic() - began)


def main() -> None:
    """Read the command line; print one number."""
    port, clients, size, window = map(int, sys.argv[1:5])
    if size:
        print(rate(port, clients, size, window, float(sys.argv[5])))
        return
    kept = [opened(port, number) for number in range(clients)]
    print(len(kept), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
