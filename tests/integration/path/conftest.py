"""A chain of five routers, shared by a module; what a test does to a router is undone after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers.certs import Authority
from tests.peers.chain import Chain
from tests.peers.peer import Peer
from tests.peers.peers import Peers


class Way:
    """A chain, and the endpoint at its far end."""

    def __init__(self, chain: Chain, peers: Peers) -> None:
        self.chain, self.peers = chain, peers
        self.server: Peer = peers.websockets(host=chain.server_address, netns=chain.server_ns)

    @property
    def url(self) -> str:
        host = self.chain.server_address
        return f"ws://{f'[{host}]' if ':' in host else host}:{self.server.port}/"


@contextmanager
def made_way(directory: Path, ca: Authority, routers: int, version: int = 4) -> Iterator[Way]:
    """So many routers that answer, and an endpoint behind them; gone with the block."""
    peers, chain = Peers(directory, ca), Chain(routers, version=version)
    try:
        chain.answer_all()
        yield Way(chain, peers)
    finally:
        peers.close()
        chain.remove()


@pytest.fixture(scope="module")
def module_way(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[Way]:
    with made_way(tmp_path_factory.mktemp("way4"), ca, 5) as way:
        yield way


@pytest.fixture(scope="module")
def way6(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[Way]:
    """Five routers, IPv6."""
    with made_way(tmp_path_factory.mktemp("way6"), ca, 5, 6) as way:
        yield way


@pytest.fixture
def way(module_way: Way) -> Iterator[Way]:
    """Five routers, IPv4."""
    yield module_way
    for router in range(1, 6):
        module_way.chain.flush(router)
