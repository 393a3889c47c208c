"""Each path driven by clients that are not ours: `websockets`, `aiohttp`, plain sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import (
    ConnectionClosed,
    ConnectionClosedError,
    InvalidHandshake,
    InvalidStatus,
)
from websockets.sync.client import ClientConnection, connect

from tests.integration.server.raw_client import RawClient
from tests.integration.server.serving import serving
from wsdiag.protocol.frames import encode_frame
from wsdiag.server.background import BackgroundServer
from wsdiag.server.faults.bad_frames import RULES, UTF8
from wsdiag.server.routes import from_spec


@pytest.fixture(scope="module")
def server() -> Iterator[BackgroundServer]:
    with serving() as running:
        yield running


def dial(server: BackgroundServer, path: str, **more: Any) -> ClientConnection:
    return connect(server.url + path, proxy=None, close_timeout=2, **more)


# -- behaves -------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("path", ["/", "/echo"])
def test_echo(server: BackgroundServer, path: str, compression: str | None) -> None:
    with dial(server, path, compression=compression) as client:
        for message in ("héllo", b"\x00\xff", "", "x" * 70000):
            client.send(message)
            assert client.recv(5) == message
        assert client.ping(b"p").wait(5)


def test_echo_takes_16_mib_and_no_more(server: BackgroundServer) -> None:
    big = b"x" * (16 * 2**20)
    with dial(server, "/echo", compression=None, max_size=None) as client:
        client.send(big)
        assert client.recv(60) == big
        with pytest.raises(ConnectionClosedError) as caught:
            client.send(big + b"x")
            client.recv(60)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009


def test_echo_with_aiohttp(server: BackgroundServer) -> None:
    async def talk() -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(server.url + "/echo", compress=15) as client,
        ):
            await client.send_str("hello")
            return await client.receive_str(timeout=5)

    assert asyncio.run(talk()) == "hello"


def test_frames_cut_into_single_bytes(server: BackgroundServer) -> None:
    with RawClient(server.url, "/echo") as client:
        for byte in encode_frame(1, b"in pieces", mask=b"abcd"):
            client.sock.sendall(bytes([byte]))
        assert client.read(11) == b"\x81\x09in pieces"


def test_sink_swallows_messages_and_answers_pings(server: BackgroundServer) -> None:
    with dial(server, "/sink") as client:
        client.send("hello")
        assert client.ping().wait(5)
        with pytest.raises(TimeoutError):
            client.recv(0.2)


def test_headers_as_a_message_and_as_http(server: BackgroundServer) -> None:
    with dial(server, "/headers", additional_headers={"X-Probe": "7"}) as client:
        assert ["X-Probe", "7"] in json.loads(client.recv(5))["headers"]
    assert "headers" in get(server, "/headers")


def test_stats_as_a_message_and_as_http(server: BackgroundServer) -> None:
    with dial(server, "/stats") as client:
        assert json.loads(client.recv(5))["open"] >= 1
    assert get(server, "/stats")["accepted"] >= 1


def get(server: BackgroundServer, path: str) -> Any:
    with urllib.request.urlopen(server.url.replace("ws", "http", 1) + path, timeout=5) as answer:
        return json.loads(answer.read())


# -- delays --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/latency/150", "/latency?ms=150ms&distribution=uniform"])
def test_latency_delays_echo_and_pong(server: BackgroundServer, path: str) -> None:
    with dial(server, path) as client:
        assert echo_time(client) >= 0.14
        began = time.monotonic()
        assert client.ping().wait(5)
        assert time.monotonic() - began >= 0.14


def echo_time(client: ClientConnection, message: str | bytes = "hello") -> float:
    began = time.monotonic()
    client.send(message)
    assert client.recv(20) == message
    return time.monotonic() - began


def test_latency_keeps_the_order(server: BackgroundServer) -> None:
    with dial(server, "/latency/20?jitter=20") as client:
        for number in range(50):
            client.send(str(number))
        assert [client.recv(5) for _ in range(50)] == [str(number) for number in range(50)]


def test_stall_holds_everything_for_a_moment(server: BackgroundServer) -> None:
    with dial(server, "/stall?every=0.3&for=0.4") as client:
        times = []
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            times.append(echo_time(client))
            time.sleep(0.01)
        assert max(times) >= 0.3
        assert sorted(times)[len(times) // 2] < 0.3


def test_bandwidth_limits_the_answers(server: BackgroundServer) -> None:
    with dial(server, "/bandwidth?rate=20000", compression=None) as client:
        assert 0.4 <= echo_time(client, b"x" * 10000) < 5


def test_trickle_sends_single_bytes(server: BackgroundServer) -> None:
    with RawClient(server.url, "/trickle/20") as client:
        client.send(1, b"slow")
        began = time.monotonic()
        assert client.read(6) == b"\x81\x04slow"
        assert time.monotonic() - began >= 0.08


def test_slow_reader_lets_the_clients_queue_fill(server: BackgroundServer) -> None:
    with RawClient(server.url, "/slow-reader?rate=1k") as client:
        client.sock.settimeout(1.0)
        frame = encode_frame(2, bytes(65536), mask=bytes(4))
        with pytest.raises(TimeoutError):
            for _ in range(1000):
                client.sock.sendall(frame)


# -- keepalive -----------------------------------------------------------------------------------


def test_no_pong(server: BackgroundServer) -> None:
    with dial(server, "/no-pong") as client:
        assert not client.ping().wait(0.3)
        assert echo_time(client) < 5


@pytest.mark.parametrize(("share", "low", "high"), [("0", 60, 60), ("0.5", 8, 52), ("1", 0, 0)])
def test_lose_pongs(server: BackgroundServer, share: str, low: int, high: int) -> None:
    with RawClient(server.url, f"/lose-pongs/{share}") as client:
        for number in range(60):
            client.send(9, bytes([number]))
        client.send(1, b"done")
        pongs = 0
        while client.read(2) == b"\x8a\x01":
            client.read(1)
            pongs += 1
        assert low <= pongs <= high


def test_late_pong_but_echo_at_once(server: BackgroundServer) -> None:
    with dial(server, "/late-pong/0.5") as client:
        began = time.monotonic()
        waiter = client.ping()
        assert client.ping()
        client.send("now")
        assert client.recv(5) == "now"
        assert not waiter.is_set() or time.monotonic() - began >= 0.48, "the echo came first"
        assert waiter.wait(5)
        assert time.monotonic() - began >= 0.48


def test_wrong_pong(server: BackgroundServer) -> None:
    with RawClient(server.url, "/wrong-pong") as client:
        client.send(9, b"abc")
        assert client.read(5) == b"\x8a\x03" + bytes(byte ^ 0xFF for byte in b"abc")


def test_ping_and_its_timeout(server: BackgroundServer) -> None:
    with RawClient(server.url, "/ping/0.1?timeout=0.5") as client:
        assert client.read(2)[0] == 0x89
        data, end, after = client.read_to_end()
        assert b"\x03\xf3no Pong in time" in data
        assert after >= 0.55
        assert end == "fin"
    with dial(server, "/ping/0.1?timeout=1.0") as client:
        with pytest.raises(TimeoutError):
            client.recv(1.2)
        assert echo_time(client) < 5


# -- sends ---------------------------------------------------------------------------------------


def test_push_by_the_clock(server: BackgroundServer) -> None:
    with dial(server, "/push/0.1?size=100") as client:
        first, second = client.recv(5), client.recv(5)
        assert len(first) == 100
        assert str(first).startswith("push 1 ")
        assert str(second).startswith("push 2 ")


def test_push_on_request(server: BackgroundServer) -> None:
    with dial(server, "/push-on-request") as client:
        client.send("push 0.05")
        assert [client.recv(5) for _ in range(2)] == ["pushed 1", "pushed 2"]
        client.send("push never")
        while (text := str(client.recv(5))).startswith("pushed"):
            pass
        assert "push N" in text
        client.send("push 0")


def test_flood_at_a_rate_and_without(server: BackgroundServer) -> None:
    with dial(server, "/flood?size=1k", compression=None) as client:
        assert [len(client.recv(5)) for _ in range(200)] == [1024] * 200


def test_fragment_cuts_the_echo(server: BackgroundServer) -> None:
    with RawClient(server.url, "/fragment/3") as client:
        client.send(1, b"abcdef")
        assert client.read(12) == b"\x01\x02ab\x00\x02cd\x80\x02ef"
    with dial(server, "/fragment/7") as client:
        assert echo_time(client) < 5


# -- handshake -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 301, 401, 403, 404, 426, 429, 502, 503])
def test_status(server: BackgroundServer, status: int) -> None:
    with RawClient(server.url, f"/status/{status}?retry-after=7") as client:
        assert client.status == status
        assert "Retry-After: 7" in client.head


def test_redirects_lead_to_the_echo(server: BackgroundServer) -> None:
    with dial(server, "/redirect/3") as client:
        assert echo_time(client) < 5


def test_basic_authentication(server: BackgroundServer) -> None:
    with pytest.raises(InvalidStatus):
        dial(server, "/auth/basic")
    url = server.url.replace("://", "://user:password@")
    with connect(url + "/auth/basic", proxy=None) as client:
        assert echo_time(client) < 5


def test_subprotocols(server: BackgroundServer) -> None:
    with dial(server, "/subprotocol", subprotocols=["b", "a"]) as client:  # type: ignore[list-item]
        assert client.subprotocol == "b"
    with dial(server, "/subprotocol/a", subprotocols=["b", "a"]) as client:  # type: ignore[list-item]
        assert client.subprotocol == "a"
    with pytest.raises(InvalidStatus):
        dial(server, "/subprotocol")


def test_deflate_with_its_parameters(server: BackgroundServer) -> None:
    with RawClient(
        server.url,
        "/deflate?server-bits=10&takeover=no",
        headers="Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
    ) as client:
        assert "server_max_window_bits=10" in client.head
        assert "server_no_context_takeover" in client.head
    with dial(server, "/deflate?takeover=no") as client_:
        assert echo_time(client_) < 5
    with pytest.raises(InvalidStatus):
        dial(server, "/deflate", compression=None)


# -- broken rules --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/bad/accept",
        "/bad/accept?with=none",
        "/bad/upgrade",
        "/bad/upgrade?with=none",
        "/bad/connection",
        "/bad/subprotocol",
        "/bad/extension",
        "/bad/http",
    ],
)
def test_a_strict_client_refuses_the_handshake(server: BackgroundServer, path: str) -> None:
    with pytest.raises(InvalidHandshake):
        dial(server, path)


# Rules that the `websockets` client does not enforce, or that end in good order for it.
LENIENT = {"data-after-close", "length-16", "length-64"}


@pytest.mark.parametrize("rule", RULES)
def test_bad_frames_are_on_the_wire(server: BackgroundServer, rule: str) -> None:
    with RawClient(server.url, f"/bad/frame/{rule}") as client:
        assert client.read(len(RULES[rule][1])) == RULES[rule][1]


@pytest.mark.parametrize("rule", sorted(set(RULES) - LENIENT))
def test_a_strict_client_fails_on_bad_frames(server: BackgroundServer, rule: str) -> None:
    fails(server, f"/bad/frame/{rule}")


@pytest.mark.parametrize("kind", UTF8)
def test_a_strict_client_fails_on_bad_utf8(server: BackgroundServer, kind: str) -> None:
    fails(server, f"/bad/utf8/{kind}")


@pytest.mark.parametrize("kind", ["garbage", "bomb"])
def test_a_strict_client_fails_on_bad_deflate(server: BackgroundServer, kind: str) -> None:
    fails(server, f"/bad/deflate/{kind}", compression="deflate")


def fails(server: BackgroundServer, path: str, compression: str | None = None) -> None:
    with dial(server, path, compression=compression) as client:
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(10)
        assert caught.value.sent is None or caught.value.sent.code in (1002, 1007, 1009)


# -- limits --------------------------------------------------------------------------------------


def test_more_than_max_connections_is_503() -> None:
    with serving(max_connections=1) as server, dial(server, "/echo"):
        with pytest.raises(InvalidStatus) as caught, dial(server, "/echo"):
            pass
        assert caught.value.response.status_code == 503


def test_a_slow_request_is_ended() -> None:
    with serving(handshake_timeout=0.4) as server:
        with socket.create_connection(("127.0.0.1", server.server.port), 10) as client:
            client.sendall(b"GET / HTTP/1.1\r\n")
            assert b" 408 " in client.recv(1000)


def test_a_client_that_never_reads_costs_bounded_memory() -> None:
    with serving() as server, RawClient(server.url, "/echo") as client:
        client.sock.settimeout(1.0)
        frame = encode_frame(2, bytes(60000), mask=bytes(4))
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 200 * 2**20:
                client.sock.sendall(frame)
                sent += len(frame)
        (link,) = server.server._connections
        assert link.stream.unsent < 4 * 2**20


@pytest.mark.parametrize("target", ["/%00", "/idle/" + "1" * 5000, "/?" + "a=b&" * 500])
def test_odd_targets_get_an_answer(server: BackgroundServer, target: str) -> None:
    with RawClient(server.url, target) as client:
        assert client.status in (101, 400, 404)


def test_a_port_in_use_is_an_error() -> None:
    with serving() as server, pytest.raises(OSError), serving(port=server.server.port):
        pass


def test_faults_hold_for_every_path() -> None:
    with serving(faults=(from_spec("no-pong"), from_spec("idle/300ms?drop=rst"))) as server:
        with RawClient(server.url, "/echo") as client:
            client.send(9, b"x")
            assert client.read_to_end()[:2] == (b"", "rst")


def test_stop_says_going_away() -> None:
    with serving() as server, dial(server, "/echo") as client:
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(10)
        stopper.join()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001


def test_the_page_is_served_and_other_paths_ask_for_an_upgrade(server: BackgroundServer) -> None:
    base = server.url.replace("ws", "http", 1)
    with urllib.request.urlopen(base + "/", timeout=5) as answer:
        assert b"wsdiag serve" in answer.read()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(base + "/echo", timeout=5)
    assert caught.value.code == 426


def test_the_fixture_serves(wsdiag_server: BackgroundServer) -> None:
    with dial(wsdiag_server, "/close/4002?reason=bye") as client:
        with pytest.raises(ConnectionClosed):
            client.recv(5)
    assert wsdiag_server.count("open") >= 1


@pytest.mark.parametrize("turn", [1, 2])
def test_the_fixture_knows_only_the_running_test(
    turn: int, wsdiag_server: BackgroundServer
) -> None:
    assert wsdiag_server.count("open") == 0
    with dial(wsdiag_server, "/echo"):
        wsdiag_server.wait("open")
