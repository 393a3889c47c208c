"""wsdiag: ping, mtr and curl -v for WebSockets.

`connect()`, `ping()`, `idle_probe()`, `serve()`, their option and result classes as named in
`__all__`, and the sans-I/O codec in `wsdiag.protocol.__all__` are public; all else may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from wsdiag.version import __version__

if TYPE_CHECKING:
    from wsdiag import protocol
    from wsdiag.api import connect, idle_probe, ping, serve
    from wsdiag.probes.idle.options import IdleOptions
    from wsdiag.probes.ping.options import PingOptions
    from wsdiag.records import (
        Attribution,
        Candidate,
        ChainLink,
        CloseInfo,
        ConnectResult,
        Drop,
        Error,
        Hop,
        HttpInfo,
        IdleEvent,
        IdleTrial,
        IdleVerdict,
        Load,
        Phases,
        PingClosed,
        PingEvent,
        PingLost,
        PingReply,
        PingStart,
        PingSummary,
        Range,
        TcpFacts,
        Threshold,
        TlsInfo,
        TrialActivity,
        TrialStarted,
    )
    from wsdiag.server import Server, ServerOptions
    from wsdiag.transport.dial.options import DialOptions

_HOMES = {
    "wsdiag.api": ("connect", "idle_probe", "ping", "serve"),
    "wsdiag.probes.idle.options": ("IdleOptions",),
    "wsdiag.probes.ping.options": ("PingOptions",),
    "wsdiag.records": (
        "Attribution",
        "Candidate",
        "ChainLink",
        "CloseInfo",
        "ConnectResult",
        "Drop",
        "Error",
        "Hop",
        "HttpInfo",
        "IdleEvent",
        "IdleTrial",
        "IdleVerdict",
        "Load",
        "Phases",
        "PingClosed",
        "PingEvent",
        "PingLost",
        "PingReply",
        "PingStart",
        "PingSummary",
        "Range",
        "TcpFacts",
        "Threshold",
        "TlsInfo",
        "TrialActivity",
        "TrialStarted",
    ),
    "wsdiag.server": ("Server", "ServerOptions"),
    "wsdiag.transport.dial.options": ("DialOptions",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Attribution",
    "Candidate",
    "ChainLink",
    "CloseInfo",
    "ConnectResult",
    "DialOptions",
    "Drop",
    "Error",
    "Hop",
    "HttpInfo",
    "IdleEvent",
    "IdleOptions",
    "IdleTrial",
    "IdleVerdict",
    "Load",
    "Phases",
    "PingClosed",
    "PingEvent",
    "PingLost",
    "PingOptions",
    "PingReply",
    "PingStart",
    "PingSummary",
    "Range",
    "Server",
    "ServerOptions",
    "TcpFacts",
    "Threshold",
    "TlsInfo",
    "TrialActivity",
    "TrialStarted",
    "__version__",
    "connect",
    "idle_probe",
    "ping",
    "protocol",
    "serve",
]


if not TYPE_CHECKING:  # or to a type checker every name would be there

    def __getattr__(name: str) -> Any:
        # Lazily: `wsdiag --version` must not wait for what it does not need.
        if name == "protocol":
            return import_module("wsdiag.protocol")
        if name not in _HOME:
            raise AttributeError(f"module 'wsdiag' has no attribute {name!r}")
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
