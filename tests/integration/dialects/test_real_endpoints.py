"""Endpoints with a protocol of their own, by their own servers: greeted, kept alive, judged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.idle.running import probe, scaled
from tests.peers.peer import Peer
from tests.peers.peers import Peers
from wsdiag.transport.dial.options import DialOptions

INIT = '{"type":"connection_init","payload":{"token":"a-token-of-theirs"}}'
# protocol level 4, clean session, Keep Alive 1 s, no client identifier
CONNECT_1_S = bytes.fromhex("100c00044d5154540402000100 00".replace(" ", ""))


@dataclass(frozen=True)
class Endpoint:
    """One real server, the path in it, what it is called, and how its hello is answered."""

    start: Callable[[Peers], Peer]
    path: str
    dialect: str
    answer: str


ENDPOINTS = {
    "socket.io": Endpoint(
        lambda peers: peers.socketio(300, 1000),
        "/socket.io/?EIO=4&transport=websocket",
        "socket.io",
        '40{"sid"',
    ),
    "python-socketio": Endpoint(
        lambda peers: peers.python_socketio(0.3, 1.0),
        "/socket.io/?EIO=4&transport=websocket",
        "socket.io",
        '40{"sid"',
    ),
    "graphql-ws": Endpoint(
        lambda peers: peers.graphql_ws(1000, 500),
        "/graphql",
        "graphql-transport-ws",
        '{"type":"connection_ack"}',
    ),
    "aedes": Endpoint(lambda peers: peers.aedes(1000), "/", "mqtt", "20020000"),
    "mosquitto": Endpoint(lambda peers: peers.mosquitto(), "/mqtt", "mqtt", "20020000"),
    "mosquitto-5": Endpoint(lambda peers: peers.mosquitto(), "/mqtt", "mqtt-5", "20"),
}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_a_named_dialect_says_its_hello(name: str, peers: Peers) -> None:
    case = ENDPOINTS[name]
    url = case.start(peers).url.rstrip("/") + case.path
    run = peers.wsdiag("connect", "-o", "json", "--dialect", case.dialect, url, ok=0)
    result = run.record("connect.result")
    assert result["hello"]["sent"]
    assert result["hello"]["answer"].startswith(case.answer)
    assert result["hello"]["took_ms"] >= 0
    assert result["dialect"]["name"] == case.dialect
    assert result["dialect"]["by"] == "--dialect"


@pytest.mark.parametrize("name", ["socket.io", "python-socketio"])
def test_pings_and_a_check_stay_connected_where_heartbeats_are_answered(
    name: str, peers: Peers
) -> None:
    case = ENDPOINTS[name]
    url = case.start(peers).url.rstrip("/") + case.path
    few = ["-c", "5", "-i", "600ms", "-o", "json"]
    left = peers.wsdiag("ping", *few, "--dialect", "none", url)
    assert left.code == 1
    assert left.of("ping.closed")
    run = peers.wsdiag("ping", *few, url, ok=0)
    assert run.record("ping.summary")["received"] == 5
    assert run.record("ping.start")["dialect"]["name"] == "socket.io"
    check = ["--require-idle", "2s", "--only", "idle,ping,close", "-o", "json"]
    assert peers.wsdiag("check", *check, url, ok=0)


def test_a_hello_with_a_token_opens_what_is_refused_without(peers: Peers) -> None:
    url = peers.graphql_ws(1000, 500, "a-token-of-theirs").url + "/graphql"
    offered = ["--subprotocol", "graphql-transport-ws", "-o", "json"]
    refused = peers.wsdiag("connect", "--dialect", "graphql-transport-ws", "-o", "json", url, ok=1)
    error = refused.record("connect.result")["error"]
    assert (error["phase"], error["kind"]) == ("hello", "closed")
    assert "4403" in error["message"]
    assert "connection_init was refused" in error["message"]
    opened = peers.wsdiag("connect", "--hello", INIT, *offered, url, ok=0)
    assert "connection_ack" in opened.record("connect.result")["hello"]["answer"]
    silent = peers.wsdiag("ping", "-c", "5", "-i", "400ms", *offered, url, ok=1)
    assert "no connection_init came in time" in silent.record("ping.closed")["drop"]["detail"]
    kept = peers.wsdiag("ping", "-c", "5", "-i", "400ms", "--hello", INIT, *offered, url, ok=0)
    assert "a-token-of-theirs" not in kept.out + kept.err


def test_a_refused_connect_of_socket_io_is_told(peers: Peers) -> None:
    url = peers.socketio(300, 1000, "a-token-of-theirs").url
    url = url.rstrip("/") + "/socket.io/?EIO=4&transport=websocket"
    bad = peers.wsdiag("ping", "-c", "1", "--hello", '40{"token":"another-one"}', "-o", "json", url)
    assert bad.code == 1
    error = bad.record("error")
    assert (error["phase"], error["kind"]) == ("hello", "refused")
    assert "not authorized" in error["message"]
    good = '40{"token":"a-token-of-theirs"}'
    peers.wsdiag("ping", "-c", "1", "--hello", good, "-o", "json", url, ok=0)


@pytest.mark.parametrize(("command", "code"), [("connect", 1), ("check", 3)])
def test_a_version_that_socket_io_refuses_behind_its_101_is_told(
    command: str, code: int, peers: Peers
) -> None:
    url = peers.socketio(300, 1000).url.rstrip("/") + "/socket.io/?EIO=3&transport=websocket"
    told = peers.wsdiag(command, "-o", "json", url, ok=code).out
    assert "(EIO=3): 400 Bad Request: Unsupported protocol version" in told
    assert "allowEIO3" in told


def test_a_broker_hears_from_the_client_as_often_as_its_connect_promised(
    peers: Peers, tmp_path: Path
) -> None:
    url = peers.mosquitto().url + "/mqtt"
    file = tmp_path / "connect"
    file.write_bytes(CONNECT_1_S)
    line = ["ping", "-c", "10", "-i", "1s", "-o", "json", "--hello", f"@{file}"]
    kept = peers.wsdiag(*line, "--dialect", "mqtt", url, ok=0)
    assert kept.record("ping.summary")["received"] == 10
    only = peers.wsdiag(*line, "--subprotocol", "mqtt", url)
    assert only.code == 1, "Pings do not count"


@pytest.mark.parametrize("name", ["socket.io", "python-socketio"])
def test_an_endpoint_that_ends_unanswered_heartbeats_is_no_idle_timeout(
    name: str, peers: Peers
) -> None:
    case = ENDPOINTS[name]
    url = case.start(peers).url.rstrip("/") + case.path
    probed = asyncio.run(probe(url, scaled(keepalive_s=0.5)))
    verdict = probed.verdict
    assert verdict.verdict == "application-timeout", probed
    assert verdict.application_timeout_s is not None
    assert verdict.application_timeout_s.low <= 1.0 <= (verdict.application_timeout_s.high or 0)
    assert verdict.keepalives["heartbeat"] == "holds", probed
    assert verdict.keepalives["ping"] == "drops"
    assert verdict.dialect is not None
    assert verdict.dialect.name == "socket.io"
    assert "lifetime" not in probed.words()
    assert "announced: 1 s" in probed.words()


def test_an_endpoint_that_wants_a_hello_has_no_lifetime(peers: Peers) -> None:
    url = peers.graphql_ws(1500, 0).url + "/graphql"
    dial = DialOptions(subprotocols=("graphql-transport-ws",))
    probed = asyncio.run(probe(url, scaled(to_s=3.0, keepalive_s=0.5), dial=dial))
    assert probed.verdict.verdict == "application-timeout", probed
    assert "--dialect graphql-transport-ws" in " ".join(probed.verdict.advice)
    greeted = DialOptions(dialect="graphql-transport-ws")
    probed = asyncio.run(probe(url, scaled(to_s=3.0, keepalive_s=0.5), dial=greeted))
    assert probed.verdict.verdict == "no-drop", probed
    assert probed.verdict.hello is not None
    assert probed.verdict.hello.sent


def test_a_broker_that_counts_only_its_own_packets_has_an_idle_timeout(
    peers: Peers, tmp_path: Path
) -> None:
    url = peers.mosquitto().url + "/mqtt"
    # Keep Alive 2 s, so 3 s; mosquitto looks at its clients every few seconds, and at all at once.
    hello = bytes.fromhex("100c00044d515454040200020000")
    dial = DialOptions(dialect="mqtt", hello=(hello,))
    options = scaled(to_s=9.0, step_s=1.0)
    probed = asyncio.run(probe(url, options, dial=dial))
    verdict = probed.verdict
    assert verdict.verdict == "idle-timeout", probed
    assert verdict.idle_timeout_s is not None
    assert (verdict.idle_timeout_s.high or 0.0) >= 3.0
    assert verdict.keepalives["ping"] == "drops"
    assert verdict.keepalives["heartbeat"] == "holds"
    assert "on its own" not in probed.words()
