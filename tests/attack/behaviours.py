"""Servers and proxies that mean harm, each as what it does to one connection."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import random
import socket
import struct
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import chain, count

from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, SettingsFrame

from tests.integration.hostile.test_hostile_http2 import (
    CONNECT_PROTOCOL,
    FLOODS,
    OPENED,
    flooding,
    frames,
    headers,
    repeat,
)
from tests.integration.hostile.test_hostile_servers import (
    AFTER_THE_UPGRADE,
    BEFORE_THE_UPGRADE,
    _forever,
    _upgrade,
    garbage,
)
from wsdiag.protocol.frames import encode_frame
from wsdiag.transport.dial.options import LOOKED_INTO

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Behaviour = Callable[[Reader, Writer], Awaitable[None]]
NEARLY_TOO_LARGE = 15 * 2**20


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


async def big_messages(reader: Reader, writer: Writer) -> None:
    """Messages just below the limit, one after the other."""
    await _upgrade(reader, writer)
    await _forever(writer, encode_frame(2, bytes(NEARLY_TOO_LARGE)))


async def wide_text(reader: Reader, writer: Writer) -> None:
    """Text whose one emoji makes a `str` four times as large."""
    await _upgrade(reader, writer)
    await _forever(writer, encode_frame(1, "\N{PILE OF POO}".encode() + b"a" * NEARLY_TOO_LARGE))


def of_json(part: bytes, size: int) -> bytes:
    """A list of so many bytes, of a part over and over."""
    return b"[" + b",".join([part] * ((size - 1) // (len(part) + 1))) + b"]"


def json_of(part: bytes, size: int, name: str) -> Behaviour:
    """Lists whose objects take up to fifty times as much as their text."""

    async def behaviour(reader: Reader, writer: Writer) -> None:
        await _upgrade(reader, writer)
        await _forever(writer, encode_frame(1, of_json(part, size)))

    behaviour.__name__ = name
    return behaviour


NEST = b"[" * 900 + b"]" * 900
JSON = [
    *(json_of(b"{}", NEARLY_TOO_LARGE, "empty_objects"), json_of(b'{"":0}', LOOKED_INTO, "pairs")),
    *(json_of(NEST, LOOKED_INTO, "nests"), json_of(b'"\\ud83d"', LOOKED_INTO, "surrogates")),
]


def _packed(fin: bool, text: bytes = bytes(NEARLY_TOO_LARGE)) -> bytes:
    """A compressed message just below the limit, in 16 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)
    return encode_frame(1, packed[:-4] if fin else packed, fin=fin, rsv1=True)


async def bombs_that_fit(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await _forever(writer, _packed(fin=True))


async def wide_bombs(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await _forever(writer, _packed(True, "\N{PILE OF POO}".encode() + b"a" * NEARLY_TOO_LARGE))


async def unfinished_bombs(reader: Reader, writer: Writer) -> None:
    """Each connection holds one, and lives on."""
    await _upgrade(reader, writer)
    writer.write(_packed(fin=False))
    await asyncio.sleep(3600)


async def incompressible(reader: Reader, writer: Writer) -> None:
    """One compressed frame, as large packed as unpacked, whose end never comes."""
    await _upgrade(reader, writer)
    packer = zlib.compressobj(0, zlib.DEFLATED, -15)
    packed = packer.compress(os.urandom(NEARLY_TOO_LARGE)) + packer.flush(zlib.Z_SYNC_FLUSH)
    writer.write(encode_frame(2, packed, rsv1=True)[:-1])
    await asyncio.sleep(3600)


async def interim_answers(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    await _forever(writer, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 500)


async def _trickle(writer: Writer, data: bytes) -> None:
    with suppress(ConnectionError):
        for byte in data:
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.1)


async def trickle_of_a_body(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    writer.write(b"HTTP/1.1 503 Later\r\nTransfer-Encoding: chunked\r\n\r\n")
    await _trickle(writer, b"1\r\na\r\n" * 1000)


async def trickle_of_a_frame(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await _trickle(writer, encode_frame(1, b"x" * 1000))


async def trickle_of_pings(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await _trickle(writer, encode_frame(9, b"p" * 9) * 100)


async def half_a_close(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    writer.write(encode_frame(8, struct.pack("!H", 1000) + b"bye" * 9)[:9])
    await asyncio.sleep(3600)


async def close_with_half_a_character(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    writer.write(encode_frame(8, struct.pack("!H", 1000) + b"\xf0\x9f\x92"))
    await asyncio.sleep(3600)


async def redirects(reader: Reader, writer: Writer) -> None:
    """To itself, each time with another query."""
    host, port = writer.get_extra_info("sockname")
    await reader.read(65536)
    location = f"ws://{host}:{port}/?{time.monotonic_ns()}{'a' * 4000}"
    writer.write(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode())
    writer.close()


async def challenges(reader: Reader, writer: Writer) -> None:
    line = b"WWW-Authenticate: " + b'Digest a="b", ' * 300 + b"\r\n"
    while await reader.read(65536):
        writer.write(b"HTTP/1.1 401 No\r\n" + line * 10 + b"Content-Length: 0\r\n\r\n")


async def tls_trickle(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    await _trickle(writer, b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc" + bytes(9000))


async def proxy_interim_answers(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    await _forever(writer, b"HTTP/1.1 100 Continue\r\n\r\n" * 500)


async def proxy_endless_body(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    writer.write(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n")
    await _forever(writer, b"no " * 20_000)


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


def window_of_zero() -> Iterator[bytes]:
    """Opened, but nothing may be sent."""
    none = SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0})
    return iter([frames(none, OPENED, DataFrame(1, encode_frame(9, b"p")))])


def window_games() -> Iterator[bytes]:
    """A window that is taken back and granted by turns."""
    yield frames(OPENED)
    for size in (0, 2**31 - 1) * 500:
        yield frames(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: size}))


def table_games() -> Iterator[bytes]:
    for size in (0, 2**32 - 1) * 500:
        yield frames(SettingsFrame(0, settings={SettingsFrame.HEADER_TABLE_SIZE: size}))


def interim_headers() -> Iterator[bytes]:
    return repeat(frames(headers((":status", "103"), ("link", "a" * 2000))))


def trailers() -> Iterator[bytes]:
    yield frames(OPENED)
    yield from repeat(frames(headers(("x-a", "b"), end=True)))


def goaways() -> Iterator[bytes]:
    return repeat(frames(GoAwayFrame(0, last_stream_id=1, additional_data=b"x" * 16000)))


def padded_data() -> Iterator[bytes]:
    """DATA of one byte, and 255 of padding."""
    yield frames(OPENED)
    yield from repeat(frames(DataFrame(1, b"\x82", pad_length=255, flags=["PADDED"])))


def unknown_frames() -> Iterator[bytes]:
    return repeat(b"\x00\x40\x00\xee\x00\x00\x00\x00\x01" + bytes(16384))


def pings_over_http2() -> Iterator[bytes]:
    yield frames(OPENED)
    yield from repeat(frames(DataFrame(1, encode_frame(9, b"p" * 125) * 60)))


def trickle_of_headers() -> Iterator[bytes]:
    block = frames(HeadersFrame(1, bytes(9000)))
    return (block[at : at + 1] for at in range(len(block)))


async def http2_trickle(reader: Reader, writer: Writer) -> None:
    """Of the server's own preface."""
    await reader.read(65536)
    await _trickle(writer, frames(SettingsFrame(0, settings=dict.fromkeys(range(90, 190), 1))))


async def http2_settings_first(reader: Reader, writer: Writer) -> None:
    """A flood before there is any stream."""
    await _forever(writer, frames(SettingsFrame(0, settings=CONNECT_PROTOCOL)) * 500)


async def http2_silence(reader: Reader, writer: Writer) -> None:
    await flooding(opened_and_silent(), reader, writer)


PLAIN: list[Behaviour] = [
    *(behaviour for behaviour, _ in BEFORE_THE_UPGRADE),
    *AFTER_THE_UPGRADE,
    *(silence, silence_after_the_upgrade, tiny_frames, long_lines, close_with_noise),
    *(ever_new_json, deep_json, heartbeats, forged_lines),
    *(big_messages, wide_text, *JSON),
    *(bombs_that_fit, wide_bombs, unfinished_bombs, incompressible),
    *(interim_answers, trickle_of_a_body, trickle_of_a_frame, trickle_of_pings),
    *(half_a_close, close_with_half_a_character, redirects, challenges),
]
LOOKED_AT: list[Behaviour] = [big_messages, wide_text, *JSON, bombs_that_fit, wide_bombs]
OVER_TLS: list[Behaviour] = [tls_alerts, tls_garbage, tls_trickle, silence]
OVER_PROXY: list[Behaviour] = [
    *(behaviour for behaviour, _ in BEFORE_THE_UPGRADE),
    *(proxy_interim_answers, proxy_endless_body, trickle_of_a_body, challenges, silence),
]
OVER_SOCKS: list[Behaviour] = [socks_endless, socks_slow, socks_random, silence]
OVER_HTTP2: list[Behaviour] = [
    *(over_http2(flood, name) for name, (flood, _) in FLOODS.items()),
    *(
        over_http2(flood, flood.__name__)
        for flood in (
            *(trickle_of_data, trickle_of_headers, window_of_zero, window_games, table_games),
            *(interim_headers, trailers, goaways, padded_data, unknown_frames, pings_over_http2),
        )
    ),
    *(silence, http2_silence, http2_trickle, http2_settings_first, garbage),
]


def served(behaviour: Behaviour) -> tuple[int, Callable[[], None]]:
    """The port of a server that behaves so, and what ends it.

    It has a process of its own: what it holds and computes is not the measurer's.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        process = multiprocessing.get_context("fork").Process(
            target=_serve, args=(behaviour, listener), daemon=True
        )
        process.start()
        return listener.getsockname()[1], process.kill


def _serve(behaviour: Behaviour, listener: socket.socket) -> None:
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # of who writes on to nobody

    async def serve(reader: Reader, writer: Writer) -> None:
        with suppress(ConnectionError, OSError):
            await behaviour(reader, writer)

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        await (await asyncio.start_server(serve, sock=listener)).serve_forever()

    asyncio.run(run())
