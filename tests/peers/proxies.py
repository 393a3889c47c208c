"""nginx, HAProxy and Apache in front of a server: one template each, filled with what tests vary.

The directives under test are the products' own documented ones; see each product's manual.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.peers.certs import Cert
from tests.peers.netns import entered
from tests.peers.peer import Peer
from tests.peers.ports import free_port
from tests.peers.process import Daemon, PeerDied, accepts
from tests.peers.tools import require_tool

ATTEMPTS = 4

NGINX = """\
daemon off; master_process on; worker_processes 1; {user}
pid {dir}/nginx.pid; error_log stderr info;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  server {{
    listen {host}:{port}{ssl};
    {certificate}
    location / {{
      proxy_pass {upstream_scheme}://{upstream};
      {forward}
      proxy_read_timeout {read_timeout_ms}ms;
      proxy_send_timeout {send_timeout_ms}ms;
    }}
  }}
}}
"""
NGINX_FORWARD = (
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    'proxy_set_header Connection "upgrade"; proxy_set_header Host $host;'
)
NGINX_STREAM = """\
{module}
daemon off; master_process on; worker_processes 1; {user}
pid {dir}/nginx.pid; error_log stderr info;
events {{ worker_connections 256; }}
stream {{ server {{ listen {host}:{port}; proxy_pass {upstream}; proxy_timeout {timeout_ms}ms; }} }}
"""
HAPROXY = """\
global
  maxconn 256
defaults
  mode http
  timeout connect 5s
  timeout client {client_ms}ms
  timeout server {server_ms}ms
  {tunnel}
frontend in
  bind {host}:{port}{ssl}
  default_backend out
backend out
  server s1 {upstream}{upstream_ssl}
"""
APACHE = """\
ServerRoot {dir}
ServerName localhost
PidFile {dir}/httpd.pid
Listen {host}:{port}
{user}
ErrorLog {dir}/error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
{wstunnel}
Timeout {timeout_s}
ProxyTimeout {timeout_s}
ProxyPass "/" "{scheme}://{upstream}/"{options}
"""
APACHE_MODULES = "/usr/lib/apache2/modules"


def launch(
    make: Callable[[int], list[str]], log: Path, *, host: str, tls: bool, netns: str | None
) -> Peer:
    """Start `make(port)` and wait until `host:port` accepts; another port where one was taken."""
    for attempt in range(ATTEMPTS):
        with entered(netns):
            port = free_port(host)
        daemon = Daemon(make(port), log, netns=netns)

        def ready(port: int = port) -> bool:
            with entered(netns):
                return accepts(host, port)

        try:
            daemon.wait_until(ready, f"it accepted at {host}:{port}")
        except BaseException as error:
            daemon.stop()
            taken = isinstance(error, PeerDied) and "in use" in str(error).lower()
            if taken and attempt + 1 < ATTEMPTS:
                continue
            raise
        return Peer(host, port, tls, daemon)
    raise AssertionError("unreachable")


def _nginx_user() -> str:
    return "user root;" if os.geteuid() == 0 else ""


def start_nginx(
    directory: Path,
    upstream: str,
    *,
    host: str,
    cert: Cert | None,
    upstream_tls: bool,
    read_timeout_s: float,
    send_timeout_s: float,
    forward_upgrade: bool,
    netns: str | None,
) -> Peer:
    """nginx's http proxy; without `forward_upgrade` it strips Upgrade, as its defaults do."""
    nginx = require_tool("nginx")
    config = directory / "nginx.conf"
    certificate = f"ssl_certificate {cert.cert}; ssl_certificate_key {cert.key};" if cert else ""

    def make(port: int) -> list[str]:
        config.write_text(
            NGINX.format(
                user=_nginx_user(),
                dir=directory,
                host=host,
                port=port,
                ssl=" ssl" if cert else "",
                certificate=certificate,
                upstream=upstream,
                upstream_scheme="https" if upstream_tls else "http",
                forward=NGINX_FORWARD if forward_upgrade else "",
                read_timeout_ms=round(read_timeout_s * 1000),
                send_timeout_ms=round(send_timeout_s * 1000),
            )
        )
        return [nginx, "-p", str(directory), "-c", str(config), "-e", "stderr"]

    return launch(make, directory / "log", host=host, tls=cert is not None, netns=netns)


def start_nginx_stream(directory: Path, upstream: str, *, host: str, timeout_s: float) -> Peer:
    """nginx as a plain TCP proxy."""
    nginx = require_tool("nginx")
    config = directory / "nginx.conf"
    loadable = Path("/usr/lib/nginx/modules/ngx_stream_module.so")

    def make(port: int) -> list[str]:
        config.write_text(
            NGINX_STREAM.format(
                module=f"load_module {loadable};" if loadable.exists() else "",
                user=_nginx_user(),
                dir=directory,
                host=host,
                port=port,
                upstream=upstream,
                timeout_ms=round(timeout_s * 1000),
            )
        )
        return [nginx, "-p", str(directory), "-c", str(config), "-e", "stderr"]

    return launch(make, directory / "log", host=host, tls=False, netns=None)


def start_haproxy(
    directory: Path,
    upstream: str,
    *,
    host: str,
    cert: Cert | None,
    upstream_tls: bool,
    tunnel_s: float | None,
    client_s: float,
    server_s: float,
    netns: str | None,
) -> Peer:
    """HAProxy in HTTP mode; `tunnel_s` is its `timeout tunnel`."""
    haproxy = require_tool("haproxy")
    config = directory / "haproxy.cfg"

    def make(port: int) -> list[str]:
        config.write_text(
            HAPROXY.format(
                client_ms=round(client_s * 1000),
                server_ms=round(server_s * 1000),
                tunnel=f"timeout tunnel {round(tunnel_s * 1000)}ms" if tunnel_s else "",
                host=host,
                port=port,
                ssl=f" ssl crt {cert.bundle}" if cert else "",
                upstream=upstream,
                upstream_ssl=" ssl verify none" if upstream_tls else "",
            )
        )
        return [haproxy, "-db", "-f", str(config)]

    return launch(make, directory / "log", host=host, tls=cert is not None, netns=netns)


def start_apache(
    directory: Path, upstream: str, *, host: str, module: str, forward_upgrade: bool, timeout_s: int
) -> Peer:
    """Apache's mod_proxy_http (`upgrade=websocket`) or mod_proxy_wstunnel."""
    apache = require_tool("apache2")
    config = directory / "httpd.conf"
    tunnel = f"LoadModule proxy_wstunnel_module {APACHE_MODULES}/mod_proxy_wstunnel.so"

    def make(port: int) -> list[str]:
        config.write_text(
            APACHE.format(
                dir=directory,
                host=host,
                port=port,
                user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
                modules=APACHE_MODULES,
                wstunnel=tunnel if module == "wstunnel" else "",
                timeout_s=timeout_s,
                scheme="ws" if module == "wstunnel" else "http",
                upstream=upstream,
                options=" upgrade=websocket" if forward_upgrade and module == "http" else "",
            )
        )
        return [apache, "-X", "-f", str(config)]

    return launch(make, directory / "log", host=host, tls=False, netns=None)


def start_mosquitto(directory: Path, *, host: str) -> Peer:
    """The MQTT broker Eclipse Mosquitto with a listener for WebSockets."""
    mosquitto, config = require_tool("mosquitto"), directory / "mosquitto.conf"

    def make(port: int) -> list[str]:
        # 2.0 refuses to start where all of its listeners are for WebSockets
        config.write_text(
            f"user root\nallow_anonymous true\nlistener {free_port(host)} {host}\n"
            f"listener {port} {host}\nprotocol websockets\n"
        )
        return [mosquitto, "-c", str(config)]

    return launch(make, directory / "log", host=host, tls=False, netns=None)
