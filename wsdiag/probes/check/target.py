"""The endpoint under judgement: its first connection, and how rules open more of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from wsdiag.probes.check.options import CheckOptions, Endpoint
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.session import Session
from wsdiag.transport.trace import Tracer

# Polite to small servers, and yet forty rules do not take forty round trips one after the other.
CONNECTIONS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class FirstDial:
    """How the first dial went: a session or an error, and after how many attempts."""

    session: Session | None
    error: DialError | None
    report: DialReport
    attempts: int = 1


class CheckTarget:
    """What a rule may ask: the endpoint's options, its first connection, and further ones."""

    def __init__(self, endpoint: Endpoint, opened: FirstDial, tracer: Tracer | None = None) -> None:
        self.endpoint, self.opened, self._tracer = endpoint, opened, tracer
        self._places = asyncio.Semaphore(CONNECTIONS_AT_ONCE)

    @property
    def options(self) -> CheckOptions:
        """What was asked for."""
        return self.endpoint.check

    @property
    def report(self) -> DialReport:
        """What the first dial found out."""
        return self.opened.report

    @property
    def session(self) -> Session:
        """The first connection; only for rules that need one."""
        assert self.opened.session is not None
        return self.opened.session

    @property
    def target(self) -> Target:
        """The URL, taken apart; UrlError when it cannot be."""
        return Target.parse(self.endpoint.url)

    async def open(self, **changes: Any) -> Session:
        """One more connection, with these dial options changed; DialError."""
        return await open_session(self.endpoint, self._tracer, **changes)

    @asynccontextmanager
    async def visit(self, **changes: Any) -> AsyncIterator[Session]:
        """One more connection for a while, among at most four; DialError."""
        async with self._places:
            session = await self.open(**changes)
            try:
                yield session
            finally:
                session.abort()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place among the four, for a dial that is expected to fail."""
        async with self._places:
            yield

    def with_header(self, *headers: tuple[str, str]) -> tuple[tuple[str, str], ...]:
        """The user's headers and these; one of ours with an empty value is left out."""
        return (*self.endpoint.dial.headers, *headers)


def dial_options(endpoint: Endpoint) -> DialOptions:
    """The endpoint's dial options, with what its expectations imply must be offered."""
    options, wanted = endpoint.dial, endpoint.check.expect_subprotocol
    if wanted is not None and wanted not in options.subprotocols:
        options = replace(options, subprotocols=(*options.subprotocols, wanted))
    if options.compression is None:
        options = replace(options, compression=True)
    return options


async def open_session(endpoint: Endpoint, tracer: Tracer | None, **changes: Any) -> Session:
    """Dial the endpoint with these options changed; DialError."""
    options = replace(dial_options(endpoint), **changes)
    return await dial(endpoint.url, options, tracer=tracer)


async def open_first(
    endpoint: Endpoint, tracer: Tracer | None, on_retry: Callable[[str, int, float], None]
) -> FirstDial:
    """The first connection, with retries while the endpoint does not answer as it should.

    `on_retry` gets what was seen, the number of the coming attempt, and the delay in s before it.
    """
    for attempt in range(1, endpoint.retry + 2):
        opened = await _attempt(endpoint, tracer, attempt)
        if attempt > endpoint.retry or not _worth_retrying(endpoint.check, opened):
            break
        if opened.session is not None:
            opened.session.abort()
        on_retry(_seen(opened), attempt + 1, endpoint.retry_delay_s)
        await asyncio.sleep(endpoint.retry_delay_s)
    return opened


async def _attempt(endpoint: Endpoint, tracer: Tracer | None, attempt: int) -> FirstDial:
    try:
        session = await open_session(endpoint, tracer)
    except DialError as error:
        return FirstDial(None, error, error.report, attempt)
    assert session.report is not None
    return FirstDial(session, None, session.report, attempt)


def _worth_retrying(options: CheckOptions, opened: FirstDial) -> bool:
    if options.expect_status:
        return opened.report.status not in options.expect_status and not _hopeless(opened)
    return opened.error is not None and not _hopeless(opened)


def _hopeless(opened: FirstDial) -> bool:
    """A URL, an option or a certificate does not warm up."""
    return opened.error is not None and opened.error.kind in ("usage", "cert")


def _seen(opened: FirstDial) -> str:
    return "the upgrade was accepted" if opened.error is None else opened.error.message
