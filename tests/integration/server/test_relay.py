"""The relay between a real `websockets` server and a real client, faults in between."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

from tests.integration.server.raw_client import RawClient
from tests.integration.server.serving import serving
from tests.integration.waiting import wait_for
from wsdiag.server.background import BackgroundServer
from wsdiag.server.routes import from_spec


@contextmanager
def endpoint() -> Iterator[tuple[str, list[Any]]]:
    """An echo server of the `websockets` library, and what it has seen."""
    seen: list[Any] = []

    def handle(client: ServerConnection) -> None:
        assert client.request is not None
        seen.append(client.request)
        try:
            for message in client:
                if message == "close":
                    client.close(4003, "as you say")
                client.send(message)
        except ConnectionClosed:
            pass
        seen.append((client.close_code, client.close_reason))

    def choose(_: ServerConnection, offered: Sequence[str]) -> Any:
        return "chat" if "chat" in offered else None

    server: Server = serve(handle, "127.0.0.1", 0, select_subprotocol=choose)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.socket.getsockname()[1]}", seen
    finally:
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("raw", [False, True])
def test_messages_pings_and_closes_pass(raw: bool) -> None:
    with endpoint() as (address, seen), serving(upstream=f"ws://{address}", raw=raw) as relay:
        with connect(
            relay.url + "/some/path?q=1",
            proxy=None,
            subprotocols=["chat"],  # type: ignore[list-item]
            additional_headers={"X-Mine": "yes"},
        ) as client:
            assert client.subprotocol == "chat"
            for message in ("hello", b"\x00" * 100000, "x" * 70000):
                client.send(message)
                assert client.recv(10) == message
            assert client.ping().wait(5)
            client.close(4001, "mine")
        assert seen[0].path == "/some/path?q=1"
        assert seen[0].headers["X-Mine"] == "yes"
        wait_for(lambda: (4001, "mine") in seen)


@pytest.mark.parametrize("raw", [False, True])
def test_the_upstreams_close_reaches_the_client(raw: bool) -> None:
    with endpoint() as (address, _), serving(upstream=f"ws://{address}", raw=raw) as relay:
        with connect(relay.url, proxy=None) as client:
            client.send("close")
            with pytest.raises(ConnectionClosed) as caught:
                client.recv(10)
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4003, "as you say")


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("how", ["fin", "rst", "silent"])
def test_a_fault_drops_both_sides(raw: bool, how: str) -> None:
    faults = (from_spec(f"idle/400ms?drop={how}"),)
    with (
        endpoint() as (address, _),
        serving(upstream=f"ws://{address}", raw=raw, faults=faults) as relay,
        RawClient(relay.url, "/", timeout=2.0) as client,
    ):
        data, end, _ = client.read_to_end()
        assert (data, end) == (b"", "nothing" if how == "silent" else how)


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("how", ["close", "fin", "rst", "rst-on-write"])
def test_the_upstream_sees_an_end_too(raw: bool, how: str) -> None:
    faults = (from_spec(f"idle/300ms?drop={how}"),)
    with (
        endpoint() as (address, seen),
        serving(upstream=f"ws://{address}", raw=raw, faults=faults) as relay,
        RawClient(relay.url, "/", timeout=5.0) as client,
    ):
        relay.wait("drop")
        if how == "rst-on-write":
            client.send(9, b"anyone?")
        client.read_to_end()
        wait_for(lambda: len(seen) == 2)  # the request, and how it ended


@pytest.mark.parametrize("how", ["close", "fin", "rst", None])
def test_half_closed_bytes_end_by_a_fault_or_with_the_server(how: str | None) -> None:
    faults = (from_spec(f"idle/300ms?drop={how}"),) if how else ()
    with (
        socket.create_server(("127.0.0.1", 0)) as upstream,
        serving(
            upstream=f"127.0.0.1:{upstream.getsockname()[1]}", raw=True, faults=faults
        ) as relay,
        socket.create_connection(("127.0.0.1", relay.server.port), 10) as client,
    ):
        client.shutdown(socket.SHUT_WR)
        sock, _ = upstream.accept()
        with sock:
            sock.settimeout(10)
            assert sock.recv(1) == b""
            if how is None:
                relay.stop()
            relay.wait("close", 5)
            assert relay.server._connections == set()


def authority(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("raw", [False, True])
def test_latency_in_between(raw: bool) -> None:
    faults = (from_spec("latency/200"),)
    with (
        endpoint() as (address, _),
        serving(upstream=f"ws://{address}", raw=raw, faults=faults) as relay,
        connect(relay.url, proxy=None) as client,
    ):
        began = time.monotonic()
        client.send("x")
        assert client.recv(10) == "x"
        assert time.monotonic() - began >= 0.19


def test_lost_pongs_in_between() -> None:
    faults = (from_spec("lose-pongs/1"),)
    with (
        endpoint() as (address, _),
        serving(upstream=f"ws://{address}", faults=faults) as relay,
        connect(relay.url, proxy=None) as client,
    ):
        assert not client.ping().wait(0.4)


def test_an_absent_upstream_is_a_502_or_a_reset() -> None:
    with serving(upstream="ws://127.0.0.1:9") as relay, pytest.raises(InvalidStatus) as caught:
        connect(relay.url, proxy=None)
    assert caught.value.response.status_code == 502
    with serving(upstream="127.0.0.1:9", raw=True) as relay, pytest.raises(OSError):
        RawClient(relay.url, "/")


def test_faults_that_need_frames_are_refused_between_bytes() -> None:
    with (
        pytest.raises(ValueError, match="--raw"),
        serving(upstream="127.0.0.1:9", raw=True, faults=(from_spec("no-pong"),)),
    ):
        pass


def test_faults_change_while_it_runs() -> None:
    with (
        endpoint() as (address, _),
        serving(upstream=f"ws://{address}", control_port=0, control_token="secret") as relay,
        connect(relay.url, proxy=None) as client,
    ):
        assert post(relay, [], token="wrong") == 401
        assert post(relay, ["latency/300"]) == 200
        began = time.monotonic()
        client.send("x")
        assert client.recv(10) == "x"
        assert time.monotonic() - began >= 0.29
        assert post(relay, ["nonsense"]) == 400
        assert post(relay, ["lifetime/0?drop=rst"]) == 200
        with pytest.raises(ConnectionClosedError):
            client.recv(10)


def post(relay: BackgroundServer, faults: list[str], token: str = "secret") -> int:
    url = relay.server.control_url
    assert url is not None
    request = urllib.request.Request(
        url,
        json.dumps({"faults": faults}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
