"""From a URL to an open session: names, TCP, proxy, TLS, upgrade; each timed, one deadline."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic_ns

from wsdiag.protocol.codes import Role
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.handshake import Accepted
from wsdiag.transport import failures
from wsdiag.transport.inbox import Inbox, InboxEnded, shake_hands
from wsdiag.transport.listen import format_address
from wsdiag.transport.options import DialOptions
from wsdiag.transport.race import RaceLost, connect_first, connect_one
from wsdiag.transport.report import DialError, DialReport, PhaseClock
from wsdiag.transport.resolve import Address, literal, lookup, overridden
from wsdiag.transport.session import Session
from wsdiag.transport.stamps import Stamp
from wsdiag.transport.stream import Stream
from wsdiag.transport.target import Target, UrlError
from wsdiag.transport.tls import TlsLayer
from wsdiag.transport.trace import Tracer, frame_tracer
from wsdiag.transport.trust import TrustError, client_context, facts
from wsdiag.transport.upgrade import upgrade


async def dial(
    url: str | Target,
    options: DialOptions,
    *,
    tracer: Tracer | None = None,
    auto_pong: bool = True,
    timestamps: bool = True,
) -> Session:
    """An open session, or DialError with all that was found out. UrlError becomes kind `usage`."""
    report = DialReport(url if isinstance(url, str) else url.url, tracer=tracer)
    try:
        target = Target.parse(url) if isinstance(url, str) else url
    except UrlError as error:
        raise DialError("usage", "url", "bad-url", error.message, report,
                        position=error.position) from None  # fmt: skip
    return await _Dial(target, options, report, auto_pong, timestamps).run()


class _Dial:
    """One dial under way."""

    def __init__(
        self, target: Target, options: DialOptions, report: DialReport,
        auto_pong: bool, timestamps: bool,
    ) -> None:  # fmt: skip
        self._target, self._options, self._report = target, options, report
        self._auto_pong, self._timestamps = auto_pong, timestamps
        self._clock = PhaseClock(report)
        self._stream: Stream | None = None

    async def run(self) -> Session:
        began = monotonic_ns()
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                return await self._open()
        except TimeoutError:
            self._clock.end("timed out", ok=False)
            raise failures.timed_out(
                self._clock.current, self._options.connect_timeout, self._report
            ) from None
        except DialError as error:
            self._clock.end(error.message, ok=False)
            raise
        finally:
            self._report.total_ms = (monotonic_ns() - began) / 1e6

    async def _open(self) -> Session:
        try:
            await self._connect()
            if self._target.secure:
                await self._start_tls()
            accepted, at = await self._upgrade()
        except BaseException:
            if self._stream is not None:
                self._stream.close()
            raise
        return self._session(accepted, at)

    # -- names and TCP -------------------------------------------------------------------------

    async def _connect(self) -> None:
        if self._options.unix_socket is not None:
            await self._connect_unix(self._options.unix_socket)
            return
        await self._connect_tcp(await self._addresses(self._target.host, self._target.port))

    async def _connect_unix(self, path: str) -> None:
        self._clock.begin("tcp")
        self._report.address = path
        try:
            sock = await connect_one((socket.AF_UNIX, path))
        except (OSError, ValueError) as error:
            raise failures.unix_socket(path, error, self._report) from error
        self._clock.end(path)
        self._stream = Stream(sock, peer=path)

    async def _addresses(self, host: str, port: int) -> list[Address]:
        given = overridden(host, port, self._options) or literal(host, port)
        if given:
            return failures.of_family(given, self._options.family, host, self._report)
        self._clock.begin("dns")
        try:
            found = await lookup(host, port, self._options.family)
        except (OSError, UnicodeError) as error:
            raise failures.name_resolution(host, error, self._options, self._report) from error
        self._clock.end(", ".join(format_address(address) for _, address in found))
        return found

    async def _connect_tcp(self, addresses: list[Address]) -> None:
        self._clock.begin("tcp")
        if len(addresses) == 1:
            self._report.address = format_address(addresses[0][1])
        try:
            sock, (_, address) = await connect_first(addresses)
        except RaceLost as lost:
            raise failures.connecting(lost.failures, self._report) from lost
        self._report.address = format_address(address)
        self._clock.end(self._report.address)
        self._stream = Stream(sock, peer=self._report.address, timestamps=self._timestamps)

    # -- TLS -----------------------------------------------------------------------------------

    async def _start_tls(self) -> None:
        assert self._stream is not None
        self._clock.begin("tls")
        try:
            context = client_context(self._options)
        except TrustError as error:
            raise failures.trust_options(error, self._report) from error
        name = self._options.sni or self._target.host.partition("%")[0]
        layer = TlsLayer(context, server_hostname=name, below=self._stream.tls)
        try:
            await shake_hands(self._stream, layer)
        except InboxEnded as ended:
            raise failures.tls_ended(ended, self._report) from ended
        except OSError as error:
            raise failures.tls(error, layer, name, self._report) from error
        self._report.tls = facts(layer.object, verified=not self._options.insecure)
        self._clock.end(f"{self._report.tls.version} {self._report.tls.cipher}")

    # -- upgrade -------------------------------------------------------------------------------

    async def _upgrade(self) -> tuple[Accepted, Stamp]:
        assert self._stream is not None
        self._clock.begin("upgrade")
        accepted, at = await upgrade(Inbox(self._stream), self._target, self._options, self._report)
        self._clock.end(f"{self._report.status} {self._report.reason}".strip())
        return accepted, at

    def _session(self, accepted: Accepted, at: Stamp) -> Session:
        assert self._stream is not None
        tracer = self._report.tracer
        connection = Connection(
            Role.CLIENT,
            deflate=accepted.deflate,
            max_message_size=self._options.max_message_size,
            auto_pong=self._auto_pong,
            on_frame=frame_tracer(self._report.url, tracer) if tracer is not None else None,
        )
        return Session(
            self._stream, connection, report=self._report,
            trailing=accepted.trailing, opened=at,
        )  # fmt: skip
