"""WebSockets over HTTP/2 and HTTP/3 through servers and proxies by other people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

import wsdiag
from tests.peers import http2_peers
from tests.peers.certs import Authority
from tests.peers.envoy import start_envoy
from tests.peers.peer import Address, Peer
from tests.peers.peers import Peers
from wsdiag.transport.dial.options import DialOptions, HttpVersion

KEY_NEEDED = "it opens with a Sec-WebSocket-Key, which no browser sends"


Fronts = Callable[[str], Peer]


@pytest.fixture(scope="module")
def fronts(
    tmp_path_factory: pytest.TempPathFactory, session_peers: Peers, ca: Authority
) -> Iterator[Fronts]:
    """Servers by name, started when first asked for; what is behind a proxy wants a key."""
    cert, behind = ca.cert(), session_peers.websockets()
    http2 = Address.of(session_peers.serve("--http2")[0])
    running: dict[str, Peer] = {}

    def start(name: str) -> Peer:
        place = tmp_path_factory.mktemp("front")
        match name:
            case "hypercorn":
                return http2_peers.start_hypercorn(place / "log", cert)
            case "hypercorn h2c":
                return http2_peers.start_hypercorn(place / "log", None)
            case "node":
                return http2_peers.start_node_http2(place / "log", cert)
            case "haproxy":
                return http2_peers.start_haproxy(place, behind, cert)
            case "nghttpx":
                return http2_peers.start_nghttpx(place, behind, cert)
            case "caddy" | "caddy with GODEBUG":
                extended = name != "caddy"
                return http2_peers.start_caddy(place, behind, cert, extended_connect=extended)
            case "envoy":
                return start_envoy(place, behind, cert)
            case _:
                return start_envoy(place, http2, cert, upstream_http2=True)

    def get(name: str) -> Peer:
        if name not in running:
            running[name] = start(name)
        return running[name]

    yield get
    for peer in running.values():
        peer.stop()


def connected(peer: Peer, ca: Authority, version: HttpVersion) -> wsdiag.ConnectResult:
    options = DialOptions(http_version=version, cacert=ca.pem, family=4)
    url = peer.url.replace("127.0.0.1", "localhost")
    return asyncio.run(wsdiag.connect(url + "/", options))


WORKS = ["hypercorn", "hypercorn h2c", "node", "haproxy", "nghttpx", "caddy with GODEBUG"]


@pytest.mark.parametrize("name", [*WORKS, "envoy before HTTP/2"])
def test_it_opens_over_http2(fronts: Fronts, ca: Authority, name: str) -> None:
    result = connected(fronts(name), ca, "2")
    assert result.ok, result.error
    assert result.http is not None
    assert (result.http.status, result.http.version) == (200, "2")
    assert result.phases.ping_ms is not None
    assert result.close is not None
    assert result.close.clean


@pytest.mark.parametrize("name", [name for name in WORKS if name != "hypercorn h2c"])
def test_the_look_says_that_it_works(fronts: Fronts, ca: Authority, name: str) -> None:
    result = connected(fronts(name), ca, "1.1")
    assert result.ok, result.error
    assert result.http2 is not None
    assert result.http2.ping_ms is not None
    rest = replace(result.http2, ping_ms=None)
    assert rest == wsdiag.Http2Info("h2", True, True, 200, None, None)


def test_envoy_before_http1_advertises_what_fails(fronts: Fronts, ca: Authority) -> None:
    result = connected(fronts("envoy"), ca, "1.1")
    assert result.ok
    look = result.http2
    assert look is not None
    assert (look.alpn, look.enable_connect_protocol, look.opens) == ("h2", True, False)
    assert look.status == 400
    assert KEY_NEEDED in (look.error or "")
    result = connected(fronts("envoy"), ca, "2")
    assert result.error is not None
    assert KEY_NEEDED in result.error.message
    assert "allow_connect" in (result.error.hint or "")


def test_caddy_advertises_nothing(fronts: Fronts, ca: Authority) -> None:
    result = connected(fronts("caddy"), ca, "1.1")
    assert result.ok
    assert result.http2 == wsdiag.Http2Info("h2", False, None, None, None, None)
    result = connected(fronts("caddy"), ca, "2")
    assert result.error is not None
    assert "ENABLE_CONNECT_PROTOCOL" in result.error.message


@pytest.mark.parametrize("name", ["hypercorn", "caddy"])
def test_it_opens_over_http3(fronts: Fronts, ca: Authority, name: str) -> None:
    for _ in range(2):  # leaving must not hurt the next one
        result = connected(fronts(name), ca, "3")
        assert result.ok, result.error
        assert result.http is not None
        assert result.http.version == "3"
        assert result.tls is not None
        assert (result.tls.alpn, result.tls.subject is not None) == ("h3", True)
        phases = result.phases
        assert None not in (phases.quic_ms, phases.settings_ms, phases.upgrade_ms, phases.ping_ms)
        assert phases.tcp_ms is None


def test_where_there_is_no_http3_nobody_answers(fronts: Fronts, ca: Authority) -> None:
    result = connected(fronts("haproxy"), ca, "3")
    assert result.error is not None
    assert (result.error.phase, result.error.kind) == ("quic", "refused")


@pytest.mark.parametrize(
    "args",
    [
        ("connect", "--http3", "ws://127.0.0.1:1/"),
        ("connect", "--http3", "-x", "http://127.0.0.1:1", "wss://127.0.0.1:1/"),
        ("connect", "--http2", "--http3", "wss://127.0.0.1:1/"),
        ("idle-probe", "--http3", "wss://127.0.0.1:1/"),
        ("idle-probe", "--one-connection", "ws://127.0.0.1:1/"),
        ("idle-probe", "--trials", "idle,h2-ping", "ws://127.0.0.1:1/"),
    ],
)
def test_what_cannot_be_is_a_usage_error(peers: Peers, args: tuple[str, ...]) -> None:
    assert peers.wsdiag(*args).code == 2
