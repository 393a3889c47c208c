"""From a URL to an open session: names, TCP, proxy, TLS, upgrade; each timed, one deadline.

The phases are functions of other modules (`resolve.resolve_name`, `race.connect`, `tunnel`,
`secure.start_tls`, `upgrade.upgrade`): each takes what it needs, returns what it found or raises
DialError, and knows of no clock, report or tracer. `_Dial` runs them in order. It alone times
them, calls the tracer, and writes the report, so that the report is right whichever phase fails,
is cut off by the deadline, or is repeated for a redirect.

One deadline bounds the dial as a whole, redirects and fallback probes included; no phase has one of
its own. What a phase needs that is not the network's time (a store of certificates, modules to
import) is made before the phase begins.

A failure can be looked into: `FallbackProbes` connects to the same target again, by a `_Dial` whose
report nobody reads.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from wsdiag.protocol.codes import Role
from wsdiag.protocol.connection import Connection
from wsdiag.transport.dial import failures, race, redirects, resolve
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.proxy import Proxy, choose
from wsdiag.transport.dial.target import Target, UrlError
from wsdiag.transport.dial.upgrade import prepare, upgrade
from wsdiag.transport.report import DialError, DialReport, Http2Facts, Progress
from wsdiag.transport.session import Session
from wsdiag.transport.stream.byte_stream import ByteStream
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.tcp import Address, format_address, local_of

if TYPE_CHECKING:
    from wsdiag.protocol.client_handshake import Accepted
    from wsdiag.protocol.http import Response
    from wsdiag.transport.dial.fallback_probes import FallbackProbes
    from wsdiag.transport.http2.connection import Http2Connection
    from wsdiag.transport.tls.values import TlsFacts
    from wsdiag.transport.trace import Phase, Tracer

T = TypeVar("T")


class TcpWatcher(Protocol):
    """Who is told of the TCP connections of a dial, those to proxies included."""

    def connecting(self, peer: tuple[Any, ...]) -> None:
        """A SYN is about to be sent to an address; several may be tried at a time."""

    def connected(self, local: tuple[str, int], peer: tuple[Any, ...]) -> None:
        """TCP is connected between our (address, port) and an address; nothing was sent yet."""


async def dial(
    url: str | Target,
    options: DialOptions,
    *,
    tracer: Tracer | None = None,
    auto_pong: bool = True,
    timestamps: bool = True,
    on_phase: Callable[[Phase], None] | None = None,
    watcher: TcpWatcher | None = None,
    one_connection: bool = False,
    report: DialReport | None = None,
    shared: SharedHttp2 | None = None,
) -> Session:
    """An open session. Raises DialError with all that was found out (`usage` for a bad URL).

    `on_phase` is called as each phase begins; `watcher` is told of TCP's connections.
    `one_connection`: a failure is not looked into by
    another one. `report`: where to write what is found out, for callers that cut it off.
    `shared`: over HTTP/2, the connection of which it is to be a stream.
    """
    report = report or DialReport(url if isinstance(url, str) else url.url)
    report.given = options.given
    try:
        target = Target.parse(url) if isinstance(url, str) else url
    except UrlError as error:
        raise DialError(
            "usage", "url", "bad-url", error.message, report, position=error.position
        ) from None
    try:
        _load_modules(target, options)
    except DialError as error:
        error.report = report
        raise
    dialling = _Dial(target, options, report, tracer, timestamps, on_phase, watcher)
    dialling.one_connection, dialling.shared = one_connection, shared
    return await dialling.run(auto_pong)


async def look_at_tls(target: Target, options: DialOptions) -> TlsFacts | None:
    """What a TLS handshake alone finds: certificate, ALPN of what `options` offer. DialError."""
    _load_modules(target, replace(options, http_version="1.1"))
    dialling = _Dial(target, options, DialReport(target.url))
    dialling.one_connection = True
    async with asyncio.timeout(options.connect_timeout):
        stream = await dialling._connect()
        try:
            await dialling._start_tls(stream)
        finally:
            stream.close()
    return dialling._report.tls


def _load_modules(target: Target, options: DialOptions) -> None:
    """Import what not every dial needs before a clock runs: its time is not the network's."""
    if target.secure:
        from wsdiag.transport.dial import fallback_probes, secure  # noqa: F401
    if options.http_version == "2":
        from wsdiag.transport.dial import http2

        http2.require_http2()
    if options.http_version == "3":
        from wsdiag.transport.dial import http3

        http3.require_http3(target, options)
    if options.compression:
        from wsdiag.protocol import deflate  # noqa: F401
    if options.proxy or any(name.lower().endswith("_proxy") for name in os.environ):
        import urllib.parse  # noqa: F401

        from wsdiag.transport.dial import tunnel  # noqa: F401


class SharedHttp2:
    """One HTTP/2 connection for the streams of several dials; the first of them makes it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.connection: Http2Connection | None = None
        self.report: DialReport | None = None

    def close(self) -> None:
        """End it, once its streams are over."""
        if self.connection is not None:
            self.connection.close()


async def _find_nothing() -> DialError | None:
    return None


class _Dial:
    """One dial under way, over all its redirects."""

    def __init__(
        self,
        target: Target,
        options: DialOptions,
        report: DialReport,
        tracer: Tracer | None = None,
        timestamps: bool = False,
        on_phase: Callable[[Phase], None] | None = None,
        watcher: TcpWatcher | None = None,
    ) -> None:
        self._on_phase, self._watcher = on_phase, watcher
        self._target, self._options, self._report = target, options, report
        self._tracer, self._timestamps = tracer, timestamps
        self._phase: Phase = "dns"
        self._phase_began: int | None = None  # None: between two phases
        self._progress = Progress()
        self._tls_facts: dict[str, Any] = {}
        self._http2: Http2Connection | None = None
        self.one_connection = False
        self.shared: SharedHttp2 | None = None
        self._deadline = asyncio.get_running_loop().time() + options.connect_timeout

    async def run(self, auto_pong: bool) -> Session:
        """The session. Raises DialError with the report."""
        began = monotonic_ns()
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._follow(auto_pong)
        except TimeoutError:
            error = self._cut_off()
            error.report = self._report
            raise error from None
        except DialError as error:
            error.report = self._report
            raise
        finally:
            self._report.total_ms = (monotonic_ns() - began) / 1e6

    def _cut_off(self) -> DialError:
        """The deadline struck: what the phase under way knows already, or how far it came."""
        error, phase_s = self._progress.failure, None
        if self._phase_began is not None:
            phase_s = (monotonic_ns() - self._phase_began) / 1e9
        if error is None:
            timeout_s, facts = self._options.connect_timeout, self._tls_facts | self._progress.facts
            error = failures.timed_out(self._phase, timeout_s, facts, phase_s)
            self._progress.took_ns = self._progress.ended_ns = None
            self._end_phase("timed out", ok=False)
        elif error.response is not None:
            self._note(error.response)
        self._end_phase(error.message, ok=False)
        return error

    async def _follow(self, auto_pong: bool) -> Session:
        """Open the target, or with -L the one that it redirects to."""
        report = self._report
        while True:
            try:
                return await self._open(auto_pong)
            except DialError as error:
                # a proxy's redirect may not send us anywhere
                where = redirects.location(error.response) if error.phase == "upgrade" else None
                if where is None or not self._options.location:
                    raise
            left = self._target.url
            self._target, self._options, dropped = redirects.follow(
                self._target, self._options, where, report.redirects
            )
            report.credentials_dropped |= dropped
            report.redirects += (left,)
            report.url, report.asked_again = self._target.url, None
            self._forget()
            _load_modules(self._target, self._options)

    def _forget(self) -> None:
        """Begin the report of another connection."""
        report = self._report
        report.phases_ms = {}
        report.status, report.reason, report.headers, report.body = None, "", (), b""
        report.address = report.proxy = report.proxy_why = report.tls = None
        report.http2, report.unanswered, report.refused = None, (), ()
        self._tls_facts = {}

    async def _open(self, auto_pong: bool) -> Session:
        try:
            carrier, accepted, at = await self._open_or_again()
        except DialError as error:
            error.facts = {**self._tls_facts, **error.facts}
            unclear = error.kind == "cert" or error.code in ("closed-in-tls", "closed-in-handshake")
            if self.one_connection or not unclear:
                raise
            explained = await self._probes().explain(error)
            self._report.tls = explained.tls or self._report.tls
            raise explained from error.__cause__
        connection = Connection(
            Role.CLIENT,
            deflate=accepted.deflate,
            max_message_size=self._options.max_message_size,
            keep_of_message=self._options.keep_of_message,
            auto_pong=auto_pong,
        )
        on_data: Callable[[Arrival], None] | None = None
        if self._tracer is not None:
            from wsdiag.transport.trace import FrameTracer

            frames = FrameTracer(self._report.url, self._tracer)
            connection.on_frame, on_data = frames, frames.arrived
        return Session(
            carrier,
            connection,
            report=self._report,
            trailing=accepted.trailing,
            opened=at,
            http2=self._http2,
            on_data=on_data,
        )

    async def _open_or_again(self) -> tuple[ByteStream, Accepted, Arrival]:
        """A CONNECT that the server left unprocessed is sent once more (RFC 9113, 8.7)."""
        try:
            return await self._open_once()
        except DialError as error:
            if self.one_connection or not error.unprocessed:
                raise
            unprocessed = error.message
        self._forget()
        self._report.asked_again = unprocessed
        try:
            return await self._open_once()
        except DialError as error:
            if error.unprocessed:
                error.message += ", on a new connection too"
            raise

    async def _open_once(self) -> tuple[ByteStream, Accepted, Arrival]:
        if self._options.http_version == "3":
            return await self._open_http3()
        if self.shared is not None:
            return await self._open_shared(self.shared)
        return await self._open_alone()

    async def _open_alone(self) -> tuple[ByteStream, Accepted, Arrival]:
        stream = await self._connect()
        try:
            if self._target.secure:
                await self._start_tls(stream)
            return await self._open_carrier(stream)
        except BaseException:
            stream.close()
            raise

    async def _open_carrier(self, stream: Stream) -> tuple[ByteStream, Accepted, Arrival]:
        """What the WebSocket's bytes flow through: the connection, or one of its streams."""
        if self._options.http_version == "2":
            return await self._open_http2(stream)
        accepted, at = await self._timed(
            "upgrade",
            self._upgrade(stream),
            lambda found: f"{found[0].response.status} {found[0].response.reason}".strip(),
        )
        return stream, accepted, at

    async def _open_http2(self, stream: Stream) -> tuple[ByteStream, Accepted, Arrival]:
        connection = await self._begin_http2(stream)
        try:
            opened = await self._extended_connect(connection)
        except BaseException:
            connection.close()
            raise
        connection.release()
        return opened

    async def _open_http3(self) -> tuple[ByteStream, Accepted, Arrival]:
        from wsdiag.transport.dial import http2, http3

        target, options, report = self._target, self._options, self._report
        proxy, report.proxy_why = choose(target, options, os.environ)
        if proxy is not None:
            raise http3.refuse_proxy(proxy.url, proxy.why)
        addresses = await self._addresses(target.host, target.port)
        report.address = format_address(addresses[0][1])
        facts, progress = Http2Facts(), Progress()
        stream = await self._timed(
            "quic",
            http3.handshake(addresses, target, options, progress),
            lambda found: f"{found.peer} {found.cipher}",
            progress,
        )
        try:
            report.address, report.http2 = stream.peer, facts
            report.tls = http3.tls_facts(stream, options)
            progress = Progress()
            await self._timed(
                "settings",
                http3.settings(stream, facts, progress),
                lambda _: ", ".join(f"{name} {value}" for name, value in facts.settings or ()),
                progress,
            )
            request, progress = http2.handshake_for(target, options), Progress()
            report.request_line = f"CONNECT {target.path_and_query} HTTP/3"
            report.request_headers = tuple(request.request_headers)
            whole = [*request.pseudo_headers, *request.request_headers]
            self._trace_head("sent", report.request_line, whole)
            accepted, at = await self._timed(
                "upgrade",
                http3.extended_connect(stream, request, facts, progress),
                lambda found: f"{found[0].response.status} {found[0].response.reason}".strip(),
                progress,
            )
        except BaseException:
            stream.close()
            raise
        self._note(accepted.response)
        report.subprotocol, report.extensions = accepted.subprotocol, tuple(accepted.extensions)
        return stream, accepted, at

    async def _open_shared(self, shared: SharedHttp2) -> tuple[ByteStream, Accepted, Arrival]:
        """A stream on the connection that the first of these dials makes."""
        report = self._report
        async with shared.lock:
            connection = shared.connection
            if connection is None or not connection.takes_requests:
                if connection is not None:
                    connection.release()
                stream = await self._connect()
                try:
                    if self._target.secure:
                        await self._start_tls(stream)
                    connection = await self._begin_http2(stream)
                except BaseException:
                    stream.close()
                    raise
                shared.connection, shared.report = connection, report
            elif (first := shared.report) is not None:
                report.address, report.tls = first.address, first.tls
                report.http2 = None if first.http2 is None else replace(first.http2)
        try:
            return await self._extended_connect(connection)
        except DialError as error:
            # on a connection of its own it would share nothing
            error.unprocessed = error.unprocessed and not connection.takes_requests
            raise

    async def _begin_http2(self, stream: Stream) -> Http2Connection:
        from wsdiag.transport.dial import http2

        facts, progress = Http2Facts(), Progress(facts=dict(self._tls_facts))
        self._report.http2 = facts
        return await self._timed(
            "settings",
            http2.begin(stream, facts, progress),
            lambda _: ", ".join(f"{name} {value}" for name, value in facts.settings or ()),
            progress,
        )

    async def _extended_connect(
        self, connection: Http2Connection
    ) -> tuple[ByteStream, Accepted, Arrival]:
        from wsdiag.transport.dial import http2

        report = self._report
        facts = report.http2
        assert facts is not None  # its SETTINGS have come
        handshake = http2.handshake_for(self._target, self._options)
        progress = Progress(facts=dict(self._tls_facts))
        report.request_line = f"CONNECT {self._target.path_and_query} HTTP/2"
        report.request_headers = tuple(handshake.request_headers)
        whole = [*handshake.pseudo_headers, *handshake.request_headers]
        self._trace_head("sent", report.request_line, whole)
        carrier, accepted, at = await self._timed(
            "upgrade",
            http2.extended_connect(
                connection, handshake, self._target, self._options, facts, progress
            ),
            lambda found: f"{found[1].response.status} {found[1].response.reason}".strip(),
            progress,
        )
        self._http2 = connection
        self._note(accepted.response)
        report.subprotocol, report.extensions = accepted.subprotocol, tuple(accepted.extensions)
        return carrier, accepted, at

    def _probes(self) -> FallbackProbes:
        from wsdiag.transport.dial.fallback_probes import FallbackProbes

        again = _Dial(self._target, self._options, DialReport(self._target.url))
        return FallbackProbes(self._target, self._options, again._connect, self._deadline)

    # -- the phases, in order ------------------------------------------------------------------

    async def _connect(self) -> Stream:
        """A stream that reaches the target: directly, by a Unix socket, or through a proxy."""
        target, options, report = self._target, self._options, self._report
        if options.unix_socket is not None:
            report.address = path = options.unix_socket
            sock = await self._timed("tcp", race.connect_unix(path), lambda _: path)
            return Stream(sock, peer=path)
        proxy, report.proxy_why = choose(target, options, os.environ)
        if proxy is None:
            return self._stream(await self._tcp(target.host, target.port))
        report.proxy = proxy.url
        from wsdiag.transport.dial import tunnel

        host = target.host
        context = tunnel.client_context(proxy, options)
        if proxy.is_socks:
            tunnel.require_socks()
            if not proxy.resolves_names:
                _, address = (await self._addresses(host, target.port))[0]
                host = str(address[0])
        sock = await self._tcp(proxy.host, proxy.port)
        way = proxy.scheme if proxy.is_socks else "CONNECT"
        return await self._timed(
            "proxy",
            self._tunnel(sock, proxy, host, context),
            lambda _: f"{way} {host}:{target.port} through {proxy.url} (named by {proxy.why})",
        )

    async def _addresses(self, host: str, port: int) -> list[Address]:
        return resolve.known(host, port, self._options) or await self._timed(
            "dns",
            resolve.resolve_name(host, port, self._options),
            lambda found: ", ".join(format_address(address) for _, address in found),
        )

    async def _tcp(self, host: str, port: int) -> socket.socket:
        addresses = await self._addresses(host, port)
        report = self._report
        if len(addresses) == 1:
            report.address = format_address(addresses[0][1])
        bypass = f" (no proxy: {report.proxy_why})" if report.proxy_why and not report.proxy else ""
        progress = Progress()
        try:
            sock, (_, address) = await self._timed(
                "tcp",
                race.connect(
                    addresses, progress, None if self._watcher is None else self._watcher.connecting
                ),
                lambda found: format_address(found[1][1]) + self._silent() + bypass,
                progress,
            )
        except DialError as error:
            report.address = error.facts["address"]
            raise
        report.address = format_address(address)
        report.unanswered = progress.facts.get("unanswered", ())
        report.refused = progress.facts.get("refused", ())
        if self._watcher is not None and isinstance(address, tuple):
            self._watcher.connected(local_of(sock), address)
        return sock

    def _silent(self) -> str:
        """The addresses that were tried before the one that answered."""
        facts = self._progress.facts
        said = [
            f"{each} did not answer for {ms:.0f} ms" for each, ms in facts.get("unanswered", ())
        ]
        said += [f"{each}: {why}" for each, why in facts.get("refused", ())]
        return f" ({', '.join(said)})" if said else ""

    async def _tunnel(
        self, sock: socket.socket, proxy: Proxy, host: str, context: ssl.SSLContext | None
    ) -> Stream:
        from wsdiag.transport.dial import tunnel

        if proxy.is_socks:
            return self._stream(await tunnel.connect_socks(sock, proxy, host, self._target.port))
        stream = self._stream(sock)
        try:
            if context is not None:
                await tunnel.start_tls(stream, proxy, context)
            connect = tunnel.ConnectRequest(proxy, self._target)
            self._trace_head("sent", connect.first_line, connect.headers)
            response = await tunnel.connect(stream, connect)
            self._trace_response(response)
        except BaseException:
            stream.close()
            raise
        return stream

    async def _start_tls(self, stream: Stream) -> None:
        from wsdiag.transport.dial import secure

        context, progress = secure.client_context(self._options), Progress()
        look = _find_nothing if self.one_connection else self._probes().second_look
        try:
            self._report.tls = await self._timed(
                "tls",
                secure.start_tls(stream, self._target, self._options, context, look, progress),
                lambda tls: f"{tls.version} {tls.cipher}",
                progress,
            )
        finally:
            shown = ("certificate_request", "own_certificate")
            self._tls_facts = {name: progress.facts.get(name, "") for name in shown}

    async def _upgrade(self, stream: Stream) -> tuple[Accepted, Arrival]:
        handshake, request = prepare(self._target, self._options)
        report, progress = self._report, self._progress
        progress.facts |= self._tls_facts
        report.request_line = f"GET {self._target.path_and_query} HTTP/1.1"
        report.request_headers = tuple(handshake.request_headers)
        self._trace_head("sent", report.request_line, report.request_headers)
        accepted, at = await upgrade(stream, handshake, request, progress)
        self._note(accepted.response)
        report.subprotocol, report.extensions = accepted.subprotocol, tuple(accepted.extensions)
        return accepted, at

    # -- times, report, trace ------------------------------------------------------------------

    async def _timed(
        self,
        phase: Phase,
        work: Awaitable[T],
        detail: Callable[[T], str],
        progress: Progress | None = None,
    ) -> T:
        """Run a phase; what came of it goes to the tracer as `detail`."""
        self._progress = progress or Progress()
        if self._on_phase is not None:
            self._on_phase(phase)
        self._phase, self._phase_began = phase, monotonic_ns()
        try:
            found = await work
        except DialError as error:
            if error.response is not None:
                self._note(error.response)
            self._end_phase(error.message, ok=False)
            raise
        self._end_phase(detail(found))
        return found

    def _end_phase(self, detail: str, *, ok: bool = True) -> None:
        if self._phase_began is None:
            return
        at = monotonic_ns()
        took_ns = self._progress.took_ns
        took_ms = (at - self._phase_began if took_ns is None else took_ns) / 1e6
        self._phase_began = None
        self._report.phases_ms[self._phase] = took_ms
        if self._tracer is not None:
            from wsdiag.transport.trace import PhaseTraced, trace_time

            url, time = self._report.url, trace_time(self._progress.ended_ns or at)
            self._tracer(PhaseTraced(url, time, self._phase, took_ms, ok, detail))

    def _note(self, response: Response) -> None:
        report = self._report
        report.status, report.reason = response.status, response.reason
        report.headers, report.body = tuple(response.headers), response.body
        report.http_version, report.malformed = response.version, response.malformed
        self._trace_response(response)

    def _trace_response(self, response: Response) -> None:
        line = f"HTTP/{response.version} {response.status} {response.reason}".rstrip()
        self._trace_head("received", line, response.headers)

    def _trace_head(
        self,
        direction: Literal["sent", "received"],
        first_line: str,
        headers: Sequence[tuple[str, str]],
    ) -> None:
        if self._tracer is not None:
            from wsdiag.transport.trace import HeadersTraced, trace_time

            ended_ns = self._progress.ended_ns if direction == "received" else None
            url, time = self._report.url, trace_time(ended_ns)
            self._tracer(HeadersTraced(url, time, direction, first_line, tuple(headers)))

    def _stream(self, sock: socket.socket) -> Stream:
        return Stream(sock, peer=self._report.address or "", timestamps=self._timestamps)
