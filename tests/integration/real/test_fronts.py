"""Real fronts that do not let a WebSocket through, each told by its own words or manners."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.certs import Authority
from tests.peers.peer import Peer
from tests.peers.peers import Peers
from tests.peers.proxies import launch
from tests.peers.tools import require_tool

HAPROXY = """\
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:{port} {bind}
  {rule}
"""
NGINX = """\
daemon off; pid {dir}/nginx.pid; error_log stderr; worker_processes 1;
events {{}}
http {{ access_log off;
  server {{ listen 127.0.0.1:{port} {listen}; {rule} }}
}}
"""


def haproxy(place: Path, *, bind: str = "", rule: str = "") -> Peer:
    tool = require_tool("haproxy")

    def make(port: int) -> list[str]:
        (place / "haproxy.cfg").write_text(HAPROXY.format(port=port, bind=bind, rule=rule))
        return [tool, "-db", "-f", str(place / "haproxy.cfg")]

    return launch(make, place / "log", host="127.0.0.1", tls=False, netns=None)


def nginx(place: Path, *, listen: str = "", rule: str = "", tls: bool = False) -> Peer:
    tool = require_tool("nginx")

    def make(port: int) -> list[str]:
        text = NGINX.format(port=port, listen=listen, rule=rule, dir=place)
        (place / "nginx.conf").write_text(text)
        return [tool, "-p", str(place), "-c", str(place / "nginx.conf")]

    return launch(make, place / "log", host="127.0.0.1", tls=tls, netns=None)


def mutual(place: Path, ca: Authority) -> Peer:
    made = ca.cert()
    rule = (
        f"ssl_certificate {made.cert}; ssl_certificate_key {made.key}; ssl_verify_client on;"
        f" ssl_client_certificate {ca.pem}; location / {{ return 204; }}"
    )
    return nginx(place, listen="ssl", rule=rule, tls=True)


FRONTS: dict[str, tuple[Callable[[Path, Authority], Peer], str, str]] = {
    "HAProxy, HTTP/2 only": (
        lambda place, _: haproxy(place, bind="proto h2"),
        "answers HTTP/2",
        "proto h2",
    ),
    "nginx, HTTP/2 only": (
        lambda place, _: nginx(place, listen="http2"),
        "HTTP/2 from the first byte",
        "HTTP/1.1",
    ),
    "HAProxy denies": (
        lambda place, _: haproxy(place, rule="http-request deny"),
        "HAProxy refused the request: 403",
        "deny",
    ),
    "HAProxy rejects, and answers HTTP/2": (
        lambda place, _: haproxy(place, rule="http-request reject"),
        "ended our HTTP/1.1 connection without a word",
        "or it speaks both",
    ),
    "HAProxy's tarpit": (
        lambda place, _: haproxy(place, rule="timeout tarpit 100ms\n  http-request tarpit"),
        "HAProxy failed or refused by itself: 500",
        "tarpit",
    ),
    "HAProxy without a backend": (lambda place, _: haproxy(place), "503", "backend"),
    "nginx wants a client certificate": (mutual, "requires a client certificate", "--cert FILE"),
    "nginx wants a password": (
        lambda place, _: nginx(
            place, rule="location / { auth_basic x; auth_basic_user_file /dev/null; }"
        ),
        "requires authentication",
        "-u USER:PASSWORD",
    ),
    "nginx sends to TLS": (
        lambda place, _: nginx(place, rule="return 301 https://far.test$request_uri;"),
        "to wss://far.test/ws?a=1&b=2",
        "wsdiag connect -L 'ws://",
    ),
}


@pytest.mark.parametrize("name", FRONTS)
def test_each_front_has_its_diagnosis(
    name: str, tmp_path: Path, ca: Authority, peers: Peers
) -> None:
    start, seen, change = FRONTS[name]
    peer = start(tmp_path, ca)
    try:
        url = f"{peer.url.rstrip('/')}/ws?a=1&b=2"
        run = peers.wsdiag("connect", url, "--cacert", str(ca.pem), "-o", "json", ok=1)
    finally:
        peer.stop()
    error = run.record("connect.result")["error"]
    assert seen in error["message"]
    assert change in error["hint"]
