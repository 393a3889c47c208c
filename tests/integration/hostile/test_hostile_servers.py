"""Servers that mean harm: each ends in a named error, in bounded time and memory."""

import asyncio
import socket
import struct
import time
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from wsdiag import ConnectResult, DialOptions, PingReply, PingSummary
from wsdiag.api import ping
from wsdiag.probes.connect.run import connect
from wsdiag.protocol.frames import encode_frame
from wsdiag.protocol.server_handshake import ServerHandshake

DIAL_S = 2.0
BOUND_S = 25.0
BOUND_BYTES = 96 * 2**20

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Behaviour = Callable[[Reader, Writer], Awaitable[None]]


async def _upgrade(reader: Reader, writer: Writer) -> None:
    handshake = ServerHandshake()
    request = None
    while request is None:
        request = handshake.receive(await reader.read(65536))
    answer, _ = handshake.accept(request)
    writer.write(answer)


async def _forever(writer: Writer, chunk: bytes) -> None:
    with suppress(ConnectionError):
        while True:
            writer.write(chunk)
            await writer.drain()


def _reset(writer: Writer) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def endless_header(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nX-Long: ")
    await _forever(writer, b"a" * 65536)


async def ten_thousand_headers(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(10_000))
    await _forever(writer, b"HTTP/1.1 101 Switching Protocols\r\n" + lines)


async def a_byte_now_and_then(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    for byte in b"HTTP/1.1 101 Switching Protocols\r\n" * 10:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.2)


async def endless_body(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    await _forever(writer, b"no " * 20_000)


async def reset_at_once(reader: Reader, writer: Writer) -> None:
    _reset(writer)


async def reset_after_the_request(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    _reset(writer)


async def escapes_in_the_reason(reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    writer.write(b"HTTP/1.1 403 \x1b[2Jboo\x07\r\nX: \x1b]0;owned\x07\r\n\r\n\x1b[31m")
    writer.close()


BEFORE_THE_UPGRADE = [
    (endless_header, {"upgrade", "protocol"}),
    (ten_thousand_headers, {"upgrade", "protocol"}),
    (a_byte_now_and_then, {"timeout"}),
    (endless_body, {"upgrade"}),
    (reset_at_once, {"closed", "upgrade"}),
    (reset_after_the_request, {"closed", "upgrade"}),
    (escapes_in_the_reason, {"upgrade", "protocol"}),
]


async def reset_after_the_upgrade(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await writer.drain()
    _reset(writer)


async def a_length_of_nonsense(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await _forever(writer, b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff" + b"x" * 65536)


async def endless_fragments(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    writer.write(encode_frame(2, b"x" * 65536, fin=False))
    await _forever(writer, encode_frame(0, b"x" * 65536, fin=False))


async def pings_without_end_unread(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await _forever(writer, encode_frame(9, b"p" * 125) * 500)


async def pongs_without_end(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await _forever(writer, encode_frame(10, b"p" * 125) * 500)


async def a_bomb(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(256))
    bomb += packer.flush(zlib.Z_SYNC_FLUSH)[:-4]
    writer.write(encode_frame(2, bomb, rsv1=True))
    await reader.read()


async def garbage(reader: Reader, writer: Writer) -> None:
    await _upgrade(reader, writer)
    await _forever(writer, bytes(range(256)) * 64)


AFTER_THE_UPGRADE = [
    reset_after_the_upgrade,
    a_length_of_nonsense,
    endless_fragments,
    pings_without_end_unread,
    pongs_without_end,
    a_bomb,
    garbage,
]


async def _against(behaviour: Behaviour, measure: Callable[[str], Awaitable[object]]) -> object:
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.CancelledError):
            await behaviour(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(BOUND_S):
            return await measure(f"ws://127.0.0.1:{port}/")
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _run(behaviour: Behaviour, measure: Callable[[str], Awaitable[object]]) -> object:
    tracemalloc.start()
    began = time.monotonic()
    try:
        result = asyncio.run(_against(behaviour, measure))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.monotonic() - began < BOUND_S
    assert peak < BOUND_BYTES
    return result


async def _connect(url: str) -> ConnectResult:
    options = DialOptions(connect_timeout=DIAL_S, compression=True)
    return await connect(url, options, ping_timeout_s=2, close_timeout_s=2)


@pytest.mark.parametrize(("behaviour", "kinds"), BEFORE_THE_UPGRADE)
def test_before_the_upgrade_it_is_an_error_with_a_name(
    behaviour: Behaviour, kinds: set[str]
) -> None:
    result = _run(behaviour, _connect)
    assert isinstance(result, ConnectResult)
    assert not result.ok
    assert result.error is not None
    assert result.error.kind in kinds
    assert result.error.message


@pytest.mark.parametrize("behaviour", AFTER_THE_UPGRADE)
def test_after_the_upgrade_connect_ends_in_time(behaviour: Behaviour) -> None:
    result = _run(behaviour, _connect)
    assert isinstance(result, ConnectResult)
    assert result.error is not None or result.notes


@pytest.mark.parametrize("behaviour", AFTER_THE_UPGRADE)
def test_after_the_upgrade_ping_says_that_nothing_was_answered(behaviour: Behaviour) -> None:
    async def pinged(url: str) -> list[object]:
        dial = DialOptions(connect_timeout=DIAL_S, compression=True)
        events = ping(url, dial=dial, count=3, interval_s=0.1, timeout_s=1, deadline_s=3)
        return [event async for event in events]

    events = _run(behaviour, pinged)
    assert isinstance(events, list)
    assert not [event for event in events if isinstance(event, PingReply)]
    (summary,) = (event for event in events if isinstance(event, PingSummary))
    assert summary.received == 0
