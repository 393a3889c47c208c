"""TCP keepalive (tcp(7)): probes that only the two kernels see, and what stands between them."""

from __future__ import annotations

import socket

_PROBES = 100
"""So many go unanswered before the kernel gives the connection up: that is not for it to judge."""


def keep_alive(sock: socket.socket, interval_s: float | None) -> None:
    """Probe every `interval_s` seconds (whole ones), or not at all. OSError if refused."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, interval_s is not None)
    seconds = max(1, round(interval_s or 0))
    values = {"TCP_KEEPIDLE": seconds, "TCP_KEEPINTVL": seconds, "TCP_KEEPCNT": _PROBES}
    for name, value in values.items():
        if interval_s is not None and hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
