"""Fitness over time: does a connection survive idleness, and does a keepalive save it?"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from wsdiag.judgement.products.endpoints import wants_a_hello
from wsdiag.probes.check.findings import Finding, describe_end, failed, passed, unmeasured, warned
from wsdiag.probes.check.options import CheckOptions
from wsdiag.probes.check.rule import Rule
from wsdiag.probes.check.target import CheckTarget
from wsdiag.probes.common.await_pong import (
    PeerClosedError,
    PeerViolationError,
    await_event,
    await_pong,
    describe_close,
)
from wsdiag.probes.common.stalls import Stalls
from wsdiag.protocol.events import Event, Ping
from wsdiag.records import Drop
from wsdiag.transport.session import Session, SessionEnded
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.units import counted, format_duration

# Three intervals in a row: one that survives may be luck, and a drop shows at the next Ping.
_KEEPALIVE_ROUNDS = 3
_LEAVES = (1001, 1012)
# A Ping that is later than that is not what was asked for. Timers are set to whole seconds.
_LATE_S, _LATE_SHARE = 1.0, 0.05


class UnsolicitedFrames:
    """What the server sent on its own while nothing was sent to it."""

    def __init__(self) -> None:
        self.count = 0
        self.pings = 0
        self.parts = False
        """Whether a message was seen to arrive in parts."""
        self._part_ns: int | None = None
        """When bytes of a message came last that is not complete."""
        self.held_back = 0
        """Pongs that did not come in time because of one."""

    def take(self, event: Event) -> bool:
        """Count a message, Ping or Pong; it never ends the wait."""
        self.count += 1
        self.pings += isinstance(event, Ping)
        self.end_part(event)
        return False

    def take_part(self, at: Arrival) -> None:
        """Note bytes of a message that is still arriving."""
        self.parts, self._part_ns = True, at.mono_ns

    def end_part(self, _event: Event) -> None:
        """Something is complete: what came of it is not still arriving."""
        self._part_ns = None

    def arriving(self, within_s: float) -> bool:
        """Whether bytes of a message came so lately: a Pong waits until it is complete."""
        return self._part_ns is not None and _since(self._part_ns) < within_s

    def __str__(self) -> str:
        if not self.count:
            return "parts of a message of the server"
        if self.pings == self.count:
            return f"{self.count} Pings of the server"
        return f"{self.count} frames of the server, {self.pings} of them Pings"


@Rule(
    "idle",
    "fitness",
    "Proxies and NAT drop idle connections, often silently.",
    schedule="background",
    asked_by={"--require-idle": "require_idle_s"},
    lasts_s=lambda options: options.require_idle_s or 0.0,
)
async def idle(target: CheckTarget) -> Finding:
    """A connection on which we send nothing for --require-idle is alive afterwards."""
    wanted = target.options.require_idle_s or 0.0
    session, stalls = await target.open(), Stalls()
    try:
        return await _stay_idle(session, wanted, target.options.timeout_s, stalls)
    finally:
        stalls.stop()
        session.abort()


async def _stay_idle(
    session: Session, wanted_s: float, timeout_s: float, stalls: Stalls
) -> Finding:
    began, unsolicited = session.opened.mono_ns, UnsolicitedFrames()
    session.on_part = unsolicited.take_part
    try:
        await await_event(session, unsolicited.take, wanted_s)
    except (PeerClosedError, PeerViolationError, SessionEnded) as problem:
        at = _came_after_s(session, problem, began)
        detail = f"dropped after {at:.1f} s of {wanted_s:g}: {_describe(problem)}"
        late_s = at - wanted_s
        if unsolicited.pings:  # it may have ended because we did not answer in time
            late_s = max(late_s, stalls.within(began / 1e9, began / 1e9 + at))
        if _is_late(late_s, wanted_s):
            return unmeasured(_not_run(late_s, detail))
        return replace(failed(detail, round(at, 3), wanted_s), hint=_who_closed(problem))
    idle, late_s = format_duration(wanted_s), _since(began) - wanted_s
    dead = await _no_answer(session, unsolicited, timeout_s)
    if dead is not None and _is_late(late_s, wanted_s):
        return unmeasured(_not_run(late_s, f"dead when asked: {_describe(dead)}"))
    if dead is not None:
        detail = f"dead when asked after {idle} idle: {_describe(dead)}"
        return replace(failed(detail, round(_since(began), 3), wanted_s), hint=_who_closed(dead))
    if unsolicited.count or unsolicited.parts:
        detail = f"survived {idle}, but it was not idle: {unsolicited}"
        return warned(f"{detail}; without them the path may still drop it", wanted_s)
    return passed(f"alive after {idle} without traffic", wanted_s, wanted_s)


class _NoPongError(Exception):
    """Nothing answered a Ping in time."""


async def _no_answer(
    session: Session, unsolicited: UnsolicitedFrames, timeout_s: float
) -> Exception | None:
    """What is wrong with a connection that is sent a Ping; None when its Pong came."""
    try:
        round_trip_ms = await await_pong(session, timeout_s, on_other=unsolicited.end_part)
    except (PeerClosedError, PeerViolationError, SessionEnded) as problem:
        return problem
    if round_trip_ms is not None:
        return None
    # what comes half of that time later was not on its way, and its message holds back the Pong
    if unsolicited.arriving(timeout_s / 2):
        unsolicited.held_back += 1
        return None
    return _NoPongError(f"no Pong within {timeout_s:g} s")


def _describe(problem: Exception) -> str:
    if isinstance(problem, SessionEnded):
        return f"the server {describe_end(problem.end)}"
    if isinstance(problem, PeerClosedError):
        return f"the server sent {describe_close(problem.close)}"
    return str(problem)


def _who_closed(problem: Exception) -> str | None:
    """What a Close frame says about who dropped the connection; None: there was none."""
    if not isinstance(problem, PeerClosedError):
        return None
    close = problem.close
    row = wants_a_hello([Drop("close", 0.0, None, close.code, close.reason)])
    if row is not None:
        wants = "a first message (a login, say)" if row.wants is None else row.wants
        return f"The endpoint wants to hear something first: {wants}. Send it with --hello TEXT."
    if close.code in _LEAVES:
        return (
            "What ends WebSocket was shut down, or has an idle timeout of its own: both close with "
            f"{close.code}. `wsdiag idle-probe` tells."
        )
    return (
        "A Close frame comes from the endpoint, or from what ends WebSocket before it: an idle "
        "timeout of its own, or it wanted something of the client. `wsdiag idle-probe` tells."
    )


def _came_after_s(session: Session, problem: Exception, began_ns: int) -> float:
    """When what ended the connection came, in seconds since then: we may read it much later."""
    at = problem.end.at if isinstance(problem, SessionEnded) else session.close_arrived
    return _since(began_ns) if at is None else ((at.kernel_ns or at.mono_ns) - began_ns) / 1e9


def _is_late(late_s: float, wanted_s: float) -> bool:
    """Whether our own lateness is as good an explanation as the endpoint."""
    return late_s > max(_LATE_S, _LATE_SHARE * wanted_s)


def _not_run(late_s: float, detail: str) -> str:
    return f"wsdiag itself was stopped, or had no CPU, and was late by {late_s:.1f} s; {detail}"


def _since(mono_ns: int) -> float:
    return asyncio.get_running_loop().time() - mono_ns / 1e9


def keepalive_span_s(interval_s: float, idle_s: float | None) -> float:
    """How long the keepalive is watched: three intervals, or the required idle time if longer."""
    return max(_KEEPALIVE_ROUNDS * interval_s, idle_s or 0.0)


def _span_s(options: CheckOptions) -> float:
    return keepalive_span_s(options.require_keepalive_s or 0.0, options.require_idle_s)


@Rule(
    "keepalive",
    "fitness",
    "A keepalive that does not keep the connection alive is set too long, or not answered.",
    section="RFC 6455, 5.5.2",
    schedule="background",
    asked_by={"--require-keepalive": "require_keepalive_s"},
    lasts_s=_span_s,
)
async def keepalive(target: CheckTarget) -> Finding:
    """Pings every --require-keepalive keep a connection alive, for as long as idleness would."""
    options = target.options
    interval_s = options.require_keepalive_s or 0.0
    session, stalls = await target.open(), Stalls()
    try:
        return await _keep_alive(session, interval_s, _span_s(options), options.timeout_s, stalls)
    finally:
        stalls.stop()
        session.abort()


async def _keep_alive(
    session: Session, interval_s: float, lasting_s: float, timeout_s: float, stalls: Stalls
) -> Finding:
    began, unsolicited, sent = session.opened.mono_ns, UnsolicitedFrames(), 0
    session.on_part, loop = unsolicited.take_part, asyncio.get_running_loop()
    last_s = loop.time()
    while _since(began) < lasting_s - 1e-3:
        due, late_s = min((sent + 1) * interval_s, lasting_s), 0.0
        try:
            try:
                await await_event(session, unsolicited.take, due - _since(began))
            finally:  # a Pong that was slow is no lateness of ours
                late_s = min(_since(began) - due, stalls.within(last_s, loop.time()))
                last_s = loop.time()
            sent += 1
            problem = await _no_answer(session, unsolicited, timeout_s)
        except (PeerClosedError, PeerViolationError, SessionEnded) as dropped:
            problem = dropped
        if problem is not None:
            at = _since(began)
            pings = counted(sent, "Ping")
            why = _describe(problem)
            detail = f"dropped after {at:.1f} s of {lasting_s:g}, with {pings} sent: {why}"
            if _is_late(late_s, interval_s):
                return unmeasured(_not_run(late_s, detail))
            dropped_by = failed(detail, round(at, 3), lasting_s)
            broken = isinstance(problem, _NoPongError)
            return replace(dropped_by, breaks_rule=broken, hint=_who_closed(problem))
    every = format_duration(interval_s)
    kept = f"alive after {format_duration(lasting_s)} with a Ping every {every}"
    if unsolicited.held_back:
        pongs = counted(unsolicited.held_back, "Pong")
        return warned(f"{kept}, but {pongs} waited behind a message that was arriving", lasting_s)
    return passed(kept, lasting_s, lasting_s)
