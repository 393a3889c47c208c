"""Basic authentication (RFC 7617), for servers and for proxies."""

from __future__ import annotations

import base64


def basic(user: str) -> str:
    """The header's value for `USER[:PASSWORD]`, in UTF-8 (RFC 7617, 2.1)."""
    pair = user if ":" in user else f"{user}:"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")
