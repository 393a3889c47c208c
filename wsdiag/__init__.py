"""wsdiag: ping, mtr and curl -v for WebSockets.

`connect()`, `ping()`, `idle_probe()`, `serve()`, their option and result classes, and the sans-I/O
codec under `wsdiag.protocol` are public; everything else may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wsdiag.version import __version__

if TYPE_CHECKING:
    from wsdiag.api import connect, idle_probe, ping, serve
    from wsdiag.probes.idle_options import IdleOptions
    from wsdiag.probes.ping import PingOptions
    from wsdiag.probes.results import (
        ConnectResult,
        Drop,
        Error,
        IdleTrial,
        IdleVerdict,
        PingClosed,
        PingLost,
        PingReply,
        PingStart,
        PingSummary,
    )
    from wsdiag.server import Server, ServerOptions
    from wsdiag.transport.options import DialOptions

_RESULTS = "wsdiag.probes.results"
_PUBLIC = {
    "connect": "wsdiag.api",
    "idle_probe": "wsdiag.api",
    "ping": "wsdiag.api",
    "serve": "wsdiag.api",
    "ConnectResult": _RESULTS,
    "DialOptions": "wsdiag.transport.options",
    "Drop": _RESULTS,
    "Error": _RESULTS,
    "IdleOptions": "wsdiag.probes.idle_options",
    "IdleTrial": _RESULTS,
    "IdleVerdict": _RESULTS,
    "PingClosed": _RESULTS,
    "PingLost": _RESULTS,
    "PingOptions": "wsdiag.probes.ping",
    "PingReply": _RESULTS,
    "PingStart": _RESULTS,
    "PingSummary": _RESULTS,
    "Server": "wsdiag.server",
    "ServerOptions": "wsdiag.server",
}

__all__ = [
    "ConnectResult", "DialOptions", "Drop", "Error", "IdleOptions", "IdleTrial", "IdleVerdict",
    "PingClosed", "PingLost", "PingOptions", "PingReply", "PingStart", "PingSummary", "Server",
    "ServerOptions", "__version__", "connect", "idle_probe", "ping", "serve",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Lazily: `wsdiag --version` must not wait for what it does not need.
    if name not in _PUBLIC:
        raise AttributeError(f"module 'wsdiag' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value
