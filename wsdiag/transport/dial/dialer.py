"""From a URL to an open session: names, TCP, proxy, TLS, upgrade; each timed, one deadline."""

from __future__ import annotations

import asyncio
import os
from time import monotonic_ns
from typing import TYPE_CHECKING

from wsdiag.protocol.codes import Role
from wsdiag.protocol.connection import Connection
from wsdiag.transport.dial import failures, redirects
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.report import DialError, DialReport, PhaseClock
from wsdiag.transport.dial.route import Route
from wsdiag.transport.dial.target import Target, UrlError
from wsdiag.transport.dial.upgrade import upgrade
from wsdiag.transport.session import Session
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.stream_reader import StreamReader, StreamReaderEnded, do_handshake
from wsdiag.transport.tls.layer import TlsLayer

if TYPE_CHECKING:
    from wsdiag.protocol.client_handshake import Accepted
    from wsdiag.protocol.connection import FrameHook
    from wsdiag.transport.trace import Tracer

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
        raise DialError(
            "usage", "url", "bad-url", error.message, report, position=error.position
        ) from None
    _make_ready(target, options)
    return await _Dial(target, options, report, auto_pong, timestamps).run()


def _make_ready(target: Target, options: DialOptions) -> None:
    """Import what not every dial needs before a clock runs, for its time is not the network's."""
    if target.secure:
        from wsdiag.transport.tls import trust  # noqa: F401
    if options.compression:
        from wsdiag.protocol import deflate  # noqa: F401
    if options.proxy or any(name.lower().endswith("_proxy") for name in os.environ):
        import urllib.parse  # noqa: F401

        from wsdiag.transport.dial import tunnel as proxying  # noqa: F401


class _Dial:
    """One dial under way, over all its redirects."""

    def __init__(
        self,
        target: Target,
        options: DialOptions,
        report: DialReport,
        auto_pong: bool,
        timestamps: bool,
    ) -> None:
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
            _make_ready(self._target, self._options)

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
        from wsdiag.transport.tls.trust import (
            TrustError,
            client_context,
            facts,
            offered,
            store_facts,
        )

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
        except StreamReaderEnded as ended:
            failure = await self._tls_ended(ended)
            failure.facts |= offered(self._options)
            raise failure from ended
        except OSError as error:
            failure = failures.tls(error, layer, name, self._report)
            failure.facts |= store_facts(context, self._options) | offered(self._options)
            raise await self._tls_failed(failure) from error
        self._report.tls = facts(layer.object, verified=not self._options.insecure)
        self._clock.end(f"{self._report.tls.version} {self._report.tls.cipher}")

    async def _shake_hands(self, stream: Stream, layer: TlsLayer) -> None:
        """TLS; when no byte comes back for long, see whether plain HTTP is spoken there."""
        from wsdiag.transport.dial import fallback_probes as second_look

        shaking = asyncio.create_task(do_handshake(stream, layer))
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
            from wsdiag.transport.dial import fallback_probes as second_look

            look = second_look.certificate(self._target, self._options, self._deadline)
            self._report.tls = await look
        return failure

    async def _tls_ended(self, ended: StreamReaderEnded) -> DialError:
        from wsdiag.transport.dial import fallback_probes as second_look

        self._clock.stop("failed")
        if not ended.received and await second_look.speaks_http(
            self._target, self._options, self._deadline
        ):
            return failures.tls_on_plain_port(b"", self._report)
        return failures.tls_ended(ended, self._report)

    async def _upgrade(self, stream: Stream) -> tuple[Accepted, Arrival]:
        self._clock.begin("upgrade")
        try:
            accepted, at = await upgrade(
                StreamReader(stream), self._target, self._options, self._report
            )
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
        from wsdiag.transport.dial import fallback_probes as second_look

        where = (self._target, self._options, self._deadline)
        if await second_look.speaks_tls(*where):
            raise failures.plain_on_tls_port(b"", self._report) from error
        if await second_look.speaks_http2(*where):
            raise failures.http2_only(self._report) from error

    def _session(self, stream: Stream, accepted: Accepted, at: Arrival) -> Session:
        connection = Connection(
            Role.CLIENT,
            deflate=accepted.deflate,
            max_message_size=self._options.max_message_size,
            auto_pong=self._auto_pong,
            on_frame=self._frame_hook(),
        )
        return Session(
            stream, connection, report=self._report, trailing=accepted.trailing, opened=at
        )

    def _frame_hook(self) -> FrameHook | None:
        if self._report.tracer is None:
            return None
        from wsdiag.transport.trace import frame_tracer

        return frame_tracer(self._report.url, self._report.tracer)
