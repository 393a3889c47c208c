"""Servers that many tests share, started when first asked for and ended with the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.real.paths import PATHS
from tests.peers.peer import Peer
from tests.peers.peers import Peers

Reach = Callable[[str], Peer]


@pytest.fixture(scope="session")
def reach(session_peers: Peers) -> Reach:
    """The server, or the proxy in front of it, of one of PATHS."""
    running: dict[str, Peer] = {}

    def get(name: str) -> Peer:
        if name not in running:
            running[name] = PATHS[name].start(session_peers)
        return running[name]

    return get
