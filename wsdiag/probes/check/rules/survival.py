"""Fitness over time: does a connection survive idleness, and does a keepalive save it?"""

from __future__ import annotations

import asyncio
import os

from wsdiag.probes.check.rule import Finding, failed, passed, rule, warned
from wsdiag.probes.check.target import CheckTarget
from wsdiag.probes.check.waiting import (
    PeerBrokeError,
    PeerClosedError,
    await_event,
    await_pong,
    require_open,
    shown_close,
    shown_end,
)
from wsdiag.protocol.events import Event, Ping
from wsdiag.transport.session import Session, SessionEnded
from wsdiag.units import format_duration

# Three intervals in a row: one that survives may be luck, and a drop shows at the next Ping.
KEEPALIVE_ROUNDS = 3


class UnsolicitedFrames:
    """What the server sent on its own while it was to be left alone."""

    def __init__(self) -> None:
        self.count = 0
        self.pings = 0

    def take(self, event: Event) -> bool:
        """Count a message, Ping or Pong; never what is waited for."""
        self.count += 1
        self.pings += isinstance(event, Ping)
        return False

    def __str__(self) -> str:
        if self.pings == self.count:
            return f"{self.count} Pings of the server"
        return f"{self.count} frames of the server, {self.pings} of them Pings"


@rule(
    "idle",
    "fitness",
    schedule="beside",
    applies=lambda options: options.require_idle_s is not None,
    why="Proxies and NAT drop idle connections, often without telling anybody.",
)
async def idle(subject: CheckTarget) -> Finding:
    """A connection on which we send nothing for --require-idle is alive afterwards."""
    wanted = subject.options.require_idle_s or 0.0
    session = await subject.open()
    try:
        return await _stay_idle(session, wanted, subject.options.timeout_s)
    finally:
        session.abort()


async def _stay_idle(session: Session, wanted_s: float, timeout_s: float) -> Finding:
    began, heard = session.opened.mono_ns, UnsolicitedFrames()
    try:
        await await_event(session, heard.take, wanted_s)
    except (PeerClosedError, PeerBrokeError, SessionEnded) as problem:
        at = _since(began)
        said = f"dropped after {at:.1f} s of {wanted_s:g}: {_told(problem)}"
        return failed(said, round(at, 3), wanted_s)
    wrong = await _ask(session, timeout_s)
    if wrong:
        said = f"dead when asked after {format_duration(wanted_s)} idle: {wrong}"
        return failed(said, round(_since(began), 3), wanted_s)
    if heard.count:
        return warned(
            f"survived {format_duration(wanted_s)}, but it was not idle: {heard}; "
            "without them the path may still drop it",
            wanted_s,
        )
    return passed(f"alive after {format_duration(wanted_s)} without traffic", wanted_s, wanted_s)


async def _ask(session: Session, timeout_s: float) -> str:
    """Whether the connection is alive: an empty string, or what is wrong with it."""
    payload = os.urandom(16)
    try:
        require_open(session)
        session.ping(payload)
        pong = await await_pong(session, payload, timeout_s)
    except (PeerClosedError, PeerBrokeError, SessionEnded) as problem:
        return _told(problem)
    return "" if pong is not None else f"no Pong within {timeout_s:g} s"


def _told(problem: Exception) -> str:
    if isinstance(problem, SessionEnded):
        return f"the server {shown_end(problem.end)}"
    if isinstance(problem, PeerClosedError):
        return f"the server sent {shown_close(problem.close)}"
    return str(problem)


def _since(mono_ns: int) -> float:
    return asyncio.get_running_loop().time() - mono_ns / 1e9


@rule(
    "keepalive",
    "fitness",
    schedule="beside",
    section="RFC 6455, 5.5.2",
    applies=lambda options: options.require_keepalive_s is not None,
    why="A keepalive that does not keep the connection alive is set too long, or not answered.",
)
async def keepalive(subject: CheckTarget) -> Finding:
    """Pings every --require-keepalive keep a connection alive, for as long as idleness would."""
    options = subject.options
    interval = options.require_keepalive_s or 0.0
    lasting = keepalive_span_s(interval, options.require_idle_s)
    session = await subject.open()
    try:
        return await _keep_alive(session, interval, lasting, options.timeout_s)
    finally:
        session.abort()


def keepalive_span_s(interval_s: float, idle_s: float | None) -> float:
    """How long the keepalive is watched: three intervals, or the required idle time if longer."""
    return max(KEEPALIVE_ROUNDS * interval_s, idle_s or 0.0)


async def _keep_alive(
    session: Session, interval_s: float, lasting_s: float, timeout_s: float
) -> Finding:
    began, heard, sent = session.opened.mono_ns, UnsolicitedFrames(), 0
    while _since(began) < lasting_s - 1e-3:
        due = min((sent + 1) * interval_s, lasting_s)
        try:
            await await_event(session, heard.take, due - _since(began))
            problem = await _ask(session, timeout_s)
        except (PeerClosedError, PeerBrokeError, SessionEnded) as dropped:
            problem = _told(dropped)
        if problem:
            at = _since(began)
            said = f"dropped after {at:.1f} s of {lasting_s:g}, with {sent} Pings sent: {problem}"
            return failed(said, round(at, 3), lasting_s)
        sent += 1
    every = format_duration(interval_s)
    kept = f"alive after {format_duration(lasting_s)} with a Ping every {every}"
    return passed(kept, lasting_s, lasting_s)
