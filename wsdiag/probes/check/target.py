"""The endpoint under judgement: its first connection, and how rules open more of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from wsdiag.probes.check.options import CheckOptions, Endpoint
from wsdiag.probes.common.await_pong import PeerClosedError, PeerViolationError, await_pong
from wsdiag.probes.common.participant import open_session
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.session import Session, SessionEnded
from wsdiag.transport.trace import Tracer

# Few enough for a small server, and yet forty rules need not wait for one another's round trips.
CONNECTIONS_AT_ONCE = 4


@dataclass(slots=True)
class Http2Look:
    """What one connection as a browser makes it found; `session_report`: of a dial that opened."""

    advertised: bool | None
    """Whether SETTINGS allow extended CONNECT; None: none came."""
    session_report: DialReport | None = None
    error: DialError | None = None
    ping_ms: float | None = None
    problem: str = ""
    """Why there is no `ping_ms`."""


class CheckTarget:
    """What a rule may ask: the endpoint's options, its first connection, and further ones.

    `report`: what the first dial found out, and `error`, why it failed, both of the last of
    `attempts`.
    """

    def __init__(self, endpoint: Endpoint, tracer: Tracer | None = None) -> None:
        self.endpoint, self._tracer = endpoint, tracer
        self.report = DialReport(endpoint.url)
        self.error: DialError | None = None
        self.attempts = 0
        self.phase: str | None = None
        """Of the first dial, while it is under way."""
        self._session: Session | None = None
        self._http2: asyncio.Future[Http2Look] | None = None
        self._slots = asyncio.Semaphore(CONNECTIONS_AT_ONCE)

    @property
    def options(self) -> CheckOptions:
        """What was asked for."""
        return self.endpoint.check

    @property
    def session(self) -> Session:
        """The first connection; only for rules that need one."""
        assert self._session is not None
        return self._session

    @property
    def url(self) -> Target:
        """The URL, taken apart; UrlError when it cannot be."""
        return Target.parse(self.endpoint.url)

    # -- the first connection ------------------------------------------------------------------

    async def open_first(self, on_retry: Callable[[str, int, float], None]) -> None:
        """Open the first connection, with retries while the endpoint does not answer as it should.

        `on_retry` gets what was seen, the number of the coming attempt, and the delay in s before
        it.
        """
        retries, delay_s = self.endpoint.retry, self.endpoint.retry_delay_s
        await self._attempt()
        while self.attempts <= retries and self._worth_retrying():
            self.close()
            seen = "the upgrade was accepted" if self.error is None else self.error.message
            on_retry(seen, self.attempts + 1, delay_s)
            await asyncio.sleep(delay_s)
            await self._attempt()

    async def _attempt(self) -> None:
        self.attempts += 1
        self._session, self.error = None, None
        try:
            self._session = await self._open(self._note_phase)
        except DialError as error:
            self.error, self.report = error, error.report
        else:
            assert self._session.report is not None
            self.report = self._session.report
        finally:
            self.phase = None

    def _note_phase(self, phase: str) -> None:
        self.phase = phase

    def _worth_retrying(self) -> bool:
        if self.error is not None and self.error.kind in ("usage", "cert"):
            return False  # these do not warm up
        if self.options.expect_status:
            return self.report.status not in self.options.expect_status
        return self.error is not None

    def close(self) -> None:
        """Leave the first connection at once, where there is one."""
        if self._session is not None:
            self._session.abort()

    # -- further connections -------------------------------------------------------------------

    async def open(self, **changes: Any) -> Session:
        """One more connection, with these dial options changed; raises DialError.

        Offers what expectations are about: the subprotocol, and compression unless it was refused.
        """
        return await self._open(**changes)

    async def _open(self, on_phase: Callable[[str], None] | None = None, **changes: Any) -> Session:
        options, wanted = self.endpoint.dial, self.options.expect_subprotocol
        options = options.beginnings(looked_into=self.options.reads_messages)
        if wanted is not None and wanted not in options.subprotocols:
            options = replace(options, subprotocols=(*options.subprotocols, wanted))
        if options.compression is None:
            options = replace(options, compression=True)
        options = replace(options, **changes)
        url, tracer = self.endpoint.url, self._tracer
        return (await open_session(url, options, tracer=tracer, on_phase=on_phase)).session

    async def http2(self) -> Http2Look:
        """What a browser finds over HTTP/2; looked at once, for all rules."""
        if self._http2 is None:
            self._http2 = asyncio.ensure_future(self._look_at_http2())
        return await asyncio.shield(self._http2)

    async def _look_at_http2(self) -> Http2Look:
        try:
            async with self.connection(http_version="2") as session:
                look = Http2Look(advertised=True, session_report=session.report)
                try:
                    look.ping_ms = await await_pong(session, self.options.timeout_s)
                    look.problem = "a Ping got no Pong"
                except (PeerClosedError, PeerViolationError, SessionEnded) as problem:
                    look.problem = f"then {problem}"
                return look
        except DialError as error:
            facts = error.report.http2
            advertised = None if facts is None else facts.enable_connect_protocol
            return Http2Look(advertised=advertised, error=error)

    async def report_over_http1(self) -> DialReport | DialError:
        """What a dial over HTTP/1.1 finds: the first one's report, where that was one."""
        if self.endpoint.dial.http_version == "1.1":
            return self.report if self.error is None else self.error
        try:
            async with self.connection(http_version="1.1") as session:
                assert session.report is not None
                return session.report
        except DialError as error:
            return error

    @asynccontextmanager
    async def connection(self, **changes: Any) -> AsyncIterator[Session]:
        """One more connection for a while, among at most four; raises DialError."""
        async with self._slots:
            session = await self.open(**changes)
            try:
                yield session
            finally:
                session.abort()
