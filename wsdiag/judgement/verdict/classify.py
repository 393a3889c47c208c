"""From evidence to a verdict: which one, and by which reasoning. No words for people here.

The decision tree. The first branch that fits is taken:

    most idle connections broke the protocol                        unreachable    broken
    no idle trial ran: interrupted                                  no-drop        alive
                       otherwise                                    unreachable    nothing
    everything ended within 0.5 s of its upgrade                    unreachable    closed-at-once
    a connection ended around a suspend of this machine             local-fault    suspend
    connections of unrelated URLs ended at the same moment          local-fault    shared
    all ended the same time after a heartbeat of the endpoint that was left unanswered
                                                                    application-timeout   wanted
    all ended at one age, and the endpoint's protocol wants a hello, which was not sent
                                                                    application-timeout   no-hello
    idle connections ended with an event (Close, FIN, RST)
      all ended at one age although bytes had restarted their idle clocks
                                                                    lifetime       age
      on no clock do they agree, or connections in use died too and no keepalive held
        all ended at one moment                                     inconsistent   moment
        all ended at one age                                        lifetime       age
        otherwise                                                   inconsistent   random
      they agree on a clock
        the same keepalive held on one connection, not on another   inconsistent   conflict
        they ended at one moment, having started apart              inconsistent   moment
        others survived a longer idleness                           inconsistent   contradiction
        only one-way keepalives were tried, and they died           lifetime       age, unproven
        otherwise                                                   idle-timeout   event
    idle connections no longer answered when they were probed
      connections in use went silent too, and no keepalive held     inconsistent   blackout
      others survived as long an idleness                           inconsistent   contradiction
      the same keepalive held on one connection, not on another     inconsistent   conflict
      otherwise                                                     idle-timeout   silent
    no idle connection was dropped
      several keepalive trials were                                 inconsistent   random
      the endpoint's own traffic kept them from being idle          kept-busy      kept-busy
      otherwise                                                     no-drop        alive

Why the order matters:

* What spoils every other reading comes first. Drops around a suspend look like a perfect idle
  timeout, all at one idle time; so does an endpoint that closes each connection at once.
* Events before silence: an event has a moment, known to milliseconds. Silence only says that the
  drop came at some time before the probe, so it narrows a range but never gives a figure.
* Lifetime before idle timeout. A lifetime of 60 s drops untouched connections after exactly 60 s of
  idleness, so idle trials alone cannot tell the two apart. Two things can: a keepalive that held
  beyond that age refutes a lifetime; a connection in use that died at that age refutes an idle
  timeout. Where neither is there, the verdict is marked `unproven`, and says so.
* Moment before age: a restart ends everything at one moment. Trials start staggered, so its ages
  differ by as much as the starts do; only where the moments fit clearly better is it one.
* Contradictions are looked for last, as only a range can be contradicted. They take the verdict
  back rather than average over it: two backends with two timeouts have no common one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from wsdiag.judgement.verdict.clocks import (
    MARGIN_ABOVE_S,
    MARGIN_BELOW_S,
    ClockName,
    Cluster,
    cluster_on,
    drop_range,
    same_age,
    same_moment,
)
from wsdiag.judgement.verdict.evidence import Evidence, ProbeContext, ended_s, two_way
from wsdiag.judgement.verdict.keepalives import died_in_use, holds
from wsdiag.judgement.verdict.participation import heartbeat_timeout, hello_timeout
from wsdiag.records import Drop, IdleTrial, Range, Verdict

Reason = Literal[
    "event",
    "silent",
    "alive",
    "kept-busy",
    "wanted",
    "no-hello",
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
"""Why a verdict is what it is; the words are chosen by it."""

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
    cluster: Cluster | None = None
    unproven: bool = False
    """No keepalive trial with traffic in both directions tells idle timeout and lifetime apart."""


def classify(evidence: Evidence, context: ProbeContext) -> Classification:
    """Judge the evidence, the most specific explanation first."""
    dropped, ran = evidence.dropped(), (*evidence.idle, *evidence.kept)
    if len([t for t in evidence.broken if t.trial == "idle"]) > len(evidence.idle):
        return Classification("unreachable", "broken")
    if not evidence.idle:
        if context.partial and context.error is None:
            return Classification("no-drop", "alive")
        return Classification("unreachable", "nothing")
    if len(dropped) == len(ran) > 1 and all((t.age_s or 0.0) <= _AT_ONCE_S for t in dropped):
        return Classification("unreachable", "closed-at-once", drop=dropped[0].drop)
    if any(ended_s(t) >= at_s - _AROUND_SUSPEND_S for t in dropped for at_s, _ in context.jumps):
        return Classification("local-fault", "suspend", drop=dropped[0].drop)
    if dropped and context.shared_end_s is not None:
        return Classification("local-fault", "shared", drop=dropped[0].drop)
    if evidence.events and (wanted := heartbeat_timeout(evidence, context)) is not None:
        return Classification("application-timeout", "wanted", wanted, evidence.events[0].drop)
    if evidence.events and (wanted := hello_timeout(evidence, context)) is not None:
        return Classification("application-timeout", "no-hello", wanted, evidence.events[0].drop)
    if evidence.events:
        return _from_events(evidence, context)
    if evidence.found_dead:
        return _from_silence(evidence, context)
    return _from_survival(evidence, context)


class _InUse(NamedTuple):
    """What the keepalive trials say about idle connections being dropped within a range."""

    dead: list[IdleTrial]
    """With traffic in both directions, and dropped all the same."""
    proof: list[IdleTrial]
    """With traffic in both directions, and alive beyond the range."""
    any_held: bool
    """Whether any keepalive did, one-way ones included."""

    @property
    def conflict(self) -> bool:
        """Whether the same keepalive both held and did not."""
        return not {t.trial for t in self.dead}.isdisjoint(t.trial for t in self.proof)


def _in_use(evidence: Evidence, context: ProbeContext, range_: Range | None) -> _InUse:
    both_ways = [t for t in evidence.kept if two_way(t, context)]
    return _InUse(
        dead=[t for t in both_ways if died_in_use(t, range_)],
        proof=[t for t in both_ways if holds(t, range_)],
        any_held=any(holds(t, range_) for t in evidence.kept),
    )


# -- drops that announced themselves ---------------------------------------------------------------


def _from_events(evidence: Evidence, context: ProbeContext) -> Classification:
    if _all_of_one_age(evidence, context):
        return _lifetime(evidence.dropped())
    cluster = _best_cluster(evidence)
    if cluster is None:
        return _not_by_idleness(evidence, _in_use(evidence, context, None).dead)
    range_ = drop_range(cluster, context.rtt_s)
    drop = cluster.members[0].drop
    in_use = _in_use(evidence, context, range_)
    if in_use.dead and not in_use.any_held:
        return _not_by_idleness(evidence, in_use.dead)
    if in_use.conflict:
        return Classification("inconsistent", "conflict", range_, drop, cluster=cluster)
    wide = range_.high is not None and range_.high - range_.low > 1.0
    if wide and same_moment(cluster.members):
        return Classification("inconsistent", "moment", drop=drop)
    range_ = _above_survivors(evidence, cluster, range_)
    if _contradicted(evidence, cluster, range_):
        return Classification("inconsistent", "contradiction", range_, drop, cluster=cluster)
    unproven = not in_use.proof and not in_use.any_held
    if unproven and any(died_in_use(t, range_) for t in evidence.kept):
        return Classification("lifetime", "age", range_, drop, cluster=cluster, unproven=True)
    return Classification("idle-timeout", "event", range_, drop, cluster.clock, cluster, unproven)


def _all_of_one_age(evidence: Evidence, context: ProbeContext) -> bool:
    """Everything ended at one age although the peer's traffic had restarted every idle clock."""
    dropped = evidence.dropped()
    used = [t for t in dropped if two_way(t, context) and t.keepalives_sent]
    alive = [t for t in (*evidence.survivors, *evidence.kept) if t not in dropped]
    spoke = all(t.received for t in evidence.events)
    return bool(used) and not alive and spoke and same_age(dropped)


def _not_by_idleness(evidence: Evidence, dead_in_use: Sequence[IdleTrial]) -> Classification:
    """Connections in use died too: all at one age, or all at one moment?"""
    every = (*evidence.events, *dead_in_use)
    if dead_in_use and same_moment(every):
        return Classification("inconsistent", "moment", drop=every[0].drop)
    if dead_in_use and same_age(every):
        return _lifetime(every)
    return Classification("inconsistent", "random", drop=every[0].drop)


def _lifetime(trials: Sequence[IdleTrial]) -> Classification:
    ages = sorted(t.age_s or 0.0 for t in trials)
    low, high = max(0.0, ages[0] - MARGIN_BELOW_S), ages[-1] + MARGIN_ABOVE_S
    return Classification("lifetime", "age", Range(round(low, 2), round(high, 2)), trials[0].drop)


def _best_cluster(evidence: Evidence) -> Cluster | None:
    """Agreement on idleness as such; else on the silence of one direction, if the peer spoke."""
    spoke = any(t.received for t in evidence.events)
    names: tuple[ClockName, ...] = ("either", "sent", "received") if spoke else ("either",)
    found = [c for name in names if (c := cluster_on(name, evidence.events)) and not _outlived(c)]
    # More members agree; then less spread; then the simplest explanation, which comes first.
    return min(
        found, key=lambda c: (len(c.outliers), round(c.values[-1] - c.values[0], 1)), default=None
    )


def _outlived(cluster: Cluster) -> bool:
    """Whether the same connections had been idle for about as long before, and lived.

    Nothing in either direction is nothing in each: that speaks against every clock.
    """
    limit = 0.9 * cluster.values[-1]
    longer = [t for t in cluster.members if (t.longest_idle_s or 0.0) > limit]
    return len(longer) > len(cluster.members) // 2


def _above_survivors(evidence: Evidence, cluster: Cluster, range_: Range) -> Range:
    """Raise the lower end to what was survived, as far as that is consistent."""
    if cluster.clock != "either" or range_.high is None:
        return range_
    first = cluster.values[0]
    survived = [s for t in evidence.idle if (s := t.longest_idle_s or 0.0) <= first]
    return Range(max([range_.low, *(round(s - MARGIN_BELOW_S, 2) for s in survived)]), range_.high)


def _contradicted(evidence: Evidence, cluster: Cluster, range_: Range) -> bool:
    """Idle connections that lived on where others were dropped."""
    if cluster.clock != "either" or range_.high is None:
        return False
    beyond_s = 1.0 + 1.05 * range_.high
    against = [t for t in evidence.idle if (t.longest_idle_s or 0.0) > beyond_s]
    return len(against) > len(evidence.events) // 10


# -- drops that were found, and none ---------------------------------------------------------------


def _from_silence(evidence: Evidence, context: ProbeContext) -> Classification:
    first = min(evidence.found_dead, key=lambda t: t.idle_s or 0.0)
    high = first.idle_s or 0.0
    used = [t for t in evidence.kept if two_way(t, context)]
    answered = (*evidence.survivors, *evidence.found_dead, *used)
    low = max(t.longest_idle_s or 0.0 for t in answered)
    range_ = Range(round(min(low, high), 2), round(high, 2))
    in_use = _in_use(evidence, context, range_)
    if in_use.dead and not in_use.any_held:
        return Classification("inconsistent", "blackout", range_, first.drop)
    if low >= high:
        return Classification("inconsistent", "contradiction", range_, first.drop)
    if in_use.conflict:
        return Classification("inconsistent", "conflict", range_, first.drop)
    unproven = not in_use.proof and not in_use.any_held
    return Classification("idle-timeout", "silent", range_, first.drop, unproven=unproven)


def _from_survival(evidence: Evidence, context: ProbeContext) -> Classification:
    """No idle connection was dropped; were others?"""
    dead = [t for t in evidence.kept if t.outcome in ("dropped", "silent")]
    kinds = {t.trial for t in dead}
    both = any(t.trial in kinds for t in evidence.kept if t.outcome == "alive") and len(dead) > 1
    if len(dead) > 2 or both:
        return Classification("inconsistent", "random", drop=dead[0].drop)
    busy = any(t.outcome == "kept-busy" for t in evidence.survivors)
    if busy and evidence.longest_survived_s < 0.95 * context.longest_s:
        return Classification("kept-busy", "kept-busy")
    return Classification("no-drop", "alive")
