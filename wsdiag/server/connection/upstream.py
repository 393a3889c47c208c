"""The way to a relay's upstream: as plain TCP, or by an opening handshake like the client's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

from wsdiag.protocol.http import Headers, Request
from wsdiag.server.options import ServerOptions
from wsdiag.server.reply import Reply
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.race import RaceLost, connect_first
from wsdiag.transport.dial.resolve import lookup
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Session
from wsdiag.transport.stream.stream import Stream

_CONNECT_TIMEOUT_S = 10.0
_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
# Headers that belong to one hop, or that our own handshake writes (RFC 9110, 7.6.1).
_NOT_FORWARDED = frozenset(
    (
        *("host", "upgrade", "connection", "keep-alive", "te", "trailer", "transfer-encoding"),
        *("content-length", "proxy-connection", "proxy-authorization", "origin", "user-agent"),
    )
)


def raw_address(upstream: str) -> tuple[str, int]:
    """Host and port of `tcp://host:port`, `host:port` or a WebSocket URL; ValueError otherwise."""
    parts = urlsplit(upstream if "://" in upstream else f"tcp://{upstream}")
    port = parts.port or _PORTS.get(parts.scheme)
    if not parts.hostname or port is None:
        raise ValueError(f"{upstream!r} is not a valid upstream: write tcp://HOST:PORT")
    return parts.hostname, port


def check_upstream(upstream: str, *, raw: bool) -> None:
    """Raises ValueError for what cannot be one."""
    if raw:
        raw_address(upstream)
    else:
        Target.parse(upstream)


async def connect_tcp(host: str, port: int) -> Stream:
    """A stream to the first address that answers. Raises OSError or TimeoutError."""
    async with asyncio.timeout(_CONNECT_TIMEOUT_S):
        try:
            sock, _ = await connect_first(await lookup(host, port, None))
        except RaceLost as lost:
            raise lost.failures[0][1] from None
    return Stream(sock, peer=f"{host}:{port}")


async def dial_upstream(options: ServerOptions, request: Request) -> Session:
    """A session with the upstream for a client's request: its path, headers, subprotocols.

    The upstream's own path is used instead of the client's where it has one. Raises DialError.
    """
    assert options.upstream is not None
    url = options.upstream
    if Target.parse(url).path_and_query == "/":
        url = url.rstrip("/") + (request.target if request.target.startswith("/") else "/")
    dial_options = DialOptions(
        headers=tuple(forwarded(request.headers)),
        subprotocols=tuple(request.offered_subprotocols),
        origin=request.header("Origin"),
        user_agent=request.header("User-Agent"),
        insecure=options.insecure,
        cacert=options.cacert,
        compression=options.compression,
        max_message_size=options.max_message_size,
    )
    return await dial(url, dial_options, auto_pong=False, timestamps=False)


def forwarded(headers: Sequence[tuple[str, str]]) -> Headers:
    """The headers to pass on to the other side: cookies, and all that is not hop-by-hop."""
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in _NOT_FORWARDED and not name.lower().startswith("sec-websocket-")
    ]


def upstream_refusal(error: DialError) -> Reply:
    """The upstream's own answer when it refused the upgrade; 502 with the reason otherwise."""
    report = error.report
    if report.status is not None and report.status != 101:
        return Reply(report.status, forwarded(report.headers), report.body)
    return Reply(502, body=f"upstream: {error.message}\n".encode())
