"""The test harness's own promises: nothing outlives the run, and nothing is skipped in silence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.waiting import wait_for
from tests.peers import tools
from tests.peers.netns import NETNS, sweep
from tests.peers.process import Daemon, PeerDied

ROOT = Path(__file__).resolve().parents[3]

KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from tests.peers.process import Daemon
child = Daemon([sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1]))
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")
def test_children_of_a_killed_run_die(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", KILLED_RUN, str(tmp_path / "log")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=60,
    )
    assert run.returncode == -signal.SIGKILL
    pid = int(run.stdout)
    wait_for(lambda: not alive(pid), seen=lambda: "the child outlived the run")


def test_a_daemon_that_dies_says_what_it_said(tmp_path: Path) -> None:
    daemon = Daemon(
        [sys.executable, "-c", "print('no such luck'); raise SystemExit(3)"], tmp_path / "log"
    )
    with pytest.raises(PeerDied, match=r"ended \(3\)(?s:.*)no such luck"):
        daemon.wait_until(lambda: False, "it was ready")


def test_a_daemon_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    daemon = Daemon([sys.executable, "-c", "import time; time.sleep(600)"], tmp_path / "log")
    try:
        with pytest.raises(PeerDied, match="no readiness in"):
            daemon.wait_until(lambda: False, "readiness", within_s=0.2)
    finally:
        daemon.stop()
    assert not alive(daemon.pid)


def test_a_missing_tool_skips_and_fails_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is not installed"):
        tools.require_tool("no-such-tool")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-tool is not installed"):
        tools.require_tool("no-such-tool")


@pytest.mark.netns
def test_namespaces_of_a_dead_run_are_swept() -> None:
    tools.require_root_netns()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(60)
    name = f"wsd{ended.pid}left1"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=20)
    ours = f"wsd{os.getpid()}kept1"
    subprocess.run(["ip", "netns", "add", ours], check=True, timeout=20)
    try:
        sweep()
        assert not (NETNS / name).exists()
        assert (NETNS / ours).exists()
    finally:
        subprocess.run(["ip", "netns", "del", ours], check=True, timeout=20)
