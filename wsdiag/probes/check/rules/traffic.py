"""Fitness of an open connection: messages, Pings, and a clean close."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic_ns

from wsdiag.judgement.advice import CLOSED_WITH, ENDED_IN_USE, LAST_WORDS
from wsdiag.judgement.diagnosis.hints import explain_early_end, explain_second_answer
from wsdiag.patterns import PatternTooSlow, matches
from wsdiag.probes.check.findings import (
    Finding,
    describe_end,
    failed,
    passed,
    unmeasured,
    warned,
    within,
)
from wsdiag.probes.check.options import CheckOptions
from wsdiag.probes.check.rule import Rule
from wsdiag.probes.check.target import CheckTarget
from wsdiag.probes.common.await_pong import (
    TOO_LARGE,
    PeerClosedError,
    PeerViolationError,
    await_pong,
    describe_close,
    require_open,
)
from wsdiag.probes.common.drops import drop_of_end
from wsdiag.protocol.codes import close_code_name
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.events import BinaryMessage, Close, Event, Pong, TextMessage, Violation
from wsdiag.statistics import RunningStatistics
from wsdiag.transport.dial.options import LOOKED_INTO
from wsdiag.transport.session import Session, SessionEnded
from wsdiag.units import counted, format_size

_PAUSE_S = 0.1
_GIVE_UP_AFTER = 2
_SHOWN = 3
_BROKEN = (
    "Browsers and libraries end such a connection, and so did wsdiag: fix the server, or what "
    "changes its bytes on the way (a proxy, a middleware that compresses)."
)
_ENDED = (
    "It accepted the upgrade, and ended the connection on its own: authentication, a missing "
    "parameter or subprotocol, or a limit, judged only once connected; or it crashed."
)


@Rule(
    "message",
    "fitness",
    "An endpoint may upgrade and answer Pings while the application behind it is dead.",
    asked_by={"--send": "send", "--expect": "expect", "--expect-json": "expect_json"},
    lasts_s=lambda options: options.within_s,
)
async def message(target: CheckTarget) -> Finding:
    """Send what --send says; one message within --within meets every expectation."""
    session, options = target.session, target.options
    loop, since_ns = asyncio.get_running_loop(), session.opened.mono_ns
    if options.send is not None and session.connection.close_received is not None:
        since_ns = monotonic_ns()  # whatever was said up to that Close is no answer
    elif options.send is not None:
        require_open(session)
        if isinstance(options.send, bytes):
            since_ns = session.send_binary(options.send).mono_ns
        else:
            since_ns = session.send_text(options.send).mono_ns
    deadline = loop.time() + options.within_s
    others: list[str] = []
    while (left := deadline - loop.time()) > 0:
        try:
            received = await session.receive(left)
        except SessionEnded as ended:
            return failed(f"the server {describe_end(ended.end)}{_shown(others)}")
        if received is None:
            break
        mismatch = judge_message(options, received.event)
        if isinstance(received.event, Close | Violation):
            return failed(f"{mismatch}{_shown(others)}")
        after_ms = ((received.at.kernel_ns or received.at.mono_ns) - since_ns) / 1e6
        if options.send is not None and after_ms < 0:
            continue  # sent before our message: a greeting, not its answer
        if mismatch is None:
            verb = "came after" if options.send is None else "answered in"
            took_ms, limit = max(0.0, after_ms), round(options.within_s * 1e3, 3)
            return passed(f"{verb} {took_ms:.1f} ms", round(took_ms, 3), limit)
        others += [mismatch] if mismatch else []
    nothing = "no matching message" if others else "no message"
    detail = f"{nothing} within {options.within_s:g} s{_shown(others)}"
    return failed(detail, limit=round(options.within_s * 1e3, 3))


def _shown(others: Sequence[str]) -> str:
    if not others:
        return ""
    more = f", and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    return "; got: " + "; ".join(others[:_SHOWN]) + more


def judge_message(options: CheckOptions, event: Event) -> str | None:
    """None: what was expected; else a description, empty when it is not a message at all."""
    if isinstance(event, Violation):
        return event.error.described("the server")
    if isinstance(event, Close):
        return f"the server closed with {describe_close(event)}"
    if not isinstance(event, TextMessage | BinaryMessage):
        return ""
    text = event.text if isinstance(event, TextMessage) else event.data.decode("utf-8", "replace")
    cut = f" (only the first {format_size(LOOKED_INTO)} is looked into)" if event.dropped else ""
    try:
        if options.expect is not None and not matches(options.expect, text):
            return _excerpt(text) + cut
    except PatternTooSlow as slow:
        return str(slow)
    if options.expect_json and cut:
        return _excerpt(text) + cut
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


async def _send_pings(
    session: Session, options: CheckOptions, on_other: Callable[[Event], object]
) -> tuple[int, RunningStatistics, Exception | None]:
    """(how many of --count Pings were sent, their round trips in ms, what ended this early).

    One at a time, so that an endpoint which answers only the latest Ping loses none. Gives up after
    two in a row without a Pong once --max-loss cannot hold any more.
    """
    sent, unanswered, round_trips = 0, 0, RunningStatistics()
    while sent < options.count:
        lost_pct = 100.0 * (sent - round_trips.count) / options.count
        if unanswered >= _GIVE_UP_AFTER and lost_pct > options.max_loss_pct:
            break
        if sent:
            await asyncio.sleep(_PAUSE_S)
        try:
            require_open(session)
            sent += 1
            round_trip_ms = await await_pong(session, options.timeout_s, on_other=on_other)
        except (SessionEnded, PeerClosedError, PeerViolationError) as problem:
            return sent, round_trips, problem
        unanswered = unanswered + 1 if round_trip_ms is None else 0
        if round_trip_ms is not None:
            round_trips.add(round_trip_ms)
    return sent, round_trips, None


@Rule(
    "ping",
    "fitness",
    "Keepalives of clients and proxies rely on Pongs: without them connections are dropped.",
    section="RFC 6455, 5.5.2",
    limits={"--max-p95": "max_p95_s"},
)
async def ping(target: CheckTarget) -> Sequence[Finding]:
    """Pings are answered (--count, --max-loss), and soon enough (--max-p95)."""
    options = target.options
    messages: deque[str] = deque(maxlen=1)
    others = 0

    def note(event: Event) -> None:
        nonlocal others
        if isinstance(event, TextMessage):
            messages.append(event.text)
        others += isinstance(event, Pong)

    sent, round_trips, problem = await _send_pings(target.session, options, note)
    if sent == 0:  # it had ended before: what came is still queued
        with contextlib.suppress(SessionEnded):
            while (received := await target.session.receive(0)) is not None:
                note(received.event)
    loss_pct = 100.0 * (1 - round_trips.count / sent) if sent else 100.0
    detail = f"{round_trips.count} of {sent} Pings answered"
    if (p50 := round_trips.percentile(50)) is not None:
        detail += f", median {p50:.3g} ms"
    if isinstance(problem, PeerViolationError):
        after = f", after {detail}" if round_trips.count else ""
        loss = _violated(target, problem.violation, after)
    elif problem is not None:
        loss = _ended(target, problem, detail if round_trips.count else "", messages)
    elif loss_pct <= options.max_loss_pct and round_trips.count:
        loss = passed(detail, loss_pct, options.max_loss_pct)
    else:
        if others and not round_trips.count:
            detail += f"; {counted(others, 'Pong')} came with another payload (5.5.3)"
        detail += f": {loss_pct:.3g} % lost, the limit is {options.max_loss_pct:g} %"
        loss = failed(detail, loss_pct, options.max_loss_pct)
    if options.max_p95_s is None:
        return [loss]
    if (p95 := round_trips.percentile(95)) is None:
        latency = unmeasured("no Pong, no latency")
    else:
        latency = within(p95, options.max_p95_s, f"95th percentile {p95:.3g} ms")
    return [loss, replace(latency, name="p95")]


def _violated(target: CheckTarget, violation: ProtocolViolation, after: str = "") -> Finding:
    """It is no matter of Pings or of closing, and its own section of the RFC is named."""
    seen, hint = violation.described("the server"), _BROKEN
    if violation.too_large:
        hint = TOO_LARGE
    elif violation.excerpt.startswith(b"HTTP/"):
        url, status = target.endpoint.url, target.report.status
        told = explain_second_answer(url, violation.excerpt, status)
        seen, hint = f"{seen}: {told[0]}", told[1] or _BROKEN
    return Finding("fail", f"{seen}{after}", hint=hint, breaks_rule=False)


def _ended(
    target: CheckTarget, problem: Exception, answered: str, messages: Sequence[str]
) -> Finding:
    """The connection ended on its own, which is no matter of Pings."""
    seen = str(problem)
    if isinstance(problem, SessionEnded):
        seen = f"the server {describe_end(problem.end)}"
    before = f" after {answered}" if answered else " before a Ping was answered"
    said = f"; its last message was {_excerpt(messages[-1])}" if messages else ""
    hint = ENDED_IN_USE if answered else _ENDED
    how, close = "", Close(None, "")
    if isinstance(problem, PeerClosedError):
        how, close = "close", problem.close
        if messages and not answered and not close.reason:
            hint = LAST_WORDS
        hint = CLOSED_WITH.get(close.code or 0, hint)
    elif isinstance(problem, SessionEnded):
        how = drop_of_end(problem.end, 0.0).how
    if not answered:
        known = explain_early_end(
            target.report, how, close.code, close.reason, spoke=bool(messages)
        )
        hint = known or hint
    return Finding("fail", seen + before + said, hint=hint, breaks_rule=False)


@Rule(
    "close",
    "fitness",
    "Without a closing handshake neither side knows whether the last messages arrived.",
    section="RFC 6455, 7.1",
)
async def close(target: CheckTarget) -> Finding:
    """Close 1000 is answered by a Close, and the server ends TCP."""
    session = target.session
    if session.connection.violation is not None:
        return _violated(target, session.connection.violation)
    if session.connection.close_received is not None:
        closed = Close(*session.connection.close_received)
        return unmeasured(f"the server had closed before, with {describe_close(closed)}")
    if session.ended is not None and session.ended.how == "local":
        return unmeasured("the connection had been given up before")
    if session.ended is not None:
        detail = f"the server closed unexpectedly: it {describe_end(session.ended)}"
        return failed(detail, session.ended.how)
    outcome = await session.close(1000, timeout=target.options.timeout_s)
    if not outcome.clean:
        end = session.ended
        theirs = f": the server {describe_end(end)}" if end and end.how != "local" else ""
        return failed(f"no Close frame came back{theirs}")
    by = f"the {outcome.tcp_ended_by} closed TCP" if outcome.tcp_ended_by else "TCP still open"
    if session.stream.multiplexed:
        ended = outcome.tcp_ended_by is None
        by = "both sides ended the stream" if ended else "the server left the stream open"
    if outcome.code != 1000:
        name = "an empty Close" if outcome.code is None else close_code_name(outcome.code)
        return warned(f"answered {outcome.code or ''} {name} to our 1000; {by}", outcome.code)
    if session.stream.multiplexed and outcome.tcp_ended_by is not None:
        return warned(f"Close 1000 echoed, but {by}", 1000.0)
    if not session.stream.multiplexed and outcome.tcp_ended_by != "server":
        detail = f"Close 1000 echoed, but the server did not close TCP first (7.1.1): {by}"
        return warned(detail, 1000.0)
    return passed(f"Close 1000 echoed; {by}", 1000.0)
