"""Servers that people run, nginx and HAProxy before them: every failure reported is a real one."""

from __future__ import annotations

import base64
import os
import socket

import pytest

from tests.peers.peer import Peer
from tests.peers.peers import Peers

# What each of them really does against the RFC, proved below with plain sockets. Everything else
# must not fail; a rule that starts to fail here is a false alarm until it is proved as well.
REAL_FAILURES = {
    "websockets": set(),
    "aiohttp": {"unmasked-frame"},
    "node_ws": set(),
    "uvicorn": set(),
    "uvicorn-wsproto": set(),
}


def start(peers: Peers, name: str) -> Peer:
    if name == "uvicorn-wsproto":
        return peers.uvicorn(ws="wsproto")
    peer: Peer = getattr(peers, name)()
    return peer


def upgrade(peer: Peer, key: str) -> tuple[socket.socket, bytes]:
    sock = socket.create_connection((peer.host, peer.port), timeout=10)
    sock.sendall(
        f"GET / HTTP/1.1\r\nHost: {peer.host}:{peer.port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(4096)
    return sock, head


@pytest.mark.parametrize(
    "via",
    [
        "direct",
        pytest.param("nginx", marks=pytest.mark.nginx),
        pytest.param("haproxy", marks=pytest.mark.haproxy),
    ],
)
@pytest.mark.parametrize("name", REAL_FAILURES)
@pytest.mark.node
def test_only_real_failures(session_peers: Peers, name: str, via: str) -> None:
    peer = start(session_peers, name)
    if via != "direct":
        peer = getattr(session_peers, via)(peer)
    run = session_peers.wsdiag(
        "check",
        "--conformance",
        "--adversarial",
        "--timeout",
        "3",
        "-o",
        "json",
        peer.url,
        timeout=100,
    )
    results = run.of("check.result")
    assert len(results) > 50
    assert {r["id"] for r in results if r["status"] == "fail"} == REAL_FAILURES[name]
    assert [r["id"] for r in results if r.get("unmeasured")] == []
    assert run.code == (3 if REAL_FAILURES[name] else 0)


def test_aiohttp_really_accepts_unmasked_frames(peers: Peers) -> None:
    sock, head = upgrade(peers.aiohttp(), base64.b64encode(os.urandom(16)).decode())
    with sock:
        assert head.startswith(b"HTTP/1.1 101")
        sock.sendall(b"\x81\x05hello")
        assert sock.recv(7) == b"\x81\x05hello"


def test_a_key_of_five_bytes_is_nobodys_failure(peers: Peers) -> None:
    # "It is not necessary for the server to base64-decode" it (RFC 6455, 4.2.2)
    peer = peers.uvicorn(ws="wsproto")
    sock, head = upgrade(peer, base64.b64encode(b"short").decode())
    with sock:
        assert head.startswith(b"HTTP/1.1 101")
    run = peers.wsdiag("check", "--conformance", "--only", "key-*", "-o", "json", peer.url)
    assert {r["id"]: r["status"] for r in run.of("check.result")} == {
        "key-missing": "pass",
        "key-invalid": "warn",
    }
    assert run.code == 0


@pytest.mark.haproxy
def test_haproxy_answers_for_the_server_where_keys_are_concerned(peers: Peers) -> None:
    peer = peers.haproxy(peers.uvicorn(ws="wsproto"))
    sock, head = upgrade(peer, base64.b64encode(b"short").decode())
    with sock:
        assert head.startswith(b"HTTP/1.1 400")


def test_uvicorn_on_wsproto_really_ends_tcp_without_a_close(peers: Peers) -> None:
    sock, _ = upgrade(peers.uvicorn(ws="wsproto"), base64.b64encode(os.urandom(16)).decode())
    with sock:
        sock.sendall(b"\x83\x81\x00\x00\x00\x00x")
        assert sock.recv(64) == b""


def test_nginx_passes_fitness_checks_over_tls(peers: Peers, ca) -> None:  # type: ignore[no-untyped-def]
    url = peers.nginx(peers.websockets(), tls=True).url
    run = peers.wsdiag(
        "check",
        "-o",
        "json",
        "--cacert",
        str(ca.pem),
        "--send",
        "hi",
        "--expect",
        "^hi$",
        url,
        timeout=60,
    )
    status = {r["id"]: r["status"] for r in run.of("check.result")}
    assert status["certificate"] in ("pass", "fail")  # as long as the CA's certificates last
    assert status["message"] == status["ping"] == status["close"] == "pass"
