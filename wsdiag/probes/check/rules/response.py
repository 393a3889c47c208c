"""What a server does about forbidden bytes, observed and then judged (RFC 6455, 7.1.7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from wsdiag.probes.check.findings import (
    Finding,
    describe_end,
    failed,
    passed,
    skipped,
    unmeasured,
    warned,
)
from wsdiag.probes.common.await_pong import (
    PeerClosedError,
    PeerViolationError,
    await_end,
    await_event,
    await_pong,
    describe_close,
    require_open,
)
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.events import Close
from wsdiag.transport.session import Session, SessionEnded
from wsdiag.transport.stream.ends import StreamEnd

_SHORTEST_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class RequiredResponse:
    """What the RFC asks for: close codes that say what was wrong.

    `close_may_be_left_out`: the RFC says MAY, not SHOULD, about the Close frame. `must` False:
    senders must not do this, but the RFC does not require receivers to fail the connection.
    """

    codes: frozenset[int]
    close_may_be_left_out: bool = False
    must: bool = True

    def __str__(self) -> str:
        return "Close " + " or ".join(str(code) for code in sorted(self.codes, reverse=True))


@dataclass(frozen=True, slots=True)
class PeerResponse:
    """What came. `alive`: our Ping was answered afterwards; `silent`: nothing came, no Pong either.

    `before`: the connection had ended before the forbidden bytes left.
    """

    kind: Literal["close", "end", "alive", "silent", "broke", "before"]
    close: Close | None = None
    end: StreamEnd | None = None
    violation: ProtocolViolation | None = None


async def provoke(
    session: Session, forbidden: bytes, timeout_s: float, *, to_end: bool = False
) -> PeerResponse:
    """Send forbidden bytes and watch. `to_end`: stay after a Close, to see who ends TCP.

    The Ping that asks whether the server is still there waits until a response would have come:
    sent earlier, it could meet a closed socket, and the RST would wipe out the Close on its way.
    """
    try:
        require_open(session)
    except (PeerClosedError, PeerViolationError, SessionEnded):
        return PeerResponse("before")
    session.send_raw(forbidden)
    try:
        wait_s = min(timeout_s, max(_SHORTEST_WAIT_S, timeout_s / 4))
        await await_event(session, lambda _event: False, wait_s)
        round_trip_ms = await await_pong(session, timeout_s)
    except PeerViolationError as problem:
        return PeerResponse("broke", violation=problem.violation)
    except SessionEnded as ended:
        return PeerResponse("end", end=ended.end)
    except PeerClosedError as closed:
        response = PeerResponse("close", close=closed.close)
    else:
        return PeerResponse("silent" if round_trip_ms is None else "alive")
    return replace(response, end=await await_end(session, timeout_s)) if to_end else response


def judge_response(response: PeerResponse, required: RequiredResponse) -> Finding:
    """Whether a server failed the connection as it had to. Pure."""
    if response.kind == "before":
        return unmeasured("the server had ended the connection before anything was sent")
    if response.kind == "close" and (close := response.close) is not None:
        detail = f"closed with {describe_close(close)}"
        measured = None if close.code is None else float(close.code)
        if close.code in required.codes:
            return passed(detail, measured)
        return warned(f"{detail}, where {required} says what was wrong", measured)
    if response.kind == "end" and (end := response.end) is not None:
        detail = f"the server {describe_end(end)}"
        if end.how == "local":
            return unmeasured("the connection was closed on our side")
        if required.close_may_be_left_out:
            return passed(detail, end.how)
        return warned(f"{detail}; it should send {required} first", end.how)
    if (violation := response.violation) is not None:
        return failed(violation.described("the server itself"))
    if not required.must:
        seen = "accepted" if response.kind == "alive" else "no reaction, and no Pong either"
        return warned(f"{seen}; {required} would be stricter")
    if response.kind == "alive":
        return failed(f"accepted: the connection goes on, where it must fail ({required})")
    return failed(f"no reaction: neither {required} nor TCP's end, and Pings go unanswered")


def judge_tcp_end(response: PeerResponse, waited_s: float) -> Finding:
    """Whether TCP ended after a connection was failed (RFC 6455, 7.1.7 and 7.1.1). Pure."""
    if response.kind not in ("close", "end"):
        return skipped("the server did not fail the connection over a reserved opcode")
    if response.end is None:
        return warned(f"TCP still open {waited_s:g} s after the Close")
    return passed(f"the server ended TCP ({response.end.how})", response.end.how)
