"""Envoy in front of a server, with or without TLS and HTTP/2; the rest is as tests want it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.peers.certs import Cert
from tests.peers.peer import Address, Peer
from tests.peers.proxies import launch
from tests.peers.tools import packaged

HOST = "127.0.0.1"


def start_envoy(
    place: Path,
    upstream: Address,
    cert: Cert | None = None,
    *,
    upstream_http2: bool = False,
    idle_s: float = 0,
    lifetime_s: float = 0,
    access_log: Path | None = None,
) -> Peer:
    """Envoy with `allow_connect`; with `cert` it offers h2 and http/1.1.

    `idle_s`: `stream_idle_timeout`, `lifetime_s`: `max_stream_duration`; 0: none.
    """
    envoy, config = packaged("envoy"), place / "envoy.json"
    route = {
        "cluster": "out",
        "timeout": "0s",
        "max_stream_duration": {"max_stream_duration": f"{lifetime_s}s"},
    }
    manager = _typed(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="in",
        stream_idle_timeout=f"{idle_s}s",
        upgrade_configs=[{"upgrade_type": "websocket"}],
        http2_protocol_options={"allow_connect": True},
        access_log=[_named("file_access_log", _log_to(access_log))] if access_log else [],
        route_config={
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": route}],
                }
            ]
        },
        http_filters=[_named("envoy.filters.http.router", _typed("filters.http.router.v3.Router"))],
    )
    chain = {
        "filters": [_named("envoy.filters.network.http_connection_manager", manager)],
        **({"transport_socket": _tls(cert)} if cert else {}),
    }
    cluster = {
        "name": "out",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": "out",
            "endpoints": [{"lb_endpoints": [{"endpoint": _address(upstream.host, upstream.port)}]}],
        },
        **({"typed_extension_protocol_options": _HTTP2} if upstream_http2 else {}),
    }

    def make(port: int) -> list[str]:
        listener = {**_address(HOST, port), "filter_chains": [chain]}
        resources = {"listeners": [listener], "clusters": [cluster]}
        config.write_text(json.dumps({"static_resources": resources}))
        return [
            envoy,
            "-c",
            str(config),
            "--use-dynamic-base-id",
            "-l",
            "warning",
            "--concurrency",
            "1",
        ]

    return launch(make, place / "log", host=HOST, tls=cert is not None, netns=None)


def _typed(extension: str, **members: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/envoy.extensions.{extension}", **members}


def _named(name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": config}


def _address(host: str, port: int) -> dict[str, Any]:
    return {"address": {"socket_address": {"address": host, "port_value": port}}}


def _log_to(path: Path) -> dict[str, Any]:
    return _typed("access_loggers.file.v3.FileAccessLog", path=str(path))


def _tls(cert: Cert) -> dict[str, Any]:
    pair = {
        "certificate_chain": {"filename": str(cert.cert)},
        "private_key": {"filename": str(cert.key)},
    }
    context = {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [pair]}
    extension = "transport_sockets.tls.v3.DownstreamTlsContext"
    return _named("envoy.transport_sockets.tls", _typed(extension, common_tls_context=context))


_HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _typed(
        "upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http2_protocol_options": {"allow_connect": True}},
    )
}
