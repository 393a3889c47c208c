"""One Ping and its Pong, whatever the server sends instead of it or before it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.integration.scripted import Script, ScriptedClient, scripted
from wsdiag.probes.common.await_pong import PeerClosedError, PeerViolationError, await_pong
from wsdiag.protocol.events import Close, Event, Pong, TextMessage
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.session import Session, SessionEnded

TEXT, CLOSE, PONG = 1, 8, 10


@asynccontextmanager
async def connected(script: Script) -> AsyncIterator[Session]:
    async with scripted(script) as (url, _):
        session = await dial(url, DialOptions())
        try:
            yield session
        finally:
            session.abort()


def test_what_comes_before_the_pong_is_handed_over() -> None:
    others: list[Event] = []

    async def answer(client: ScriptedClient) -> None:
        async for frame in client.frames():
            client.send(TEXT, b"news")
            client.send(PONG, b"another")
            client.send(PONG, frame.payload)

    async def run() -> float | None:
        async with connected(answer) as session:
            return await await_pong(session, 5.0, payload=b"", on_other=others.append)

    round_trip_ms = asyncio.run(run())
    assert round_trip_ms is not None
    assert 0 < round_trip_ms < 5000
    assert others == [TextMessage("news"), Pong(b"another")]


def test_no_pong_within_the_timeout_also_under_a_flood() -> None:
    async def flood(client: ScriptedClient) -> None:
        async for _ in client.frames():
            while True:
                client.send(TEXT, b"x" * 1000)
                await client.writer.drain()

    async def run() -> None:
        async with connected(flood) as session, asyncio.timeout(10):
            assert await await_pong(session, 0.3) is None

    asyncio.run(run())


def raised_by(opcode: int | None, payload: bytes, *, before: bool) -> Exception:
    """What a server provokes with this frame, None: TCP's end; `before`: and not as an answer."""

    async def answer(client: ScriptedClient) -> None:
        if not before:
            await anext(client.frames())
        if opcode is not None:
            client.send(opcode, payload)
            await asyncio.sleep(5)

    async def run() -> None:
        async with connected(answer) as session:
            if before:
                await asyncio.sleep(0.2)
            with pytest.raises(Exception) as caught:
                await await_pong(session, 5.0)
            raised.append(caught.value)

    raised: list[Exception] = []
    asyncio.run(run())
    return raised[0]


@pytest.mark.parametrize("before", [False, True], ids=["instead", "before"])
def test_each_end_of_the_wait_has_a_name(before: bool) -> None:
    closed = raised_by(CLOSE, struct.pack("!H", 1001) + b"bye", before=before)
    assert isinstance(closed, PeerClosedError)
    assert closed.close == Close(1001, "bye")
    assert str(closed) == "the server closed with 1001 (going away) 'bye'"
    assert isinstance(raised_by(3, b"", before=before), PeerViolationError)
    assert isinstance(raised_by(None, b"", before=before), SessionEnded)
