"""Drops that announced themselves: what do they agree on, and what do connections in use say?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from wsdiag.judgement.products.endpoints import token_expired
from wsdiag.judgement.verdict.classification import Classification, Reason
from wsdiag.judgement.verdict.clocks import (
    CLOCKS,
    MARGIN_ABOVE_S,
    MARGIN_BELOW_S,
    ClockName,
    Cluster,
    age_s,
    cluster_on,
    drop_range,
    late_by_s,
    maybe_late,
    same_age,
    same_moment,
)
from wsdiag.judgement.verdict.evidence import (
    Evidence,
    ProbeContext,
    ended_by_our_ping,
    ended_s,
    two_way,
)
from wsdiag.judgement.verdict.keepalives import died_in_use, in_use, outlived
from wsdiag.judgement.verdict.moments import find_sweep
from wsdiag.judgement.verdict.spread import MOST_SPREAD, beyond_chance, separate_groups
from wsdiag.records import IdleTrial, Range

# Ends that lie further apart tell a common moment from a common age.
_APART_S = 0.1
_TICK_S, _EXACT_S = 1.1, 0.15
_FEW = 5
# Of what an endpoint sends by itself, records keep the first few dozen: with as many, the last
# message is not known.
_RECORDED = 64


def from_events(evidence: Evidence, context: ProbeContext) -> Classification:
    """The verdict on idle connections that ended with a Close frame, FIN or RST."""
    if _all_of_one_age(evidence, context) or _of_expired_tokens(evidence):
        return _lifetime(evidence.dropped(), evidence, context)
    if (swept := _swept(evidence, context)) is not None:
        return swept
    cluster = _by_messages(evidence, context) or _best_cluster(evidence)
    if cluster is None:
        dead = in_use(evidence, context, None).dead
        if not dead and _all_of_one_age_unanswered(evidence):
            return replace(_lifetime(evidence.dropped(), evidence, context), unproven=True)
        return _not_by_idleness(evidence, dead, context)
    range_ = drop_range(cluster, context.rtt_s)
    drop = cluster.members[0].drop
    used = in_use(evidence, context, range_)
    if used.dead and not used.any_held:
        return _not_by_idleness(evidence, used.dead, context)
    if used.conflict:
        return Classification("inconsistent", "conflict", range_, drop, cluster=cluster)
    if _at_one_moment(evidence, cluster) and not _witnessed(evidence, cluster, range_):
        return Classification("inconsistent", "moment", drop=drop, members=cluster.members)
    range_ = _with_probed(evidence, _above_survivors(evidence, cluster, range_))
    if _contradicted(evidence, cluster, range_):
        return Classification("inconsistent", "contradiction", range_, drop, cluster=cluster)
    range_ = _below_the_dead(evidence, cluster, range_, context)
    unproven = not used.proof and not used.any_held
    # TCP keepalive is no sending: that it does not help says nothing about a lifetime.
    sent = [t for t in evidence.kept if t.trial != "tcp-keepalive" and not ended_by_our_ping(t)]
    if unproven and any(died_in_use(t, evidence, range_) for t in sent):
        return Classification("lifetime", "age", range_, drop, cluster=cluster, unproven=True)
    late = maybe_late(cluster.members, CLOCKS[cluster.clock])
    if late:
        range_ = _if_late(evidence, cluster, range_)
    return Classification(
        "idle-timeout",
        "event",
        range_,
        drop,
        cluster.clock,
        cluster,
        unproven=unproven,
        maybe_late=late,
    )


def _swept(evidence: Evidence, context: ProbeContext) -> Classification | None:
    if (sweep := find_sweep(evidence.events)) is None:
        return None
    used = in_use(evidence, context, sweep.range)
    if used.conflict or not any(_open_before(t, evidence.events) for t in used.proof):
        return None
    drop, clock = evidence.events[0].drop, sweep.clock
    return Classification("idle-timeout", "sweep", sweep.range, drop, clock, sweep=sweep)


def _open_before(trial: IdleTrial, events: Sequence[IdleTrial]) -> bool:
    """Whether it had been opened when the first of its round ended."""
    ends_s = [ended_s(t) for t in events if t.round == trial.round]
    return bool(ends_s) and trial.started_s < min(ends_s)


def _if_late(evidence: Evidence, cluster: Cluster, range_: Range) -> Range:
    """The range, where a look at them may have ended these some time after they were due."""
    low_s = range_.low
    if _to_one_moment(cluster):  # they began apart: some had been due for long
        survived = [t.longest_idle_s or 0.0 for t in evidence.idle]
        low_s = max((s for s in survived if s < range_.low), default=0.0) - MARGIN_BELOW_S
    return Range(
        round(max(0.0, low_s - late_by_s(cluster.members, CLOCKS[cluster.clock])), 2), range_.high
    )


def _at_one_moment(evidence: Evidence, cluster: Cluster) -> bool:
    """Whether a common moment explains these drops, rather than a common idle time.

    Drops that ended too close together tell neither; then everything that ended decides, as some
    may have started further apart. With nothing in use to compare, idleness is believed.
    """
    every = evidence.dropped()
    if not evidence.kept or _ended_apart(cluster.members):
        return same_moment(cluster.members)
    return not (same_age(every) and _ended_apart(every))


def _to_one_moment(cluster: Cluster) -> bool:
    ends, values = [ended_s(t) for t in cluster.members], cluster.values
    one_round = len({t.round for t in cluster.members}) == 1
    together_s, apart_s = max(ends) - min(ends), values[-1] - values[0]
    return one_round and len(ends) > 2 and together_s < 0.2 * apart_s


def _ended_apart(trials: Sequence[IdleTrial]) -> bool:
    ends = [ended_s(t) for t in trials]
    return len({t.round for t in trials}) > 1 or max(ends) - min(ends) > _APART_S


def _witnessed(evidence: Evidence, cluster: Cluster, range_: Range) -> bool:
    """Whether a connection in use outlived one of these drops, be it in a round of its own."""
    held = [t for t in evidence.kept if outlived(t, evidence, range_)]
    other = any(t.round not in {m.round for m in cluster.members} for t in held)
    return other or any(t.started_s < ended_s(m) for t in held for m in cluster.members)


def _all_of_one_age(evidence: Evidence, context: ProbeContext) -> bool:
    """Everything ended at one age although the peer's traffic had restarted every idle clock."""
    dropped = evidence.dropped()
    used = [t for t in dropped if two_way(t, context) and t.keepalives_sent]
    alive = [t for t in (*evidence.survivors, *evidence.kept) if t not in dropped]
    spoke = all(t.received for t in evidence.events)
    return bool(used) and not alive and spoke and same_age(dropped)


def _of_expired_tokens(evidence: Evidence) -> bool:
    """Everything ended at one age because a token expired, as the endpoint says: idle or not."""
    dropped = evidence.dropped()
    alive = [t for t in (*evidence.survivors, *evidence.kept) if t not in dropped]
    oldest_s = max((t.age_s or 0.0 for t in dropped), default=0.0)
    return (
        all(token_expired(t.drop) for t in dropped)
        and same_age(dropped)
        and all((t.age_s or 0.0) <= oldest_s for t in alive)
    )


def _all_of_one_age_unanswered(evidence: Evidence) -> bool:
    """Everything ended at one age, whatever we sent, and nothing was ever answered.

    A timer that only the peer's own bytes restart looks the same.
    """
    dropped = evidence.dropped()
    sent = [t for t in dropped if t.keepalives_sent and t.trial != "tcp-keepalive"]
    alive = [t for t in (*evidence.survivors, *evidence.kept) if t not in dropped]
    silent = not any(t.received for t in dropped)
    return bool(sent) and not alive and silent and same_age(dropped)


def _not_by_idleness(
    evidence: Evidence, dead_in_use: Sequence[IdleTrial], context: ProbeContext
) -> Classification:
    """Connections in use died too, all at one age? Or idle ones did, at times that do not agree."""
    every = (*evidence.events, *dead_in_use)
    if dead_in_use and same_moment(every):
        return Classification("inconsistent", "moment", drop=every[0].drop, members=every)
    oldest_s = max(t.age_s or 0.0 for t in every)
    limit_s = oldest_s + max(_TICK_S, 0.05 * oldest_s)
    outlived_by = [t for t in evidence.survivors if (t.age_s or 0.0) > limit_s]
    of_one_age = dead_in_use and same_age(every) and not outlived_by
    if of_one_age and _mixed(evidence.events, dead_in_use):
        return _lifetime(every, evidence, context)
    idle_s = sorted(t.idle_s or 0.0 for t in evidence.events)
    if not dead_in_use and _several_timers(evidence.events):
        return Classification("inconsistent", "backends", drop=every[0].drop)
    # The earliest of n evenly spread drops is not the earliest that can be.
    unseen_s = 3 * (idle_s[-1] - idle_s[0]) / len(idle_s)
    low = max(0.0, idle_s[0] - unseen_s - MARGIN_BELOW_S)
    range_ = Range(round(low, 2), round(idle_s[-1] + MARGIN_ABOVE_S, 2))
    used = in_use(evidence, context, beyond_chance(range_))
    held = bool(used.proof) and not in_use(evidence, context, Range(idle_s[0], None)).dead
    if held and len(idle_s) > 2 and idle_s[-1] <= MOST_SPREAD * idle_s[0]:
        members = tuple(evidence.events)
        return Classification("idle-timeout", "spread", range_, every[0].drop, members=members)
    agreed = None if dead_in_use else cluster_on("either", evidence.events)
    reason: Reason = "outlived" if agreed is not None and _outlived(agreed) else "random"
    return Classification("inconsistent", reason, drop=every[0].drop)


def _mixed(idle: Sequence[IdleTrial], in_use: Sequence[IdleTrial]) -> bool:
    """Whether connections in use ended no later and no earlier than idle ones, but for the second
    by which products differ that look at their timers once a second; few must agree exactly."""
    if len(in_use) > 1 and same_moment(in_use):
        return False
    slack_s = _TICK_S if len(idle) + len(in_use) >= _FEW else _EXACT_S
    idle_s, used_s = ([t.age_s or 0.0 for t in own] for own in (idle, in_use))
    return min(used_s) <= max(idle_s) + slack_s and min(idle_s) <= max(used_s) + slack_s


def _several_timers(events: Sequence[IdleTrial]) -> bool:
    """Whether these fall into groups, and each follows its connections' starts: what ended at one
    moment, idle for different times, met no timer."""
    groups = separate_groups([t.idle_s or 0.0 for t in events]) or []
    members = [[t for t in events if own[0] <= (t.idle_s or 0.0) <= own[-1]] for own in groups]
    return bool(members) and not any(map(same_moment, members))


def _lifetime(
    trials: Sequence[IdleTrial], evidence: Evidence, context: ProbeContext
) -> Classification:
    ages = sorted(t.age_s or 0.0 for t in trials)
    low, high = max(0.0, ages[0] - MARGIN_BELOW_S), ages[-1] + MARGIN_ABOVE_S
    late = maybe_late(trials, age_s)
    # A proxy may stop forwarding at that age, and end TCP only a second later.
    doubt_s = max(0.1, 2 * (context.rtt_s or 0.0))
    dead = [
        asked_s
        for t in evidence.dropped()
        if (t.unanswered_s or 0.0) > doubt_s
        if (asked_s := (t.age_s or 0.0) - (t.unanswered_s or 0.0)) < low
    ]
    if len(dead) > 1 and context.answers_pings is True:
        answered = [t.age_s or 0.0 for t in evidence.survivors]
        answered += [(t.age_s or 0.0) - (t.since_received_s or 0.0) for t in evidence.of("ping")]
        low, dead_s = _up_to_the_dead(dead, answered, doubt_s)
        high, late = dead_s if dead_s is not None else high, False
    elif late:
        low = max(0.0, low - late_by_s(trials, age_s))
    range_, members = Range(round(low, 2), round(high, 2)), tuple(trials)
    drop = sorted(trials, key=age_s)[len(trials) // 2].drop
    return Classification("lifetime", "age", range_, drop, members=members, maybe_late=late)


def _best_cluster(evidence: Evidence) -> Cluster | None:
    """Agreement on idleness as such; else on the silence of one direction, if the peer spoke."""
    spoke = any(t.received for t in evidence.events)
    names: tuple[ClockName, ...] = ("either", "sent", "received") if spoke else ("either",)
    found = [c for name in names if (c := cluster_on(name, evidence.events)) and not _outlived(c)]
    # More members agree; then less spread; then the simplest explanation, which comes first.
    return min(
        found, key=lambda c: (len(c.outliers), round(c.values[-1] - c.values[0], 1)), default=None
    )


def _by_messages(evidence: Evidence, context: ProbeContext) -> Cluster | None:
    """Agreement on the time since a message, where only who sent messages was spared, and idle
    connections were not without other frames: the endpoint's Pings, and the Pongs to them."""
    others = {what for t in evidence.events for _, what in t.received} - {"text", "binary"}
    cluster = cluster_on("message", evidence.events)
    if not others or cluster is None or any(len(t.received) >= _RECORDED for t in evidence.events):
        return None
    range_ = drop_range(cluster, context.rtt_s)
    held = {t.trial for t in evidence.kept if outlived(t, evidence, range_)}
    only_messages = bool(held) and held <= {"data", "heartbeat"}
    return cluster if only_messages and in_use(evidence, context, range_).dead else None


def _outlived(cluster: Cluster) -> bool:
    """Whether the same connections had been idle for about as long before, and lived.

    Nothing in either direction is nothing in each: that speaks against every clock.
    """
    limit = 0.9 * median(cluster.values)
    longer = [t for t in cluster.members if (t.longest_idle_s or 0.0) > limit]
    return len(longer) > len(cluster.members) // 2


def _above_survivors(evidence: Evidence, cluster: Cluster, range_: Range) -> Range:
    """Raise the lower end to what was survived, as far as that is consistent."""
    if cluster.clock != "either" or range_.high is None:
        return range_
    first = cluster.values[0]
    survived = [s for t in evidence.idle if (s := t.longest_idle_s or 0.0) <= first]
    return Range(max([range_.low, *(round(s - MARGIN_BELOW_S, 2) for s in survived)]), range_.high)


def _with_probed(evidence: Evidence, range_: Range) -> Range:
    """Lowered to connections that only TCP keepalive probes crossed, if they were dropped sooner:
    what counts data takes them for idle."""
    ended = [t for t in evidence.of("tcp-keepalive") if t.outcome == "dropped"]
    idle_s = [t.idle_s or 0.0 for t in ended if (t.idle_s or 0.0) > 0.8 * range_.low]
    low = min([range_.low, *(round(s - MARGIN_BELOW_S, 2) for s in idle_s)])
    return Range(max(0.0, low), range_.high)


def _below_the_dead(
    evidence: Evidence, cluster: Cluster, range_: Range, context: ProbeContext
) -> Range:
    """Lower the ends to where a connection that was asked gave no answer, although it ended later.

    A proxy may stop forwarding when its timer fires, and end TCP only a second later.
    """
    if cluster.clock != "either" or range_.high is None or context.answers_pings is not True:
        return range_
    doubt_s = max(0.1, 2 * (context.rtt_s or 0.0))
    dead = [
        t.idle_s or 0.0
        for t in evidence.found_dead
        if t.outcome == "silent" or (t.unanswered_s or 0.0) > doubt_s
    ]
    if min(dead, default=range_.high) >= range_.high:
        return range_
    survived = [t.longest_idle_s or 0.0 for t in (*evidence.survivors, *evidence.of("ping"))]
    low, dead_s = _up_to_the_dead(dead, survived, doubt_s)
    return Range(round(low, 2), range_.high if dead_s is None else round(dead_s, 2))


def _up_to_the_dead(
    dead: Sequence[float], answered: Sequence[float], doubt_s: float
) -> tuple[float, float | None]:
    """Until when one was answered for certain, and when the first was dead.

    None, where one was answered well after that: what gave no answer then may have been an endpoint
    that was busy, and nothing was dead before its end.
    """
    first_s = min(dead)
    low = max((s for s in answered if s < first_s), default=0.0) - MARGIN_BELOW_S
    busy = max(answered, default=0.0) > first_s + doubt_s
    return max(0.0, low), None if busy else first_s


def _contradicted(evidence: Evidence, cluster: Cluster, range_: Range) -> bool:
    """Idle connections that lived on where others were dropped."""
    if cluster.clock != "either" or range_.high is None:
        return False
    beyond_s = 1.0 + 1.05 * range_.high
    against = [t for t in evidence.idle if (t.longest_idle_s or 0.0) > beyond_s]
    over_s = max(ended_s(t) for t in evidence.events)
    if any(t.started_s >= over_s for t in against):
        return True  # what ended the others had gone by when these were opened
    return len(against) > len(evidence.events) // 10
