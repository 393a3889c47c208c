"""Waiting for one particular event, and the names of everything that can come instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wsdiag.probes.check.rule import Finding, failed, unmeasured
from wsdiag.protocol.codes import close_code_name
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.events import Close, Event, Pong, Violation
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Received, Session, SessionEnded
from wsdiag.transport.stream.ends import StreamEnd

# Close codes with which a server says that what we sent broke a rule.
_ACCUSES = frozenset({1002, 1003, 1007, 1009, 1010})


class PeerClosedError(Exception):
    """A Close frame came while something else was awaited."""

    def __init__(self, close: Close) -> None:
        super().__init__(f"the server closed with {shown_close(close)}")
        self.close = close


class PeerBrokeError(Exception):
    """The peer broke a rule while something was awaited."""

    def __init__(self, violation: ProtocolViolation) -> None:
        super().__init__(f"the server broke a rule: {violation}")
        self.violation = violation


async def await_event(
    session: Session, accept: Callable[[Event], bool], timeout_s: float
) -> Received | None:
    """The first event that `accept` takes; None when none came in time.

    PeerClosedError, PeerBrokeError or SessionEnded when none can come any more.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while True:
        received = await session.receive(max(0.0, deadline - loop.time()))
        if received is None:
            return None
        if accept(received.event):
            return received
        if isinstance(received.event, Violation):
            raise PeerBrokeError(received.event.error)
        if isinstance(received.event, Close):
            raise PeerClosedError(received.event)
        if loop.time() > deadline:  # a flood would never let the queue run empty
            return None


async def await_pong(session: Session, payload: bytes, timeout_s: float) -> Received | None:
    """The Pong with this payload; as `await_event`."""
    return await await_event(
        session, lambda e: isinstance(e, Pong) and e.payload == payload, timeout_s
    )


def require_open(session: Session) -> None:
    """PeerClosedError, PeerBrokeError or SessionEnded when nothing can be sent any more."""
    connection = session.connection
    if connection.violation is not None:
        raise PeerBrokeError(connection.violation)
    if connection.close_received is not None:
        raise PeerClosedError(Close(*connection.close_received))
    if session.ended is not None:
        raise SessionEnded(session.ended)


def shown_close(close: Close) -> str:
    """A Close in words: its code, the code's name, the reason."""
    if close.code is None:
        return "an empty Close frame"
    reason = f" {close.reason!r}" if close.reason else ""
    return f"{close.code} ({close_code_name(close.code)}){reason}"


NO_MORE = "no further connection"
_ENDS = {
    "fin": "ended TCP (FIN) without a Close frame",
    "rst": "reset the connection (RST)",
    "tls-eof": "ended TCP without close_notify or Close frame",
    "tls-close": "ended TLS without a Close frame",
}


def shown_end(end: StreamEnd) -> str:
    """How the server ended a connection, as a sentence's predicate."""
    return _ENDS.get(end.how, f"ended the connection ({end.how} {end.detail})".replace(" )", ")"))


def interrupted_by(problem: Exception) -> Finding:
    """The finding of a rule that a legal conversation could not finish.

    A server may close whenever it likes (then the rule could not be judged); it may not accuse us,
    vanish without a Close frame, or break a rule itself.
    """
    if isinstance(problem, DialError):
        return unmeasured(f"{NO_MORE}: {problem.message}")
    if isinstance(problem, SessionEnded):
        if problem.end.how == "local":
            return unmeasured("the connection was closed on our side")
        return failed(f"the server {shown_end(problem.end)}", problem.end.how)
    if isinstance(problem, PeerClosedError) and problem.close.code not in _ACCUSES:
        return unmeasured(f"{problem} before this could be judged")
    return failed(str(problem))
