"""Why there is nothing to trace, or not all of it, in words."""

from __future__ import annotations

from wsdiag.records import Error

GRANTS = (
    "CAP_NET_RAW is needed to ask the hops without delaying a Ping, and to see who they are in "
    "the connection's own flow: run it with sudo, in a container with --cap-add NET_RAW, as a "
    "systemd service with AmbientCapabilities=CAP_NET_RAW. Not by setcap on a Python "
    "interpreter: every script would have it."
)


def unsupported(url: str) -> Error:
    """The failure on a system that is not Linux."""
    return Error(
        url,
        "path",
        "usage",
        "path needs Linux: no other system tells a program what became of its own flow's packets",
        "mtr --tcp traces a flow beside the connection; wsdiag ping measures the connection itself",
    )


def no_hops_note(address: str | None, *, unix: bool) -> str:
    """Why there is nothing to trace."""
    if unix:
        return f"no hops: {address} is a Unix socket of this machine"
    return f"no hops: {address} is this machine"
