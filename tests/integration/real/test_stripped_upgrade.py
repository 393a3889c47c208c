"""Proxies whose configuration does not pass the upgrade on, and refusals of all kinds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.peers.command import Record
from tests.peers.peer import Peer
from tests.peers.peers import Peers

STRIPPING: dict[str, tuple[Callable[[Peers], Peer], tuple[str, ...]]] = {
    "nginx": (
        lambda peers: peers.nginx(peers.websockets(), forward_upgrade=False),
        ("proxy_http_version 1.1", "proxy_set_header Upgrade", "proxy_set_header Connection"),
    ),
    "apache": (
        lambda peers: peers.apache(peers.websockets(), forward_upgrade=False),
        ("upgrade=websocket",),
    ),
}


def refusal(peers: Peers, url: str) -> tuple[Record, str]:
    """The error as a record, and the whole text a person gets."""
    result = peers.wsdiag("connect", url, "-o", "json", ok=1).record("connect.result")
    assert result["ok"] is False
    told = peers.wsdiag("connect", url, ok=1)
    assert "Traceback" not in told.out + told.err
    error: Record = result["error"]
    return error, told.out + told.err


@pytest.mark.parametrize("product", STRIPPING)
def test_a_proxy_that_strips_upgrade_is_told_how_to_mend_it(product: str, peers: Peers) -> None:
    start, directives = STRIPPING[product]
    error, told = refusal(peers, start(peers).url)
    assert error["kind"] == "upgrade"
    assert "upgrade" in (error["message"] + error["hint"]).lower()
    flat = " ".join(told.split())
    for directive in directives:
        assert directive in flat, told


@pytest.mark.parametrize("library", ["websockets", "aiohttp", "node_ws"])
def test_nginx_strips_upgrade_before_any_server(library: str, peers: Peers) -> None:
    """The servers answer a stripped request differently: 400, 426, a page; the cause is one."""
    proxy = peers.nginx(getattr(peers, library)(), forward_upgrade=False)
    error, told = refusal(peers, proxy.url)
    assert error["kind"] == "upgrade"
    assert "proxy_set_header Upgrade" in " ".join(told.split()), told


STATUSES = [200, 400, 401, 403, 404, 426, 429, 502, 503]


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_instead_of_101_is_shown_with_its_body(status: int, peers: Peers) -> None:
    peer = peers.http(status, [("Server", "acme")], "sorry\x1b[2J, not today\nsecond line")
    error, told = refusal(peers, peer.url)
    assert error["kind"] == "upgrade"
    assert str(status) in error["message"]
    assert error["hint"]
    assert "not today" in told
    assert "\x1b[2J" not in told


def test_a_redirect_is_not_followed_unasked(peers: Peers) -> None:
    target = peers.websockets()
    peer = peers.http(301, [("Location", f"{target.http_url}/there")])
    error, told = refusal(peers, peer.url)
    assert (error["kind"], error["phase"]) == ("redirect", "upgrade")
    assert "-L" in told
    assert f"{target.port}/there" in told


def test_a_redirect_is_followed_when_asked(peers: Peers) -> None:
    target = peers.websockets()
    peer = peers.http(301, [("Location", f"{target.http_url}/there")])
    followed = peers.wsdiag("connect", peer.url, "-L", "-o", "json", ok=0)
    assert followed.record("connect.result")["address"].endswith(f":{target.port}")


@pytest.mark.nginx
def test_a_dead_upstream_is_a_bad_gateway(peers: Peers) -> None:
    upstream = peers.websockets()
    proxy = peers.nginx(upstream)
    upstream.stop()
    error, _ = refusal(peers, proxy.url)
    assert error["kind"] == "upgrade"
    assert "502" in error["message"]


@pytest.mark.haproxy
def test_a_dead_upstream_is_unavailable(peers: Peers) -> None:
    upstream = peers.websockets()
    proxy = peers.haproxy(upstream)
    upstream.stop()
    error, _ = refusal(peers, proxy.url)
    assert "503" in error["message"]


NOT_HTTP = {
    "ssh": (b"SSH-2.0-OpenSSH_9.2p1\r\n", ("upgrade", "protocol")),
    "nothing": (b"", ("upgrade", "closed")),
    "half": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso", ("upgrade", "closed")),
    "wrong accept": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        ("upgrade", "protocol"),
    ),
}


@pytest.mark.parametrize("name", NOT_HTTP)
def test_what_is_no_handshake_is_told_apart(name: str, peers: Peers) -> None:
    raw, kinds = NOT_HTTP[name]
    error, _ = refusal(peers, peers.http(raw=raw).url)
    assert error["kind"] in kinds
    assert error["phase"] == "upgrade"


def test_tls_on_a_plain_port_and_plain_on_a_tls_port(peers: Peers) -> None:
    plain, secure = peers.websockets(), peers.websockets(tls=True)
    error, told = refusal(peers, plain.url.replace("ws://", "wss://"))
    assert error["kind"] == "tls"
    assert "ws://" in told
    error, told = refusal(peers, secure.url.replace("wss://", "ws://"))
    assert "wss://" in told
