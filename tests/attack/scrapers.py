"""Who reaches the exporter's port and means harm: each is given the port and goes on until told."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import cycle

Scraper = Callable[[int, threading.Event], None]
GET = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def sending(pieces: Callable[[], Iterator[bytes]], *, reads: bool = True) -> Scraper:
    """Sends what it has on one connection after the other."""

    def scrape(port: int, over: threading.Event) -> None:
        while not over.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as sock:
                sock.settimeout(1)
                for piece in pieces():
                    sock.sendall(piece)
                    if reads:
                        sock.setblocking(False)
                        with suppress(BlockingIOError):
                            sock.recv(1 << 20)
                        sock.settimeout(1)
                    if over.is_set():
                        break

    return scrape


def crowd(port: int, over: threading.Event) -> None:
    """600 connections, of which each sends a byte now and then."""
    held: list[socket.socket] = []
    while not over.wait(0.5):
        while len(held) < 600:
            try:
                held.append(socket.create_connection(("127.0.0.1", port), 1))
            except OSError:
                break
        for sock in list(held):
            try:
                sock.send(b"G")
            except OSError:
                held.remove(sock)
    for sock in held:
        sock.close()


def _probes() -> Iterator[bytes]:
    for target in cycle((b"ws://127.0.0.1:1/", b"ws://a@b/", b"%" * 9000, b"ws://[::1%2525]/")):
        yield b"GET /probe?target=" + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


SCRAPERS: dict[str, Scraper] = {
    "noise": sending(lambda: iter(lambda: os.urandom(65536), b"")),
    "requests without end": sending(lambda: cycle([GET * 500])),
    "answers unread": sending(lambda: cycle([GET * 500]), reads=False),
    "a header without end": sending(lambda: cycle([b"GET / HTTP/1.1\r\nA: " + b"a" * 60_000])),
    "probes": sending(_probes),
    "crowd": crowd,
}


def is_served(port: int) -> bool:
    """Whether an honest scrape is answered within two seconds, whoever else is there."""
    for _ in range(5):  # who comes when all places are taken is reset: a scraper tries again
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as sock:
            sock.settimeout(2)
            sock.sendall(GET)
            return sock.recv(100).startswith(b"HTTP/1.1 200 ")
    return False
