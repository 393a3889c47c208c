"""How to serve: everything the command line can say about the server itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
    control_token: str | None = None
