"""Fitness of an open connection: messages, Pings, and a clean close."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import replace

from wsdiag.probes.check.options import CheckOptions
from wsdiag.probes.check.rule import Finding, failed, passed, rule, unmeasured, warned, within
from wsdiag.probes.check.target import CheckTarget
from wsdiag.probes.check.waiting import (
    PeerBrokeError,
    PeerClosedError,
    await_pong,
    require_open,
    shown_close,
    shown_end,
)
from wsdiag.protocol.codes import close_code_name
from wsdiag.protocol.events import BinaryMessage, Close, Event, TextMessage, Violation
from wsdiag.statistics import RunningStatistics
from wsdiag.transport.session import Received, Session, SessionEnded
from wsdiag.transport.stream.stamps import SendRecord, round_trip_ns

_PAUSE_S = 0.1
_GIVE_UP_AFTER = 2
_TOLD = 3


@rule(
    "message",
    "fitness",
    applies=lambda options: options.wants_message,
    why="An endpoint may upgrade and answer Pings while the application behind it is dead.",
)
async def message(subject: CheckTarget) -> Finding:
    """Send what --send says; one message within --within meets every expectation."""
    return await _Conversation(subject.session, subject.options).run()


class _Conversation:
    """One message out, at most, and the wait for the one that is expected."""

    def __init__(self, session: Session, options: CheckOptions) -> None:
        self._session, self._options = session, options
        self._since_ns = session.opened.mono_ns
        self._wrong: list[str] = []

    async def run(self) -> Finding:
        loop, options = asyncio.get_running_loop(), self._options
        if options.send is not None:
            require_open(self._session)
            self._since_ns = _send(self._session, options.send).mono_ns
        deadline = loop.time() + options.within_s
        while (left := deadline - loop.time()) > 0:
            try:
                received = await self._session.receive(left)
            except SessionEnded as ended:
                return failed(f"the server {shown_end(ended.end)}{_others(self._wrong)}")
            if received is not None and (finding := self._judge(received)) is not None:
                return finding
        nothing = "no fitting message" if self._wrong else "no message"
        said = f"{nothing} within {options.within_s:g} s{_others(self._wrong)}"
        return failed(said, limit=round(options.within_s * 1e3, 3))

    def _judge(self, received: Received) -> Finding | None:
        refusal = judge_message(self._options, received.event)
        if isinstance(received.event, Close | Violation):
            return failed(f"{refusal}{_others(self._wrong)}")
        at_ns = received.at.kernel_ns or received.at.mono_ns
        asked = self._options.send is not None
        if asked and at_ns < self._since_ns:
            return None  # a greeting is no answer
        if refusal is None:
            took_ms = max(0.0, (at_ns - self._since_ns) / 1e6)
            what = "answered in" if asked else "came after"
            limit = round(self._options.within_s * 1e3, 3)
            return passed(f"{what} {took_ms:.1f} ms", round(took_ms, 3), limit)
        self._wrong += [refusal] if refusal else []
        return None


def _send(session: Session, message: str | bytes) -> SendRecord:
    if isinstance(message, bytes):
        return session.send_binary(message)
    return session.send_text(message)


def _others(wrong: Sequence[str]) -> str:
    if not wrong:
        return ""
    more = f", and {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else ""
    return "; instead: " + "; ".join(wrong[:_TOLD]) + more


def judge_message(options: CheckOptions, event: Event) -> str | None:
    """None: this is what was expected; else what it is, empty when it is no message at all."""
    if isinstance(event, Violation):
        return f"the server broke a rule: {event.error}"
    if isinstance(event, Close):
        return f"the server closed with {event.code} {event.reason}".rstrip()
    if not isinstance(event, TextMessage | BinaryMessage):
        return ""
    text = event.text if isinstance(event, TextMessage) else event.data.decode("utf-8", "replace")
    if options.expect is not None and not options.expect.search(text):
        return _excerpt(text)
    return _judge_json(options, text) if options.expect_json else None


def _judge_json(options: CheckOptions, text: str) -> str | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return f"not JSON: {_excerpt(text)}"
    for expectation in options.expect_json:
        problem = expectation.judge(document)
        if problem is not None:
            return problem
    return None


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


class PingBurst:
    """Pings one after the other, so that an endpoint which answers only the latest loses none."""

    def __init__(self, session: Session, options: CheckOptions) -> None:
        self._session, self._options = session, options
        self.round_trips = RunningStatistics()
        self.sent = 0
        self.problem: str | None = None

    async def run(self) -> None:
        """Send --count Pings; give up after two in a row without a Pong once the limit is lost."""
        unanswered = 0
        while self.sent < self._options.count:
            if unanswered >= _GIVE_UP_AFTER and self._is_lost:
                return
            if self.sent:
                await asyncio.sleep(_PAUSE_S)
            try:
                unanswered = 0 if await self._ping() else unanswered + 1
            except SessionEnded as ended:
                self.problem = f"the server {shown_end(ended.end)}"
                return
            except (PeerClosedError, PeerBrokeError) as problem:
                self.problem = str(problem)
                return

    async def _ping(self) -> bool:
        payload = os.urandom(16)
        require_open(self._session)
        mark = self._session.ping(payload)
        self.sent += 1
        received = await await_pong(self._session, payload, self._options.timeout_s)
        if received is None:
            return False
        self.round_trips.add(round_trip_ns(mark, received.at)[0] / 1e6)
        return True

    @property
    def _is_lost(self) -> bool:
        """Whether --max-loss cannot hold any more, whatever comes."""
        lost = self.sent - self.round_trips.count
        return 100.0 * lost / self._options.count > self._options.max_loss_pct

    @property
    def loss_pct(self) -> float:
        """Lost Pings in percent of those sent; 100 when none could be sent."""
        return 100.0 * (1 - self.round_trips.count / self.sent) if self.sent else 100.0


@rule(
    "ping",
    "fitness",
    section="RFC 6455, 5.5.2",
    why="Keepalives of clients and proxies rest on Pongs: without them connections are dropped.",
)
async def ping(subject: CheckTarget) -> Sequence[Finding]:
    """Pings are answered (--count, --max-loss), and soon enough (--max-p95)."""
    volley = PingBurst(subject.session, subject.options)
    await volley.run()
    return [_loss(volley, subject.options), *_latency(volley, subject.options)]


def _loss(volley: PingBurst, options: CheckOptions) -> Finding:
    answered, p50 = volley.round_trips.count, volley.round_trips.percentile(50)
    detail = f"{answered} of {volley.sent} Pings answered"
    if p50 is not None:
        detail += f", median {p50:.3g} ms"
    if volley.problem is not None:
        return failed(f"{detail}; {volley.problem}", volley.loss_pct, options.max_loss_pct)
    if volley.loss_pct <= options.max_loss_pct and answered:
        return passed(detail, volley.loss_pct, options.max_loss_pct)
    said = f"{detail}: {volley.loss_pct:.3g} % lost, the limit is {options.max_loss_pct:g} %"
    return failed(said, volley.loss_pct, options.max_loss_pct)


def _latency(volley: PingBurst, options: CheckOptions) -> list[Finding]:
    if options.max_p95_s is None:
        return []
    p95 = volley.round_trips.percentile(95)
    if p95 is None:
        return [replace(unmeasured("no Pong, no latency"), name="p95")]
    judged = within(p95, options.max_p95_s, f"95th percentile {p95:.3g} ms")
    return [replace(judged, name="p95")]


@rule(
    "close",
    "fitness",
    section="RFC 6455, 7.1",
    why="Without a closing handshake neither side knows whether the last messages arrived.",
)
async def close(subject: CheckTarget) -> Finding:
    """Close 1000 is answered by a Close, and the server ends TCP."""
    session = subject.session
    if session.connection.close_received is not None:
        closed = Close(*session.connection.close_received)
        return unmeasured(f"the server had closed before, with {shown_close(closed)}")
    if session.ended is not None and session.ended.how == "local":
        return unmeasured("the connection had been given up before")
    if session.ended is not None:
        return failed(f"unasked, the server {shown_end(session.ended)}", session.ended.how)
    outcome = await session.close(1000, timeout=subject.options.timeout_s)
    if not outcome.clean:
        return failed(f"no Close frame came back{_their_end(session)}")
    by = f"TCP ended by the {outcome.tcp_ended_by}" if outcome.tcp_ended_by else "TCP still open"
    if outcome.code != 1000:
        name = "an empty Close" if outcome.code is None else close_code_name(outcome.code)
        return warned(f"answered {outcome.code or ''} {name} to our 1000, {by}", outcome.code)
    if outcome.tcp_ended_by != "server":
        return warned(f"1000 came back, but the server did not end TCP first (7.1.1): {by}", 1000.0)
    return passed(f"1000 came back, {by}", 1000.0)


def _their_end(session: Session) -> str:
    if session.ended is None or session.ended.how == "local":
        return ""
    return f": the server {shown_end(session.ended)}"
