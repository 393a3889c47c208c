"""Each phase by itself: no report, no clock, no tracer; it returns what it found or raises."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from wsdiag.transport.dial import failures, race, resolve, tunnel
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.proxy import parse
from wsdiag.transport.dial.target import Target
from wsdiag.transport.dial.upgrade import prepare, upgrade
from wsdiag.transport.report import DialError
from wsdiag.transport.stream.stream import Stream

TARGET = Target.parse("ws://h.test/path")


def failing(work: Callable[[], Awaitable[object]]) -> DialError:
    async def main() -> None:
        async with asyncio.timeout(20):
            await work()

    with pytest.raises(DialError) as caught:
        asyncio.run(main())
    return caught.value


async def answered_by(answer: bytes, ask: Callable[[Stream], Awaitable[object]]) -> object:
    """What `ask` makes of a peer that sends these bytes and then FIN, whatever it is asked."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        stream = Stream(ours)
        try:
            return await ask(stream)
        finally:
            stream.reset()


def test_addresses_that_are_known_need_no_lookup() -> None:
    options = DialOptions(resolve=(("h.test", 80, "127.0.0.1"), ("*", 80, "::1")))
    assert [where[0] for _, where in resolve.known("H.test", 80, options)] == ["127.0.0.1", "::1"]
    assert resolve.known("h.test", 81, options) == []
    assert resolve.known("h.test", 80, DialOptions()) == []
    assert resolve.known("127.0.0.1", 80, DialOptions())[0][0] is socket.AF_INET


def test_addresses_of_the_wrong_family_are_an_error() -> None:
    with pytest.raises(DialError) as caught:
        resolve.known("127.0.0.1", 80, DialOptions(family=6))
    assert caught.value.code == "dns-no-such-family"


def test_a_name_that_is_looked_up() -> None:
    found = asyncio.run(resolve.resolve_name("localhost", 80, DialOptions(family=4)))
    assert found == [(socket.AF_INET, ("127.0.0.1", 80))]
    long = failing(lambda: resolve.resolve_name("a" * 64 + ".test", 80, DialOptions()))
    assert (long.phase, long.code) == ("dns", "dns-bad-name")


def test_connecting_returns_the_socket_and_its_address_or_names_the_most_telling() -> None:
    async def reach(port: int) -> None:
        sock, (_, where) = await race.connect([(socket.AF_INET, ("127.0.0.1", port))])
        sock.close()
        assert where == ("127.0.0.1", port)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(reach(listener.getsockname()[1]))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        error = failing(lambda: race.connect([(socket.AF_INET, ("127.0.0.1", port))]))
    assert (error.kind, error.code) == ("refused", "refused")
    assert error.facts["address"] == f"127.0.0.1:{port}"


def test_an_upgrade_that_is_refused_carries_the_answer() -> None:
    async def ask(stream: Stream) -> object:
        return await upgrade(stream, *prepare(TARGET, DialOptions()))

    answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nContent-Length: 2\r\n\r\nno"
    error = failing(lambda: answered_by(answer, ask))
    assert (error.kind, error.phase, error.code) == ("upgrade", "upgrade", "http-503")
    assert error.response is not None
    assert (error.response.status, error.response.body) == (503, b"no")
    ended = failing(lambda: answered_by(b"", ask))
    assert (ended.code, ended.response) == ("closed-in-handshake", None)


def test_a_proxy_that_agrees_and_one_that_refuses() -> None:
    request = tunnel.ConnectRequest(parse("http://me:pw@p.test:3128", "-x"), TARGET)
    assert request.first_line == "CONNECT h.test:80 HTTP/1.1"
    assert "Proxy-Authorization" in dict(request.headers)

    async def ask(stream: Stream) -> object:
        return await tunnel.connect(stream, request)

    response = asyncio.run(answered_by(b"HTTP/1.1 200 Yes\r\n\r\n", ask))
    assert (response.status, response.reason) == (200, "Yes")  # type: ignore[attr-defined]
    error = failing(lambda: answered_by(b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", ask))
    assert (error.code, error.facts["credentials"]) == ("proxy-auth", "sent")


def test_an_error_of_a_phase_has_a_report_of_nothing() -> None:
    error = failures.timed_out("tls", 3)
    assert (error.code, error.report.url, error.report.phases_ms) == ("tls-timeout", "", {})
