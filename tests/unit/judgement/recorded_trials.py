"""Records of idle trials, written by hand or played out in a made-up world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wsdiag.judgement.verdict.evidence import ProbeContext
from wsdiag.probes.idle.keepalives import KeepaliveSchedule
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.probes.idle.plan import TrialPlan, plan_round
from wsdiag.records import Drop, DropHow, IdleTrial, TrialKind

URL = "wss://example.test/feed"
SILENT_HOWS = ("silent", "rst-on-write")


def case(**facts: object) -> ProbeContext:
    """Circumstances without anything odd."""
    return ProbeContext(url=URL, **{"longest_s": 120.0, "rtt_s": 0.02, **facts})  # type: ignore[arg-type]


def idle(idle_s: float, how: DropHow | None = None, **facts: object) -> IdleTrial:
    """An idle connection: dropped so, or alive when asked after `idle_s`."""
    asked = how in SILENT_HOWS
    outcome = "alive" if how is None else "silent" if how == "silent" else "dropped"
    drop = None if how is None else Drop(how, float(facts.get("age_s", idle_s)))  # type: ignore[arg-type]
    alive = how is None
    given: dict[str, object] = {
        "outcome": outcome,
        "idle_s": idle_s,
        "drop": drop,
        "idle_for_s": idle_s if alive else None,
        "longest_idle_s": idle_s if alive else 0.0,
        "after_write": asked and how != "silent",
    }
    return record("idle", **{**given, **facts})


def kept(
    trial: TrialKind,
    age_s: float,
    how: DropHow | None = None,
    *,
    gap_s: float = 20.0,
    **facts: object,
) -> IdleTrial:
    """A keepalive trial that was dropped, or alive, at that age."""
    outcome = "alive" if how is None else "silent" if how == "silent" else "dropped"
    sent = facts.pop("keepalives_sent", int(age_s / gap_s))
    drop = None if how is None else Drop(how, age_s)
    return record(
        trial,
        outcome=outcome,
        idle_s=age_s % gap_s,
        drop=drop,
        interval_s=gap_s,
        age_s=age_s,
        keepalives_sent=sent,
        gap_s=gap_s if sent else None,
        longest_idle_s=gap_s if sent and trial == "ping" else 0.0,
        **facts,
    )


def record(trial: TrialKind, **facts: object) -> IdleTrial:
    """A record with what does not matter filled in: no traffic but our own."""
    idle_s = facts.get("idle_s")
    given: dict[str, object] = {
        "url": URL,
        "trial": trial,
        "idle_for_s": None,
        "interval_s": None,
        "outcome": "alive",
        "idle_s": None,
        "drop": None,
        "age_s": idle_s,
        "since_sent_s": idle_s,
        "since_received_s": idle_s,
        "longest_idle_s": 0.0,
        "upgrade_s": 0.02,
    }
    return IdleTrial(**{**given, **facts})  # type: ignore[arg-type]


@dataclass(frozen=True)
class World:
    """A path on which idle connections are dropped after `timeout_s`, one way or another.

    `product_jitter`: by how much later the timer fires on a lane. `our_jitter`: by how much later
    than planned we ask. `tcp_counts`: a device that sees segments, not bytes.
    """

    timeout_s: float | None
    how: DropHow = "fin"
    tcp_counts: bool = False
    pong_counts: bool = True
    lifetime_s: float | None = None
    product_jitter: Callable[[int], float] = lambda lane: 0.0
    our_jitter: Callable[[int], float] = lambda lane: 0.0


def play(options: IdleOptions, world: World) -> list[IdleTrial]:
    """What the first pass of a probe would record there, run to its very end."""
    return [_lane(n, plan, options, world) for n, plan in enumerate(plan_round(options).trials)]


def _lane(n: int, plan: TrialPlan, options: IdleOptions, world: World) -> IdleTrial:
    facts = {"connection": n, "started_s": plan.start_s, "upgrade_s": 0.001}
    timeout_s = world.timeout_s
    if timeout_s is not None:
        timeout_s += world.product_jitter(n)
    if plan.trial == "idle":
        return _idle_lane(n, plan, options, world, timeout_s, facts)
    return _kept_lane(plan, options, world, timeout_s, facts)


def _idle_lane(
    n: int,
    plan: TrialPlan,
    options: IdleOptions,
    world: World,
    timeout_s: float | None,
    facts: dict[str, object],
) -> IdleTrial:
    asked_s = (plan.idle_for_s or options.longest_s) + world.our_jitter(n)
    ends_s = [s for s in (timeout_s, world.lifetime_s) if s is not None]
    if not ends_s or min(ends_s) > asked_s:
        return idle(asked_s, **{**facts, "idle_for_s": plan.idle_for_s})
    at_s = asked_s if world.how in SILENT_HOWS else min(ends_s)
    return idle(at_s, world.how, **{**facts, "idle_for_s": plan.idle_for_s})


def _kept_lane(
    plan: TrialPlan,
    options: IdleOptions,
    world: World,
    timeout_s: float | None,
    facts: dict[str, object],
) -> IdleTrial:
    assert plan.gap_s is not None
    pace = KeepaliveSchedule(plan.gap_s, plan.first_gap_s)
    counts = {"ping": True, "pong": world.pong_counts, "tcp-keepalive": world.tcp_counts}
    until_s = timeout_s or options.longest_s
    end_s = max(1.3 * until_s, until_s + 1.6) + plan.gap_s
    end_s = end_s if world.lifetime_s is None else min(end_s, world.lifetime_s)
    last_s, dead_s = 0.0, None
    while pace.due_s < end_s:
        if timeout_s is not None and pace.due_s - last_s > timeout_s:
            dead_s = last_s + timeout_s
            break
        if timeout_s is not None and pace.due_s >= timeout_s:
            pace.limit_gaps(timeout_s)
            if pace.due_s >= end_s:
                break
        pace.sent.append(pace.due_s)
        if counts[plan.trial]:
            last_s = pace.sent[-1]
    if dead_s is None and timeout_s is not None and end_s - last_s > timeout_s:
        dead_s = last_s + timeout_s
    if dead_s is None and world.lifetime_s is not None and end_s == world.lifetime_s:
        dead_s = end_s
    age_s = end_s if dead_s is None else dead_s
    sent = [at for at in pace.sent if at < age_s]
    pace.sent = sent
    gap = pace.longest_gap_s(age_s)
    proven = [later - earlier for earlier, later in zip([0.0, *sent], sent, strict=False)]
    return record(
        plan.trial,
        outcome="alive" if dead_s is None else "silent" if world.how == "silent" else "dropped",
        idle_s=age_s - (sent[-1] if sent else 0.0),
        age_s=age_s,
        drop=None if dead_s is None else Drop(world.how, age_s),
        interval_s=plan.gap_s,
        keepalives_sent=len(sent),
        gap_s=gap,
        longest_idle_s=max(proven, default=0.0) if plan.trial == "ping" else 0.0,
        **facts,
    )
