"""What a run waits for, in words: while it waits, and when its time is over."""

from __future__ import annotations

AWAITED = {
    "dns": "the name to be looked up",
    "tcp": "TCP to connect",
    "proxy": "the proxy",
    "tls": "the TLS handshake",
    "quic": "the QUIC handshake",
    "settings": "the server's SETTINGS",
    "upgrade": "the answer to the upgrade",
    "hello": "the answer to the hello",
    "ping": "the first Pong",
    "answer": "the first answer",
    "overdue": "an answer that is overdue",
    "messages": "messages",
    "replies": "as many replies as -c asks for",
    "close": "the closing handshake",
    "http2": "a look at HTTP/2",
    "again": "the next attempt to connect",
}
"""By a phase's name, or another word for what is awaited."""


def awaited_of_all(awaited: list[str | None]) -> str | None:
    """What the endpoints of a run wait for, by their words of AWAITED; None: nothing."""
    names = [name for name in awaited if name is not None]
    if not names:
        return None
    words = dict.fromkeys(AWAITED.get(name, name) for name in names)
    whose = f" ({len(names)} of {len(awaited)} endpoints)" if len(awaited) > 1 else ""
    return ", ".join(words) + whose
