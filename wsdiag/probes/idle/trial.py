"""One trial of an idle probe: one connection, what it sends, and the reading of its fate."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from wsdiag.probes.idle.connection import TrialConnection
from wsdiag.probes.idle.context import RoundContext
from wsdiag.probes.idle.dialing import dial_patiently, refusal_words
from wsdiag.probes.idle.keepalives import KeepaliveSchedule
from wsdiag.probes.idle.liveness import ACK_WAIT_S, LivenessCheck
from wsdiag.probes.idle.plan import TrialPlan
from wsdiag.probes.idle.record import ended_trial, late_words, open_trial, unopened_trial
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.records import Drop, IdleTrial, TrialStarted
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Session

# Due times are floats of differences: so much earlier is due as well.
_GRAIN_S = 1e-4
_LATE_PONG_S = 5.0


@dataclass(frozen=True, slots=True)
class Finish:
    """Told by the round: end now. `ask`: find out first whether the connection still lives."""

    ask: bool
    wait_s: float


class Trial:
    """A trial from its dial to its record. Times are seconds since its upgrade."""

    def __init__(self, plan: TrialPlan, index: int, context: RoundContext) -> None:
        self.plan, self.index = plan, index
        self.trial: IdleTrial | None = None
        """The record, once the outcome is known."""
        self.silent = False
        """A question had no answer in time; the lane may still be waiting for a late one."""
        self.started_s = 0.0
        self.link: TrialConnection | None = None
        self._context = context
        self._pace = (
            KeepaliveSchedule(plan.gap_s, plan.first_gap_s) if plan.gap_s is not None else None
        )
        self._finish: Finish | None = None
        self._wake = asyncio.Event()
        self._insisted_s: float | None = None

    # -- what the round asks -------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Connected, and without an outcome so far."""
        return self.link is not None and self.trial is None and self.link.drop is None

    def finish(self, *, ask: bool, wait_s: float) -> None:
        """End: after a last question, answered within `wait_s`, or at once."""
        before = self._finish
        if before is None or (before.ask and not ask) or wait_s < before.wait_s:
            self._finish = Finish(ask, wait_s)
            self._wake.set()

    def hold(self, timeout_s: float) -> None:
        """The timeout is known: keep doubling gaps short enough from here on."""
        if self._pace is not None and self._pace.doubling:
            self._pace.hold(timeout_s)
            self._set_tcp_keepalive()
            self._wake.set()

    async def close(self, timeout_s: float) -> None:
        """Leave with a Close frame, within bounds."""
        if self.link is not None:
            self.link.stop()
            await self.link.session.close(1000, timeout=timeout_s)

    # -- life ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Dial at the planned time, live, and leave a record in `trial`."""
        context = self._context
        try:
            await asyncio.sleep(self.plan.start_s)
            session = await dial_patiently(
                context.url, context.dial, context.tracer, spread_s=0.1 * (self.index % 8)
            )
        except DialError as error:
            self._settle(unopened_trial(self, context, "refused", refusal_words(error)))
            return
        except asyncio.CancelledError:
            self._settle(unopened_trial(self, context, "aborted", "not connected yet"))
            raise
        await self._live(self._open(session))

    def _open(self, session: Session) -> TrialConnection:
        context, plan = self._context, self.plan
        self.started_s = context.clock.since_start_s(session.opened.mono_ns)
        self.link = TrialConnection(session, self.index, context, self._wake.set)
        planned_s = context.options.longest_s if plan.idle_for_s is None else plan.idle_for_s
        context.emit(
            TrialStarted(
                context.url, self.index, plan.trial, plan.idle_for_s, plan.gap_s, planned_s
            )
        )
        self._set_tcp_keepalive()
        if plan.trial == "push" and context.options.push is not None:
            with suppress(LocalProtocolError):
                self.link.say(context.options.push)
        return self.link

    async def _live(self, link: TrialConnection) -> None:
        while self.trial is None:
            self._wake.clear()
            self._step(link)
            if self.trial is not None:
                return
            due_s = self._next_s(link)
            left_s = None if due_s is None else max(0.0, due_s - link.now_s())
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._wake.wait()

    # -- acting --------------------------------------------------------------------------------

    def _step(self, link: TrialConnection) -> None:
        """Whatever is due now."""
        context, finish = self._context, self._finish
        if link.violation is not None:
            self._settle(open_trial(self, context, "aborted", "the endpoint broke the protocol"))
        elif link.drop is not None:
            self._settle(ended_trial(self, context, link.drop))
        elif link.question is not None:
            self._judge(link, link.question)
        elif self._deaf(link):
            self._settle(ended_trial(self, context, self._silence(link)))
        elif finish is not None and not finish.ask:
            self._settle(open_trial(self, context, "aborted", "no longer needed"))
        elif finish is not None or self._rung_due(link):
            with suppress(LocalProtocolError):  # closing: its end is on the way
                link.ask()
        elif self._pace is not None and link.now_s() >= self._pace.due_s - _GRAIN_S:
            self._keep_alive(link, self._pace)

    def _next_s(self, link: TrialConnection) -> float | None:
        """When something is due without any event; None: only an event matters."""
        if link.question is not None:
            return self._deadline_s(link.question)
        dues = [self._deaf_s(link)] if link.unanswered and self._pings_count() else []
        if self._pace is not None:
            dues.append(self._pace.due_s)
        if self._target_s is not None:
            dues.append(link.quiet_since_s() + self._target_s)
        return min(dues, default=None)

    @property
    def _target_s(self) -> float | None:
        """The idleness after which to ask: the rung's, or for a watcher the longest of all."""
        if self.plan.trial != "idle":
            return None
        return (
            self._context.options.longest_s
            if self.plan.idle_for_s is None
            else self.plan.idle_for_s
        )

    def _rung_due(self, link: TrialConnection) -> bool:
        target_s = self._target_s
        return target_s is not None and link.now_s() - link.quiet_since_s() >= target_s - _GRAIN_S

    def _pings_count(self) -> bool:
        """Whether a missing Pong means anything: only at an endpoint that answers Pings."""
        return self._context.answers_pings is True

    def _deaf(self, link: TrialConnection) -> bool:
        """Whether it stays silent; where TCP acknowledges, it is asked a second time first."""
        if not link.unanswered:
            self._insisted_s = None
        if not link.unanswered or not self._pings_count():
            return False
        if link.now_s() < self._deaf_s(link) - _GRAIN_S:
            return False
        if self._insisted_s is None and link.session.stream.acknowledged():
            self._insisted_s = link.now_s()
            with suppress(LocalProtocolError):  # closing: its end is on the way
                link.retry()
            return False
        return True

    def _deaf_s(self, link: TrialConnection) -> float:
        if self._insisted_s is not None:
            return self._insisted_s + self._second_wait_s
        return min(link.unanswered.values()) + self._context.pong_timeout_s

    @property
    def _second_wait_s(self) -> float:
        return min(_LATE_PONG_S, self._context.pong_timeout_s)

    def _deadline_s(self, question: LivenessCheck) -> float:
        wait_s, from_s = self._context.pong_timeout_s, question.at_s
        if question.again_at_s is not None:
            wait_s, from_s = self._second_wait_s, question.again_at_s
        if self._context.method() == "ack":
            wait_s = min(wait_s, ACK_WAIT_S)
        if self._finish is not None:
            wait_s = min(wait_s, self._finish.wait_s)
        elif self.silent:  # a late Pong is a symptom worth waiting for
            wait_s += self._second_wait_s
        return from_s + wait_s

    def _judge(self, link: TrialConnection, question: LivenessCheck) -> None:
        context = self._context
        if question.answered_s is not None and not self.silent:
            self._settle(open_trial(self, context, "alive", late_words(question)))
        elif question.answered_s is not None:
            self._settle(ended_trial(self, context, self._silence(link)))
        elif link.now_s() < self._deadline_s(question) - _GRAIN_S:
            return
        elif context.method() == "ack":
            self._judge_by_ack(link)
        elif self._in_a_hurry():
            self._settle(open_trial(self, context, "aborted", "no answer before the end"))
        elif self._asks_again(link, question):
            pass
        elif not self.silent and self._finish is None:
            self.silent = True
            context.changed.set()
        else:
            self._settle(ended_trial(self, context, self._silence(link)))

    def _asks_again(self, link: TrialConnection, question: LivenessCheck) -> bool:
        """A lost Pong is no lost connection: TCP acknowledged the Ping, so ask once more."""
        if question.again_at_s is not None or not question.payload or self.silent:
            return False
        if not link.session.stream.acknowledged():
            return False
        with suppress(LocalProtocolError):  # closing: its end is on the way
            link.retry()
        return True

    def _judge_by_ack(self, link: TrialConnection) -> None:
        acknowledged = link.session.stream.acknowledged()
        if acknowledged:
            words = "TCP acknowledged; the endpoint answers no Pings"
            self._settle(open_trial(self, self._context, "alive", words))
        elif acknowledged is None:
            words = "no event; the endpoint answers no Pings, and TCP tells nothing here"
            self._settle(open_trial(self, self._context, "alive", words))
        else:
            self._settle(ended_trial(self, self._context, self._silence(link)))

    def _in_a_hurry(self) -> bool:
        """Interrupted: less than the Pong's full time was left, so silence proves nothing."""
        finish, timeout_s = self._finish, self._context.pong_timeout_s
        return finish is not None and finish.wait_s < timeout_s and not self.silent

    def _silence(self, link: TrialConnection) -> Drop:
        asked_s = link.question.at_s if link.question is not None else link.now_s()
        asked_s = min([asked_s, *link.unanswered.values()])
        return Drop(
            "silent", round(asked_s, 3), tcp_acknowledged=link.session.stream.acknowledged()
        )

    def _keep_alive(self, link: TrialConnection, pace: KeepaliveSchedule) -> None:
        now_s, kind = link.now_s(), self.plan.trial
        pace.sent_at(now_s)
        with suppress(LocalProtocolError):
            if kind == "tcp-keepalive":
                self._set_tcp_keepalive()
                link.remark(now_s, "sent", "keepalive")
            elif kind == "data":
                link.say(self._context.options.send or "")
            else:
                link.keep_alive(kind, len(pace.sent))

    def _set_tcp_keepalive(self) -> None:
        """The kernel sends these; all that we do is to tell it the gap."""
        if self.plan.trial != "tcp-keepalive" or self._pace is None or self.link is None:
            return
        sent = self._pace.sent
        with suppress(OSError):
            self.link.session.stream.set_keepalive(self._pace.due_s - (sent[-1] if sent else 0.0))

    def _settle(self, trial: IdleTrial) -> None:
        self.trial = trial
        self._context.emit(trial)
        self._context.changed.set()

    @property
    def pace(self) -> KeepaliveSchedule | None:
        """The keepalives it has sent, and when."""
        return self._pace
