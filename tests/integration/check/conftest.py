"""What the tests of check share: a `wsdiag serve` for each module, and files for -f."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.peers import Peers


@pytest.fixture(scope="module")
def serve(session_peers: Peers) -> str:
    """The URL of a `wsdiag serve`."""
    return session_peers.serve()[0]


def write(tmp_path: Path, text: str) -> str:
    """Write a file of endpoints; its path."""
    path = tmp_path / "wsdiag.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)
