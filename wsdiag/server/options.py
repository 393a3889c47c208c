"""How to serve: everything the command line can say about the server itself."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from wsdiag.server.fault import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Options of one server; durations in seconds, sizes in bytes.

    `cert` without `key`: both are in one PEM file. `faults` hold for every connection; a path's
    own fault of the same name takes precedence.
    """

    host: str = "127.0.0.1"
    port: int = 0
    cert: Path | None = None
    key: Path | None = None
    subprotocols: tuple[str, ...] = ()
    compression: bool = True
    max_connections: int | None = None
    max_message_size: int = 16 * 2**20
    handshake_timeout: float = 10.0
    faults: tuple[Fault, ...] = ()
    upstream: str | None = None
    """Relay to this ws:// or wss:// URL instead of echoing."""
    raw: bool = False
    """Relay TCP bytes instead of WebSocket messages; the upstream is tcp://host:port too."""
    insecure: bool = False
    """Do not verify the upstream's certificate."""
    cacert: Path | None = None
    """Trust this CA (PEM file or folder) at the upstream."""
    control_port: int | None = None
    """A port on loopback for `POST /faults`; None: none."""
    allow_origins: tuple[str, ...] = ()
    """Origins of web pages that may connect, besides loopback's; `*`: any."""
    control_token: str | None = None
    http2: bool = False
    """HTTP/2 as well: by ALPN, and without TLS by prior knowledge (h2c)."""

    def __post_init__(self) -> None:
        if self.http2 and self.raw:
            raise ValueError("raw relays TCP bytes, whatever they are: it excludes http2")
        if self.http2:
            try:
                import h2  # noqa: F401
            except ImportError:
                raise ValueError("HTTP/2 needs an extra: pip install 'wsdiag[http2]'") from None

    def allows_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether a page of this origin may connect (RFC 6455, 10.2); no browser sends none.

        Allowed are loopback's, those that were named, and the page that is served here itself.
        """
        if origin is None or "*" in self.allow_origins:
            return True
        if origin.rstrip("/").lower() in (each.rstrip("/").lower() for each in self.allow_origins):
            return True
        name = _host_of(origin)
        return _is_loopback(name) or (self.is_own_host(host) and name == _host_of(f"//{host}"))

    def is_own_host(self, host: str | None) -> bool:
        """Whether a Host header is no name that somebody else could make point here."""
        if host is None:
            return True
        name = _host_of(f"//{host}")
        return _is_loopback(name) or _address(name) is not None or name == self.host.lower()


def _host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    address = _address(name)
    if address is not None:
        return address.is_loopback
    return name == "localhost" or name.endswith(".localhost")


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
