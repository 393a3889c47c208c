"""Streams that share a connection: one by one, each with its own end; flow control on each."""

from __future__ import annotations

import asyncio

import pytest

import wsdiag
from wsdiag.protocol.events import TextMessage
from wsdiag.transport.dial.carriers import SharedHttp2
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Session, SessionEnded

HTTP2 = DialOptions(http_version="2")


async def text_of(session: Session) -> str:
    received = await session.receive(20)
    assert received is not None
    assert isinstance(received.event, TextMessage)
    return received.event.text


def test_a_stream_that_ends_leaves_the_others_alone() -> None:
    async def go() -> None:
        async with wsdiag.serve(http2=True) as server:
            shared = SharedHttp2()
            echo = await dial(server.url + "/echo", HTTP2, shared=shared)
            reset = await dial(server.url + "/http2/rst-stream/2", HTTP2, shared=shared)
            assert echo.http2 is reset.http2
            with pytest.raises(SessionEnded) as ended:
                await reset.receive(20)
            assert (ended.value.end.how, ended.value.end.code) == ("rst-stream", 2)
            with pytest.raises(DialError):
                await dial(server.url + "/status/403", HTTP2, shared=shared)
            echo.send_text("still here")
            assert await text_of(echo) == "still here"
            await echo.close(timeout=5)
            assert echo.http2 is not None
            assert echo.http2.ended is None  # kept open for the next one
            again = await dial(server.url + "/echo", HTTP2, shared=shared)
            again.send_text("again")
            assert await text_of(again) == "again"
            shared.close()
            assert again.http2 is not None
            assert again.http2.ended is not None

    asyncio.run(go())


def test_a_paused_stream_holds_up_itself_only() -> None:
    async def go() -> None:
        async with wsdiag.serve(http2=True) as server:
            shared = SharedHttp2()
            slow = await dial(server.url + "/echo", HTTP2, shared=shared)
            quick = await dial(server.url + "/echo", HTTP2, shared=shared)
            slow.stream.pause_reading()
            text = "x" * 400_000
            for _ in range(4):
                slow.send_text(text)
            for number in range(20):
                quick.send_text(f"{number}")
                assert await text_of(quick) == f"{number}"
            slow.stream.resume_reading()
            for _ in range(4):
                assert await text_of(slow) == text
            shared.close()

    asyncio.run(go())
