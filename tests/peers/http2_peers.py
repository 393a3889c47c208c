"""Servers and proxies by other people that speak HTTP/2 or HTTP/3, each as the test wants it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.peers.certs import Cert
from tests.peers.peer import Address, Peer
from tests.peers.ports import free_port
from tests.peers.process import Daemon, accepts
from tests.peers.servers import PROGRAMS, python_program, start_announcing, tls_arguments
from tests.peers.tools import missing, require_node_ws, require_tool

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
TYPES = "type.googleapis.com/envoy.extensions"
ENVOY = """\
static_resources:
  listeners:
  - name: in
    address: {{socket_address: {{address: {host}, port_value: {port}}}}}
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": {types}.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_certificates:
            - certificate_chain: {{filename: {cert}}}
              private_key: {{filename: {key}}}
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {types}.filters.network.{manager}.v3.HttpConnectionManager
          stat_prefix: in
          upgrade_configs: [{{upgrade_type: websocket}}]
          http2_protocol_options: {{allow_connect: true}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: /}}, route: {{cluster: out, timeout: 0s}}}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": {types}.filters.http.router.v3.Router
  clusters:
  - name: out
    connect_timeout: 5s
    type: STATIC
    {upstream_http}
    load_assignment:
      cluster_name: out
      endpoints:
      - lb_endpoints:
        - endpoint:
            address: {{socket_address: {{address: {upstream_host}, port_value: {upstream_port}}}}}
"""
ENVOY_HTTP2 = """typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {allow_connect: true}}"""


def packaged(name: str) -> str:
    """A program that the `dev` extra installs beside this Python."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        missing(f"{name} is not installed (pip install 'wsdiag[dev]')")
    return str(path)


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


def start_envoy(place: Path, upstream: Address, cert: Cert, *, upstream_http2: bool) -> Peer:
    """Envoy with `allow_connect`; behind it HTTP/2 or HTTP/1.1."""
    port = free_port(HOST)
    config = place / "envoy.yaml"
    values = {"host": HOST, "port": port, "cert": cert.cert, "key": cert.key, "types": TYPES}
    values |= {
        "manager": "http_connection_manager",
        "upstream_host": upstream.host,
        "upstream_port": upstream.port,
    }
    values["upstream_http"] = ENVOY_HTTP2 if upstream_http2 else ""
    config.write_text(ENVOY.format(**values))
    argv = [packaged("envoy"), "-c", str(config), "--use-dynamic-base-id", "-l", "warning"]
    return _listening([*argv, "--concurrency", "1"], place, port)


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
