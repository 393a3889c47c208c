"""Logs that HAProxy and nginx wrote of real runs: ages, and the flags in words."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from tests.integration.explain.recording import drained, opened
from tests.peers.envoy import start_envoy
from tests.peers.peers import Peers
from tests.peers.proxies import launch
from tests.peers.tools import require_tool

HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout tunnel 1500ms
  log 127.0.0.1:{log} local0
  option httplog
frontend in
  bind 127.0.0.1:{port}
  default_backend out
backend out
  server s {upstream}
"""


@pytest.mark.haproxy
def test_haproxys_log_says_which_timeout(peers: Peers, tmp_path: Path) -> None:
    haproxy, upstream = require_tool("haproxy"), peers.websockets()
    log, config = tmp_path / "haproxy.log", tmp_path / "haproxy.cfg"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog, log.open("wb") as file:
        syslog.bind(("127.0.0.1", 0))
        syslog.settimeout(20)

        def make(port: int) -> list[str]:
            config.write_text(
                HAPROXY.format(log=syslog.getsockname()[1], port=port, upstream=upstream.authority)
            )
            return [haproxy, "-db", "-f", str(config)]

        peer = launch(make, tmp_path / "out", host="127.0.0.1", tls=False, netns=None)
        try:
            clients = [opened(peer.host, peer.port) for _ in range(6)]
            threads = [threading.Thread(target=drained, args=(one,)) for one in clients[:5]]
            for thread in threads:
                thread.start()
            clients[5].close()
            for thread in threads:
                thread.join(20)
            logged = 0
            while logged < len(clients):  # it tells of its start as well
                line = syslog.recv(8192).rstrip(b"\n")
                file.write(line + b"\n")
                logged += b" 101 " in line
        finally:
            peer.stop()
    run = peers.wsdiag("explain", "-o", "json", str(log), ok=0)
    found = run.record("explain.verdict")
    assert found["verdict"] == "idle-timeout", found
    assert found["outcomes"]["idle-timeout"] == 5
    assert any("timeout tunnel" in said for said in found["explanation"])
    for one in run.of("explain.connection"):
        assert one["http"]["status"] == 101
        if one["outcome"] == "idle-timeout":
            assert one["ended_by"] == "middlebox"
            assert one["age_s"] == pytest.approx(1.5, abs=0.5)


def test_envoys_log_as_it_comes(peers: Peers, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    peer = start_envoy(tmp_path, peers.websockets(), idle_s=1.5, access_log=log)
    try:
        clients = [opened(peer.host, peer.port) for _ in range(5)]
        threads = [threading.Thread(target=drained, args=(one,)) for one in clients[:4]]
        for thread in threads:
            thread.start()
        clients[4].close()
        for thread in threads:
            thread.join(20)
        until = time.monotonic() + 20  # it writes what it has every ten seconds
        while time.monotonic() < until and (not log.exists() or log.read_text().count("\n") < 5):
            time.sleep(0.2)
    finally:
        peer.stop()
    run = peers.wsdiag("explain", "-o", "json", str(log), ok=0)
    found = run.record("explain.verdict")
    assert (found["verdict"], found["outcomes"]) == (
        "idle-timeout",
        {"idle-timeout": 4, "client-gone": 1},
    )
    assert "4 of 5 were ended by an idle timeout of the proxy" in found["explanation"][0]
    for one in run.of("explain.connection"):
        assert (one["http"]["status"], one["client"]) == (101, None)
        by = {"idle-timeout": "middlebox", "client-gone": "client"}
        assert one["ended_by"] == by[one["outcome"]]


def test_six_hundred_lines() -> None:
    import random

    from wsdiag.judgement.recorded.facts import ConnectionFacts
    from wsdiag.judgement.recorded.together import Together

    chance, together = random.Random(7), Together(["access.log"])
    reload_at = 1_700_010_007.0
    ended = [(60.0 + chance.uniform(0, 0.2), None) for _ in range(412)]
    ended += [(chance.uniform(30, 4000), reload_at) for _ in range(83)]
    ended += [(chance.expovariate(1 / 400), None) for _ in range(105)]
    for number, (age_s, moment) in enumerate(ended):
        end = moment or 1_700_000_000 + chance.uniform(0, 20000)
        facts = ConnectionFacts("access.log", began=end - age_s, opened_s=0.0)
        facts.ended_s = facts.recorded_s = age_s
        together.add(facts, number, "ws://log.test/")
    (found,) = together.verdicts()
    timer, event, rest = found.explanation
    assert timer.startswith("41")
    assert "of 600 ended at 60.0 to 60.2 s: a timer" in timer
    assert "83 ended within one second at" in event
    assert "as people leave" in rest
    assert any("nginx" in one.product for one in found.candidates)
    assert found.outcomes["event"] in (82, 83)
