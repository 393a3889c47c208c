"""From a URL to an open session: names, TCP, proxy, TLS, upgrade; each timed, one deadline."""

from __future__ import annotations

import asyncio
from time import monotonic_ns

from wsdiag.protocol.codes import Role
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.handshake import Accepted
from wsdiag.transport import failures, redirects, second_look, trust
from wsdiag.transport.inbox import Inbox, InboxEnded, shake_hands
from wsdiag.transport.options import DialOptions
from wsdiag.transport.report import DialError, DialReport, PhaseClock
from wsdiag.transport.route import Route
from wsdiag.transport.session import Session
from wsdiag.transport.stamps import Stamp
from wsdiag.transport.stream import Stream
from wsdiag.transport.target import Target, UrlError
from wsdiag.transport.tls import TlsLayer
from wsdiag.transport.trace import Tracer, frame_tracer
from wsdiag.transport.trust import TrustError, client_context, facts
from wsdiag.transport.upgrade import upgrade

# A plain server takes a ClientHello for the beginning of a long header line, and waits.
_PATIENCE_S = 2.0


async def dial(
    url: str | Target,
    options: DialOptions,
    *,
    tracer: Tracer | None = None,
    auto_pong: bool = True,
    timestamps: bool = True,
) -> Session:
    """An open session, or DialError with all that was found out (`usage` for a bad URL)."""
    report = DialReport(url if isinstance(url, str) else url.url, tracer=tracer)
    try:
        target = Target.parse(url) if isinstance(url, str) else url
    except UrlError as error:
        raise DialError("usage", "url", "bad-url", error.message, report,
                        position=error.position) from None  # fmt: skip
    return await _Dial(target, options, report, auto_pong, timestamps).run()


class _Dial:
    """One dial under way, over all its redirects."""

    def __init__(
        self, target: Target, options: DialOptions, report: DialReport,
        auto_pong: bool, timestamps: bool,
    ) -> None:  # fmt: skip
        self._target, self._options, self._report = target, options, report
        self._auto_pong, self._timestamps = auto_pong, timestamps
        self._clock = PhaseClock(report)
        self._deadline = asyncio.get_running_loop().time() + options.connect_timeout

    async def run(self) -> Session:
        began = monotonic_ns()
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._arrive()
        except TimeoutError:
            self._clock.stop("timed out")
            raise failures.timed_out(
                self._clock.current, self._options.connect_timeout, self._report
            ) from None
        except DialError as error:
            self._clock.stop(error.message)
            raise
        finally:
            self._report.total_ms = (monotonic_ns() - began) / 1e6

    async def _arrive(self) -> Session:
        while True:
            try:
                return await self._open()
            except DialError as error:
                if not (self._options.location and redirects.is_redirect(error)):
                    raise
                self._clock.stop(error.message)
            left = self._target.url
            self._target, self._options = redirects.follow(
                self._target, self._options, self._report
            )
            self._report.redirected(left, self._target.url)

    async def _open(self) -> Session:
        route = Route(self._target, self._options, self._report, self._clock)
        stream = await route.open(timestamps=self._timestamps)
        try:
            if self._target.secure:
                await self._start_tls(stream)
            accepted, at = await self._upgrade(stream)
        except BaseException:
            stream.close()
            raise
        return self._session(stream, accepted, at)

    async def _start_tls(self, stream: Stream) -> None:
        try:
            # reading a store of certificates, or an encrypted key, takes longer than a handshake
            context = client_context(self._options)
        except TrustError as error:
            raise failures.trust_options(error, self._report) from error
        self._clock.begin("tls")
        name = self._options.sni or self._target.host.partition("%")[0]
        layer = TlsLayer(context, server_hostname=name, below=stream.tls)
        try:
            await self._shake_hands(stream, layer)
        except InboxEnded as ended:
            failure = await self._tls_ended(ended)
            failure.facts |= trust.offered(self._options)
            raise failure from ended
        except OSError as error:
            failure = failures.tls(error, layer, name, self._report)
            failure.facts |= trust.store_facts(context, self._options)
            failure.facts |= trust.offered(self._options)
            raise await self._tls_failed(failure) from error
        self._report.tls = facts(layer.object, verified=not self._options.insecure)
        self._clock.end(f"{self._report.tls.version} {self._report.tls.cipher}")

    async def _shake_hands(self, stream: Stream, layer: TlsLayer) -> None:
        """TLS; when no byte comes back for long, see whether plain HTTP is spoken there."""
        shaking = asyncio.create_task(shake_hands(stream, layer))
        try:
            patience = min(_PATIENCE_S, self._options.connect_timeout / 3)
            await asyncio.wait([shaking], timeout=patience)
            if not (shaking.done() or layer.first_bytes) and await second_look.speaks_http(
                self._target, self._options, self._deadline
            ):
                raise failures.tls_on_plain_port(b"", self._report)
            await shaking
        finally:
            shaking.cancel()

    async def _tls_failed(self, failure: DialError) -> DialError:
        self._clock.stop(failure.message)
        if failure.kind == "cert":
            look = second_look.certificate(self._target, self._options, self._deadline)
            self._report.tls = await look
        return failure

    async def _tls_ended(self, ended: InboxEnded) -> DialError:
        self._clock.stop("failed")
        if not ended.received and await second_look.speaks_http(
            self._target, self._options, self._deadline
        ):
            return failures.tls_on_plain_port(b"", self._report)
        return failures.tls_ended(ended, self._report)

    async def _upgrade(self, stream: Stream) -> tuple[Accepted, Stamp]:
        self._clock.begin("upgrade")
        try:
            accepted, at = await upgrade(Inbox(stream), self._target, self._options, self._report)
        except DialError as error:
            self._clock.stop(error.message)
            silent = error.code == "closed-in-handshake" and not error.facts.get("first_bytes")
            if silent and not self._target.secure:
                await self._look_for_another_protocol(error)
            raise
        self._clock.end(f"{self._report.status} {self._report.reason}".strip())
        return accepted, at

    async def _look_for_another_protocol(self, error: DialError) -> None:
        """DialError when a port that said nothing to HTTP/1.1 speaks TLS, or HTTP/2."""
        where = (self._target, self._options, self._deadline)
        if await second_look.speaks_tls(*where):
            raise failures.plain_on_tls_port(b"", self._report) from error
        if await second_look.speaks_http2(*where):
            raise failures.http2_only(self._report) from error

    def _session(self, stream: Stream, accepted: Accepted, at: Stamp) -> Session:
        tracer = self._report.tracer
        connection = Connection(
            Role.CLIENT,
            deflate=accepted.deflate,
            max_message_size=self._options.max_message_size,
            auto_pong=self._auto_pong,
            on_frame=frame_tracer(self._report.url, tracer) if tracer is not None else None,
        )
        return Session(
            stream, connection, report=self._report, trailing=accepted.trailing, opened=at
        )
