"""One pass over one endpoint: all trials side by side, ended as soon as enough is known.

Theory of operation. The question is how long a connection may be idle before something on the path
drops it. One connection cannot tell: whoever asks whether it still lives has ended its idleness.
So there is a connection for every idle period (30, 35, 40 … 120 s), all at the same time, and the
probe takes as long as the longest period, not as long as their sum. A drop that announces itself
(FIN, RST, Close) gives the timeout to a fraction of a second on any of them; a silent one lies
between the longest period after which a check was answered and the shortest after which none was.

Beside them run, each for a doubt that an idle drop alone would leave:

* Idle trials without a period, which only watch. One starts late on purpose: connections that end
  at the same age met a timer; those that end at the same moment met a restart.
* A trial for each kind of keepalive at the interval asked for: does it keep the connection open?
  What lives here while idle ones are dropped shows that idleness was the reason, and not age.
* The same with gaps that double from a sixteenth of that interval. The timeout may be shorter than
  the interval; then the steady trial dies as the idle ones do, and nothing would be known of
  keepalives. Gaps that never exceed half of the age were, whatever the timeout turns out to be,
  short enough when it passed. As soon as it is known, they stay below half of it.
* The control connection (`endpoint`), checked before it was ever idle: is there an endpoint, does
  it answer Pings at all? Only then does a missing Pong mean anything. Where none comes, the answer
  to a message counts, and where there is no echo either, TCP's acknowledgement.

Then in three steps:

1. Until every idle trial has ended. Silence costs a Pong's timeout each time, so it is cut short
   once the two longest periods tried so far went unanswered: one could be an accident.
2. The first drop says when idle connections go, not yet that keepalives help. A keepalive trial
   has proof only when it lived longer than the timeout by a margin (a tenth, and more than the
   second by which products that look at their timers once a second differ), counted from its own
   start; until then it is watched, though not for longer than a quarter of the timeout (five
   seconds at least): one that dialled late could hold up the others' verdict. --lifetime watches
   on, for a cap above the idle timeout.
3. What is left is checked for a last sign of life; an interrupted probe waits two seconds for the
   answers, and what has not answered by then proves nothing.

A suspend stops our clock but not the device's, and a stalled process sees an end late. Neither can
be undone, so both are recorded (`clock`), the stall with the trial whose end it may have delayed;
the verdict widens its range by it, or says that this machine was the reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from wsdiag.judgement.verdict.clocks import proof_margin_s
from wsdiag.judgement.verdict.evidence import TOUCH_S
from wsdiag.judgement.verdict.spread import enough_above_s
from wsdiag.probes.idle.context import RoundContext
from wsdiag.probes.idle.phases import OPEN_PHASES, TrialPhase
from wsdiag.probes.idle.plan import TrialPlan
from wsdiag.probes.idle.trial import Trial
from wsdiag.records import IdleTrial

_CLOSE_S = 1.0
_INTERRUPTED_WAIT_S = 2.0
_OPENING_CHECK_S = 0.1
# Until a Pong's deadline, however long that turns out to be at this endpoint.
_FULL = float("inf")
# Two idle periods in a row without an answer: one might have been an accident.
_ENOUGH_SILENT = 2
_ENDED = ("dropped", "silent")


@dataclass(frozen=True, slots=True)
class IdlePeriod:
    """An idle trial as far as it has come: how long it was idle, and whether it answered then."""

    idle_s: float
    answered: bool


def settled_by_silence(periods: Sequence[IdlePeriod]) -> bool:
    """Whether the longest periods tried so far all went unanswered, two at least."""
    silent = [period.idle_s for period in periods if not period.answered]
    answered = [period.idle_s for period in periods if period.answered]
    return len(silent) >= _ENOUGH_SILENT and max(answered, default=0.0) < min(silent)


def timeout_so_far(records: Sequence[IdleTrial]) -> float | None:
    """A first estimate of the timeout from idle trials that were dropped; None: none was."""
    dropped = [t for t in records if t.trial == "idle" and t.outcome in _ENDED]
    announced = [t.idle_s for t in dropped if not t.after_write]
    found = [t.idle_s for t in dropped if t.after_write]
    times = sorted(s for s in (announced or found) if s is not None)
    return times[len(times) // 2] if times else None


def overall_limit_s(longest_s: float) -> float:
    """When idle trials that traffic kept from their period are checked as they are."""
    return longest_s + min(5.0, max(0.2, 0.05 * longest_s))


class Round:
    """Runs the planned trials. Times are seconds on the probe's axis."""

    def __init__(
        self,
        plan: Sequence[TrialPlan],
        context: RoundContext,
        first_index: int,
        timeout_s: float | None = None,
    ) -> None:
        """`timeout_s`: when idle connections are dropped, where an earlier round has shown it."""
        self._context, self._known_s = context, timeout_s
        self._trials = [Trial(trial, first_index + i, context) for i, trial in enumerate(plan)]
        self._idle = [trial for trial in self._trials if trial.plan.trial == "idle"]
        self._in_use = [trial for trial in self._trials if trial.plan.trial != "idle"]
        self._began_s = context.clock.now_s()
        self._stopping = self._aborting = False

    @property
    def records(self) -> list[IdleTrial]:
        """The records so far."""
        return [trial.record for trial in self._trials if trial.record is not None]

    @property
    def all_gone(self) -> bool:
        """Whether the connections in use have all ended by themselves, and idle ones too."""
        used = [t for t in self.records if t.trial != "idle" and t.outcome != "refused"]
        return (
            bool(used)
            and all(t.outcome in _ENDED for t in used)
            and any(t.trial == "idle" and t.outcome in _ENDED for t in self.records)
        )

    def stop(self) -> None:
        """Come to an end now: check what is alive, briefly. A second call does not wait for it."""
        self._stopping, self._aborting = True, self._stopping
        if self._aborting:
            for trial in self._trials:
                trial.abort()
        self._context.changed.set()

    async def run(self) -> list[IdleTrial]:
        """The records of all trials; every connection is closed when this returns."""
        close_s = _CLOSE_S
        try:
            # a trial's own failures are records; anything else is a bug, which ends the round
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(trial.run()) for trial in self._trials]
                await self._watch_idle()
                await self._watch_keepalives()
                await self._check_the_rest()
                for task in tasks:
                    task.cancel()
        except asyncio.CancelledError:
            close_s = 0.0  # whoever cancels has waited long enough
            raise
        finally:
            close_s = 0.0 if self._aborting else close_s
            await asyncio.gather(*(trial.close(close_s) for trial in self._trials))
        return self.records

    # -- the three steps -----------------------------------------------------------------------

    async def _watch_idle(self) -> None:
        """Until every idle trial has ended, or those that did say enough."""
        starts_s = [trial.plan.start_s for trial in self._idle if not trial.plan.late]
        longest_s = max((trial.state.idle_for_s for trial in self._idle), default=0.0)
        limit_s = self._began_s + max(starts_s, default=0.0) + overall_limit_s(longest_s)
        if self._context.locator is not None:
            limit_s += self._context.locator.longest_wait_s
        while not self._stopping and any(trial.record is None for trial in self._idle):
            periods = self._idle_periods()
            if settled_by_silence(periods) and self._turns_are_over(periods):
                break
            if self._context.clock.now_s() >= limit_s:
                self._finish(self._idle, _FULL)
                limit_s = float("inf")
            if limit_s == float("inf") and not any(map(_is_alive, self._idle)):
                break  # the rest has not even connected yet
            self._limit_gaps()
            if self._late_ones_have_nothing_to_tell():
                self._finish(self._idle, _FULL)
            await self._changed(limit_s)
        if not self._stopping:
            for trial in self._idle:
                trial.finish(check=False, wait_s=0.0)

    async def _watch_keepalives(self) -> None:
        """After a drop: until the keepalive trials have outlived it, or died."""
        timeout_s = self._timeout_s
        if self._known_s is not None:
            await self._opened()
        if timeout_s is None:
            until_s = self._lifetime_until_s([t for t in self._in_use if _is_alive(t)])
        else:
            self._limit_gaps()
            until_s = self._proof_until_s(timeout_s)
        while not self._stopping and self._context.clock.now_s() < until_s:
            if all(trial.record is not None for trial in self._in_use):
                return
            await self._changed(until_s)

    async def _check_the_rest(self) -> None:
        """Check what is left for a last sign of life, and wait for the answers."""
        briefly_s = min(_INTERRUPTED_WAIT_S, self._context.facts.options.pong_timeout_s)
        hurried = self._stopping
        self._finish(self._trials, briefly_s if hurried else _FULL)
        while any(trial.state.phase in OPEN_PHASES for trial in self._trials):
            await self._changed(float("inf"))
            if self._stopping and not hurried:
                self._finish(self._trials, briefly_s)
                hurried = True

    # -- decisions -----------------------------------------------------------------------------

    def _idle_periods(self) -> list[IdlePeriod]:
        """What the idle trials say about silence; those dropped with an event say nothing."""
        periods = []
        for trial in self._idle:
            record, check = trial.record, trial.state.check
            if record is None:
                if trial.state.phase is TrialPhase.WAITING_FOR_LATE_PONG and check is not None:
                    periods.append(IdlePeriod(check.idle_s, False))
            elif record.after_write and (record.unanswered_s or 0.0) <= TOUCH_S:
                pass  # our Ping ended it, or a device that had forgotten it: not silence
            elif record.outcome in ("alive", "silent") or record.after_write:
                periods.append(IdlePeriod(record.idle_s or 0.0, record.outcome == "alive"))
        return periods

    def _turns_are_over(self, periods: Sequence[IdlePeriod]) -> bool:
        """Whether those that waited to learn their hops have nothing to add.

        One that began later may be idle for less than those found silent, and narrow the range; and
        one of the silent should tell where it died.
        """
        if self._context.locator is None:
            return True
        silent = [
            trial
            for trial in self._idle
            if trial.state.phase is TrialPhase.WAITING_FOR_LATE_PONG
            or (trial.record and (trial.record.outcome == "silent" or trial.record.after_write))
        ]
        open_ = [t for t in self._idle if _is_alive(t) and t.record is None and t not in silent]
        shortest_s = min(period.idle_s for period in periods if not period.answered)
        if any(t.has_hops and (t.plan.idle_for_s or 0.0) < shortest_s for t in open_):
            return False
        return any(t.has_hops for t in silent) or not any(t.has_hops for t in open_)

    def _late_ones_have_nothing_to_tell(self) -> bool:
        """Whether all the others are through and some outlived their period, none was dropped."""
        outcomes = [
            trial.record and trial.record.outcome for trial in self._idle if not trial.plan.late
        ]
        return all(outcomes) and "alive" in outcomes and not any(o in _ENDED for o in outcomes)

    def _proof_until_s(self, timeout_s: float) -> float:
        """Until when the keepalive trials that live have outlived the timeout by a margin."""
        # Where the endpoint sent something, idle connections were older than they were idle.
        ended = [t for t in self.records if t.trial == "idle" and t.outcome == "dropped"]
        ages_s = sorted(t.age_s or 0.0 for t in ended if not t.after_write)
        oldest_s = max([timeout_s, *ages_s])
        # Where the drops are spread, a connection may outlive them by chance.
        least_s = max(proof_margin_s(oldest_s), enough_above_s(ages_s))
        margin_s = max(least_s + 0.4, 0.1 * timeout_s)
        now_s = self._context.clock.now_s()
        alive = [trial for trial in self._in_use if _is_alive(trial)]
        needed = [
            trial.state.started_s
            + oldest_s
            + (max(least_s + 0.2, margin_s / 2) if trial.plan.late else margin_s)
            for trial in alive
        ]
        until_s = max(needed, default=now_s)
        if self._known_s is None:
            until_s = min(until_s, now_s + max(5.0, 0.25 * timeout_s))
        return max(until_s, self._lifetime_until_s(alive))

    def _lifetime_until_s(self, alive: Sequence[Trial]) -> float:
        """Until when connections kept alive are watched for a maximum lifetime, where asked for."""
        lifetime_s = self._context.facts.options.lifetime_s
        if lifetime_s is None:
            return 0.0
        return max((trial.state.started_s + lifetime_s for trial in alive), default=0.0)

    async def _opened(self) -> None:
        """Until every trial has its connection, or none."""
        while not self._stopping and any(t.state.phase is TrialPhase.DIALING for t in self._trials):
            await self._changed(self._context.clock.now_s() + _OPENING_CHECK_S)

    @property
    def _timeout_s(self) -> float | None:
        found = timeout_so_far(self.records)
        return self._known_s if found is None else found

    def _limit_gaps(self) -> None:
        """Tell doubling keepalives the timeout, as soon as one idle connection was dropped."""
        timeout_s = self._timeout_s
        if timeout_s is not None:
            for trial in self._in_use:
                trial.limit_gaps(timeout_s)

    def _finish(self, trials: Sequence[Trial], wait_s: float) -> None:
        for trial in trials:
            if trial.record is None:
                trial.finish(check=True, wait_s=wait_s)

    async def _changed(self, until_s: float) -> None:
        left_s = until_s - self._context.clock.now_s()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, left_s) if left_s < 1e9 else None):
                await self._context.changed.wait()
        self._context.changed.clear()


def _is_alive(trial: Trial) -> bool:
    """Connected, and without an end so far."""
    return trial.state.phase in OPEN_PHASES and trial.state.drop is None
