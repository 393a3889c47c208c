"""WebSockets over HTTP/2 between wsdiag and its own `serve --http2`, over TLS and as h2c."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

import wsdiag
from tests.peers.certs import Authority
from tests.peers.peer import Address
from tests.peers.peers import Peers
from wsdiag.transport.dial.options import DialOptions

T = TypeVar("T")
HTTP2 = DialOptions(http_version="2")


def over_http2(visit: Callable[[str], Awaitable[T]], *faults: str) -> T:
    """What `visit` makes of a server that speaks h2c."""

    async def go() -> T:
        async with wsdiag.serve(*faults, http2=True) as server:
            return await visit(server.url)

    return asyncio.run(go())


def connected(path: str, *faults: str, options: DialOptions = HTTP2) -> wsdiag.ConnectResult:
    return over_http2(lambda url: wsdiag.connect(url + path, options), *faults)


def pinged(path: str, **options: object) -> list[wsdiag.PingEvent]:
    async def go(url: str) -> list[wsdiag.PingEvent]:
        events = wsdiag.ping(url + path, dial=HTTP2, **options)  # type: ignore[arg-type]
        return [event async for event in events]

    return over_http2(go)


def test_it_opens_pings_and_closes() -> None:
    result = connected("/echo")
    assert result.ok, result.error
    assert result.http is not None
    assert (result.http.status, result.http.version) == (200, "2")
    assert result.extensions == ("permessage-deflate",)
    assert result.phases.settings_ms is not None
    assert result.phases.upgrade_ms is not None
    assert result.http2 is not None
    assert (result.http2.enable_connect_protocol, result.http2.opens) == (True, True)
    assert result.http2.ping_ms == result.phases.ping_ms
    assert result.close is not None
    assert result.close.clean
    assert not result.notes


def test_the_request_is_a_browsers() -> None:
    options = replace(HTTP2, headers=(("X-Mine", "1"), ("Connection", "Upgrade")))

    async def go(url: str) -> wsdiag.ConnectResult:
        return await wsdiag.connect(url + "/headers", options, listen_s=0.3)

    result = over_http2(go)
    assert result.messages is not None
    said = result.messages[0].text.lower()
    assert '"x-mine"' in said
    assert not any(name in said for name in ("sec-websocket-key", '"upgrade"', '"connection"'))


def test_what_is_larger_than_a_window_goes_both_ways() -> None:
    text = "x" * 300_000

    async def go(url: str) -> wsdiag.ConnectResult:
        return await wsdiag.connect(url + "/echo", replace(HTTP2, compression=False), send=[text])

    result = over_http2(go)
    assert result.messages is not None
    assert result.messages[0].bytes == len(text)


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("/http2/refuse/405", "upgrade", "405 Method Not Allowed"),
        ("/http2/refuse/400", "upgrade", "400 Bad Request"),
        ("/http2/rst-stream/PROTOCOL_ERROR?when=request", "upgrade", "RST_STREAM PROTOCOL_ERROR"),
        ("/http2/rst-stream/11?when=request", "upgrade", "RST_STREAM ENHANCE_YOUR_CALM"),
        ("/http2/rst-stream/CANCEL", "closed", "RST_STREAM CANCEL"),
        ("/status/403", "upgrade", "403"),
        ("/nowhere", "upgrade", "404"),
    ],
)
def test_refusals_are_named(path: str, kind: str, words: str) -> None:
    result = connected(path)
    assert result.error is not None
    assert (result.error.kind, result.ok) == (kind, False)
    assert words in result.error.message
    assert result.error.hint


def test_what_is_not_advertised_fails_though_it_is_accepted() -> None:
    result = connected("/echo", "http2/unadvertised")
    assert result.error is not None
    assert "does not say so" in result.error.message
    assert "--resolve" in (result.error.hint or "")
    assert result.http2 is not None
    assert result.http2.enable_connect_protocol is False
    assert not result.http2.opens


def test_a_zero_window_is_named() -> None:
    async def go(url: str) -> wsdiag.ConnectResult:
        from wsdiag.probes.connect.run import connect

        return await connect(
            url + "/http2/zero-window", HTTP2, ping_timeout_s=0.2, close_timeout_s=0.2
        )

    result = over_http2(go)
    assert result.ok
    assert any("flow-control window" in note for note in result.notes)


def test_both_pings_are_shown() -> None:
    *_, summary = events = pinged("/latency/60", count=4, interval_s=0.4)
    replies = [event for event in events if isinstance(event, wsdiag.PingReply)]
    assert all(reply.http2_rtt_ms is not None for reply in replies)
    assert isinstance(summary, wsdiag.PingSummary)
    assert summary.http2 is not None
    assert summary.attribution is not None
    assert summary.p50_ms is not None
    assert summary.http2.p50_ms is not None
    assert summary.p50_ms >= 60 > summary.http2.p50_ms
    assert summary.attribution.behind_edge_ms is not None
    assert "edge" in summary.attribution.explanation[0]


def test_without_http2_ping_there_is_none() -> None:
    *_, summary = pinged("/echo", count=2, interval_s=0.01, http2_ping=False)
    assert isinstance(summary, wsdiag.PingSummary)
    assert summary.http2 is None


@pytest.mark.parametrize(
    ("path", "how", "code", "detail"),
    [
        ("/http2/rst-stream/INTERNAL_ERROR?after=0.2", "rst-stream", 2, None),
        ("/http2/goaway/0.2?code=11&debug=calm%20down", "goaway", 11, "calm down"),
        ("/lifetime/0.2?drop=fin", "fin", None, "END_STREAM"),
        ("/lifetime/0.2?drop=rst", "rst-stream", 8, None),
        ("/lifetime/0.2?drop=close&code=4001", "close", 4001, None),
    ],
)
def test_ends_are_named(path: str, how: str, code: int | None, detail: str | None) -> None:
    events = pinged(path, count=100, interval_s=0.05)
    (closed,) = [event for event in events if isinstance(event, wsdiag.PingClosed)]
    assert (closed.drop.how, closed.drop.code, closed.drop.detail) == (how, code, detail)


def test_streams_live_on_after_a_goaway_that_spares_them() -> None:
    *_, summary = pinged("/http2/goaway/0.1?then=stay", count=6, interval_s=0.06)
    assert isinstance(summary, wsdiag.PingSummary)
    assert (summary.received, summary.drops) == (6, 0)


@pytest.mark.parametrize("said", [b"", b"PRI * HT"])
def test_a_client_that_says_too_little_is_let_go(said: bytes) -> None:
    async def go() -> bytes:
        async with wsdiag.serve(http2=True, handshake_timeout=0.3) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(said)
            async with asyncio.timeout(20):
                left = await reader.read()
            writer.close()
            return left

    assert asyncio.run(go()) == b""


def test_http11_is_served_on_the_same_port() -> None:
    async def go(url: str) -> wsdiag.ConnectResult:
        return await wsdiag.connect(url + "/echo")

    result = over_http2(go)
    assert result.ok
    assert result.http is not None
    assert result.http.status == 101


# -- over TLS, where a look follows HTTP/1.1 -------------------------------------------------------


def looked_at(
    ca: Authority, path: str, *faults: str, http2: bool = True, look: bool = True
) -> wsdiag.ConnectResult:
    cert = ca.cert()

    async def go() -> wsdiag.ConnectResult:
        async with wsdiag.serve(*faults, http2=http2, cert=cert.cert, key=cert.key) as server:
            options = DialOptions(cacert=Path(ca.pem))
            return await wsdiag.connect(server.url + path, options, look_at_http2=look)

    return asyncio.run(go())


def test_the_look_finds_what_works(ca: Authority) -> None:
    result = looked_at(ca, "/echo")
    assert result.ok
    assert result.http is not None
    assert result.http.version == "1.1"
    look = result.http2
    assert look is not None
    assert (look.alpn, look.enable_connect_protocol, look.opens) == ("h2", True, True)
    assert (look.status, look.error) == (200, None)
    assert look.ping_ms is not None


@pytest.mark.parametrize(
    ("faults", "http2", "alpn", "advertised", "opens", "fails"),
    [
        ((), False, "http/1.1", None, None, False),
        (("http2/unadvertised",), True, "h2", False, None, False),
        (("http2/refuse/400",), True, "h2", True, False, True),
        (("http2/rst-stream/PROTOCOL_ERROR?when=request",), True, "h2", True, False, True),
        (("http2/zero-window",), True, "h2", True, True, True),
    ],
)
def test_the_look_fails_nothing(
    ca: Authority,
    faults: tuple[str, ...],
    http2: bool,
    alpn: str,
    advertised: bool | None,
    opens: bool | None,
    fails: bool,
) -> None:
    result = looked_at(ca, "/echo", *faults, http2=http2)
    assert result.ok
    look = result.http2
    assert look is not None
    assert (look.alpn, look.enable_connect_protocol, look.opens) == (alpn, advertised, opens)
    assert (look.error is not None) is fails


def test_the_look_can_be_left_out(ca: Authority) -> None:
    assert looked_at(ca, "/echo", look=False).http2 is None


def test_the_look_costs_one_connection(ca: Authority) -> None:
    cert, opened = ca.cert(), []

    async def go() -> None:
        def note(number: int, event: str, data: dict[str, object]) -> None:
            opened.append((event, number))

        async with wsdiag.serve(http2=True, cert=cert.cert, key=cert.key, on_event=note) as server:
            options = DialOptions(cacert=Path(ca.pem))
            await wsdiag.connect(server.url, options)
            # one over HTTP/1.1, then one of HTTP/2 with one stream
            assert server.stats()["accepted"] == 3

    asyncio.run(go())
    assert [event for event, _ in opened] == ["open", "close", "open", "close"]


def test_the_look_blames_nobody_for_a_long_way(peers: Peers, ca: Authority) -> None:
    cert = ca.cert()
    url, _ = peers.serve("--http2", "--cert", str(cert.cert), "--key", str(cert.key))
    far = peers.relay(Address.of(url), delay_ms=300)
    result = asyncio.run(wsdiag.connect(far.url, DialOptions(cacert=Path(ca.pem))))
    assert result.ok
    assert result.http2 is not None
    assert result.http2.opens is not False
    assert result.http2.error is None or "not finished" in result.http2.error


def test_a_connect_without_an_answer_is_a_failure(ca: Authority) -> None:
    result = looked_at(ca, "/echo", "http2/hang")
    assert result.http2 is not None
    assert result.http2.opens is False
    assert "no answer to the CONNECT" in (result.http2.error or "")
