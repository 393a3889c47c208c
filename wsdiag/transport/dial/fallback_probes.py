"""Further connections to an endpoint after a failure, to tell what is spoken there instead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from wsdiag.transport.dial import failures
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.stream_reader import StreamReader, StreamReaderEnded, do_handshake
from wsdiag.transport.tls.layer import TlsLayer
from wsdiag.transport.tls.trust import TrustError, client_context, facts
from wsdiag.transport.tls.values import TlsFacts

PROBE_TIMEOUT_S = 2.0
_SETTINGS = 4
# RFC 9113, 3.4: the client's preface, and a SETTINGS frame without settings
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0))

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FallbackProbes:
    """Probes of one target; `connect` opens a stream to it; `deadline`: in loop time."""

    target: Target
    options: DialOptions
    connect: Callable[[], Awaitable[Stream]]
    deadline: float

    async def explain(self, error: DialError) -> DialError:
        """A failure that says more, where another connection can tell more; else the same one."""
        if error.kind == "cert":
            error.tls = await self.certificate()
        elif error.code == "closed-in-tls" and not error.facts["received"]:
            return await self.second_look(error.facts["how"]) or error
        elif error.code == "closed-in-handshake" and not (
            self.target.secure or error.facts.get("first_bytes")
        ):
            if await self.certificate() is not None:
                return failures.plain_on_tls_port(b"")
            if await self.speaks_http2():
                return failures.http2_only()
        return error

    async def certificate(self) -> TlsFacts | None:
        """What the server shows when nothing is verified; None when it cannot be had in time.

        Python tells nothing about a certificate it refused, so it has to be asked for again.
        """

        async def probe(stream: Stream) -> TlsFacts:
            name = self.options.sni or self.target.tls_name
            context = client_context(self.options, verify=False)
            layer = TlsLayer(context, server_hostname=name, below=stream.tls)
            return (await do_handshake(stream, layer, partial(facts, verified=False)))[1]

        return await self._probe(probe)

    async def second_look(self, how: str | None = None) -> DialError | None:
        """Whether a port that did not answer a ClientHello is one without TLS; None: unknown.

        `how`: the way in which it ended the connection, None where it kept silent.

        A plain server takes the ClientHello for a line, and waits for its end: with one it answers,
        and what answers a ClientHello without TLS does not speak TLS. Others end the connection.
        That such a one answers plain HTTP leaves both open, as servers with TLS may do that too.
        """

        async def hello(stream: Stream) -> bytes:
            layer = TlsLayer(client_context(self.options, verify=False), below=stream.tls)
            reader = StreamReader(stream)
            stream.write(layer.handshake(b"") + b"\r\n\r\n")
            return (await reader.read())[0]

        answer = await self._probe(hello) or b""
        if answer and not failures.is_tls(answer):
            return failures.tls_on_plain_port(answer[:64])
        if answer:
            return None
        request = f"GET / HTTP/1.1\r\nHost: {self.target.host_header}\r\n\r\n"
        status = failures.plain_status(await self._answer(request.encode("latin-1")))
        return None if status is None else failures.silent_on_tls(status, how)

    async def speaks_http2(self) -> bool:
        """Whether a port that ended our HTTP/1.1 answers HTTP/2's preface with its SETTINGS."""
        data = await self._answer(_PREFACE)
        return len(data) > 3 and data[3] == _SETTINGS and not data.startswith(b"HTTP/")

    async def _answer(self, request: bytes) -> bytes:
        async def probe(stream: Stream) -> bytes:
            reader = StreamReader(stream)
            stream.write(request)
            return (await reader.read())[0]

        return await self._probe(probe) or b""

    async def _probe(self, probe: Callable[[Stream], Awaitable[T]]) -> T | None:
        """Connect again and ask; never beyond the dial's own deadline."""
        until = min(asyncio.get_running_loop().time() + PROBE_TIMEOUT_S, self.deadline - 0.1)
        try:
            async with asyncio.timeout_at(until):
                stream = await self.connect()
                try:
                    return await probe(stream)
                finally:
                    stream.close()
        except (DialError, StreamReaderEnded, TrustError, OSError, TimeoutError):
            return None
