"""From evidence to a finding: which verdict, by which reasoning. No words for people here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from wsdiag.judgement.verdict.clocks import (
    ROOM_ABOVE_S,
    ROOM_BELOW_S,
    ClockName,
    Cluster,
    agree,
    drop_range,
    same_age,
    same_moment,
)
from wsdiag.judgement.verdict.evidence import Evidence, ProbeContext, ended_s, two_way
from wsdiag.judgement.verdict.keepalives import died_in_use, holds
from wsdiag.records import Drop, IdleTrial, Range, TrialKind, Verdict

# Why a verdict is what it is; the words are chosen by it.
Reason = Literal[
    "event",
    "silent",
    "alive",
    "kept-busy",
    "age",
    "moment",
    "random",
    "contradiction",
    "conflict",
    "blackout",
    "suspend",
    "shared",
    "nothing",
    "closed-at-once",
    "broken",
]

_AT_ONCE_S = 0.5
# What happened this shortly before a suspend was noticed may have been its work as well.
_AROUND_SUSPEND_S = 2.0


@dataclass(frozen=True, slots=True)
class Classification:
    """The verdict, why, and when idle connections are dropped (or, for a lifetime, all of them)."""

    verdict: Verdict
    reason: Reason
    range: Range | None = None
    drop: Drop | None = None
    clock: ClockName = "either"
    agreement: Cluster | None = None
    unproven: bool = False
    """No keepalive trial with traffic in both directions says idle timeout or lifetime."""


def classify(evidence: Evidence, case: ProbeContext) -> Classification:
    """Judge the evidence, the most specific explanation first."""
    gone, ran = evidence.gone(), (*evidence.idle, *evidence.others)
    if len([t for t in evidence.broken if t.trial == "idle"]) > len(evidence.idle):
        return Classification("unreachable", "broken")
    if not evidence.idle:
        if case.partial and case.error is None:
            return Classification("no-drop", "alive")
        return Classification("unreachable", "nothing")
    if len(gone) == len(ran) > 1 and all((t.age_s or 0.0) <= _AT_ONCE_S for t in gone):
        return Classification("unreachable", "closed-at-once", drop=gone[0].drop)
    if any(ended_s(t) >= at_s - _AROUND_SUSPEND_S for t in gone for at_s, _ in case.jumps):
        return Classification("local-fault", "suspend", drop=gone[0].drop)
    if gone and case.shared_end_s is not None:
        return Classification("local-fault", "shared", drop=gone[0].drop)
    if evidence.events:
        return _from_events(evidence, case)
    if evidence.found:
        return _from_silence(evidence, case)
    return _from_survival(evidence, case)


def _from_survival(evidence: Evidence, case: ProbeContext) -> Classification:
    """No idle connection was dropped; were others?"""
    dead = [t for t in evidence.others if t.outcome in ("dropped", "silent")]
    alive = [t for t in evidence.others if t.outcome == "alive"]
    kinds = {t.trial for t in dead}
    unlucky = any(t.trial in kinds for t in alive) and len(dead) > 1
    if len(dead) > 2 or unlucky:
        return Classification("inconsistent", "random", drop=dead[0].drop)
    masked = [t for t in evidence.survivors if t.outcome == "kept-busy"]
    if masked and evidence.longest_survived_s < 0.95 * case.longest_s:
        return Classification("kept-busy", "kept-busy")
    return Classification("no-drop", "alive")


def _from_events(evidence: Evidence, case: ProbeContext) -> Classification:
    drop = evidence.events[0].drop
    if _all_of_one_age(evidence, case):
        return _aged(evidence.gone())
    agreement = _best(evidence)
    if agreement is None:
        lifetime = _lifetime(evidence, case, None)
        return lifetime or Classification("inconsistent", "random", drop=drop)
    range_ = drop_range(agreement, case.rtt_s)
    drop = agreement.members[0].drop
    dead = _dead_in_use(evidence, case, range_)
    proof = [t for t in evidence.others if two_way(t, case) and holds(t, range_)]
    others_hold = any(holds(t, range_) for t in evidence.others)
    if dead and not others_hold:
        return _lifetime(evidence, case, range_) or Classification(
            "inconsistent", "random", drop=drop
        )
    if _conflict(dead, proof):
        return Classification("inconsistent", "conflict", range_, drop, agreement=agreement)
    if same_moment(agreement.members) and _wide(range_):
        return Classification("inconsistent", "moment", drop=drop)
    range_ = _above_survivors(evidence, agreement, range_)
    if _contradicted(evidence, agreement, range_):
        return Classification("inconsistent", "contradiction", range_, drop, agreement=agreement)
    one_way_dead = [t for t in evidence.others if died_in_use(t, range_)]
    if not proof and one_way_dead and not others_hold:
        return Classification("lifetime", "age", range_, drop, agreement=agreement, unproven=True)
    unproven = not proof and not others_hold
    return Classification(
        "idle-timeout", "event", range_, drop, agreement.clock, agreement, unproven
    )


def _best(evidence: Evidence) -> Cluster | None:
    """Agreement on idleness as such; else on the silence of one direction, if the peer spoke."""
    spoke = any(t.received for t in evidence.events)
    names: tuple[ClockName, ...] = ("either", "sent", "received") if spoke else ("either",)
    found = [a for name in names if (a := agree(evidence.events, name)) and not _outlived(a)]
    # More members agree; then less spread; then the simplest explanation.
    return min(found, key=lambda a: (len(a.outliers), _spread_class(a)), default=None)


def _outlived(agreement: Cluster) -> bool:
    """Whether the same connections had been idle for about as long before, and lived.

    Nothing in either direction is nothing in each: that speaks against every clock.
    """
    limit = 0.9 * agreement.values[-1]
    longer = [t for t in agreement.members if (t.longest_idle_s or 0.0) > limit]
    return len(longer) > len(agreement.members) // 2


def _spread_class(agreement: Cluster) -> tuple[float, int]:
    values = agreement.values
    order: dict[ClockName, int] = {"either": 0, "sent": 1, "received": 2}
    return round(values[-1] - values[0], 1), order[agreement.clock]


def _dead_in_use(evidence: Evidence, case: ProbeContext, range_: Range) -> list[IdleTrial]:
    return [t for t in evidence.others if two_way(t, case) and died_in_use(t, range_)]


def _lifetime(
    evidence: Evidence, case: ProbeContext, range_: Range | None
) -> Classification | None:
    """Connections in use died too: all at one age, or all at one moment?"""
    dead = [t for t in evidence.others if two_way(t, case) and died_in_use(t, range_)]
    if not dead:
        return None
    both = (*evidence.events, *dead)
    drop = both[0].drop
    if same_moment(both):
        return Classification("inconsistent", "moment", drop=drop)
    if same_age(both):
        return _aged(both)
    return Classification("inconsistent", "random", drop=drop)


def _aged(trials: Sequence[IdleTrial]) -> Classification:
    ages = sorted(t.age_s or 0.0 for t in trials)
    cap = Range(round(max(0.0, ages[0] - ROOM_BELOW_S), 2), round(ages[-1] + ROOM_ABOVE_S, 2))
    return Classification("lifetime", "age", cap, trials[0].drop)


def _all_of_one_age(evidence: Evidence, case: ProbeContext) -> bool:
    """Everything ended at one age although the peer's traffic had restarted every idle clock."""
    gone = evidence.gone()
    used = [t for t in gone if two_way(t, case) and t.keepalives_sent]
    alive = [t for t in (*evidence.survivors, *evidence.others) if t not in gone]
    spoke = all(t.received for t in evidence.events)
    return bool(used) and not alive and spoke and same_age(gone)


def _conflict(dead: Sequence[IdleTrial], proof: Sequence[IdleTrial]) -> bool:
    """The same keepalive both held and did not."""
    alive: set[TrialKind] = {t.trial for t in proof}
    return any(t.trial in alive for t in dead)


def _wide(range_: Range) -> bool:
    return range_.high is not None and range_.high - range_.low > 1.0


def _above_survivors(evidence: Evidence, agreement: Cluster, range_: Range) -> Range:
    """Raise the lower end to what was survived, as far as that is consistent."""
    if agreement.clock != "either" or range_.high is None:
        return range_
    first = agreement.values[0]
    survived = [s for t in evidence.idle if (s := t.longest_idle_s or 0.0) <= first]
    return Range(max([range_.low, *(round(s - ROOM_BELOW_S, 2) for s in survived)]), range_.high)


def _contradicted(evidence: Evidence, agreement: Cluster, range_: Range) -> bool:
    """Idle connections that lived on where others were dropped."""
    if agreement.clock != "either" or range_.high is None:
        return False
    room = 1.0 + 0.05 * range_.high
    against = [t for t in evidence.idle if (t.longest_idle_s or 0.0) > range_.high + room]
    return len(against) > len(evidence.events) // 10


def _from_silence(evidence: Evidence, case: ProbeContext) -> Classification:
    first = min(evidence.found, key=lambda t: t.idle_s or 0.0)
    high = first.idle_s or 0.0
    answered = [t.longest_idle_s or 0.0 for t in (*evidence.survivors, *evidence.found)]
    used = [t.longest_idle_s or 0.0 for t in evidence.others if two_way(t, case)]
    low = max([*answered, *used, 0.0])
    range_ = Range(round(min(low, high), 2), round(high, 2))
    dead = _dead_in_use(evidence, case, range_)
    proof = [t for t in evidence.others if two_way(t, case) and holds(t, range_)]
    others_hold = any(holds(t, range_) for t in evidence.others)
    if dead and not others_hold:
        return Classification("inconsistent", "blackout", range_, first.drop)
    if low >= high:
        return Classification("inconsistent", "contradiction", range_, first.drop)
    if _conflict(dead, proof):
        return Classification("inconsistent", "conflict", range_, first.drop)
    return Classification(
        "idle-timeout", "silent", range_, first.drop, unproven=not proof and not others_hold
    )
