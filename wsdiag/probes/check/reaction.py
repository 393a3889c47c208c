"""What a server does about forbidden bytes, observed and then judged (RFC 6455, 7.1.7)."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from typing import Literal

from wsdiag.probes.check.rule import Finding, failed, passed, skipped, unmeasured, warned
from wsdiag.probes.check.waiting import (
    PeerBrokeError,
    PeerClosedError,
    await_event,
    await_pong,
    require_open,
    shown_close,
    shown_end,
)
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.events import Close, Event
from wsdiag.transport.session import Session, SessionEnded
from wsdiag.transport.stream.ends import StreamEnd

_FASTEST_S = 1.0


@dataclass(frozen=True, slots=True)
class RequiredResponse:
    """What the RFC asks for: close codes that say what was wrong.

    `close_may_be_left_out`: the RFC says MAY, not SHOULD, about the Close frame. `must` False:
    the sender is forbidden this, but no receiver is told to fail the connection over it.
    """

    codes: frozenset[int]
    close_may_be_left_out: bool = False
    must: bool = True


@dataclass(frozen=True, slots=True)
class PeerResponse:
    """What came. `alive`: our Ping was answered afterwards; `silent`: nothing came, no Pong either.

    `before`: the connection had ended before the forbidden bytes left.
    """

    kind: Literal["close", "end", "alive", "silent", "broke", "before"]
    close: Close | None = None
    end: StreamEnd | None = None
    violation: ProtocolViolation | None = None


def _is_close(event: Event) -> bool:
    return isinstance(event, Close)


async def provoke(
    session: Session, attack: bytes, timeout_s: float, *, to_end: bool = False
) -> PeerResponse:
    """Send `attack` and watch. `to_end`: stay after a Close, to see who ends TCP.

    The Ping that asks whether the server still lives waits until a reaction would have come: sent
    earlier, it could meet a closed socket, and the RST would wipe out the Close on its way to us.
    """
    try:
        require_open(session)
    except (PeerClosedError, PeerBrokeError, SessionEnded):
        return PeerResponse("before")
    session.send_raw(attack)
    reaction = await _watch(session, min(timeout_s, max(_FASTEST_S, timeout_s / 4)))
    if reaction is None:
        reaction = await _still_alive(session, timeout_s)
    if to_end and reaction.kind == "close":
        return replace(reaction, end=await _tcp_end(session, timeout_s))
    return reaction


async def _watch(session: Session, timeout_s: float) -> PeerResponse | None:
    try:
        received = await await_event(session, _is_close, timeout_s)
    except SessionEnded as ended:
        return PeerResponse("end", end=ended.end)
    except PeerBrokeError as broke:
        return PeerResponse("broke", violation=broke.violation)
    if received is None:
        return None
    assert isinstance(received.event, Close)
    return PeerResponse("close", close=received.event)


async def _still_alive(session: Session, timeout_s: float) -> PeerResponse:
    payload = os.urandom(8)
    try:
        session.ping(payload)
        pong = await await_pong(session, payload, timeout_s)
    except PeerClosedError as closed:
        return PeerResponse("close", close=closed.close)
    except PeerBrokeError as broke:
        return PeerResponse("broke", violation=broke.violation)
    except SessionEnded as ended:
        return PeerResponse("end", end=ended.end)
    return PeerResponse("silent" if pong is None else "alive")


async def _tcp_end(session: Session, timeout_s: float) -> StreamEnd | None:
    deadline = asyncio.get_running_loop().time() + timeout_s
    while (left := deadline - asyncio.get_running_loop().time()) > 0:
        try:
            await session.receive(left)
        except SessionEnded as ended:
            return ended.end
    return None


def judge_reaction(reaction: PeerResponse, demand: RequiredResponse) -> Finding:
    """Whether a server failed the connection as it had to. Pure."""
    if reaction.kind == "before":
        return unmeasured("the server had ended the connection before anything was sent")
    if reaction.kind == "close" and reaction.close is not None:
        return _judge_close(reaction.close, demand)
    if reaction.kind == "end" and reaction.end is not None:
        return _judge_end(reaction.end, demand)
    if reaction.kind == "broke":
        return failed(f"the server broke a rule itself: {reaction.violation}")
    wanted = _shown_codes(demand)
    if not demand.must:
        said = "accepted" if reaction.kind == "alive" else "no reaction, and no Pong either"
        return warned(f"{said}; Close {wanted} would be stricter")
    if reaction.kind == "alive":
        return failed(f"accepted: the connection goes on, where it must fail (Close {wanted})")
    return failed(f"no reaction: neither Close {wanted} nor TCP's end, and Pings go unanswered")


def _judge_close(close: Close, demand: RequiredResponse) -> Finding:
    figure = None if close.code is None else float(close.code)
    if close.code in demand.codes:
        return passed(f"closed with {shown_close(close)}", figure)
    said = f"closed with {shown_close(close)}, where {_shown_codes(demand)} says what was wrong"
    return warned(said, figure)


def _judge_end(end: StreamEnd, demand: RequiredResponse) -> Finding:
    said = f"the server {shown_end(end)}"
    if end.how == "local":
        return unmeasured("the connection was closed on our side")
    if demand.close_may_be_left_out:
        return passed(said, end.how)
    return warned(f"{said}; it should send Close {_shown_codes(demand)} first", end.how)


def _shown_codes(demand: RequiredResponse) -> str:
    return " or ".join(str(code) for code in sorted(demand.codes, reverse=True))


def judge_tcp_end(reaction: PeerResponse, waited_s: float) -> Finding:
    """Whether TCP ended after a connection was failed (RFC 6455, 7.1.7 and 7.1.1). Pure."""
    if reaction.kind not in ("close", "end"):
        return skipped("the server did not fail the connection over a reserved opcode")
    if reaction.end is None:
        return warned(f"TCP still open {waited_s:g} s after the Close")
    return passed(f"the server ended TCP ({reaction.end.how})", reaction.end.how)
