"""Servers and proxies by other people that speak HTTP/2 or HTTP/3, each as the test wants it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.peers.certs import Cert
from tests.peers.peer import Address, Peer
from tests.peers.ports import free_port
from tests.peers.process import Daemon, accepts
from tests.peers.servers import PROGRAMS, python_program, start_announcing, tls_arguments
from tests.peers.tools import packaged, require_node_ws, require_tool

HOST = "127.0.0.1"
HAPROXY = """\
global
  maxconn 256
defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
frontend in
  bind {host}:{port} ssl crt {bundle} alpn h2,http/1.1
  default_backend out
backend out
  server s1 {upstream}
"""
CADDY = """\
{{
  admin off
  auto_https off
  persist_config off
}}
https://{host}:{port}, https://localhost:{port} {{
  bind {host}
  tls {cert} {key}
  reverse_proxy {upstream}
}}
"""


def start_hypercorn(log: Path, cert: Cert | None) -> Peer:
    """Hypercorn: h2 and h3, or h2c without a certificate."""
    argv = python_program("hypercorn_echo.py", "--host", HOST, *tls_arguments(cert))
    peer = start_announcing(argv, log, host=HOST, tls=cert is not None)
    peer.daemon.wait_until(lambda: accepts(HOST, peer.port), "it listened")
    return peer


def start_node_http2(log: Path, cert: Cert) -> Peer:
    """Node's own HTTP/2 server with `enableConnectProtocol`."""
    argv = [require_tool("node"), str(PROGRAMS / "http2_echo.js"), HOST]
    argv += [str(cert.cert), str(cert.key)]
    return start_announcing(argv, log, host=HOST, tls=True, env=require_node_ws())


def start_haproxy(place: Path, upstream: Address, cert: Cert) -> Peer:
    """HAProxy with h2 on its bind line, HTTP/1.1 behind it."""
    port = free_port(HOST)
    config = place / "haproxy.cfg"
    values = {"host": HOST, "port": port, "bundle": cert.bundle, "upstream": upstream.authority}
    config.write_text(HAPROXY.format(**values))
    return _listening([require_tool("haproxy"), "-db", "-f", str(config)], place, port)


def start_nghttpx(
    place: Path, upstream: Address, cert: Cert, *, client_ca: Path | None = None
) -> Peer:
    """nghttpx in front of HTTP/1.1; `client_ca`: whose certificates clients must show."""
    port = free_port(HOST)
    argv = [require_tool("nghttpx"), "--conf=/dev/null", f"--frontend={HOST},{port}"]
    argv += ["--verify-client", f"--verify-client-cacert={client_ca}"] if client_ca else []
    argv += [f"--backend={upstream.host},{upstream.port}", str(cert.key), str(cert.cert)]
    return _listening([*argv, "--accesslog-file=/dev/null", "--workers=1"], place, port)


def start_caddy(place: Path, upstream: Address, cert: Cert, *, extended_connect: bool) -> Peer:
    """Caddy; Go advertises extended CONNECT only with a GODEBUG setting."""
    port = free_port(HOST)
    config = place / "Caddyfile"
    values = {"host": HOST, "port": port, "cert": cert.cert, "key": cert.key}
    config.write_text(CADDY.format(**values, upstream=upstream.authority))
    argv = [packaged("caddy"), "run", "--config", str(config), "--adapter", "caddyfile"]
    env = {"XDG_DATA_HOME": str(place), "XDG_CONFIG_HOME": str(place)}
    env |= {"GODEBUG": "http2xconnect=1"} if extended_connect else {}
    return _listening(argv, place, port, env=env)


def _listening(
    argv: Sequence[str], place: Path, port: int, *, env: Mapping[str, str] | None = None
) -> Peer:
    daemon = Daemon(argv, place / "log", env={**os.environ, **(env or {})})
    try:
        daemon.wait_until(lambda: accepts(HOST, port), "it listened")
    except BaseException:
        daemon.stop()
        raise
    return Peer(HOST, port, True, daemon)
