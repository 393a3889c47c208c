"""From evidence to a verdict: which one, and by which reasoning. No words for people here.

The decision tree. The first branch that fits is taken:

    most idle connections broke the protocol                        unreachable    broken
    no idle trial ran: interrupted                                  no-drop        alive
                       otherwise                                    unreachable    nothing
    everything ended within 0.5 s of its upgrade
      at one moment, though not at one age                          event          moment
      otherwise                                                     unreachable    closed-at-once
    each connection ended when the next one was opened              inconsistent   displaced
    a connection ended around a suspend of this machine             local-fault    suspend
    an interface or address of theirs was lost, and they with it    local-fault    link
    connections of unrelated URLs ended at the same moment          local-fault    shared
    every end followed a Ping of ours, and no Ping was answered     no-drop        touch
    connections in use and idle ones ended at one moment
      again and again                                               inconsistent   moment
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
        they agree on an idleness that they had survived before     inconsistent   outlived
        otherwise                                                   inconsistent   random
      they agree on a clock
        the same keepalive held on one connection, not on another   inconsistent   conflict
        they ended at one moment, having started apart              inconsistent   moment
        others survived a longer idleness                           inconsistent   contradiction
        only one-way keepalives were tried, and they died           lifetime       age  (1)
        otherwise                                                   idle-timeout   event
    idle connections no longer answered when they were probed
      no keepalive held, and connections in use went silent too, idle for no longer than others
      survived, or no new connection could be opened                inconsistent   blackout
      those that were pinged did, although TCP keepalive held       inconsistent   blackout
      others survived as long an idleness                           inconsistent   contradiction
      the same keepalive held on one connection, not on another     inconsistent   conflict
      otherwise                                                     idle-timeout   silent
    no idle connection was dropped
      everything that sent something was, sooner                    no-drop        sent
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
from dataclasses import replace

from wsdiag.dialects.heartbeat import asks_back
from wsdiag.judgement.products.endpoints import wants_a_hello
from wsdiag.judgement.verdict.announced import from_events
from wsdiag.judgement.verdict.application import ApplicationTimeout, application_timeout
from wsdiag.judgement.verdict.classification import Classification
from wsdiag.judgement.verdict.clocks import same_moment
from wsdiag.judgement.verdict.evidence import (
    AT_ONCE_S,
    Evidence,
    ProbeContext,
    ended_by_our_ping,
    ended_s,
    idle_when_asked_s,
    two_way,
)
from wsdiag.judgement.verdict.keepalives import died_in_use, in_use, keeps_packets_flowing
from wsdiag.judgement.verdict.moments import displaced, event_rounds, moments_of
from wsdiag.judgement.verdict.participation import heartbeat_timeout, hello_timeout
from wsdiag.records import IdleTrial, Range

# What happened this shortly before a suspend was noticed may have been its work as well.
_AROUND_SUSPEND_S = 2.0
_AROUND_LOSS_S = 1.0
_ENDED = ("dropped", "silent")


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
        if same_moment(dropped):
            return Classification("event", "moment", drop=dropped[0].drop, members=dropped)
        return Classification("unreachable", "closed-at-once", drop=dropped[0].drop)
    # What waits until another has ended displaces none.
    queued = bool(evidence.unanswered) or (bool(evidence.waited) and not context.partial)
    if not queued and (allowed := displaced((*evidence.turned_away, *ran))) is not None:
        return Classification(
            "inconsistent",
            "displaced",
            drop=(*dropped, *evidence.turned_away)[0].drop,
            allowed=allowed,
        )
    if (local := _local_fault(dropped, context)) is not None:
        return local
    if _only_our_pings_ended_them(evidence, context):
        return Classification("no-drop", "touch", drop=dropped[0].drop)
    if (together := _unsaid(evidence, context) or _from_moments(evidence, context)) is not None:
        return together
    if evidence.events:
        return _wanted(from_events(evidence, context), evidence, context)
    if evidence.found_dead:
        return _from_silence(evidence, context)
    return _from_survival(evidence, context)


def _only_our_pings_ended_them(evidence: Evidence, context: ProbeContext) -> bool:
    """No Ping was ever answered, and each end that came early followed one at once."""
    touched = [t for t in evidence.dropped() if ended_by_our_ping(t)]
    pinged = [t for t in evidence.of("ping") if t.keepalives_sent]
    ended = max(len(touched), context.ended_by_pings if touched else 0)
    if context.answers_pings is True or ended < 2 or evidence.events:
        return False
    silent = any(t.outcome == "silent" for t in evidence.dropped())
    return not silent and all(map(ended_by_our_ping, pinged))


def _from_moments(evidence: Evidence, context: ProbeContext) -> Classification | None:
    """Idle connections and those in use that ended together: an event, if no timer did it."""
    dropped = evidence.dropped()
    # While it shuts down, an endpoint may accept connections and end each at once.
    longer = [t for t in evidence.events if (t.age_s or 0.0) > AT_ONCE_S]
    idle_s = [t.idle_s or 0.0 for t in longer or evidence.events]
    if not idle_s:
        return None
    in_use = [
        t
        for t in evidence.kept
        if (two_way(t, context) and died_in_use(t, evidence, Range(min(idle_s), None)))
        or _too_young(t, min(idle_s))
    ]
    rounds = event_rounds((*evidence.idle, *evidence.kept), dropped, in_use)
    if not rounds:
        return None
    ended = [t for t in dropped if t.round in rounds]
    others = [t for t in (*evidence.idle, *evidence.kept) if t.round not in rounds]
    if len(moments_of(ended)) > 1:
        # Equal ages would prove no timer: a round begins when the one before has ended, so restarts
        # at equal intervals end connections of equal ages.
        return Classification("inconsistent", "moment", drop=ended[0].drop, members=tuple(ended))
    if any(t.outcome in _ENDED and (t.age_s or 0.0) > AT_ONCE_S for t in others):
        # Another round knows of a timer, which the event cut short in this one.
        found = classify(Evidence.sort(others), context)
        if _outlived(found, ended):
            return Classification("inconsistent", "moment", drop=ended[0].drop, members=dropped)
        return replace(found, beside=tuple(ended))
    return Classification("event", "moment", drop=ended[0].drop, members=tuple(ended))


def _too_young(trial: IdleTrial, idle_s: float) -> bool:
    """Whether it ended before it had sent anything, and idle for far less than those that were."""
    unused = trial.outcome == "dropped" and not trial.keepalives_sent and not trial.received
    return unused and (trial.idle_s or 0.0) < 0.5 * idle_s


def _outlived(found: Classification, ended: Sequence[IdleTrial]) -> bool:
    """Whether these had lived, until their event, where what was found would have ended them."""
    if found.reason == "displaced":
        lived = [(t.started_s, ended_s(t) - AT_ONCE_S) for t in ended]
        return any(began_s < o.started_s < over_s for began_s, over_s in lived for o in ended)
    if found.range is None or found.range.high is None or found.clock != "either":
        return False
    if found.verdict == "idle-timeout":
        idle = [t for t in ended if t.trial == "idle"]
        lived_s = [max(t.idle_s or 0.0, t.longest_idle_s or 0.0) for t in idle]
    else:
        lived_s = [t.age_s or 0.0 for t in ended]
    return max(lived_s, default=0.0) > found.range.high


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
        application=ApplicationTimeout(
            waited,
            after_message,
            like_a_lifetime=context.dialect is None and _like_a_lifetime(evidence),
            asked=_asked(evidence, context),
        ),
        members=evidence.dropped(),
    )


def _asked(evidence: Evidence, context: ProbeContext) -> str | None:
    """The endpoint's own heartbeat, where its protocol is not known and its last words were one."""
    said = [t.last_message for t in evidence.dropped() if t.last_message is not None]
    asks = bool(said) and all(map(asks_back, said))
    return said[0] if asks and context.dialect is None else None


def _like_a_lifetime(evidence: Evidence) -> bool:
    """Whether everything ended at one age, and no client that sent messages outlived it."""
    ages = [t.age_s or 0.0 for t in evidence.dropped()]
    held = [t for t in evidence.of("data") if t.outcome == "alive" and t.keepalives_sent]
    outlived = any((t.age_s or 0.0) > max(ages) + 0.5 for t in held)
    return max(ages) - min(ages) <= 0.25 and not outlived


def _wanted(found: Classification, evidence: Evidence, context: ProbeContext) -> Classification:
    """The same, or an application timeout where idleness or age would be the wrong reason."""
    by_idleness = found.reason in ("event", "sweep") and not found.unproven
    by_idleness = by_idleness and not _says_it_wanted_a_hello(evidence, context)
    if by_idleness or found.reason not in ("event", "sweep", "age", "outlived", "random"):
        return found
    every = (*evidence.events, *(t for t in evidence.kept if died_in_use(t, evidence, None)))
    wanted = application_timeout(every, context)
    if wanted is None or (wanted.endpoint is None and found.unproven):
        return found
    asked = _asked(evidence, context) if wanted.after_message else None
    return Classification(
        "application-timeout",
        "wanted",
        wanted.range,
        every[0].drop,
        application=replace(wanted, asked=asked if wanted.endpoint is None else None),
        members=tuple(every),
    )


def _says_it_wanted_a_hello(evidence: Evidence, context: ProbeContext) -> bool:
    """Whether every Close names that as its reason, and whoever sent a message was spared: that
    looks like a timer that only messages restart."""
    dropped = evidence.dropped()
    spared = all(t.trial not in ("data", "heartbeat") or not t.keepalives_sent for t in dropped)
    ends = [t.drop for t in dropped if t.drop is not None]
    return spared and not context.greeted and wants_a_hello(ends) is not None


def _from_silence(evidence: Evidence, context: ProbeContext) -> Classification:
    first = min(evidence.found_dead, key=lambda t: t.idle_s or 0.0)
    high = first.idle_s or 0.0
    both_ways = [t for t in evidence.kept if two_way(t, context)]
    answered = (*evidence.survivors, *evidence.found_dead, *both_ways)
    low = max(t.longest_idle_s or 0.0 for t in answered)
    range_ = Range(round(min(low, high), 2), round(high, 2))
    used = in_use(evidence, context, range_)
    # What others survived, be it the same connection before, is no reason to go silent.
    dead = used.dead or any(idle_when_asked_s(t) <= low for t in both_ways if t.drop is not None)
    stood_still = keeps_packets_flowing(used.dead, evidence, range_)
    if stood_still or ((dead or context.back is False) and not used.any_held):
        return Classification("inconsistent", "blackout", range_, first.drop)
    if low >= high:
        return Classification("inconsistent", "contradiction", range_, first.drop)
    if used.conflict:
        return Classification("inconsistent", "conflict", range_, first.drop)
    unproven = not used.proof and not used.any_held
    return Classification("idle-timeout", "silent", range_, first.drop, unproven=unproven)


def _from_survival(evidence: Evidence, context: ProbeContext) -> Classification:
    """No idle connection was dropped; were others?"""
    dead = [t for t in evidence.kept if t.outcome in ("dropped", "silent")]
    if _ended_for_what_they_sent(evidence, dead):
        return Classification("no-drop", "sent", drop=dead[0].drop, members=tuple(dead))
    kinds = {t.trial for t in dead}
    both = any(t.trial in kinds for t in evidence.kept if t.outcome == "alive") and len(dead) > 1
    if len(dead) > 2 or both:
        return Classification("inconsistent", "random", drop=dead[0].drop)
    busy = any(t.outcome == "kept-busy" for t in evidence.survivors)
    if busy and evidence.longest_survived_s < 0.95 * context.longest_s:
        return Classification("kept-busy", "kept-busy")
    return Classification("no-drop", "alive")


def _ended_for_what_they_sent(evidence: Evidence, dead: Sequence[IdleTrial]) -> bool:
    """All that sent bytes ended before idle ones had even been asked, and nothing else did."""
    sent = [t for t in evidence.kept if t.keepalives_sent and t.trial != "tcp-keepalive"]
    oldest_s = max((t.age_s or 0.0 for t in dead), default=0.0)
    longer = [t for t in evidence.idle if (t.longest_idle_s or 0.0) > oldest_s]
    ended = all(t.outcome == "dropped" and t.keepalives_sent for t in dead)
    return len(dead) > 1 and set(map(id, dead)) == set(map(id, sent)) and ended and len(longer) > 2
