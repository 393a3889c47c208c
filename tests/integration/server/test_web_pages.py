"""A page of the web reaches a local server only where that was allowed."""

from __future__ import annotations

import http.client

import pytest

from tests.integration.server.serving import serving
from tests.peers.peers import Peers
from wsdiag.server.options import ServerOptions


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "localhost:8765", True),
        ("http://localhost:3000", "127.0.0.1:8765", True),
        ("http://[::1]:3000", "[::1]:8765", True),
        ("http://192.0.2.7:8765", "192.0.2.7:8765", True),
        ("https://app.example", "localhost:8765", True),
        ("https://APP.example/", "localhost:8765", True),
        ("https://evil.example", "localhost:8765", False),
        ("http://evil.example:8765", "evil.example:8765", False),
        ("http://localhost.evil.example", "localhost:8765", False),
        ("null", "localhost:8765", False),
        ("http://[", "localhost:8765", False),
    ],
)
def test_origins(origin: str | None, host: str, allowed: bool) -> None:
    options = ServerOptions(allow_origins=("https://app.example",))
    assert options.allows_origin(origin, host) is allowed
    assert ServerOptions(allow_origins=("*",)).allows_origin(origin, host)


def get(port: int, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers=headers)
    return connection.getresponse().status


def test_figures_are_told_under_an_address_only() -> None:
    with serving() as server:
        port = int(server.url.rpartition(":")[2])
        for path in ("/stats", "/headers"):
            assert get(port, path, {}) == 200
            assert get(port, path, {"Host": "rebound.example"}) == 403
        upgrade = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
        }
        assert get(port, "/", upgrade | {"Origin": "https://evil.example"}) == 403


def test_the_command_says_so_and_lets_in_whom_it_is_told_to(peers: Peers) -> None:
    for more, code in (((), 1), (("--allow-origin", "https://app.example"), 0)):
        url, _ = peers.serve(*more)
        run = peers.wsdiag("connect", url, "--origin", "https://app.example")
        assert run.code == code, run
        assert ("--allow-origin" in run.out + run.err) is (code == 1)
