"""The probe of one URL: a control connection, then rounds of trials, then perhaps a refinement."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from wsdiag.judgement.diagnosis.hints import diagnose
from wsdiag.judgement.products.intermediaries import hops_from_headers
from wsdiag.judgement.verdict.evidence import AT_ONCE_S, TOUCH_S, Evidence, ProbeContext
from wsdiag.judgement.verdict.judge import judge
from wsdiag.judgement.verdict.location import hops_to_confirm
from wsdiag.probes.common.await_pong import (
    PeerClosedError,
    PeerViolationError,
    await_event,
    await_pong,
)
from wsdiag.probes.common.drops import drop_of
from wsdiag.probes.common.participant import Participant, open_session
from wsdiag.probes.idle.context import RoundContext
from wsdiag.probes.idle.dead_client import DeadClient
from wsdiag.probes.idle.plan import (
    ALONE,
    Heartbeat,
    TrialPlan,
    plan_dead,
    plan_refinement,
    plan_round,
)
from wsdiag.probes.idle.round import Round, timeout_so_far
from wsdiag.probes.idle.state import LivenessCheck
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import Event, Pong
from wsdiag.records import Drop, IdleTrial
from wsdiag.transport.dial.carriers import SharedHttp2
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Session, SessionEnded
from wsdiag.units import format_seconds

_CLOSE_S = 1.0
_FIRST_MESSAGE_S = 1.0
# What one timer explains differs by less: 20 percent, and the second of those that look that often.
_LONGER, _LATER_S = 1.25, 1.2
# How much later each round begins than the one before.
_LATER_ROUND_S = 0.1
# Several paths of equal cost take several connections to see.
_AGAIN = 4

NOT_LOCATED = (
    "Where idle flows die was not looked for: that takes CAP_NET_RAW (sudo, --cap-add NET_RAW in a "
    "container, AmbientCapabilities=CAP_NET_RAW in a systemd service)."
)


class EndpointProbe:
    """One URL's share of the probe."""

    def __init__(self, context: RoundContext) -> None:
        self.url = context.url
        self.trials: list[IdleTrial] = []
        self.dead: list[IdleTrial] = []
        """Of clients that were dead without a word: no other verdict rests on them."""
        self._first_index = 0
        self._context = context
        self._control: Participant | None = None
        self._round: Round | None = None
        self._dead_clients: Sequence[DeadClient] = ()
        self._phase = "dns"
        """Of the first dial."""
        self._ended = False
        self._error: str | None = None
        self._back: bool | None = None
        self._ended_again: Drop | None = None
        self._notes: Sequence[str] = ()
        self._again: dict[int, list[str]] | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Come to an end now, with what is known; a second call waits for nothing more."""
        again = self._stopping.is_set()
        self._stopping.set()
        if self._round is not None:
            self._round.stop()
        if again:
            for each in self._dead_clients:
                each.abort()
            if self._control is not None:
                self._control.session.abort()

    @property
    def awaited(self) -> str | None:
        """What is awaited now, by its word of AWAITED or in words; None: nothing more."""
        if self._ended:
            return None
        if self._control is None:
            return self._phase
        if self._context.facts.answers_pings is None:
            return "ping"
        longest_s = self._context.facts.options.longest_s
        return f"idle periods of up to {format_seconds(longest_s)}"

    def _note_phase(self, phase: str) -> None:
        self._phase = phase

    async def run(self) -> None:
        """Fill `trials`; every connection is closed when this returns."""
        try:
            await self._run()
        finally:
            self._ended = True

    async def _run(self) -> None:
        context = self._context
        try:
            self._control = await self._unless_stopped(
                open_session(
                    self.url,
                    context.dial,
                    tracer=context.tracer,
                    timestamps=False,
                    on_phase=self._note_phase,
                )
            )
        except DialError as error:
            found = diagnose(self.url, error)
            self._error = found.message
            context.emit(found)
            return
        if self._control is None:
            return
        control = asyncio.create_task(learn_how_to_check(self._control.session, context))
        close_s = _CLOSE_S
        self._dead_clients = dead = [
            DeadClient(context, index, kind, away_s)
            for index, (kind, away_s) in enumerate(plan_dead(context.facts.options))
        ]
        self._first_index = len(dead)
        try:
            await self._learn_the_dialect(self._control)
            if context.facts.options.max_connections <= ALONE:
                await self._until_stopped(control)
            async with asyncio.TaskGroup() as group:
                watched = [group.create_task(each.run(self._stopping)) for each in dead]
                await self._rounds()
            self.dead = [each.result() for each in watched]
        except asyncio.CancelledError:
            close_s = 0.0  # whoever cancels has waited long enough
            await self._control.session.close(1000, timeout=0)
            raise
        finally:
            done, _ = await asyncio.wait({control}, timeout=close_s)
            if not done:
                control.cancel()
                await asyncio.gather(control, return_exceptions=True)
            if context.locator is not None:
                context.locator.close()
        if done:
            control.result()

    def case(self, shared_end_s: float | None = None) -> ProbeContext:
        """The circumstances for the verdict."""
        facts = self._context.facts
        control = self._control
        report = None if control is None else control.session.report
        return ProbeContext(
            url=self.url,
            longest_s=facts.options.longest_s,
            keepalive_s=facts.options.gap_s,
            answers_pings=facts.answers_pings,
            ended_by_pings=facts.ended_by_pings,
            echoes=facts.echoes,
            rtt_s=facts.rtt_s,
            other_pongs=facts.other_pongs,
            slow_pong_s=facts.slow_pong_s,
            hops=() if report is None else tuple(hops_from_headers(report.headers)),
            subprotocol=None if report is None else report.subprotocol,
            first_message=facts.first_message,
            jumps=tuple(self._context.clock.suspends),
            lost_links=tuple(self._context.clock.lost_links()),
            back=self._back,
            ended_again=self._ended_again,
            repeat=facts.options.repeat,
            shared_end_s=shared_end_s,
            error=self._error,
            partial=self._stopping.is_set(),
            required_s=facts.options.require_s,
            live_again=self._again,
            notes=tuple(self._notes),
            greeted=control is not None and control.hello_sent_ns is not None,
            hello=None if control is None else control.hello,
            dialect=None if control is None else control.dialect,
            recognised=None if control is None else control.info,
            announced=None if control is None else control.clock,
        )

    async def _rounds(self) -> None:
        options = self._context.facts.options
        http2 = self._context.dial.http_version == "2"
        plan = plan_round(options, self._heartbeat(), http2=http2)
        self._notes = plan.notes
        if options.locate and self._context.locator is None:
            self._notes += (NOT_LOCATED,)
        for _ in range(options.repeat):
            await self._run_round(plan.trials)
            if options.max_connections == 1:
                await self._ping_alone()
            if self._stopping.is_set():
                return
        await self._idle_again()
        if options.refine:
            await self._refine()

    async def _learn_the_dialect(self, control: Participant) -> None:
        """Give the endpoint's first message time to come: its Pong comes after it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _FIRST_MESSAGE_S
        while self._may_learn_more(control) and loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def _may_learn_more(self, control: Participant) -> bool:
        dialect = control.dialect
        if self._stopping.is_set() or self._context.dial.dialect == "none":
            return False
        if dialect is None:
            return self._context.facts.answers_pings is None
        return None not in (dialect.first, dialect.clock) and control.clock is None

    def _heartbeat(self) -> Heartbeat:
        """Which heartbeats of the endpoint's protocol a trial may try."""
        control = self._control
        dialect = None if control is None else control.dialect
        if control is None or dialect is None:
            return None
        if dialect.beat is not None and control.takes_part:
            return "own"
        # what announces its clock to everybody sends heartbeats to everybody
        wanted = control.takes_part or control.clock is not None
        return "answers" if dialect.pong is not None and wanted else None

    async def _refine(self) -> None:
        """A second pass inside the bracket of a silent drop."""
        so_far = judge(self.trials, self.case())
        bracket = so_far.idle_timeout_s
        if bracket is None or bracket.high is None or so_far.drop is None:
            return
        if so_far.drop.how in ("silent", "rst-on-write"):
            trials = plan_refinement(self._context.facts.options, bracket.low, bracket.high).trials
            if trials:
                await self._run_round(trials)

    async def _ping_alone(self) -> None:
        """With one connection at a time, what Pings do against a drop is tried after it."""
        timeout_s = timeout_so_far(self.trials)
        if timeout_s is not None and "ping" in self._context.facts.options.trials:
            # Not half of it: the second Ping would coincide with the end.
            gap_s = min(self._context.facts.options.gap_s, 0.4 * timeout_s)
            # What the endpoint sent may have made an idle connection older than it was idle.
            ages_s = [t.age_s or 0.0 for t in self.trials if t.trial == "idle" and t.drop]
            known_s = max([timeout_s, *ages_s])
            await self._run_round([TrialPlan(trial="ping", gap_s=gap_s)], known_s)

    async def _idle_again(self) -> None:
        """So few drops may be chance, or an event: leave another connection idle for longer."""
        verdict = judge(self.trials, self.case()).verdict
        evidence, options = Evidence.sort(self.trials), self._context.facts.options
        alone = len(evidence.events) == 1 and verdict in ("idle-timeout", "lifetime")
        once = verdict == "event" and options.repeat == 1 and self._back is not False
        if not (alone or (once and evidence.events)):
            return
        drop = max(evidence.events, key=lambda trial: trial.age_s or 0.0)
        timeout_s, age_s = drop.idle_s or 0.0, drop.age_s or 0.0
        again = [TrialPlan(trial="idle", idle_for_s=round(_LONGER * age_s + _LATER_S, 3))]
        if verdict != "idle-timeout" and options.max_connections > 1 and "ping" in options.trials:
            # Started apart, so that a moment is told from an age.
            gap_s, later_s = min(options.gap_s, 0.4 * timeout_s), min(3.0, 0.2 + 0.05 * age_s)
            again.append(TrialPlan(trial="ping", gap_s=gap_s, start_s=later_s, late=True))
        await self._run_round(again, max(timeout_s, age_s))
        if not evidence.of("ping"):
            await self._ping_alone()

    async def _run_round(self, trials: Sequence[TrialPlan], timeout_s: float | None = None) -> None:
        context, rounds = self._context, len({t.round for t in self.trials})
        # A round that began when all had ended would find what ends all at equal intervals at equal
        # ages; so it begins later, and each later than the one before.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), _LATER_ROUND_S * rounds)
        if self._stopping.is_set():
            return
        if context.locator is not None:
            context.locator.plan([t.idle_for_s for t in trials if t.idle_for_s is not None])
        if context.facts.options.one_connection and context.dial.http_version == "2":
            context.shared = SharedHttp2()
        self._round = Round(trials, context, self._first_index + len(self.trials), timeout_s)
        try:
            self.trials += await self._round.run()
            await self._trace_again()
        finally:
            if context.shared is not None:
                context.shared.close()
        if self._round.all_gone and not self._stopping.is_set():
            self._back, self._ended_again = await _reachable(self.url, self._context.dial)
        self._context.round += 1

    async def _trace_again(self) -> None:
        """Ask the hops where flows died once more, on connections that live."""
        locator, wanted = self._context.locator, hops_to_confirm(self.trials)
        if locator is None or not wanted or self._stopping.is_set():
            return
        self._again = self._again or {}
        for _ in range(_AGAIN):
            flow = locator.fresh_flow()
            try:
                opening = open_session(self.url, self._context.dial, timestamps=False, watcher=flow)
                participant = await self._unless_stopped(opening)
                if participant is None:
                    return
                await flow.learn()
                seen = flow.hops() or ()
                await participant.session.close(1000, timeout=_CLOSE_S)
            except DialError:
                return
            finally:
                flow.close()
            for hop in seen:
                known = self._again.setdefault(hop.hop, [])
                known += [address for address in hop.live if address not in known]
            if all(addresses & set(self._again.get(hop, ())) for hop, addresses in wanted.items()):
                return

    async def _until_stopped(self, task: asyncio.Task[None]) -> None:
        """Until the task is done, or the probe is stopped; the task goes on then."""
        stopped = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()

    async def _unless_stopped(
        self, opening: Coroutine[Any, Any, Participant]
    ) -> Participant | None:
        """What `opening` gives; None when the probe was stopped before."""
        dialing = asyncio.create_task(opening)
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({dialing, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return dialing.result() if dialing.done() else None
        finally:
            stopped.cancel()
            dialing.cancel()


async def learn_how_to_check(control: Session, context: RoundContext) -> None:
    """Find out on the control connection what this endpoint answers, and close it."""
    facts, options = context.facts, context.facts.options

    def count_pongs(event: Event) -> None:
        facts.other_pongs += isinstance(event, Pong)

    pinged_s = context.clock.now_s()
    upgrade_s = (
        0.0 if control.report is None else control.report.phases_ms.get("upgrade", 0.0) / 1e3
    )
    try:
        rtt_ms = await await_pong(control, options.pong_timeout_s, on_other=count_pongs)
        if rtt_ms is not None:
            facts.pong_received(rtt_ms / 1e3, in_use=True)
        else:
            if facts.answers_pings is None and not control.connection.inside_message:
                facts.answers_pings = False
            if options.send is not None:
                check = LivenessCheck(context.clock.now_s(), 0.0, b"", options.expect)
                control.send_text(options.send, stamp=False)
                answer = await await_event(control, check.matches, options.pong_timeout_s)
                facts.echoes = answer is not None
    except (SessionEnded, PeerClosedError):
        at_once = context.clock.now_s() - pinged_s <= TOUCH_S + 2 * upgrade_s
        facts.ended_by_pings += at_once
    except (PeerViolationError, LocalProtocolError):
        pass  # it ended before it could answer: the trials will show what becomes of connections
    finally:
        context.changed.set()
        await control.close(1000, timeout=_CLOSE_S)


async def _reachable(url: str, options: DialOptions) -> tuple[bool, Drop | None]:
    """Whether a new connection can be opened now, and how it was ended at once, if it was."""
    try:
        participant = await open_session(url, options, timestamps=False)
    except DialError:
        return False, None
    session, ended = participant.session, False
    try:
        await await_event(session, lambda event: False, AT_ONCE_S)
    except (PeerClosedError, PeerViolationError, SessionEnded):
        ended = True
    await session.close(1000, timeout=_CLOSE_S)
    return True, drop_of(session, session.ended) if ended and session.ended else None
