"""Servers and proxies that mean harm, each as what it does to one connection."""

from __future__ import annotations

import asyncio
import os
import random
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import chain, count

from hyperframe.frame import DataFrame

from tests.integration.hostile.test_hostile_http2 import FLOODS, OPENED, flooding, frames
from tests.integration.hostile.test_hostile_servers import (
    AFTER_THE_UPGRADE,
    BEFORE_THE_UPGRADE,
    _forever,
    _upgrade,
    garbage,
)
from wsdiag.protocol.frames import encode_frame

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Behaviour = Callable[[Reader, Writer], Awaitable[None]]


async def tls_alerts(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    await _forever(writer, b"\x15\x03\x03\x00\x02\x01\x5a" * 9000)


async def tls_garbage(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    await _forever(writer, b"\x16\x03\x03\x40\x00" + b"\x02\x00\x40\x00" * 4096)


async def socks_endless(reader: Reader, writer: Writer) -> None:
    await reader.read(3)
    await _forever(writer, b"\x05\x00" + b"\xff" * 65536)


async def socks_slow(reader: Reader, writer: Writer) -> None:
    await reader.read(3)
    for byte in b"\x05\x00\x05\x00\x00\x03\xff" + b"a" * 300:
        writer.write(bytes((byte,)))
        await asyncio.sleep(0.2)


async def socks_random(reader: Reader, writer: Writer) -> None:
    chosen = random.Random(time.monotonic_ns())
    for _ in range(50):
        await reader.read(300)
        size = chosen.choice((1, 2, 3, 10, 300))
        writer.write(b"\x05" * chosen.randrange(2) + chosen.randbytes(size))
    writer.close()


async def silence(reader: Reader, writer: Writer) -> None:
    await asyncio.sleep(3600)


async def silence_after_the_upgrade(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await asyncio.sleep(3600)


async def tiny_frames(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await _forever(writer, encode_frame(1, b"") * 30_000)


async def long_lines(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    headers = "".join(f"X-{n}: {'token=a;' * 700}\r\n" for n in range(9))
    writer.write(f"HTTP/1.1 403 {'a:' * 2000}\r\n{headers}\r\n{'<a b=' * 9000}".encode())
    writer.close()


async def close_with_noise(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    writer.write(encode_frame(8, struct.pack("!H", 4999) + "\u202e::error::x".encode()))
    await _forever(writer, os.urandom(65536))


async def ever_new_json(reader: Reader, writer: Writer) -> None:
    """Messages of ever new keys, with numbers that no clock and no counter has."""
    await _upgrade(reader, writer)
    with suppress(ConnectionError):
        for number in count():
            odd = ("1e400", "-1e-400", "9" * 4000, "NaN", '"x"', "[]", str(number))[number % 7]
            text = f'{{"k":"{number}","seq":{odd},"t":{odd},"v":{odd}}}'
            writer.write(encode_frame(1, text.encode()))
            await writer.drain()


async def deep_json(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await _forever(writer, encode_frame(1, b"[" * 500_000))


async def heartbeats(reader: Reader, writer: Writer) -> None:
    """Socket.IO's, as fast as they go; each is answered."""
    await _upgrade(reader, writer)
    opened = b'0{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":1}'
    writer.write(encode_frame(1, opened))
    await _forever(writer, encode_frame(1, b"2") * 5000)


async def forged_lines(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    text = "\n::error::forged\r\n##[error]forged\n\u2028\x1b]0;owned\x07"
    await _forever(writer, encode_frame(1, text.encode()) * 100)


def over_http2(flood: Callable[[], Iterator[bytes]], name: str) -> Behaviour:
    """A flood that does not end."""

    async def behaviour(reader: Reader, writer: Writer) -> None:
        await flooding(chain.from_iterable(flood() for _ in count()), reader, writer)

    behaviour.__name__ = name.replace(" ", "_")
    return behaviour


def opened_and_silent() -> Iterator[bytes]:
    return iter([frames(OPENED)])


def trickle_of_data() -> Iterator[bytes]:
    """A frame of WebSocket whose bytes come one in a DATA frame each."""
    yield frames(OPENED)
    for byte in encode_frame(1, b"x" * 60_000):
        yield frames(DataFrame(1, bytes([byte])))


async def http2_silence(reader: Reader, writer: Writer) -> None:
    await flooding(opened_and_silent(), reader, writer)


PLAIN: list[Behaviour] = [
    *(behaviour for behaviour, _ in BEFORE_THE_UPGRADE),
    *AFTER_THE_UPGRADE,
    *(silence, silence_after_the_upgrade, tiny_frames, long_lines, close_with_noise),
    *(ever_new_json, deep_json, heartbeats, forged_lines),
]
OVER_TLS: list[Behaviour] = [tls_alerts, tls_garbage, silence]
OVER_SOCKS: list[Behaviour] = [socks_endless, socks_slow, socks_random, silence]
OVER_HTTP2: list[Behaviour] = [
    *(over_http2(flood, name) for name, (flood, _) in FLOODS.items()),
    over_http2(trickle_of_data, "trickle of DATA"),
    *(silence, http2_silence, garbage),
]


def served(behaviour: Behaviour) -> tuple[int, Callable[[], None]]:
    """The port of a server that behaves so, and what ends it."""
    loop, port = asyncio.new_event_loop(), threading.Event()
    found: list[int] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        with suppress(ConnectionError, OSError):
            await behaviour(reader, writer)

    async def start() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        found.append(server.sockets[0].getsockname()[1])
        port.set()

    def run() -> None:
        loop.set_exception_handler(lambda *_: None)
        loop.create_task(start())
        loop.run_forever()

    threading.Thread(target=run, daemon=True).start()
    port.wait(10)
    return found[0], lambda: loop.call_soon_threadsafe(loop.stop) and None
