"""From a URL to an open session: names, TCP, proxy, TLS, upgrade; each timed, one deadline.

The phases are functions of other modules (`resolve.resolve_name`, `race.connect`, `tunnel`,
`secure.start_tls`, `upgrade.upgrade`): each takes what it needs, returns what it found or raises
DialError, and knows of no clock, report or tracer. A `Connector` runs those up to TLS in order,
`carriers` the rest; the `PhaseLog` alone times them, calls the tracer, and writes the report, so
that the report is right whichever phase fails, is cut off by the deadline, or is repeated for a
redirect.

One deadline bounds the dial as a whole, redirects and fallback probes included; no phase has one of
its own. What a phase needs that is not the network's time (a store of certificates, modules to
import) is made before the phase begins.

A failure can be looked into: `FallbackProbes` connects to the same target again, by a `Connector`
whose report nobody reads.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from time import monotonic_ns
from typing import TYPE_CHECKING

from wsdiag.protocol.codes import Role
from wsdiag.protocol.connection import Connection
from wsdiag.transport.dial import redirects
from wsdiag.transport.dial.carriers import Opened, SharedHttp2, open_carrier
from wsdiag.transport.dial.connector import Connector, TcpWatcher
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.phase_log import PhaseLog
from wsdiag.transport.dial.target import Target, UrlError
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.session import Session

if TYPE_CHECKING:
    from wsdiag.transport.dial.fallback_probes import FallbackProbes
    from wsdiag.transport.stream.stamps import Arrival
    from wsdiag.transport.tls.values import TlsFacts
    from wsdiag.transport.trace import Phase, Tracer


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
    `one_connection`: a failure is not looked into by another one. `report`: where to write what is
    found out, for callers that cut it off. `shared`: over HTTP/2, the connection of which it is to
    be a stream.
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
    log = PhaseLog(report, tracer, on_phase)
    dialling = _Dial(target, options, log, timestamps, watcher)
    dialling.one_connection, dialling.shared = one_connection, shared
    return await dialling.run(auto_pong, tracer)


async def look_at_tls(target: Target, options: DialOptions) -> TlsFacts | None:
    """What a TLS handshake alone finds: certificate, ALPN of what `options` offer. DialError."""
    _load_modules(target, replace(options, http_version="1.1"))
    log = PhaseLog(DialReport(target.url))
    async with asyncio.timeout(options.connect_timeout):
        (await Connector(target, options, log).open()).close()
    return log.report.tls


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


class _Dial:
    """One dial under way, over all its redirects."""

    def __init__(
        self,
        target: Target,
        options: DialOptions,
        log: PhaseLog,
        timestamps: bool,
        watcher: TcpWatcher | None,
    ) -> None:
        self._target, self._options, self._log = target, options, log
        self._timestamps, self._watcher = timestamps, watcher
        self.one_connection = False
        self.shared: SharedHttp2 | None = None
        self._deadline = asyncio.get_running_loop().time() + options.connect_timeout
        log.until_s = self._deadline

    async def run(self, auto_pong: bool, tracer: Tracer | None) -> Session:
        """The session. Raises DialError with the report."""
        began, report = monotonic_ns(), self._log.report
        try:
            async with asyncio.timeout_at(self._deadline):
                return self._session(await self._follow(), auto_pong, tracer)
        except TimeoutError:
            error = self._log.cut_off(self._options.connect_timeout)
            error.report = report
            raise error from None
        except DialError as error:
            error.report = report
            raise
        finally:
            report.total_ms = (monotonic_ns() - began) / 1e6

    async def _follow(self) -> Opened:
        """Open the target, or with -L the one that it redirects to."""
        report = self._log.report
        while True:
            try:
                return await self._open()
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
            self._log.forget()
            _load_modules(self._target, self._options)

    async def _open(self) -> Opened:
        """Open the target; a failure is looked into."""
        try:
            return await self._open_or_again()
        except DialError as error:
            error.facts = {**self._log.tls_facts, **error.facts}
            unclear = error.kind == "cert" or error.code in ("closed-in-tls", "closed-in-handshake")
            if self.one_connection or not unclear:
                raise
            explained = await self._probes().explain(error)
            self._log.report.tls = explained.tls or self._log.report.tls
            raise explained from error.__cause__

    async def _open_or_again(self) -> Opened:
        """A CONNECT that the server left unprocessed is sent once more, as browsers do."""
        connector = Connector(
            self._target,
            self._options,
            self._log,
            timestamps=self._timestamps,
            watcher=self._watcher,
            second_look=self._second_look,
        )
        try:
            return await open_carrier(connector, self.shared)
        except DialError as error:
            if self.one_connection or not error.unprocessed:
                raise
            unprocessed = error.message
        self._log.forget()
        self._log.report.asked_again = unprocessed
        try:
            return await open_carrier(connector, self.shared)
        except DialError as error:
            if error.unprocessed:
                error.message += ", on a new connection too"
            raise

    async def _second_look(self) -> DialError | None:
        return None if self.one_connection else await self._probes().second_look()

    def _probes(self) -> FallbackProbes:
        from wsdiag.transport.dial.fallback_probes import FallbackProbes

        again = Connector(self._target, self._options, PhaseLog(DialReport(self._target.url)))
        return FallbackProbes(self._target, self._options, again.connect, self._deadline)

    def _session(self, opened: Opened, auto_pong: bool, tracer: Tracer | None) -> Session:
        connection = Connection(
            Role.CLIENT,
            deflate=opened.accepted.deflate,
            max_message_size=self._options.max_message_size,
            keep_of_message=self._options.keep_of_message,
            auto_pong=auto_pong,
        )
        on_data: Callable[[Arrival], None] | None = None
        if tracer is not None:
            from wsdiag.transport.trace import FrameTracer

            frames = FrameTracer(self._log.report.url, tracer)
            connection.on_frame, on_data = frames, frames.arrived
        return Session(
            opened.carrier,
            connection,
            report=self._log.report,
            trailing=opened.accepted.trailing,
            opened=opened.at,
            http2=opened.http2,
            on_data=on_data,
        )
