"""Where there is nothing between, and where there is no way to know."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.peers import Peers


def test_loopback_has_no_hops(peers: Peers) -> None:
    server = peers.websockets()
    run = peers.wsdiag("path", "-o", "json", server.url, ok=0)
    assert [record["type"] for record in run.records] == ["path.summary"]
    summary = run.record("path.summary")
    assert summary["hops"] == 0
    assert summary["notes"] == [f"no hops: {server.authority} is this machine"]
    assert "no hops" in peers.wsdiag("path", server.url, ok=0).out


def test_a_unix_socket_has_no_hops(peers: Peers, tmp_path: Path) -> None:
    path = str(tmp_path / "ws.sock")
    peers.websockets(unix=path)
    run = peers.wsdiag("path", "-o", "json", "--unix-socket", path, "ws://localhost/", ok=0)
    assert run.record("path.summary")["notes"] == [
        f"no hops: {path} is a Unix socket of this machine"
    ]


def test_what_cannot_be_reached_is_diagnosed(peers: Peers) -> None:
    run = peers.wsdiag("path", "-o", "json", "ws://127.0.0.1:1/", ok=1)
    assert run.record("error")["kind"] == "refused"


def test_other_systems_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import wsdiag.cli.commands.path as command

    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(SystemExit) as ended:
        command.path.main(["ws://127.0.0.1:1/"], standalone_mode=False)
    assert ended.value.code == 2
