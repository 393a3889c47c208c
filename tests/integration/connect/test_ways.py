"""--resolve, --unix-socket, -4, -6, zones and host names, against real sockets of both families."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.server import Server, ServerConnection, serve, unix_serve

from tests.peers.certs import Authority
from tests.peers.command import Record
from tests.peers.peers import Peers


def _say(ws: ServerConnection) -> None:
    for message in ws:
        ws.send(message)


class Serving:
    """Servers in threads; `hosts` are the Host headers they were asked with."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self._running: list[tuple[Server, threading.Thread]] = []

    def add(self, server: Server) -> Server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self._running.append((server, thread))
        return server

    def note(self, _: ServerConnection, request: object) -> None:
        self.hosts.append(request.headers["Host"])  # type: ignore[attr-defined]

    def stop(self) -> None:
        for server, thread in self._running:
            server.shutdown()
            thread.join(30)


@pytest.fixture
def serving() -> Iterator[Serving]:
    made = Serving()
    yield made
    made.stop()


@pytest.fixture
def both(serving: Serving) -> int:
    """A port that serves on 127.0.0.1 and on ::1, which are told apart by their addresses."""
    four = serving.add(serve(_say, "127.0.0.1", 0, process_request=serving.note))
    port: int = four.socket.getsockname()[1]
    sock = socket.create_server(("::1", port), family=socket.AF_INET6)
    serving.add(serve(_say, sock=sock, process_request=serving.note))
    return port


def connected(peers: Peers, *args: str) -> Record:
    return peers.wsdiag("connect", *args, "-x", "", "-o", "json", ok=0).record("connect.result")


@pytest.mark.parametrize(
    ("options", "address"),
    [
        (("--resolve", "far.test:{port}:127.0.0.1"), "127.0.0.1:{port}"),
        (("--resolve", "far.test:{port}:[::1]"), "[::1]:{port}"),
        (("--resolve", "*:{port}:[::1]"), "[::1]:{port}"),
        (("--resolve", "far.test:{port}:127.0.0.1,[::1]", "-6"), "[::1]:{port}"),
        (("--resolve", "far.test:{port}:[::1],127.0.0.1", "-4"), "127.0.0.1:{port}"),
    ],
)
def test_resolve(
    options: tuple[str, ...], address: str, both: int, serving: Serving, peers: Peers
) -> None:
    args = [option.format(port=both) for option in options]
    result = connected(peers, f"ws://far.test:{both}/", *args)
    assert result["address"] == address.format(port=both)
    assert "dns_ms" not in result["phases"]
    assert serving.hosts == [f"far.test:{both}"]


def test_resolve_is_what_tls_verifies(serving: Serving, ca: Authority, peers: Peers) -> None:
    made = ca.cert("far.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    port = serving.add(serve(_say, "127.0.0.1", 0, ssl=context)).socket.getsockname()[1]
    way = ("--resolve", f"far.test:{port}:127.0.0.1", "--cacert", str(ca.pem))
    assert connected(peers, f"wss://far.test:{port}/", *way)["tls"]["verified"] is True


@pytest.mark.parametrize("bad", ["far.test:80", "far.test:80:near.test", "far.test:x:127.0.0.1"])
def test_what_resolve_cannot_be_is_a_usage_error(bad: str, peers: Peers) -> None:
    run = peers.wsdiag("connect", "ws://far.test/", "--resolve", bad, ok=2)
    assert "HOST:PORT:ADDRESS" in " ".join(run.err.replace("│", "").split())


@pytest.mark.parametrize(("option", "other"), [("-4", "::1"), ("-6", "127.0.0.1")])
def test_a_family_that_the_address_is_not_of(
    option: str, other: str, both: int, peers: Peers
) -> None:
    way = ("--resolve", f"far.test:{both}:{other}")
    run = peers.wsdiag("connect", f"ws://far.test:{both}/", *way, option, "-o", "json", ok=1)
    error = run.record("connect.result")["error"]
    assert error["message"] == f"far.test has no IPv{option[1]} address"
    assert option in error["hint"]


@pytest.mark.parametrize("zone", ["%25lo", "%lo", "%251"])
def test_a_zone_is_connected_to_and_not_sent(
    zone: str, both: int, serving: Serving, peers: Peers
) -> None:
    result = connected(peers, f"ws://[::1{zone}]:{both}/")
    assert result["address"] == f"[::1]:{both}"
    assert serving.hosts == [f"[::1]:{both}"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ws://[fe80::1]:9/", "no interface was named"),
        ("ws://[fe80::1%25nosuch0]:9/", "no network interface nosuch0"),
    ],
)
def test_zones_that_cannot_be(url: str, words: str, peers: Peers) -> None:
    if words.startswith("no interface") and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    run = peers.wsdiag("connect", url, "-x", "", "-o", "json", ok=1)
    assert words in run.record("connect.result")["error"]["message"]


@pytest.mark.parametrize("tls", [False, True])
def test_a_unix_socket_has_a_host_of_its_own(
    tls: bool, serving: Serving, ca: Authority, tmp_path: Path, peers: Peers
) -> None:
    made = ca.cert("app.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    path = str(tmp_path / "app.sock")
    serving.add(unix_serve(_say, path, process_request=serving.note, ssl=context if tls else None))
    url = f"{'wss' if tls else 'ws'}://app.test/room?x=1"
    result = connected(peers, url, "--unix-socket", path, "--cacert", str(ca.pem))
    assert result["address"] == path
    assert serving.hosts == ["app.test"]
    assert (result.get("tls") or {"verified": True})["verified"] is True


def test_a_unix_socket_that_is_not_there_or_dead(tmp_path: Path, peers: Peers) -> None:
    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(dead))
    for path, words in ((tmp_path / "none", "there is no socket"), (dead, "nothing accepts")):
        run = peers.wsdiag("connect", "ws://h/", "--unix-socket", str(path), "-o", "json", ok=1)
        assert words in run.record("connect.result")["error"]["message"]
