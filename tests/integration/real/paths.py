"""The servers, and the proxies in front of them, that connect and ping are held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.peers.peer import Peer
from tests.peers.peers import Peers


@dataclass(frozen=True, slots=True)
class Path:
    """A way to an echo server; `server` is what the answer's Server header must contain, if any."""

    start: Callable[[Peers], Peer]
    server: str | None = None


PATHS = {
    "websockets": Path(lambda peers: peers.websockets(), "websockets"),
    "websockets-tls": Path(lambda peers: peers.websockets(tls=True), "websockets"),
    "aiohttp": Path(lambda peers: peers.aiohttp(), "aiohttp"),
    "aiohttp-tls": Path(lambda peers: peers.aiohttp(tls=True), "aiohttp"),
    "node": Path(lambda peers: peers.node_ws()),
    "node-tls": Path(lambda peers: peers.node_ws(tls=True)),
    "nginx": Path(lambda peers: peers.nginx(peers.node_ws()), "nginx"),
    "nginx-tls": Path(lambda peers: peers.nginx(peers.websockets(), tls=True), "nginx"),
    "haproxy": Path(lambda peers: peers.haproxy(peers.aiohttp(), tunnel_s=30)),
    "haproxy-tls": Path(lambda peers: peers.haproxy(peers.websockets(tls=True), tls=True)),
    "apache": Path(lambda peers: peers.apache(peers.websockets())),
}
every_path = pytest.mark.parametrize("path", PATHS)
