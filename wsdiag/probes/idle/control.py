"""The control connection: is there an endpoint, does it answer Pings, who names itself?"""

from __future__ import annotations

from dataclasses import dataclass

from wsdiag.judgement.products.intermediaries import hops_from_headers
from wsdiag.probes.idle.context import RoundContext
from wsdiag.probes.idle.liveness import LivenessCheck
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import Pong
from wsdiag.records import Hop
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Session, SessionEnded


@dataclass(slots=True)
class Control:
    """The connection, and the products that named themselves on it."""

    session: Session
    hops: tuple[Hop, ...]


async def open_control(context: RoundContext) -> Control:
    """Connect; DialError when there is nothing to probe."""
    session = await dial(context.url, context.dial, tracer=context.tracer, timestamps=False)
    headers = session.report.headers if session.report is not None else ()
    return Control(session, tuple(hops_from_headers(headers)))


async def question_control(control: Control, context: RoundContext) -> None:
    """Find out how this endpoint can be asked for a sign of life, and tell the context."""
    try:
        if await _answered(control, context, "ping"):
            context.answers_pings = True
            return
        if context.answers_pings is None:
            context.answers_pings = False
        if context.options.send is not None:
            context.echoes = await _answered(control, context, "data")
    except (SessionEnded, LocalProtocolError):
        pass  # it ended before it could answer: the trials will show what becomes of connections
    finally:
        context.changed.set()
        await control.session.close(1000, timeout=1.0)


async def _answered(control: Control, context: RoundContext, method: str) -> bool:
    """Ask once and wait for the answer. SessionEnded when the connection ends instead."""
    session, options = control.session, context.options
    send = options.send if method == "data" else None
    asked_s = context.clock.now_s()
    question = LivenessCheck.ask(
        session,
        "data" if method == "data" else "ping",
        asked_s,
        0.0,
        "wsdiag control",
        send,
        options.expect,
    )
    until_s = asked_s + options.pong_timeout_s
    while (left_s := until_s - context.clock.now_s()) > 0:
        received = await session.receive(left_s)
        if received is None:
            break
        at_s = context.clock.since_start_s(received.at.mono_ns)
        if question.hears(received.event, at_s):
            if method == "ping":
                context.pong_seen(at_s - asked_s, in_use=True)
            return True
        if method == "ping" and isinstance(received.event, Pong):
            context.other_pongs += 1
    return False


async def reachable(context: RoundContext) -> bool:
    """Whether a new connection can be opened now."""
    try:
        session = await dial(context.url, context.dial, timestamps=False)
    except DialError:
        return False
    await session.close(1000, timeout=1.0)
    return True
