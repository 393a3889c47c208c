"""One pass over one endpoint: all trials side by side, stopped as soon as enough is known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from wsdiag.probes.idle.context import RoundContext
from wsdiag.probes.idle.plan import TrialPlan
from wsdiag.probes.idle.stop import (
    IdlePeriod,
    overall_limit_s,
    proof_limit_s,
    proof_margin_s,
    settled_by_silence,
    timeout_so_far,
)
from wsdiag.probes.idle.trial import Trial
from wsdiag.records import IdleTrial

_CLOSE_S = 1.0
_HASTE_S = 2.0
# Until a Pong's deadline, however long that turns out to be at this endpoint.
_FULL = float("inf")


class Round:
    """Runs the planned lanes. Times are seconds on the probe's axis."""

    def __init__(self, plan: Sequence[TrialPlan], context: RoundContext, first_lane: int) -> None:
        self._context = context
        self._lanes = [Trial(lane, first_lane + i, context) for i, lane in enumerate(plan)]
        self._began_s = context.clock.now_s()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def trials(self) -> list[IdleTrial]:
        """The records so far."""
        return [lane.trial for lane in self._lanes if lane.trial is not None]

    @property
    def all_gone(self) -> bool:
        """Whether the connections in use have all ended by themselves, and idle ones too."""
        used = [t for t in self.trials if t.trial != "idle" and t.outcome != "refused"]
        idle = [t for t in self.trials if t.trial == "idle"]
        ended = ("dropped", "silent")
        return (
            bool(used)
            and all(t.outcome in ended for t in used)
            and any(t.outcome in ended for t in idle)
        )

    def stop(self) -> None:
        """Come to an end now: ask what is alive, briefly."""
        self._stopping = True
        self._context.changed.set()

    async def run(self) -> list[IdleTrial]:
        """The records of all lanes; every connection is closed when this returns."""
        self._tasks = [asyncio.create_task(lane.run()) for lane in self._lanes]
        try:
            await self._watch()
            await self._prove()
            await self._end()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.gather(*(lane.close(_CLOSE_S) for lane in self._lanes))
        for task in self._tasks:
            _raise_bug(task)
        return self.trials

    # -- phases --------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Until every idle lane has ended, or those that did say enough."""
        limit_s = self._limit_s()
        while not self._stopping and any(lane.trial is None for lane in self._idle()):
            if settled_by_silence(self._rungs()):
                break
            if self._context.clock.now_s() >= limit_s:
                self._finish(self._idle(), _FULL)
                limit_s = float("inf")
            if limit_s == float("inf") and not any(lane.alive for lane in self._idle()):
                break  # the rest has not even connected yet
            self._hold()
            self._release_late()
            await self._changed(limit_s)
        if not self._stopping:
            for lane in self._idle():
                lane.finish(ask=False, wait_s=0.0)

    async def _prove(self) -> None:
        """After a drop: until the keepalive lanes have outlived it, or died."""
        timeout_s = timeout_so_far(self.trials)
        if timeout_s is None:
            return
        self._hold()
        until_s = self._proof_until_s(timeout_s)
        while not self._stopping and self._context.clock.now_s() < until_s:
            if all(lane.trial is not None for lane in self._others()):
                return
            await self._changed(until_s)

    async def _end(self) -> None:
        """Ask what is left for a last sign of life, and wait for the answers."""
        haste_s = min(_HASTE_S, self._context.options.pong_timeout_s)
        self._finish(self._lanes, haste_s if self._stopping else _FULL)
        asked = True
        while any(lane.link is not None and lane.trial is None for lane in self._lanes):
            await self._changed(float("inf"))
            if self._stopping and asked:
                self._finish(self._lanes, haste_s)
                asked = False

    # -- steps ---------------------------------------------------------------------------------

    def _idle(self) -> list[Trial]:
        return [lane for lane in self._lanes if lane.plan.trial == "idle"]

    def _others(self) -> list[Trial]:
        return [lane for lane in self._lanes if lane.plan.trial != "idle"]

    def _finish(self, lanes: Sequence[Trial], wait_s: float) -> None:
        for lane in lanes:
            if lane.trial is None:
                lane.finish(ask=True, wait_s=wait_s)

    def _limit_s(self) -> float:
        punctual = [lane.plan.start_s for lane in self._idle() if not lane.plan.late]
        longest_s = max(
            (lane.plan.idle_for_s or self._context.options.longest_s for lane in self._idle()),
            default=0.0,
        )
        return self._began_s + max(punctual, default=0.0) + overall_limit_s(longest_s)

    def _rungs(self) -> list[IdlePeriod]:
        """What the idle lanes say about silence; those dropped with an event say nothing."""
        rungs = []
        for lane in self._idle():
            trial = lane.trial
            if trial is not None and trial.outcome in ("alive", "silent"):
                rungs.append(IdlePeriod(trial.idle_s or 0.0, trial.outcome == "alive"))
            elif trial is not None and trial.outcome == "dropped" and trial.after_write:
                rungs.append(IdlePeriod(trial.idle_s or 0.0, False))
            elif trial is None and lane.silent and lane.link is not None:
                question = lane.link.question
                rungs.append(IdlePeriod(question.idle_s if question else 0.0, False))
        return rungs

    def _hold(self) -> None:
        """Tell doubling keepalives the timeout, as soon as one idle connection was dropped."""
        timeout_s = timeout_so_far(self.trials)
        if timeout_s is not None:
            for lane in self._others():
                lane.hold(timeout_s)

    def _release_late(self) -> None:
        """The late watcher has nothing to wait for once all the others are through."""
        punctual = [lane for lane in self._idle() if not lane.plan.late]
        ended = [lane.trial for lane in punctual if lane.trial is not None]
        if len(ended) < len(punctual) or not any(t.outcome == "alive" for t in ended):
            return
        if any(t.outcome in ("dropped", "silent") for t in ended):
            return
        self._finish(self._idle(), _FULL)

    def _proof_until_s(self, timeout_s: float) -> float:
        margin_s = proof_margin_s(timeout_s)
        now_s = self._context.clock.now_s()
        needed = [
            lane.started_s + timeout_s + (margin_s if not lane.plan.late else margin_s / 2)
            for lane in self._others()
            if lane.alive
        ]
        return min(max(needed, default=now_s), now_s + proof_limit_s(timeout_s))

    async def _changed(self, until_s: float) -> None:
        left_s = until_s - self._context.clock.now_s()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, left_s) if left_s < 1e9 else None):
                await self._context.changed.wait()
        self._context.changed.clear()


def _raise_bug(task: asyncio.Task[None]) -> None:
    """A lane's own failures are records; anything else is a defect, and must not go unseen."""
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
