"""Send a Ping and wait for its Pong, or for another event; whatever comes instead has a name.

A peer owes a Pong, but may send anything before it: messages, Pings, Pongs of its own (RFC 6455,
5.5.3). None of these ends the wait. A Close, a violation and the connection's end do, because no
Pong can follow them; each raises an exception of its own, so that callers say which it was.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from wsdiag.protocol.codes import close_code_name
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.events import Close, Event, Pong, Violation
from wsdiag.transport.session import Received, Session, SessionEnded
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import round_trip_ns


class PeerClosedError(Exception):
    """The peer sent a Close frame while something else was awaited."""

    def __init__(self, close: Close) -> None:
        super().__init__(f"the server closed with {describe_close(close)}")
        self.close = close


TOO_LARGE = (
    "RFC 6455 sets no limit, but libraries do (Python websockets 1 MiB, aiohttp 4 MiB, ws for "
    "Node.js 100 MiB) and close with 1009. --max-message-size SIZE lets wsdiag take more."
)
"""What to do about a message over our own limit."""


class PeerViolationError(Exception):
    """The peer broke a rule of the protocol while something was awaited."""

    def __init__(self, violation: ProtocolViolation) -> None:
        super().__init__(violation.described("the server"))
        self.violation = violation


def describe_close(close: Close) -> str:
    """A Close in words: its code, the code's name, the reason."""
    if close.code is None:
        return "an empty Close frame"
    reason = f" {close.reason!r}" if close.reason else ""
    return f"{close.code} ({close_code_name(close.code)}){reason}"


def require_open(session: Session) -> None:
    """Raises PeerClosedError, PeerViolationError or SessionEnded when nothing can be sent."""
    connection = session.connection
    if connection.violation is not None:
        raise PeerViolationError(connection.violation)
    if connection.close_received is not None:
        raise PeerClosedError(Close(*connection.close_received))
    if session.ended is not None:
        raise SessionEnded(session.ended)


async def await_event(
    session: Session, accept: Callable[[Event], bool], timeout_s: float
) -> Received | None:
    """The first event that `accept` takes; None when none came in time.

    Raises PeerClosedError, PeerViolationError or SessionEnded when none can come any more.
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
            raise PeerViolationError(received.event.error)
        if isinstance(received.event, Close):
            raise PeerClosedError(received.event)
        if loop.time() > deadline:  # a flood would never let the queue run empty
            return None


async def await_pong(
    session: Session,
    timeout_s: float,
    *,
    payload: bytes | None = None,
    on_other: Callable[[Event], object] | None = None,
) -> float | None:
    """Send one Ping; its round trip in ms, or None without a Pong within `timeout_s`.

    `payload`: random bytes unless given. `on_other` gets every event that comes meanwhile. Raises
    as `await_event`, and LocalProtocolError when we have sent a Close ourselves.
    """
    require_open(session)
    payload = os.urandom(8) if payload is None else payload
    sent = session.ping(payload)

    def is_answer(event: Event) -> bool:
        if isinstance(event, Pong) and event.payload == payload:
            return True
        if on_other is not None:
            on_other(event)
        return False

    received = await await_event(session, is_answer, timeout_s)
    return None if received is None else round_trip_ns(sent, received.at)[0] / 1e6


async def await_end(session: Session, timeout_s: float) -> StreamEnd | None:
    """How the connection ended, whatever came before; None when it did not within `timeout_s`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while (left_s := deadline - loop.time()) > 0:
        try:
            await session.receive(left_s)
        except SessionEnded as ended:
            return ended.end
    return None
