"""Whoever reaches the port: bounded, told, harmless. A scrape works all the while."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from tests.integration.waiting import until
from tests.peers.certs import Authority
from wsdiag.exporter.http import MAX_WAITING, HttpServer, server_tls
from wsdiag.exporter.http_connection import HttpAnswer, HttpRequest

BIG = b"x" * (4 * 2**20)


class Served:
    """A server in this loop; `told` is what it said of its clients."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.asked: list[HttpRequest] = []
        self.bodies: list[bytes] = []
        """Each answer to /own."""
        self.server: HttpServer

    async def handle(self, request: HttpRequest) -> HttpAnswer:
        self.asked.append(request)
        if request.path == "/big":
            return HttpAnswer(200, BIG)
        if request.path == "/own":
            self.bodies.append(BIG + b"%d" % len(self.bodies))
            return HttpAnswer(200, self.bodies[-1])
        if request.path == "/bug":
            raise RuntimeError("a bug of ours")
        return HttpAnswer(200, request.path.encode())

    def held(self) -> int:
        """How many of `bodies` somebody has beside that list (and the call that counts)."""
        return sum(sys.getrefcount(self.bodies[n]) > 2 for n in range(len(self.bodies)))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.server.address)

    async def ask(self, data: bytes) -> bytes:
        """All that is answered to these bytes, to the end of the connection."""
        reader, writer = await self.connect()
        writer.write(data)
        try:
            async with asyncio.timeout(20):
                return await reader.read()
        except ConnectionResetError:
            return b"reset"
        finally:
            writer.close()

    async def still_serves(self) -> bool:
        return (await self.ask(GET)).endswith(b"/metrics")


GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[Served]:
    served = Served()
    served.server = HttpServer(served.handle, lambda peer, why: served.told.append(why), **limits)
    await served.server.start("127.0.0.1", 0, None, lambda _: None)
    try:
        yield served
    finally:
        await served.server.stop()


def run(test: Callable[[Served], Awaitable[None]], **limits: Any) -> Served:
    async def inside() -> Served:
        async with serving(**limits) as served:
            await test(served)
            assert await served.still_serves()
        return served

    return asyncio.run(inside())


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 100_000, b"431"),
        (b"GET /" + b"a" * 100_000, b"431"),
        (b"A: b\r\n" * 20_000, b"4"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),  # no Host
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50 + b"\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_scrape(data: bytes, status: bytes) -> None:
    async def ask(served: Served) -> None:
        answer = await served.ask(data)
        assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
        assert b"\r\nDate: " in answer
        assert b"bytearray" not in answer
        assert served.told
        assert all(len(line) < 300 for line in served.told)
        assert not [each for each in served.asked if each.path != "/metrics"]

    run(ask)


def test_an_endless_body_is_not_read() -> None:
    async def ask(served: Served) -> None:
        reader, writer = await served.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            async with asyncio.timeout(20):
                while sent < 200 * 2**20:
                    writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                    await writer.drain()
                    sent += 65536
        except ConnectionError:
            pass
        assert sent < 50 * 2**20
        writer.close()
        del reader

    run(ask)


def test_slow_heads_are_cut_off() -> None:
    async def ask(served: Served) -> None:
        connections = [await served.connect() for _ in range(20)]
        for _, writer in connections:
            writer.write(b"GET / HTTP/1.1\r\nHost")
        for reader, writer in connections:
            async with asyncio.timeout(20):
                with pytest.raises(ConnectionError):
                    await reader.readexactly(1)
            writer.close()
        assert served.told.count("sends too slowly") == 20

    run(ask, head_s=0.3)


def test_slow_readers_hold_no_copies_and_are_cut_off() -> None:
    async def ask(served: Served) -> None:
        connections = []
        for _ in range(20):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(served.server.address)
            sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            connections.append(sock)
        async with asyncio.timeout(20):
            queued = [0]
            while served.told.count("reads its answer too slowly") < 20:
                queued += [each._stream.unsent for each in served.server._connections]
                await asyncio.sleep(0.01)
            assert 0 < max(queued) <= 128 * 1024
        for sock in connections:
            sock.close()

    run(ask, answer_s=1.0)


def does_not_read(served: Served, path: bytes) -> socket.socket:
    """A client that asks and takes as good as nothing of the answer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(served.server.address)
    sock.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    return sock


def test_slow_readers_hold_few_answers() -> None:
    async def ask(served: Served) -> None:
        connections = [does_not_read(served, b"/own") for _ in range(40)]
        async with asyncio.timeout(20):
            await until(lambda: len(served.asked) == 40)
            await until(lambda: served.held() <= MAX_WAITING)
        assert served.told == ["reads its answer too slowly"] * (40 - MAX_WAITING)
        assert served.server.open == MAX_WAITING
        for sock in connections:
            sock.close()

    run(ask)


def test_one_answer_may_wait_for_many_readers() -> None:
    async def ask(served: Served) -> None:
        connections = [does_not_read(served, b"/big") for _ in range(4 * MAX_WAITING)]
        async with asyncio.timeout(20):
            await until(lambda: len(served.asked) == len(connections))
        assert await served.still_serves()
        assert served.server.open >= len(connections)
        assert not served.told
        for sock in connections:
            sock.close()

    run(ask)


def test_an_idle_connection_holds_no_answer() -> None:
    async def ask(served: Served) -> None:
        reader, writer = await served.connect()
        writer.write(b"GET /own HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(20):
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(served.bodies[0]))
            await until(lambda: not served.held())
        assert served.server.open == 1
        writer.close()

    run(ask)


def test_a_slow_reader_that_reads_gets_it_all() -> None:
    async def ask(served: Served) -> None:
        reader, writer = await served.connect()
        writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = bytearray()
        while part := await reader.read(50_000):
            got += part
            await asyncio.sleep(0)
        writer.close()
        assert bytes(got).partition(b"\r\n\r\n")[2] == BIG

    run(ask)


def test_more_connections_than_there_is_room_for() -> None:
    async def ask(served: Served) -> None:
        connections = [await served.connect() for _ in range(60)]
        await asyncio.sleep(0.1)
        assert served.server.open <= 10
        assert await served.still_serves()  # the oldest idle one made room
        for _, writer in connections:
            writer.close()

    assert "more than 10 connections" in run(ask, max_connections=10).told


def test_heads_that_never_end_make_room_as_well() -> None:
    async def ask(served: Served) -> None:
        connections = [await served.connect() for _ in range(10)]
        for _, writer in connections:
            writer.write(b"G")
        await until(lambda: not any(each.idle for each in served.server._connections))
        assert await served.still_serves()
        for _, writer in connections:
            writer.close()

    run(ask, max_connections=10)


def test_readers_that_never_read_make_room_as_well() -> None:
    async def ask(served: Served) -> None:
        connections = [does_not_read(served, b"/big") for _ in range(10)]
        async with asyncio.timeout(20):
            await until(lambda: len(served.asked) == 10)
        assert await served.still_serves()
        assert served.told == ["more than 10 connections", "reads its answer too slowly"]
        for sock in connections:
            sock.close()

    run(ask, max_connections=10)


def test_one_request_after_another_on_a_connection() -> None:
    async def ask(served: Served) -> None:
        many = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(300))
        answer = await served.ask(many + GET)
        bodies = [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
        assert bodies == [*(b"/%d" % number for number in range(300)), b"/metrics"]

    run(ask)


def test_a_client_that_ends_its_side_gets_its_answer() -> None:
    async def ask(served: Served) -> None:
        reader, writer = await served.connect()
        writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.write_eof()
        async with asyncio.timeout(20):
            answer = await reader.read()
        assert answer.endswith(BIG)
        writer.close()

    run(ask)


@pytest.mark.parametrize(
    "target", [b"http://other.test/metrics", b"/metrics?a=b", b"/metrics?" + b"a" * 5000]
)
def test_other_spellings_of_a_path(target: bytes) -> None:
    async def ask(served: Served) -> None:
        answer = await served.ask(GET.replace(b"/metrics", target))
        assert answer.endswith(b"\r\n\r\n/metrics")

    run(ask)


def test_a_bug_in_a_page_is_an_error_and_no_end() -> None:
    async def ask(served: Served) -> None:
        answer = await served.ask(b"GET /bug HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"of ours" not in answer
        assert served.told == ["a bug: RuntimeError: a bug of ours"]

    run(ask)


def test_tls_handshakes_that_never_end(ca: Authority) -> None:
    own = ca.cert("127.0.0.1")

    async def inside() -> None:
        served = Served()
        served.server = HttpServer(
            served.handle, lambda peer, why: served.told.append(why), max_connections=5
        )
        await served.server.start("127.0.0.1", 0, server_tls(own.cert, own.key, None), print)
        idle = [socket.socket() for _ in range(30)]
        for sock in idle:
            with suppress(ConnectionResetError):
                sock.connect(served.server.address)
        await until(lambda: any("TLS handshakes" in line for line in served.told))
        for sock in idle:
            sock.close()
        context = ssl.create_default_context(cafile=str(ca.pem))
        async with asyncio.timeout(20):
            while True:
                try:
                    reader, writer = await asyncio.open_connection(
                        *served.server.address, ssl=context
                    )
                    break
                except (ConnectionError, ssl.SSLError):  # those before it are leaving
                    await asyncio.sleep(0.05)
            writer.write(GET)
            assert (await reader.read()).endswith(b"/metrics")
            writer.close()
        await served.server.stop()

    asyncio.run(inside())
