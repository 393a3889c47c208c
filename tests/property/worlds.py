"""Made-up worlds: whatever ends connections there, and what an idle probe would record of it.

Times are exact, as on a machine without load: what is left to doubt is the world's own.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.unit.judgement.recorded_trials import record
from wsdiag.judgement.verdict.clocks import proof_margin_s
from wsdiag.probes.idle.keepalives import KeepaliveSchedule
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.probes.idle.plan import TrialPlan, plan_round
from wsdiag.records import Drop, IdleTrial

_BOTH_WAYS = {"ping": True, "pong": True, "tcp-keepalive": False}


@dataclass(frozen=True)
class World:
    """What ends connections; seconds. None: nothing of that kind does.

    `period_s`: the endpoint looks at its timers only so often, from `phase_s` on. `jitter_s`: each
    connection's timeout is longer by up to that much, by `seed`.
    """

    timeout_s: float | None = None
    lifetime_s: float | None = None
    event_s: float | None = None
    period_s: float | None = None
    phase_s: float = 0.0
    jitter_s: float = 0.0
    seed: int = 0

    def fires_s(self, due_s: float) -> float:
        """When what is due is done, on the probe's clock."""
        if self.period_s is None:
            return due_s
        looks = math.ceil((due_s - self.phase_s) / self.period_s)
        return self.phase_s + looks * self.period_s

    def timeout_of(self, number: int) -> float | None:
        """A connection's own timeout."""
        if self.timeout_s is None:
            return None
        return self.timeout_s + random.Random(self.seed * 997 + number).uniform(0, self.jitter_s)


def play(options: IdleOptions, world: World, rounds: int = 1) -> list[IdleTrial]:
    """The records of so many rounds, one after the other."""
    records: list[IdleTrial] = []
    began_s = 0.0
    for number in range(1, rounds + 1):
        plans = plan_round(options).trials
        played = _round(plans, options, world, began_s, number, len(records))
        records += played
        began_s = max(t.started_s + (t.age_s or 0.0) for t in played) + 1.0
    return records


def _round(
    plans: Sequence[TrialPlan],
    options: IdleOptions,
    world: World,
    began_s: float,
    number: int,
    first: int,
) -> list[IdleTrial]:
    lanes = [_Lane(first + i, plan, options, world, began_s) for i, plan in enumerate(plans)]
    idle = [lane for lane in lanes if lane.plan.trial == "idle"]
    over = [lane.end(None) for lane in idle]
    ended = sorted(age for age, dropped in over if dropped)
    rounds_end_s = max(lane.started_s + age for lane, (age, _) in zip(idle, over, strict=True))
    stop_s = rounds_end_s
    if ended:
        margin_s = max(proof_margin_s(ended[-1]) + 0.4, 0.1 * ended[len(ended) // 2])
        watched_s = rounds_end_s + max(5.0, 0.25 * ended[len(ended) // 2])
        needed_s = max(lane.started_s for lane in lanes) + ended[-1] + margin_s
        stop_s = max(rounds_end_s, min(watched_s, needed_s))
    return [lane.record(stop_s, number, options) for lane in lanes]


class _Lane:
    """One connection, played out."""

    def __init__(
        self, index: int, plan: TrialPlan, options: IdleOptions, world: World, began_s: float
    ) -> None:
        self.index, self.plan, self.world = index, plan, world
        self.started_s = began_s + plan.start_s
        self.longest_s = plan.idle_for_s or options.longest_s

    def end(self, stop_s: float | None) -> tuple[float, bool]:
        """Its age at the end, and whether it was dropped."""
        age, dropped, _ = self._lived(stop_s)
        return age, dropped

    def _lived(self, stop_s: float | None) -> tuple[float, bool, list[float]]:
        """Age at the end, whether it was dropped, and when keepalives were sent."""
        world = self.world
        limits = [world.fires_s(self.started_s + world.lifetime_s)] if world.lifetime_s else []
        if world.event_s is not None and world.event_s >= self.started_s:
            limits.append(world.event_s)
        final_s = min(limits, default=math.inf) - self.started_s
        timeout_s = world.timeout_of(self.index)
        if self.plan.gap_s is None or stop_s is None:
            due_s = math.inf
            if timeout_s is not None:
                due_s = world.fires_s(self.started_s + timeout_s) - self.started_s
            age = min(final_s, due_s, self.longest_s)
            return age, age < self.longest_s, []
        schedule = KeepaliveSchedule(self.plan.gap_s, self.plan.first_gap_s)
        end_s, last_s = min(final_s, stop_s - self.started_s), 0.0
        counts = _BOTH_WAYS[self.plan.trial]
        while True:
            if timeout_s is not None and schedule.due_s >= timeout_s:
                schedule.limit_gaps(timeout_s)
            next_s = min(schedule.due_s, end_s)
            fires_s = math.inf
            if timeout_s is not None:
                fires_s = world.fires_s(self.started_s + last_s + timeout_s) - self.started_s
            if (counts and fires_s < next_s) or (not counts and fires_s < end_s):
                sent = [at for at in schedule.sent if at < fires_s]
                while not counts and schedule.due_s < fires_s:
                    schedule.sent.append(schedule.due_s)
                    sent = list(schedule.sent)
                return fires_s, True, sent
            if next_s >= end_s:
                return end_s, end_s == final_s, list(schedule.sent)
            schedule.sent.append(next_s)
            last_s = next_s if counts else last_s

    def record(self, stop_s: float, number: int, options: IdleOptions) -> IdleTrial:
        """What the probe writes of it."""
        age, dropped, sent = self._lived(stop_s)
        schedule = KeepaliveSchedule(self.plan.gap_s or 1.0)
        schedule.sent = sent
        idle = self.plan.trial == "idle"
        idle_s = age - (sent[-1] if sent else 0.0)
        gaps = [b - a for a, b in zip([0.0, *sent], sent, strict=False)]
        survived_s = age if idle and not dropped else 0.0
        if self.plan.trial == "ping":
            survived_s = max(gaps, default=0.0)
        return record(
            self.plan.trial,
            idle_for_s=self.plan.idle_for_s,
            interval_s=self.plan.gap_s,
            outcome="dropped" if dropped else "alive",
            drop=Drop("fin", age) if dropped else None,
            connection=self.index,
            started_s=self.started_s,
            age_s=age,
            idle_s=idle_s,
            since_sent_s=idle_s,
            since_received_s=idle_s,
            keepalives_sent=len(sent),
            gap_s=schedule.longest_gap_s(age),
            longest_idle_s=survived_s,
            upgrade_s=0.001,
            round=number,
        )
