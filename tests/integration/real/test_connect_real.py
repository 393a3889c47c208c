"""`wsdiag connect` against servers and proxies by other people."""

from __future__ import annotations

import pytest

from tests.integration.real.conftest import Reach
from tests.integration.real.paths import PATHS, every_path
from tests.peers.certs import Authority
from tests.peers.peers import Peers


@every_path
def test_connect_tells_what_was_negotiated(
    path: str, reach: Reach, peers: Peers, ca: Authority
) -> None:
    peer = reach(path)
    run = peers.wsdiag("connect", peer.url, "--cacert", str(ca.pem), "-o", "json", ok=0)
    result = run.record("connect.result")
    assert result["ok"] is True
    assert result["address"] == f"{peer.host}:{peer.port}"
    assert result["http"]["status"] == 101
    headers = {name.lower(): value for name, value in result["http"]["headers"]}
    assert headers["upgrade"].lower() == "websocket"
    server = PATHS[path].server
    assert server is None or server in headers["server"].lower()
    assert result["close"]["clean"] is True
    assert result["close"]["code"] == 1000
    phases = result["phases"]
    expected = {"tcp_ms", "upgrade_ms", "ping_ms", "close_ms", "total_ms"}
    expected |= {"tls_ms"} if peer.tls else set()
    assert expected <= set(phases)
    assert "tls_ms" in phases or not peer.tls
    total = phases.pop("total_ms")
    assert all(value >= 0 for value in phases.values())
    assert sum(phases.values()) <= total + 0.01


@every_path
def test_connect_in_text_is_for_people(
    path: str, reach: Reach, peers: Peers, ca: Authority
) -> None:
    peer = reach(path)
    run = peers.wsdiag("connect", peer.url, "--cacert", str(ca.pem), ok=0)
    assert peer.authority in run.out
    for phase in ("TCP", "Upgrade", "TLS")[: 3 if peer.tls else 2]:
        assert phase.lower() in run.out.lower(), run
    assert max(map(len, run.out.splitlines())) <= 80, run
    assert "Traceback" not in run.err


def test_tls_facts_name_the_certificate(peers: Peers, ca: Authority) -> None:
    peer = peers.websockets(tls=True)
    run = peers.wsdiag("connect", peer.url, "--cacert", str(ca.pem), "-o", "json", ok=0)
    tls = run.record("connect.result")["tls"]
    assert tls["version"] == "TLSv1.3"
    assert tls["verified"] is True
    assert any("127.0.0.1" in name for name in tls["sans"])
    assert "trustme" in tls["issuer"].lower()


def test_an_unknown_authority_is_a_certificate_error(peers: Peers) -> None:
    peer = peers.aiohttp(tls=True)
    run = peers.wsdiag("connect", peer.url, "-o", "json", ok=1)
    error = run.record("connect.result")["error"]
    assert error["kind"] == "cert"
    assert error["hint"]
    insecure = peers.wsdiag("connect", peer.url, "-k", "-o", "json", ok=0)
    assert insecure.record("connect.result")["tls"]["verified"] is False


def test_a_subprotocol_is_agreed_on(peers: Peers) -> None:
    peer = peers.websockets(subprotocols=["mqtt", "chat.v2"])
    run = peers.wsdiag("connect", peer.url, "--subprotocol", "chat.v2", "-o", "json", ok=0)
    assert run.record("connect.result")["subprotocol"] == "chat.v2"


@pytest.mark.parametrize("compression", [True, False])
def test_compression_is_agreed_on(compression: bool, peers: Peers) -> None:
    peer = peers.websockets(compression=compression)
    run = peers.wsdiag("connect", peer.url, "-o", "json", ok=0)
    extensions = run.record("connect.result")["extensions"]
    assert any("permessage-deflate" in each for each in extensions) is compression


@pytest.mark.nginx
def test_nginx_is_named_as_a_hop(peers: Peers) -> None:
    peer = peers.nginx(peers.websockets())
    run = peers.wsdiag("connect", peer.url, "-o", "json", ok=0)
    hops = run.record("connect.result")["hops"]
    assert any("nginx" in hop["product"].lower() for hop in hops)
