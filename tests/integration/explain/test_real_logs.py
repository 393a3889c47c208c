"""Logs that HAProxy and nginx wrote of real runs: ages, and the flags in words."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.explain.recording import drained, opened
from tests.integration.waiting import wait_for
from tests.peers.envoy import start_envoy
from tests.peers.peer import Peer
from tests.peers.peers import Peers
from tests.peers.proxies import launch
from tests.peers.tools import require_tool
from tests.unit.capture.test_logs import NGINX_FORMAT, read
from wsdiag.capture.logs import compile_format
from wsdiag.judgement.recorded.facts import ConnectionFacts

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
        logged(log, 5, "\n")  # it writes what it has every ten seconds
    finally:
        peer.stop()
    run = peers.wsdiag("explain", "-o", "json", str(log), ok=0)
    found = run.record("explain.verdict")
    assert (found["verdict"], found["outcomes"]) == (
        "idle-timeout",
        {"idle-timeout": 4, "unknown": 1},
    )
    assert "4 of 5 were ended by an idle timeout of the proxy" in found["explanation"][0]
    for one in run.of("explain.connection"):
        assert (one["http"]["status"], one["client"]) == (101, None)
        by = {"idle-timeout": "middlebox", "unknown": "unknown"}
        assert one["ended_by"] == by[one["outcome"]]


# -- what is read of a line --------------------------------------------------------------------


def idle_until_its_end(peer: Peer, path: str) -> tuple[float, float]:
    """When a connection that says nothing was asked for, and when it was ended, in Unix time."""
    begun = time.time()
    with opened(peer.host, peer.port, path) as idle:
        assert idle.recv(1) == b""
    return begun, time.time()


def assert_lived(facts: ConnectionFacts, lived: tuple[float, float], *, exact_to_s: float) -> None:
    """A timeout of 1 s ended it; `exact_to_s`: the log's moments."""
    begun, ended = lived
    assert facts.ended_s is not None
    assert facts.began is not None
    assert 0.95 <= facts.ended_s <= ended - begun + 0.1
    assert begun - exact_to_s <= facts.began <= ended - facts.ended_s + 0.1


def logged(file: Path, count: int, pattern: str) -> str:
    """The log, once it has so many lines that `pattern` is found in."""

    def text() -> str:
        return file.read_text() if file.exists() else ""

    wait_for(lambda: len(re.findall(pattern, text())) >= count, seen=text)
    return text()


@pytest.mark.nginx
def test_a_real_log_of_nginx(peers: Peers, tmp_path: Path) -> None:
    nginx = require_tool("nginx")
    upstream = urlsplit(peers.serve()[0]).netloc
    config, log = tmp_path / "nginx.conf", tmp_path / "access.log"

    def make(port: int) -> list[str]:
        user = "user root;" if os.geteuid() == 0 else ""
        temporary = " ".join(
            f"{name}_temp_path {tmp_path}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config.write_text(
            f"daemon off; worker_processes 1; {user} pid {tmp_path}/pid; error_log stderr;\n"
            f"events {{ }} http {{ {temporary} log_format timed '{NGINX_FORMAT}';\n"
            f"access_log {log} timed; server {{ listen 127.0.0.1:{port}; location / {{\n"
            f"proxy_pass http://{upstream}; proxy_http_version 1.1; proxy_read_timeout 1s;\n"
            'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; } } }'
        )
        return [nginx, "-p", str(tmp_path), "-c", str(config), "-e", "stderr"]

    peer = launch(make, tmp_path / "log", host="127.0.0.1", tls=False, netns=None)
    try:
        lived = idle_until_its_end(peer, "/idle/60?drop=fin")
        with opened(peer.host, peer.port, "/idle/60") as left:
            time.sleep(0.2)
            left.shutdown(socket.SHUT_WR)
        text = logged(log, 2, "GET /idle/60")
    finally:
        peer.stop()
    for parse in (None, compile_format(NGINX_FORMAT)):
        found, reader = read(text, parse)
        assert reader.totals.unreadable == 0
        first, second = sorted(found, key=lambda facts: facts.path or "", reverse=True)
        assert_lived(first, lived, exact_to_s=1.1)
        assert first.path == "/idle/60?drop=fin"
        assert second.ended_s is not None
        assert second.ended_s >= 0.15


@pytest.mark.haproxy
@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_a_real_log_of_haproxy(mode: str, peers: Peers, tmp_path: Path) -> None:
    haproxy = require_tool("haproxy")
    upstream = urlsplit(peers.serve()[0]).netloc
    config, log = tmp_path / "haproxy.cfg", tmp_path / "log"

    def make(port: int) -> list[str]:
        config.write_text(
            f"global\n  log stdout format raw local0\ndefaults\n  mode {mode}\n  log global\n"
            f"  option {mode}log\n  timeout connect 5s\n  timeout client 10s\n"
            f"  timeout server 10s\n  timeout tunnel 1s\n"
            f"frontend in\n  bind 127.0.0.1:{port}\n  default_backend out\n"
            f"backend out\n  server s1 {upstream}\n"
        )
        return [haproxy, "-db", "-f", str(config)]

    peer = launch(make, log, host="127.0.0.1", tls=False, netns=None)
    try:
        lived = idle_until_its_end(peer, "/idle/60")
        # in mode tcp the connection that waited for the port has a line of its own
        text = logged(log, 1, r" [cs]D(--)? ")
    finally:
        peer.stop()
    found, reader = read(text)
    assert reader.format == "HAProxy"
    timed_out = [facts for facts in found if facts.log_flags in ("cD", "sD")]
    assert len(timed_out) == 1, text
    (facts,) = timed_out
    assert_lived(facts, lived, exact_to_s=0.1)
    assert facts.path == ("/idle/60" if mode == "http" else None)
    assert "timeout tunnel" in (facts.log_words or "")
