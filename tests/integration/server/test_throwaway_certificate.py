"""`serve --tls` by each of its tools, and what it says without any."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.peers.peers import Peers


def environment(tool: str, tmp_path: Path) -> dict[str, str]:
    """One in which only this tool can be found."""
    if tool == "cryptography":
        return {"PATH": str(tmp_path)}
    (tmp_path / "cryptography.py").write_text("raise ImportError('hidden')\n")
    (tmp_path / "bin").mkdir()
    if tool == "openssl":
        openssl = shutil.which("openssl")
        assert openssl is not None
        (tmp_path / "bin/openssl").symlink_to(openssl)
    return {"PATH": str(tmp_path / "bin"), "PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize("tool", ["cryptography", "openssl"])
def test_what_it_writes_is_what_clients_trust(tool: str, peers: Peers, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    args = ("serve", "--port", "0", "--tls", "--ca-out", str(ca), "-o", "json")
    served = peers.start_wsdiag(*args, env=environment(tool, tmp_path))
    url = served.wait_record("serve.listening")["url"]
    run = peers.wsdiag("connect", url, "--cacert", str(ca), "-o", "json", ok=0)
    assert run.record("connect.result")["tls"]["verified"] is True
    assert b"PRIVATE" not in ca.read_bytes()


def test_with_neither_it_is_a_usage_error_that_helps(peers: Peers, tmp_path: Path) -> None:
    run = peers.wsdiag("serve", "--port", "0", "--tls", env=environment("none", tmp_path))
    assert run.code == 2
    said = " ".join(run.err.replace("│", "").split())
    for word in ("--tls", "pip install 'wsdiag[tls]'", "openssl", "--cert"):
        assert word in said, run
