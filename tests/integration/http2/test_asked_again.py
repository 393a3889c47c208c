"""A CONNECT that the server left unprocessed is sent once more, as browsers do (RFC 9113, 8.7)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import pytest
from hyperframe.frame import Frame, GoAwayFrame, RstStreamFrame, SettingsFrame

import wsdiag
from tests.integration.http2.relaying import relaying
from tests.integration.scripted import read_connect
from wsdiag.probes.connect.http2_look import http2_look
from wsdiag.transport.dial.carriers import SharedHttp2
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialReport

T = TypeVar("T")
HTTP2 = DialOptions(http_version="2")
SETTINGS = SettingsFrame(0, settings={SettingsFrame.ENABLE_CONNECT_PROTOCOL: 1})
REFUSED = RstStreamFrame(1, error_code=7)
GRACEFUL = GoAwayFrame(0, last_stream_id=0, additional_data=b"restarting")


class Front:
    """Answers the CONNECTs of its first connections by frames; what follows goes to `serve`."""

    def __init__(self, port: int, scripts: Sequence[Frame], *, early: bool) -> None:
        self._relay, self._scripts, self._early = relaying(port), list(scripts), early
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            if self._scripts:
                await self._scripted(self._scripts.pop(0), reader, writer)
            else:
                await self._relay(reader, writer)
        writer.close()

    async def _scripted(
        self, answer: Frame, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(SETTINGS.serialize() + (answer.serialize() if self._early else b""))
        await read_connect(reader)
        writer.write(answer.serialize())
        writer.write_eof()
        await reader.read()


@asynccontextmanager
async def fronted(*scripts: Frame, early: bool = False) -> AsyncIterator[tuple[str, Front]]:
    async with wsdiag.serve(http2=True) as server:
        front = Front(server.port, scripts, early=early)
        listening = await asyncio.start_server(front.serve, "127.0.0.1", 0)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            yield f"ws://127.0.0.1:{port}/echo", front


def visited(
    visit: Callable[[str], Awaitable[T]], *scripts: Frame, early: bool = False
) -> tuple[T, int]:
    """What `visit` makes of it, and how many connections that took."""

    async def go() -> tuple[T, int]:
        async with fronted(*scripts, early=early) as (url, front):
            return await visit(url), front.connections

    return asyncio.run(go())


async def connected(url: str) -> wsdiag.ConnectResult:
    return await wsdiag.connect(url, HTTP2)


@pytest.mark.parametrize(
    ("answer", "early", "why"),
    [
        (REFUSED, False, "RST_STREAM REFUSED_STREAM"),
        (GRACEFUL, False, "GOAWAY NO_ERROR ('restarting')"),
        (GRACEFUL, True, "GOAWAY NO_ERROR ('restarting')"),
    ],
)
def test_it_opens_on_a_new_connection_and_that_is_told(
    answer: Frame, early: bool, why: str
) -> None:
    result, connections = visited(connected, answer, early=early)
    assert result.ok, result.error
    assert connections == 2
    assert result.http2 is not None
    assert why in (result.http2.asked_again or "")
    assert any(why in note and "RFC 9113, 8.7" in note for note in result.notes), result.notes


@pytest.mark.parametrize("answer", [REFUSED, GRACEFUL])
def test_once_more_and_not_again(answer: Frame) -> None:
    result, connections = visited(connected, answer, answer, answer)
    assert result.error is not None
    assert result.error.message.endswith(", on a new connection too")
    assert connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        RstStreamFrame(1, error_code=8),
        GoAwayFrame(0, last_stream_id=0, error_code=11),
        GoAwayFrame(0, last_stream_id=1),
    ],
)
def test_what_may_have_been_processed_is_not_asked_again(answer: Frame) -> None:
    result, connections = visited(connected, answer)
    assert result.error is not None
    assert connections == 1
    assert not any("again" in note for note in result.notes)


def test_ping_tells_it_in_its_first_record() -> None:
    async def pinged(url: str) -> list[wsdiag.PingEvent]:
        return [event async for event in wsdiag.ping(url, dial=HTTP2, count=1)]

    (start, *_), _ = visited(pinged, REFUSED)
    assert isinstance(start, wsdiag.PingStart)
    assert "REFUSED_STREAM" in (start.asked_again or "")


def test_the_look_costs_one_connection_and_calls_it_no_failure() -> None:
    async def looked(url: str) -> wsdiag.Http2Info:
        return await http2_look(url, DialOptions(), DialReport(url))

    look, connections = visited(looked, GRACEFUL)
    assert connections == 1
    assert look.opens is None
    assert "a browser asks again" in (look.error or "")


def test_streams_of_one_connection_move_on_after_a_goaway_only() -> None:
    async def both(url: str) -> tuple[bool, bool]:
        shared = SharedHttp2()
        first = await dial(url, HTTP2, shared=shared)
        second = await dial(url, HTTP2, shared=shared)
        assert first.report is not None
        told = first.report.asked_again is not None
        shared.close()
        return told, first.http2 is second.http2

    (told, same), connections = visited(both, GRACEFUL)
    assert told
    assert same
    assert connections == 2
