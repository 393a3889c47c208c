"""The probe of one URL: control connection, rounds, refinement; it ends with trials and a case."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from wsdiag.judgement.diagnosis.diagnose import diagnose
from wsdiag.judgement.verdict.evidence import ProbeContext
from wsdiag.judgement.verdict.judge import judge
from wsdiag.probes.idle.context import ProbeClock, RoundContext
from wsdiag.probes.idle.control import Control, open_control, question_control, reachable
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.probes.idle.plan import TrialPlan, plan_refinement, plan_round
from wsdiag.probes.idle.round import Round
from wsdiag.records import IdleEvent, IdleTrial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError
from wsdiag.transport.trace import Tracer

_HASTE_S = 1.0


class EndpointProbe:
    """One URL's share of the probe."""

    def __init__(
        self,
        url: str,
        options: IdleOptions,
        dial: DialOptions,
        tracer: Tracer | None,
        clock: ProbeClock,
        emit: Callable[[IdleEvent], None],
    ) -> None:
        self.url, self.options = url, options
        self.trials: list[IdleTrial] = []
        self._context = RoundContext(url, options, dial, tracer, clock, emit)
        self._emit = emit
        self._control: Control | None = None
        self._round: Round | None = None
        self._error: str | None = None
        self._back: bool | None = None
        self._notes: list[str] = []
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Come to an end now, with what is known."""
        self._stopping.set()
        if self._round is not None:
            self._round.stop()

    async def run(self) -> None:
        """Fill `trials`; every connection is closed when this returns."""
        try:
            opened = await self._or_stopped(open_control(self._context))
        except DialError as error:
            found = diagnose(self.url, error)
            self._error = found.message
            self._emit(found)
            return
        if opened is None:
            return
        self._control = opened
        questions = asyncio.create_task(question_control(opened, self._context))
        try:
            await self._rounds()
        finally:
            await _within(questions, _HASTE_S)

    def case(self, shared_end_s: float | None = None) -> ProbeContext:
        """The circumstances for the verdict."""
        context, control = self._context, self._control
        return ProbeContext(
            url=self.url,
            longest_s=self.options.longest_s,
            keepalive_s=self.options.keepalive_s,
            answers_pings=context.answers_pings,
            echoes=context.echoes,
            rtt_s=context.rtt_s,
            other_pongs=context.other_pongs,
            slow_pong_s=context.slow_pong_s,
            hops=() if control is None else control.hops,
            jumps=tuple((jump.at_s, jump.lost_s) for jump in context.clock.jumps),
            back=self._back,
            shared_end_s=shared_end_s,
            error=self._error,
            partial=self._stopping.is_set(),
            required_s=self.options.require_s,
            notes=tuple(self._notes),
        )

    async def _rounds(self) -> None:
        plan = plan_round(self.options)
        self._notes += plan.notes
        for _ in range(self.options.repeat):
            await self._one(plan.lanes)
            if self._stopping.is_set():
                return
        if self.options.refine:
            await self._refine()

    async def _refine(self) -> None:
        """A second pass inside the bracket of a silent drop."""
        so_far = judge(self.trials, self.case())
        bracket = so_far.idle_timeout_s
        if bracket is None or bracket.high is None or so_far.drop is None:
            return
        if so_far.drop.how not in ("silent", "rst-on-write"):
            return
        lanes = plan_refinement(self.options, bracket.low, bracket.high).lanes
        if lanes:
            await self._one(lanes)

    async def _one(self, lanes: Sequence[TrialPlan]) -> None:
        self._round = Round(lanes, self._context, len(self.trials))
        self.trials += await self._round.run()
        if self._round.all_gone and not self._stopping.is_set():
            self._back = await reachable(self._context)
        self._context.round += 1

    async def _or_stopped(self, opening: asyncio.Future[Control] | object) -> Control | None:
        """What `opening` gives; None when the probe was stopped before."""
        dialing: asyncio.Task[Control] = asyncio.ensure_future(opening)  # type: ignore[arg-type]
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({dialing, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return dialing.result() if dialing.done() else None
        finally:
            stopped.cancel()
            if not dialing.done():
                dialing.cancel()


async def _within(task: asyncio.Task[None], seconds: float) -> None:
    """Let a task finish, but not for long."""
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    elif (error := task.exception()) is not None:
        raise error
