"""An HTTP/2 server that answers by a script: what is said of its answers, in HTTP/2's words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeVar

import pytest
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, SettingsFrame

import wsdiag
from tests.integration.hostile.test_hostile_http2 import CONNECT_PROTOCOL, OPENED, frames, headers
from tests.integration.scripted import read_connect
from wsdiag.probes.connect.run import connect
from wsdiag.records import ConnectResult
from wsdiag.render.ping.lines import event_line
from wsdiag.transport.dial.options import DialOptions

T = TypeVar("T")
HTTP2 = DialOptions(http_version="2")
PAGE = b"<html><head><title>Welcome</title></head><body>Our shop</body></html>"
HTML = (":status", "200"), ("content-type", "text/html")
CLOSE = b"\x88\x02\x03\xe8"
DRAINING = GoAwayFrame(0, last_stream_id=1, additional_data=b"draining")
WITHDRAWN = SettingsFrame(0, settings={SettingsFrame.ENABLE_CONNECT_PROTOCOL: 0})


def ending(data: bytes) -> DataFrame:
    return DataFrame(1, data, flags=["END_STREAM"])


Visit = Callable[[str], Awaitable[T]]


def visited(visit: Visit[T], steps: Sequence[Frame | float], settings: Mapping[int, int]) -> T:
    """What `visit` makes of a server that answers the CONNECT by frames; numbers: pauses in s."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(frames(SettingsFrame(0, settings=dict(settings))))
            await read_connect(reader)
            for pause, made in groupby(steps, key=lambda step: isinstance(step, float)):
                if pause:
                    await asyncio.sleep(sum(made))  # type: ignore[arg-type]
                else:
                    writer.write(frames(*made))  # type: ignore[arg-type]
            if not steps or steps[-1] != 0.0:  # that ends the connection
                await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def go() -> T:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await visit(f"ws://127.0.0.1:{port}/")

    return asyncio.run(go())


def met(
    answer: Sequence[Frame | float],
    *,
    settings: Mapping[int, int] = CONNECT_PROTOCOL,
    timeout_s: float = 10.0,
) -> ConnectResult:
    """`connect --http2` to a server that answers the CONNECT by these frames."""
    options = DialOptions(http_version="2", connect_timeout=timeout_s)

    async def connected(url: str) -> ConnectResult:
        return await connect(url, options, ping_timeout_s=1.0, close_timeout_s=0.5)

    return visited(connected, answer, settings)


def pinged(
    steps: Sequence[Frame | float], settings: Mapping[int, int] = CONNECT_PROTOCOL, **options: Any
) -> list[wsdiag.PingEvent]:
    """`ping --http2` to such a server."""

    async def events(url: str) -> list[wsdiag.PingEvent]:
        return [each async for each in wsdiag.ping(url, dial=HTTP2, **options)]

    return visited(events, steps, settings)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("1000", "its :status is '1000', no status code (RFC 9113, 8.3.2)"),
        ("099", "its :status is '099', no status code"),
        ("20", "its :status is '20', no status code"),
        ("abc", "its :status is 'abc', no status code"),
        (None, "missing mandatory ':status' header (RFC 9113, 8.1.1)"),
    ],
)
def test_a_malformed_answer_is_told_as_one(status: str | None, words: str) -> None:
    answer = headers(("x-none", "1") if status is None else (":status", status))
    error = met([answer]).error
    assert error is not None
    assert error.kind == "protocol"
    assert "the server broke HTTP/2: its answer is malformed: " in error.message
    assert words in error.message
    assert "8.1.1" in (error.hint or "")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([headers(*HTML), ending(PAGE)], "a web page came instead of a WebSocket (200 OK)"),
        ([headers(*HTML), DataFrame(1, PAGE)], "a web page came instead of a WebSocket (200 OK)"),
        ([headers(*HTML, end=True)], "(200 OK), with an empty body"),
        (
            [
                headers((":status", "200"), ("content-type", "text/event-stream")),
                ending(b"data: 1"),
            ],
            "a stream of server-sent events came instead of a WebSocket (200 OK): data: 1",
        ),
    ],
)
def test_an_answer_with_content_opens_nothing(answer: list[Frame], said: str) -> None:
    result = met(answer)
    assert result.error is not None
    assert said in result.error.message
    assert (result.error.phase, result.error.kind) == ("upgrade", "upgrade")
    assert "passes the extended CONNECT on as a plain request" in (result.error.hint or "")
    assert "Upgrade" not in (result.error.hint or "")
    assert result.http2 is not None
    assert result.http2.opens is False
    if PAGE in frames(*answer):
        assert result.http is not None
        assert result.http.text is not None
        assert "Our shop" in result.http.text


@pytest.mark.parametrize("data", [CLOSE, CLOSE + CLOSE])
def test_content_type_alone_makes_no_page_of_a_websocket(data: bytes) -> None:
    error = met([headers(*HTML), ending(data)]).error
    assert error is not None
    assert "the server closed with 1000" in error.message


def test_one_that_waits_for_us_opens_with_a_content_type_too() -> None:
    result = met([headers(*HTML)], timeout_s=1.0)  # shorter than content is waited for
    assert result.error is None


def test_a_page_is_no_websocket_that_was_not_advertised() -> None:
    error = met([headers(*HTML), ending(PAGE)], settings={}).error
    assert error is not None
    assert "accepts WebSockets" not in error.message


def test_what_came_before_the_end_is_read_before_it() -> None:
    error = met([OPENED, ending(CLOSE)]).error
    assert error is not None
    assert "the server closed with 1000" in error.message


def test_what_follows_a_200_is_no_101() -> None:
    for text, words in ((b"hello world", "is text"), (b"HTTP/1.1 101 x\r\n", "is HTTP again")):
        error = met([OPENED, DataFrame(1, text)]).error
        assert error is not None
        assert f"what followed the 200 {words}" in error.message
        assert "101" not in (error.hint or "")


def test_interim_answers_only_are_told_by_their_number_and_the_last() -> None:
    hints = [headers((":status", "103"))] * 5
    error = met([*hints, headers((":status", "102"))], timeout_s=0.5).error
    assert error is not None
    assert "only interim answers" in error.message
    assert "(6 of them, the last 102 Processing)" in error.message


def test_no_answer_is_told_in_the_words_of_a_connect() -> None:
    error = met([], timeout_s=0.5).error
    assert error is not None
    assert "did not answer the extended CONNECT within 0.5 s" in error.message


def test_pings_that_never_left_are_told_as_that() -> None:
    closed = {**CONNECT_PROTOCOL, SettingsFrame.INITIAL_WINDOW_SIZE: 0}
    events = pinged([OPENED], closed, count=2, interval_s=0.2, timeout_s=0.5)
    lost = [event for event in events if isinstance(event, wsdiag.PingLost)]
    assert [event.unsent for event in lost] == [True, True]
    assert "not even sent" in event_line(lost[0]).plain
    summary = events[-1]
    assert isinstance(summary, wsdiag.PingSummary)
    assert any("The Pings did not even leave" in said for said in summary.advice)
    assert not any("an endpoint must" in said for said in summary.advice)


def test_what_is_said_of_a_connection_that_goes_on_is_told_once_and_when_it_ends() -> None:
    said = [DRAINING, DRAINING, WITHDRAWN, WITHDRAWN]
    events = pinged([OPENED, 0.2, *said, 0.4, 0.0], interval_s=0.2)
    notices = [event for event in events if isinstance(event, wsdiag.PingNotice)]
    assert [notice.message.partition(":")[0] for notice in notices] == [
        "GOAWAY NO_ERROR ('draining')",
        "SETTINGS that turn ENABLE_CONNECT_PROTOCOL from 1 to 0, which a server must not do "
        "(RFC 8441, 3)",
    ]
    assert event_line(notices[0]).plain.startswith("the server sent GOAWAY NO_ERROR ('draining')")
    (closed,) = [event for event in events if isinstance(event, wsdiag.PingClosed)]
    drop = closed.drop
    assert (drop.how, drop.code, drop.detail) == ("goaway", 0, "draining")
    assert drop.goaway_before_s is not None
    assert 0.3 < drop.goaway_before_s < drop.at_s
    assert "GOAWAY had come" in event_line(closed).plain


def test_goaway_is_evidence_whatever_the_end_was() -> None:
    error = met([OPENED, DRAINING, 0.3, ending(CLOSE)]).error
    assert error is not None
    assert "the server closed with 1000" in error.message
    assert "; GOAWAY had come " in error.message


def test_connect_notes_it_where_the_connection_went_on() -> None:
    notes = met([OPENED, DRAINING, WITHDRAWN]).notes
    assert any("The server sent GOAWAY NO_ERROR ('draining')" in note for note in notes), notes
    assert any("ENABLE_CONNECT_PROTOCOL from 1 to 0" in note for note in notes), notes


def test_a_stream_that_a_goaway_leaves_out_is_told_by_its_end_only() -> None:
    left_out = GoAwayFrame(0, last_stream_id=0)
    result = met([OPENED, left_out])
    assert result.error is not None
    assert not any("The server sent" in note for note in result.notes)
