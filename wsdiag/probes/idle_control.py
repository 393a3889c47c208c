"""The control connection: is there an endpoint, does it answer Pings, who names itself?"""

from __future__ import annotations

from dataclasses import dataclass

from wsdiag.probes.idle_context import RoundContext
from wsdiag.probes.idle_question import Question
from wsdiag.probes.idle_reading import drop_of_end
from wsdiag.probes.intermediaries import hops_from_headers
from wsdiag.probes.results import Drop, Hop
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import Close
from wsdiag.transport.dial import dial
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Session, SessionEnded


@dataclass(slots=True)
class Control:
    """What it found; `drop`: the endpoint ended the connection before any answer."""

    session: Session
    hops: tuple[Hop, ...]
    drop: Drop | None = None


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
    except (SessionEnded, LocalProtocolError) as over:
        if control.drop is None and isinstance(over, SessionEnded):
            at_s = (over.end.at.mono_ns - control.session.opened.mono_ns) / 1e9
            control.drop = drop_of_end(over.end, at_s, asked=False, cut=None)
    finally:
        context.changed.set()
        await control.session.close(1000, timeout=1.0)


async def _answered(control: Control, context: RoundContext, method: str) -> bool:
    """Ask once and wait for the answer. SessionEnded when the connection ends instead."""
    session, options = control.session, context.options
    send = options.send if method == "data" else None
    asked_s = context.clock.now_s()
    question = Question.ask(
        session, "data" if method == "data" else "ping", asked_s, 0.0, "wsdiag control",
        send, options.expect,
    )  # fmt: skip
    until_s = asked_s + options.pong_timeout_s
    while (left_s := until_s - context.clock.now_s()) > 0:
        received = await session.receive(left_s)
        if received is None:
            break
        at_s = context.clock.since_start_s(received.at.mono_ns)
        if isinstance(received.event, Close):
            since_s = (received.at.mono_ns - session.opened.mono_ns) / 1e9
            control.drop = Drop("close", round(since_s, 3), code=received.event.code,
                                reason=received.event.reason)  # fmt: skip
        elif question.hears(received.event, at_s):
            if method == "ping":
                context.pong_seen(at_s - asked_s)
            return True
    return False


async def reachable(context: RoundContext) -> bool:
    """Whether a new connection can be opened now."""
    try:
        session = await dial(context.url, context.dial, timestamps=False)
    except DialError:
        return False
    await session.close(1000, timeout=1.0)
    return True
