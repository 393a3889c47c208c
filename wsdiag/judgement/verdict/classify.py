"""From evidence to a verdict: which one, and by which reasoning. No words for people here.

The decision tree. The first branch that fits is taken:

    most idle connections broke the protocol                        unreachable    broken
    no idle trial ran: interrupted                                  no-drop        alive
                       otherwise                                    unreachable    nothing
    everything ended within 0.5 s of its upgrade                    unreachable    closed-at-once
    each connection ended when the next one was opened              inconsistent   displaced
    a connection ended around a suspend of this machine             local-fault    suspend
    an interface or address of theirs was lost, and they with it    local-fault    link
    connections of unrelated URLs ended at the same moment          local-fault    shared
    every end followed a Ping of ours, and no Ping was answered     no-drop        touch
    connections in use and idle ones ended at one moment
      in each of several rounds, at one age                         lifetime       age
      otherwise                                                     event          moment
    all ended the same time after an unanswered heartbeat of the endpoint's protocol, or at one age
    without the hello that it wants                                 application-timeout
    idle connections ended with an event (Close, FIN, RST)
      all ended at one age although bytes had restarted their idle clocks
                                                                    lifetime       age  (1)
      those that were due ended at one moment, those in use did not idle-timeout   sweep
      on no clock do they agree, or connections in use died too and no keepalive held
        all ended at one age                                        lifetime       age  (1)
        all ended the same time after a message of the endpoint     application-timeout
        they fall into groups that chance does not explain          inconsistent   backends
        they are spread, and connections in use lived on            idle-timeout   spread
        otherwise                                                   inconsistent   random
      they agree on a clock
        the same keepalive held on one connection, not on another   inconsistent   conflict
        they ended at one moment, having started apart              inconsistent   moment
        others survived a longer idleness                           inconsistent   contradiction
        only one-way keepalives were tried, and they died           lifetime       age  (1)
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

    (1) application-timeout, where the endpoint is known to want a message, says so itself, or ended
    connections the same time after a message of its own (`application`). The same is looked for
    where no keepalive shows whether it was idleness.

Why the order matters:

* What spoils every other reading comes first. Drops around a suspend look like a perfect idle
  timeout, all at one idle time; so does an endpoint that closes each connection at once, or one
  that ends whatever is pinged: our own check was the cause.
* Events before silence: an event has a moment, known to milliseconds. Silence only says that the
  drop came at some time before the probe, so it narrows a range but never gives a figure.
* Moment before age: a restart ends everything at one moment. Trials start staggered, so its ages
  differ by as much as the starts do; only where the moments fit clearly better is it one. Where
  those in use lived on, it was a sweep.
* Lifetime before idle timeout. A lifetime of 60 s drops untouched connections after exactly 60 s of
  idleness, so idle trials alone cannot tell the two apart. Two things can: a keepalive that held
  beyond that age refutes a lifetime; a connection in use that died at that age refutes an idle
  timeout. Where neither is there, the verdict is marked `unproven`, and says so.
* Contradictions are looked for last, as only a range can be contradicted. They take the verdict
  back rather than average over it: two backends with two timeouts have no common one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from wsdiag.judgement.verdict.application import ApplicationTimeout, application_timeout
from wsdiag.judgement.verdict.clocks import (
    MARGIN_ABOVE_S,
    MARGIN_BELOW_S,
    ClockName,
    Cluster,
    cluster_on,
    drop_range,
    maybe_late,
    same_age,
    same_moment,
)
from wsdiag.judgement.verdict.evidence import (
    AT_ONCE_S,
    Evidence,
    ProbeContext,
    ended_by_our_ping,
    ended_s,
    two_way,
)
from wsdiag.judgement.verdict.keepalives import died_in_use, outlived
from wsdiag.judgement.verdict.moments import Sweep, displaced, event_rounds, find_sweep
from wsdiag.judgement.verdict.participation import heartbeat_timeout, hello_timeout
from wsdiag.judgement.verdict.spread import MOST_SPREAD, separate_groups
from wsdiag.records import Drop, IdleTrial, Range, Verdict

Reason = Literal[
    "event",
    "sweep",
    "spread",
    "silent",
    "alive",
    "touch",
    "wanted",
    "kept-busy",
    "age",
    "moment",
    "backends",
    "displaced",
    "random",
    "contradiction",
    "conflict",
    "blackout",
    "suspend",
    "link",
    "shared",
    "nothing",
    "closed-at-once",
    "broken",
]
"""Why a verdict is what it is; the words are chosen by it."""

# What happened this shortly before a suspend was noticed may have been its work as well.
_AROUND_SUSPEND_S = 2.0
_AROUND_LOSS_S = 1.0


@dataclass(frozen=True, slots=True)
class Classification:
    """The verdict, why, and when idle connections are dropped (or, for a lifetime, all of them)."""

    verdict: Verdict
    reason: Reason
    range: Range | None = None
    drop: Drop | None = None
    clock: ClockName = "either"
    cluster: Cluster | None = None
    sweep: Sweep | None = None
    application: ApplicationTimeout | None = None
    maybe_late: bool = False
    """Too few connections, or all started at once: a timer that is looked at now and then, and so
    fires late, would look the same."""
    members: tuple[IdleTrial, ...] = ()
    """The drops that this rests on, where they are no cluster."""
    unproven: bool = False
    """No keepalive trial with traffic in both directions tells idle timeout and lifetime apart."""


def _local_fault(dropped: Sequence[IdleTrial], context: ProbeContext) -> Classification | None:
    """What happened to this machine or near it, and ended connections."""
    if any(ended_s(t) >= at_s - _AROUND_SUSPEND_S for t in dropped for at_s, _ in context.jumps):
        return Classification("local-fault", "suspend", drop=dropped[0].drop)
    if (cut := _cut_off(dropped, context)) is not None:
        return Classification("local-fault", "link", drop=cut.drop)
    if dropped and context.shared_end_s is not None:
        return Classification("local-fault", "shared", drop=dropped[0].drop)
    return None


def _cut_off(dropped: Sequence[IdleTrial], context: ProbeContext) -> IdleTrial | None:
    """A connection that the loss of a link ended: what came from the peer later refutes that."""
    for trial in dropped:
        how = None if trial.drop is None else trial.drop.how
        for at_s, _ in context.lost_links:
            if trial.started_s <= at_s and (
                abs(ended_s(trial) - at_s) <= _AROUND_LOSS_S
                or (how in ("silent", "timeout", "rst-on-write") and ended_s(trial) >= at_s)
            ):
                return trial
    return None


def classify(evidence: Evidence, context: ProbeContext) -> Classification:
    """Judge the evidence, the most specific explanation first."""
    dropped, ran = evidence.dropped(), (*evidence.idle, *evidence.kept)
    if len([t for t in evidence.broken if t.trial == "idle"]) > len(evidence.idle):
        return Classification("unreachable", "broken")
    if not evidence.idle:
        if context.partial and context.error is None:
            return Classification("no-drop", "alive")
        return Classification("unreachable", "nothing")
    if len(dropped) == len(ran) > 1 and all((t.age_s or 0.0) <= AT_ONCE_S for t in dropped):
        return Classification("unreachable", "closed-at-once", drop=dropped[0].drop)
    if displaced((*evidence.turned_away, *ran)):
        ended = (*dropped, *evidence.turned_away)
        return Classification("inconsistent", "displaced", drop=ended[0].drop)
    if (local := _local_fault(dropped, context)) is not None:
        return local
    if _only_our_pings_ended_them(evidence, context):
        return Classification("no-drop", "touch", drop=dropped[0].drop)
    if (together := _unsaid(evidence, context) or _from_moments(evidence, context)) is not None:
        return together
    if evidence.events:
        return _wanted(_from_events(evidence, context), evidence, context)
    if evidence.found_dead:
        return _from_silence(evidence, context)
    return _from_survival(evidence, context)


def _only_our_pings_ended_them(evidence: Evidence, context: ProbeContext) -> bool:
    """No Ping was ever answered, and each end that came early followed one at once."""
    touched = [t for t in evidence.dropped() if ended_by_our_ping(t)]
    pinged = [t for t in evidence.of("ping") if t.keepalives_sent]
    if context.answers_pings is True or len(touched) < 2 or evidence.events:
        return False
    silent = any(t.outcome == "silent" for t in evidence.dropped())
    return not silent and all(map(ended_by_our_ping, pinged))


def _from_moments(evidence: Evidence, context: ProbeContext) -> Classification | None:
    """Idle connections and those in use that ended together: an event, if no timer did it."""
    dropped = evidence.dropped()
    idle_s = [t.idle_s or 0.0 for t in evidence.events]
    if not idle_s:
        return None
    in_use = [
        t
        for t in evidence.kept
        if two_way(t, context) and died_in_use(t, evidence, Range(min(idle_s), None))
    ]
    rounds = event_rounds(dropped, in_use)
    if not rounds:
        return None
    ended = [t for t in dropped if t.round in rounds]
    others = [t for t in (*evidence.idle, *evidence.kept) if t.round not in rounds]
    oldest_s = [max(t.age_s or 0.0 for t in ended if t.round == number) for number in rounds]
    if len(rounds) > 1 and max(oldest_s) - min(oldest_s) <= max(1.0, 0.2 * min(oldest_s)):
        # It happens again at the same age: a timer that is looked at now and then.
        high_s = min(t.age_s or 0.0 for t in ended) + MARGIN_ABOVE_S
        return Classification(
            "lifetime", "age", Range(0.0, round(high_s, 2)), ended[0].drop, members=tuple(ended)
        )
    if any(t.outcome in ("dropped", "silent") for t in others):
        # Another round knows of a timer, which the event cut short in this one.
        return classify(Evidence.sort(others), context)
    return Classification("event", "moment", drop=ended[0].drop, members=tuple(ended))


def _unsaid(evidence: Evidence, context: ProbeContext) -> Classification | None:
    """Connections ended for what the endpoint's protocol wants of a client; None: not shown."""
    if not evidence.events:
        return None
    waited, after_message = heartbeat_timeout(evidence, context), True
    if waited is None:
        waited, after_message = hello_timeout(evidence, context), False
    if waited is None:
        return None
    return Classification(
        "application-timeout",
        "wanted",
        waited,
        evidence.events[0].drop,
        application=ApplicationTimeout(waited, after_message),
        members=evidence.dropped(),
    )


def _wanted(found: Classification, evidence: Evidence, context: ProbeContext) -> Classification:
    """The same, or an application timeout where idleness or age would be the wrong reason."""
    by_idleness = found.reason in ("event", "sweep") and not found.unproven
    if by_idleness or found.reason not in ("event", "sweep", "age", "random"):
        return found
    every = (*evidence.events, *(t for t in evidence.kept if died_in_use(t, evidence, None)))
    wanted = application_timeout(every, context)
    if wanted is None or (wanted.endpoint is None and found.unproven):
        return found
    return Classification(
        "application-timeout",
        "wanted",
        wanted.range,
        every[0].drop,
        application=wanted,
        members=tuple(every),
    )


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
        dead=[
            t for t in both_ways if died_in_use(t, evidence, range_) and not ended_by_our_ping(t)
        ],
        proof=[t for t in both_ways if outlived(t, evidence, range_)],
        any_held=any(outlived(t, evidence, range_) for t in evidence.kept),
    )


# -- drops that announced themselves ---------------------------------------------------------------


def _from_events(evidence: Evidence, context: ProbeContext) -> Classification:
    if _all_of_one_age(evidence, context):
        return _lifetime(evidence.dropped())
    sweep = find_sweep(evidence.events)
    if sweep is not None:
        in_use = _in_use(evidence, context, sweep.range)
        first_s = min(ended_s(t) for t in evidence.events)
        if any(t.started_s < first_s for t in in_use.proof) and not in_use.conflict:
            return Classification(
                "idle-timeout", "sweep", sweep.range, evidence.events[0].drop, sweep=sweep
            )
    cluster = _best_cluster(evidence)
    if cluster is None:
        dead = _in_use(evidence, context, None).dead
        return _not_by_idleness(evidence, dead, context)
    range_ = drop_range(cluster, context.rtt_s)
    drop = cluster.members[0].drop
    in_use = _in_use(evidence, context, range_)
    if in_use.dead and not in_use.any_held:
        return _not_by_idleness(evidence, in_use.dead, context)
    if in_use.conflict:
        return Classification("inconsistent", "conflict", range_, drop, cluster=cluster)
    together = same_moment(cluster.members)
    if evidence.kept and not _timed(cluster):
        # Too close together to tell an age from a moment; the others may have started further apart
        # and ended at the same age all the same.
        every = evidence.dropped()
        together = not (same_age(every) and _apart(every))
    if together and not _witnessed(evidence, cluster, range_):
        return Classification("inconsistent", "moment", drop=drop)
    range_ = _above_survivors(evidence, cluster, range_)
    if _contradicted(evidence, cluster, range_):
        return Classification("inconsistent", "contradiction", range_, drop, cluster=cluster)
    range_ = _below_the_dead(evidence, cluster, range_, context)
    unproven = not in_use.proof and not in_use.any_held
    if unproven and any(
        died_in_use(t, evidence, range_) for t in evidence.kept if not ended_by_our_ping(t)
    ):
        return Classification("lifetime", "age", range_, drop, cluster=cluster, unproven=True)
    late = maybe_late(cluster)
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


def _timed(cluster: Cluster) -> bool:
    """Whether these drops follow their connections' starts, so that no common moment explains
    them."""
    ends = [ended_s(t) for t in cluster.members]
    rounds = len({t.round for t in cluster.members})
    return rounds > 1 or max(ends) - min(ends) > 0.1


def _apart(trials: Sequence[IdleTrial]) -> bool:
    """Whether these ended far enough apart to tell a common age from a common moment."""
    ends = [ended_s(t) for t in trials]
    return max(ends) - min(ends) > 0.1


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


def _not_by_idleness(
    evidence: Evidence, dead_in_use: Sequence[IdleTrial], context: ProbeContext
) -> Classification:
    """Connections in use died too, all at one age? Or idle ones did, at times that do not agree."""
    every = (*evidence.events, *dead_in_use)
    if dead_in_use and same_moment(every):
        return Classification("inconsistent", "moment", drop=every[0].drop)
    if dead_in_use and same_age(every):
        return _lifetime(every)
    idle_s = sorted(t.idle_s or 0.0 for t in evidence.events)
    if separate_groups(idle_s) is not None:
        return Classification("inconsistent", "backends", drop=every[0].drop)
    # The earliest of n evenly spread drops is not the earliest that can be.
    unseen_s = 3 * (idle_s[-1] - idle_s[0]) / len(idle_s)
    low = max(0.0, idle_s[0] - unseen_s - MARGIN_BELOW_S)
    range_ = Range(round(low, 2), round(idle_s[-1] + MARGIN_ABOVE_S, 2))
    in_use = _in_use(evidence, context, range_)
    held = bool(in_use.proof) and not _in_use(evidence, context, Range(idle_s[0], None)).dead
    if held and len(idle_s) > 2 and idle_s[-1] <= MOST_SPREAD * idle_s[0]:
        members = tuple(evidence.events)
        return Classification("idle-timeout", "spread", range_, every[0].drop, members=members)
    return Classification("inconsistent", "random", drop=every[0].drop)


def _lifetime(trials: Sequence[IdleTrial]) -> Classification:
    ages = sorted(t.age_s or 0.0 for t in trials)
    low, high = max(0.0, ages[0] - MARGIN_BELOW_S), ages[-1] + MARGIN_ABOVE_S
    range_ = Range(round(low, 2), round(high, 2))
    return Classification("lifetime", "age", range_, trials[0].drop, members=tuple(trials))


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
    high_s = min(dead, default=range_.high)
    if high_s >= range_.high:
        return range_
    survived = [t.longest_idle_s or 0.0 for t in (*evidence.survivors, *evidence.of("ping"))]
    low_s = max((s for s in survived if s < high_s), default=0.0)
    return Range(round(max(0.0, low_s - MARGIN_BELOW_S), 2), round(high_s, 2))


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
