"""One trial of an idle probe: what its state says is due is done here, on its connection."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from wsdiag.judgement.verdict.evidence import TOUCH_S
from wsdiag.probes.common.drops import drop_of_end
from wsdiag.probes.common.end_origin import with_origin
from wsdiag.probes.idle.activity import PART, Direction
from wsdiag.probes.idle.connection import TrialConnection, dial_patiently, refusal_text
from wsdiag.probes.idle.context import RoundContext
from wsdiag.probes.idle.keepalives import BEHAVIOURS, Sending
from wsdiag.probes.idle.phases import TRANSITIONS, TrialEvent, TrialPhase
from wsdiag.probes.idle.plan import TrialPlan
from wsdiag.probes.idle.record import late_text, trial_record
from wsdiag.probes.idle.state import RETRY_PINGS, Finish, LivenessCheck, TrialState
from wsdiag.protocol.events import Close, TextMessage, Violation
from wsdiag.records import Drop, IdleTrial, Outcome, TrialActivity, TrialStarted
from wsdiag.records.drops import ZERO_WINDOW
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Received
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival, SendRecord

if TYPE_CHECKING:
    from wsdiag.probes.idle.locate import TrialFlow

# A server that sends without pause must not flood the timeline: one entry in so many seconds.
_SHOWN_EVERY_S = 0.05


class Trial:
    """A trial from its dial to its record. Times are seconds since its upgrade."""

    def __init__(self, plan: TrialPlan, index: int, context: RoundContext) -> None:
        self.plan = plan
        self.state = TrialState(plan, index, context.facts, context.round)
        self.record: IdleTrial | None = None
        """Once the outcome is known."""
        self._context = context
        self._behaviour = BEHAVIOURS[plan.trial]
        self._connection: TrialConnection | None = None
        self._wake = asyncio.Event()
        self._shown_s = -1.0
        self._pings = 0
        self._unanswered: dict[bytes, SendRecord] = {}
        """The keepalive's unanswered Pings, and newer ones, by payload."""
        self._asked: SendRecord | None = None
        """The check, or its or the keepalive's last retry, while it goes on."""
        self._flow: TrialFlow | None = None
        if context.locator is not None and plan.idle_for_s is not None:
            self._flow = context.locator.flow(plan.idle_for_s)
        self._learning: asyncio.Task[None] | None = None
        self._tracing: asyncio.Task[None] | None = None

    # -- for the round -------------------------------------------------------------------------

    def finish(self, *, check: bool, wait_s: float) -> None:
        """End: after a last check, answered within `wait_s`, or at once."""
        before = self.state.finish
        if before is None or (before.check and not check) or wait_s < before.wait_s:
            self.state.finish = Finish(check, wait_s)
            self._wake.set()

    def abort(self) -> None:
        """End at once: what has not answered by now proves nothing, and no Close is awaited."""
        self.finish(check=False, wait_s=0.0)
        if self.record is not None and self._connection is not None:
            self._connection.session.abort()

    def limit_gaps(self, timeout_s: float) -> None:
        """The timeout is known: keep doubling gaps short enough from here on."""
        schedule = self.state.schedule
        if schedule is not None and schedule.first_gap_s is not None:
            schedule.limit_gaps(timeout_s)
            self._set_tcp_keepalive()
            self._wake.set()

    @property
    def has_hops(self) -> bool:
        """Whether its hops were learnt, so that its death has a place."""
        return self._flow is not None and bool(self._flow.live)

    async def run(self) -> None:
        """Dial at the planned time, live, and leave a record."""
        context, state = self._context, self.state
        refusals: list[str] = []
        try:
            await asyncio.sleep(self.plan.start_s)
            participant = await dial_patiently(
                context.url,
                context.dial,
                context.tracer,
                refusals,
                state.index,
                "answerer" if self.plan.trial == "heartbeat" else "listener",
                self._flow,
                context.shared if self.plan.shares else None,
            )
        except DialError as error:
            self._handle(TrialEvent.REFUSED, refusal_text(error))
            return
        except asyncio.CancelledError:
            if refusals:
                self._handle(TrialEvent.REFUSED, refusals[-1])
            else:
                self._handle(TrialEvent.STOPPED, "not connected yet")
            raise
        self._connection = connection = TrialConnection(participant)
        tcp = connection.session.stream.tcp
        if tcp is not None and (endpoints := tcp.endpoints()) is not None:
            self._context.clock.note_source(endpoints[0][0])
        self._handle(TrialEvent.OPENED)
        if self._flow is not None:
            self._learning = asyncio.create_task(self._learn_hops(self._flow))
        while state.phase is not TrialPhase.DONE:
            self._wake.clear()
            last_byte_s = max(self._last_byte_s(), state.touched_s)
            event = state.event(connection.now_s(), last_byte_s, self._acknowledged)
            if event is not None:
                if (tracing := self._look_for_death(event)) is not None:
                    await tracing
                    continue
                self._handle(event)
                await asyncio.sleep(0)  # whatever is due, and however often: others have their turn
                continue
            due_s = state.due_s(last_byte_s)
            left_s = None if due_s is None else max(0.0, due_s - connection.now_s())
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._wake.wait()

    async def close(self, timeout_s: float) -> None:
        """Leave with a Close frame, within bounds."""
        for task in (self._learning, self._tracing):
            if task is not None:
                task.cancel()
        if self._flow is not None:
            self._flow.close()
        if self._connection is not None:
            await self._connection.session.close(1000, timeout=timeout_s)

    # -- its hops ------------------------------------------------------------------------------

    async def _learn_hops(self, flow: TrialFlow) -> None:
        if await flow.learn():
            self.state.touched_s = self._open.now_s()
            self._wake.set()

    def _look_for_death(self, event: TrialEvent) -> asyncio.Task[None] | None:
        """Ask the hops of a flow that died; what is to be waited for before it is recorded."""
        flow, state = self._flow, self.state
        if flow is None or state.check is None:
            return None
        ended = event is TrialEvent.ENDED and state.drop is not None
        reset = ended and state.drop is not None and state.drop.how in ("rst-on-write", "timeout")
        silent = event in (TrialEvent.UNANSWERED, TrialEvent.SILENT)
        if self._tracing is None and (reset or (silent and self._acknowledged() is False)):
            self._tracing = asyncio.create_task(flow.trace(reset=reset))
        task = self._tracing if event is TrialEvent.SILENT or reset else None
        return None if task is None or task.done() else task

    # -- acting --------------------------------------------------------------------------------

    def _handle(self, event: TrialEvent, detail: str | None = None) -> None:
        """Go on to the next phase, and do what the event demands."""
        self.state.phase = TRANSITIONS[self.state.phase, event]
        match event:
            case TrialEvent.OPENED:
                self._start()
            case TrialEvent.KEEPALIVE_DUE:
                self._keep_alive()
            case TrialEvent.CHECK_DUE:
                self._check()
            case TrialEvent.ACKNOWLEDGED:
                self._retry()
            case TrialEvent.UNANSWERED:
                self._context.changed.set()
            case TrialEvent.REFUSED:
                self._record("refused", detail=detail)
            case TrialEvent.ANSWERED | TrialEvent.NO_PONG_EXPECTED | TrialEvent.NOT_ASKED:
                self._record("alive", detail=self._alive_detail(event))
            case TrialEvent.ENDED if self.plan.trial != "idle" and self.state.outlived_check:
                self._record("alive", detail="ended only after its keepalive was stopped")
            case TrialEvent.ENDED:
                self._record("dropped", drop=self.state.drop)
            case TrialEvent.SILENT | TrialEvent.LATE_PONG:
                self._record("silent", drop=self._silent_drop())
            case TrialEvent.STOPPED | TrialEvent.VIOLATED | TrialEvent.CUT_SHORT:
                self._record("aborted", detail=detail or self.state.violation or event.value)

    def _start(self) -> None:
        context, state, plan, connection = self._context, self.state, self.plan, self._open
        state.started_s = context.clock.since_start_s(connection.session.opened.mono_ns)
        state.upgrade_s = connection.upgrade_s
        context.emit(
            TrialStarted(
                context.url, state.index, plan.trial, plan.idle_for_s, plan.gap_s, state.idle_for_s
            )
        )
        participant = connection.participant
        if participant.hello_sent_ns is not None:
            state.activity.add(connection.since_upgrade_s(participant.hello_sent_ns), "sent")
        participant.on_sent = self._heartbeat_sent
        connection.session.on_part = self._part_received
        connection.session.push(self._received, self._ended)
        if state.drop is None and state.violation is None:
            self._set_tcp_keepalive()
            if self._behaviour.first is not None:
                self._send(self._behaviour.first)

    def _keep_alive(self) -> None:
        if self.state.schedule is not None and self._behaviour.keepalive is not None:
            self.state.schedule.sent.append(self._open.now_s())
            self._send(self._behaviour.keepalive)

    def _send(self, what: Sending) -> None:
        """Send what this kind of trial sends at first, or to keep its connection alive."""
        session = self._open.session
        match what:
            case "ping":
                if self.state.phase is TrialPhase.WAITING:
                    self._asked = None  # what was asked before has been answered
                self._ping(self._new_payloads(1), awaited=self._behaviour.needs_answer)
            case "pong":
                session.pong(b"wsdiag")
                self._sent("pong")
            case "text":
                text = self._context.facts.options.text_of(self.plan.trial)
                session.send_text(text or "", stamp=False)
                self.state.answered()
                self._sent("text")
            case "heartbeat":
                self._open.participant.beat()
            case "h2-ping" if session.http2 is not None:
                session.http2.ping(lambda _sent, _answered: None)
                self._show(self._open.now_s(), "sent", "keepalive")
            case "tcp-keepalive":
                self._set_tcp_keepalive()
                self._show(self._open.now_s(), "sent", "keepalive")

    def _set_tcp_keepalive(self) -> None:
        """The kernel sends these, so no byte of ours crosses: it is told the gap to the next."""
        connection, schedule = self._connection, self.state.schedule
        if self._behaviour.keepalive == "tcp-keepalive" and connection and schedule:
            connection.set_tcp_keepalive(schedule.next_gap_s)

    def _check(self) -> None:
        context, connection, now_s = self._context, self._open, self._open.now_s()
        text, expect = context.facts.check_text, context.facts.options.expect
        payload = b"wsdiag %d" % self.state.index if text is None else b""
        idle_s = now_s - max(self._last_byte_s(), self.state.touched_s)
        self.state.check = LivenessCheck(now_s, idle_s, payload, expect, connection.retransmits())
        if text is None:
            self._asked = self._ping([payload])
        else:
            self._asked = connection.session.send_text(text, stamp=False)
            self.state.answered()
            self._sent("text")

    def _retry(self) -> None:
        state, now_s = self.state, self._open.now_s()
        if state.check is None:
            state.retried_s = now_s
            self._asked = self._ping(self._new_payloads(RETRY_PINGS), awaited=True)
        else:
            state.check.retried_s = now_s
            payloads = [state.check.payload + b"+%d" % number for number in range(RETRY_PINGS)]
            self._asked = self._ping(payloads)

    def _new_payloads(self, count: int) -> list[bytes]:
        self._pings += count
        return [
            b"wsdiag %d.%d" % (self.state.index, self._pings - number) for number in range(count)
        ]

    def _ping(self, payloads: list[bytes], *, awaited: bool = False) -> SendRecord:
        """Send a Ping with each payload; returns the last one's moment."""
        sent = {payload: self._open.session.ping(payload) for payload in payloads}
        if awaited:
            unanswered = self.state.unanswered
            self._unanswered = {p: each for p, each in self._unanswered.items() if p in unanswered}
            self._unanswered |= sent
            unanswered |= dict.fromkeys(payloads, self._open.now_s())
        self._sent("ping")
        return sent[payloads[-1]]

    def _acknowledged(self) -> bool | None:
        """Whether TCP has acknowledged what should have been answered by now.

        That is not all that was sent: where a keepalive goes on, its next Ping may have left this
        very moment.
        """
        oldest = next(iter(self.state.unanswered), b"")
        return self._open.acknowledged(self._asked or self._unanswered.get(oldest))

    def _heartbeat_sent(self) -> None:
        """The participant has sent a heartbeat, or the answer to one."""
        self.state.heartbeats.append(self._open.now_s())
        self._sent("heartbeat")

    def _sent(self, what: str) -> None:
        now_s = self._open.now_s()
        self.state.activity.add(now_s, "sent")
        self._show(now_s, "sent", what)

    # -- receiving -----------------------------------------------------------------------------

    def _received(self, item: Received) -> None:
        event, at_s = item.event, self._open.since_upgrade_s(item.at.mono_ns)
        if isinstance(event, Close):
            meaning = self._open.participant.meaning_of((event.code, event.reason))
            drop = Drop("close", round(at_s, 3), None, event.code, event.reason, meaning)
            self._dropped(drop)
        elif not isinstance(event, Violation):
            to_hello = item.at.mono_ns in self._open.participant.hello_answers_ns
            self._show(at_s, "received", self.state.received(event, at_s, to_hello=to_hello))
            if isinstance(event, TextMessage) and self._open.participant.dialect is None:
                self.state.asked(event.text, at_s)
        elif not self._open.truncated:  # else the stream's end follows
            self.state.violation = event.error.described("the endpoint")
        self._wake.set()

    def _part_received(self, at: Arrival) -> None:
        at_s = self._open.since_upgrade_s(at.mono_ns)
        self.state.part_received(at_s)
        self._show(at_s, "received", PART)

    def _ended(self, end: StreamEnd) -> None:
        if end.how != "local":
            at_s = round(self._open.since_upgrade_s(end.at.mono_ns), 3)
            drop = drop_of_end(end, at_s, truncated=self._open.truncated)
            if self._flow is not None and self._flow.tracer is not None:
                self._flow.tracer.capture.read()
                drop = with_origin(drop, self._flow.tracer.capture.limits)
            self._dropped(drop)

    def _dropped(self, drop: Drop) -> None:
        state, clock = self.state, self._context.clock
        if state.drop is not None or state.phase is TrialPhase.DONE:
            return
        # A reset is the answer to our check where a device on the way has forgotten the connection.
        if drop.how == "rst" and state.check is not None and state.check.answered_s is None:
            drop = replace(drop, how="rst-on-write")
        state.drop, state.stalled_s = drop, clock.stalled_s()
        since_s = state.unanswered_since_s
        if since_s is not None and drop.at_s - since_s <= TOUCH_S + 2 * state.upgrade_s:
            self._context.facts.ended_by_pings += 1
        clock.note_suspend()
        self._wake.set()

    # -- reporting -----------------------------------------------------------------------------

    @property
    def _open(self) -> TrialConnection:
        assert self._connection is not None
        return self._connection

    def _last_byte_s(self) -> float:
        return max(self.state.activity.last_byte_s, self._open.last_byte_s)

    def _show(self, at_s: float, direction: Direction, what: str) -> None:
        if direction == "sent" or at_s >= self._shown_s + _SHOWN_EVERY_S:
            self._shown_s = at_s
            url, index = self._context.url, self.state.index
            self._context.emit(TrialActivity(url, index, round(at_s, 3), direction, what))

    def _alive_detail(self, event: TrialEvent) -> str | None:
        if event is TrialEvent.NOT_ASKED:
            return str(event.value)
        if event is not TrialEvent.NO_PONG_EXPECTED:
            return late_text(self.state.check)
        if self.state.receiving_since_check:
            return "a message was still arriving, and no Pong can come before its end"
        if self._acknowledged():
            return "TCP acknowledged; the endpoint answers no Pings"
        return "no answer; the endpoint answers no Pings, and TCP_INFO is unavailable"

    def _silent_drop(self) -> Drop:
        """Silent since the first of the Pings that are without an answer."""
        check = self.state.check
        at_s = min([*([] if check is None else [check.at_s]), *self.state.unanswered.values()])
        detail = ZERO_WINDOW if self._open.window_is_zero() else None
        acknowledged = self._acknowledged()
        return Drop("silent", round(at_s, 3), tcp_acknowledged=acknowledged, detail=detail)

    def _record(
        self, outcome: Outcome, *, drop: Drop | None = None, detail: str | None = None
    ) -> None:
        context, state, connection = self._context, self.state, self._connection
        age_s = retransmits = None
        if connection is not None and connection.participant.unanswered_ns is not None:
            asked_ns = connection.participant.unanswered_ns
            state.unanswered_heartbeat_s = round(connection.since_upgrade_s(asked_ns), 3)
        if connection is None:
            state.started_s = context.clock.now_s()
        else:
            age_s = connection.now_s() if drop is None else drop.at_s
            if outcome == "alive" and state.drop is not None and state.check is not None:
                age_s = state.check.at_s
            if state.check is not None and state.check.retransmits_before is not None:
                now = connection.retransmits()
                retransmits = None if now is None else now - state.check.retransmits_before
        self.record = trial_record(
            state, context.url, outcome, age_s, drop=drop, detail=detail, retransmits=retransmits
        )
        if context.shared is not None and self.plan.shares:
            self.record = replace(self.record, shared=True)
        if self._flow is not None:
            self.record = replace(self.record, hops=self._flow.hops())
            self._flow.close()
        context.emit(self.record)
        context.changed.set()
