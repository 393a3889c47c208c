"""A second look at an endpoint after a failure, on a connection of its own: for diagnosis only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.report import DialError, DialReport, PhaseClock, TlsFacts
from wsdiag.transport.dial.route import Route
from wsdiag.transport.dial.target import Target
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.stream_reader import StreamReader, StreamReaderEnded, do_handshake
from wsdiag.transport.tls.layer import TlsLayer
from wsdiag.transport.tls.trust import TrustError, client_context, facts

LOOK_S = 2.0
_SETTINGS = 4
# RFC 9113, 3.4: the client's preface, and a SETTINGS frame without settings
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0))

T = TypeVar("T")


async def certificate(target: Target, options: DialOptions, deadline: float) -> TlsFacts | None:
    """What the server shows when nothing is verified; None when it cannot be had in time.

    Python tells nothing about a certificate it refused, so it has to be asked for again.
    """

    async def look(stream: Stream) -> TlsFacts:
        name = options.sni or target.host.partition("%")[0]
        context = client_context(options, verify=False)
        layer = TlsLayer(context, server_hostname=name, below=stream.tls)
        await do_handshake(stream, layer)
        return facts(layer.object, verified=False)

    return await _look(target, options, deadline, look)


async def speaks_tls(target: Target, options: DialOptions, deadline: float) -> bool:
    """Whether a port that ended our plain request answers a TLS handshake."""
    return await certificate(target, options, deadline) is not None


async def speaks_http(target: Target, options: DialOptions, deadline: float) -> bool:
    """Whether a port that ended our TLS handshake answers plain HTTP."""

    async def look(stream: Stream) -> bool:
        inbox = StreamReader(stream)
        stream.write(f"GET / HTTP/1.1\r\nHost: {target.host_header}\r\n\r\n".encode("latin-1"))
        data, _ = await inbox.read()
        return data.startswith(b"HTTP/")

    return bool(await _look(target, options, deadline, look))


async def speaks_http2(target: Target, options: DialOptions, deadline: float) -> bool:
    """Whether a port that ended our HTTP/1.1 answers HTTP/2's preface with its SETTINGS."""

    async def look(stream: Stream) -> bool:
        inbox = StreamReader(stream)
        stream.write(_PREFACE)
        data, _ = await inbox.read()
        return len(data) > 3 and data[3] == _SETTINGS and not data.startswith(b"HTTP/")

    return bool(await _look(target, options, deadline, look))


async def _look(
    target: Target, options: DialOptions, deadline: float, look: Callable[[Stream], Awaitable[T]]
) -> T | None:
    """Connect again and look; never beyond the dial's own deadline (loop time)."""
    report = DialReport(target.url)
    until = min(asyncio.get_running_loop().time() + LOOK_S, deadline - 0.1)
    try:
        async with asyncio.timeout_at(until):
            stream = await Route(target, options, report, PhaseClock(report)).open(timestamps=False)
            try:
                return await look(stream)
            finally:
                stream.close()
    except (DialError, StreamReaderEnded, TrustError, OSError, TimeoutError):
        return None
