"""A verdict in sentences: the answer first, then what most likely caused it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from wsdiag.dialects.catalogue import Dialect
from wsdiag.judgement.advice import keepalive_unanswered
from wsdiag.judgement.products.endpoints import TOKENS_EXPIRED, token_expired
from wsdiag.judgement.verdict.classification import Classification, Reason
from wsdiag.judgement.verdict.clocks import MARGIN_ABOVE_S, MARGIN_BELOW_S
from wsdiag.judgement.verdict.evidence import AT_ONCE_S, Evidence, ProbeContext, ended_s
from wsdiag.judgement.verdict.keepalives import died_in_use
from wsdiag.judgement.verdict.moments import moments_of
from wsdiag.records import Candidate, Drop, IdleTrial, KeepaliveOutcome, Location, Range, TrialKind
from wsdiag.records.drops import ZERO_WINDOW, drop_phrase
from wsdiag.units import counted, format_seconds

# Times that differ by more than this share are told as a span.
_SPREAD = 0.1
# Of what an endpoint sends by itself, trials keep the first few dozen, those of recordings the
# fewest: with as many, what came last is not known.
_RECEIVED_KEPT = 32
# Ages that differ by less may be those of one lifetime.
_SAME_AGES = 0.25
NAMES: dict[TrialKind, str] = {
    "ping": "Pings",
    "pong": "unsolicited Pongs (one way)",
    "tcp-keepalive": "TCP keepalive",
    "push": "messages from the endpoint",
    "data": "messages from the client",
    "heartbeat": "heartbeats in the endpoint's own protocol",
    "h2-ping": "HTTP/2 PINGs",
}
# Close codes by which an endpoint ends connections for a reason of its own, no timer's.
ENDS_FOR_ALL = {1001: "going away", 1012: "service restart", 1013: "try again later"}
_OTHERWISE: dict[Reason, str] = {
    "backends": "Idle connections are dropped after times that fall into separate groups: most "
    "likely there is more than one backend or path, each with a timeout of its own.",
    "random": "Connections were dropped at times that do not agree: no idle timeout explains them.",
    "outlived": "Connections were dropped after an idle time that they had survived before: no "
    "idle timeout explains that.",
    "conflict": "The same keepalive held on one connection and not on another: no single timeout "
    "explains that.",
    "suspend": "This machine was suspended while probing: that caused the drops, which say nothing "
    "about the path.",
    "shared": "Connections to unrelated endpoints ended at the same moment: most likely the cause "
    "is near this machine (its network, VPN or gateway), not an idle timeout.",
    "closed-at-once": "The endpoint accepts connections and ends each at once: nothing about idle "
    "times can be measured.",
}


def span(range_: Range) -> str:
    """A range for people: `60 s` when its ends read alike, else `59.8 to 60.4 s`."""
    if range_.high is None:
        return f"more than {format_seconds(range_.low)}"
    low, high = format_seconds(range_.low), format_seconds(range_.high)
    return low if low == high else f"{low.removesuffix(' s')} to {high}"


def headline(
    found: Classification,
    evidence: Evidence,
    context: ProbeContext,
    kept: Mapping[TrialKind, KeepaliveOutcome],
    chosen: Sequence[Candidate] = (),
) -> str:
    """The verdict in one sentence."""
    match found.reason:
        case "event":
            return _dropped_after(found, kept)
        case "sweep":
            return _swept(found)
        case "spread":
            return _spread(found)
        case "wanted":
            return _wanted(found, context)
        case "moment":
            return _at_one_moment(found, evidence)
        case "contradiction":
            return _contradiction(found, evidence)
        case "silent":
            return _dropped_silently(found)
        case "age":
            return _lifetime(found, evidence, context, chosen)
    return _without_a_drop(found, evidence, context)


def _without_a_drop(found: Classification, evidence: Evidence, context: ProbeContext) -> str:
    match found.reason:
        case "alive":
            return _not_dropped(evidence, context)
        case "kept-busy":
            return (
                "The endpoint never lets a connection idle: it sends something on its own, and the "
                f"longest quiet time was {format_seconds(evidence.longest_survived_s)}."
            )
        case "touch":
            longest = format_seconds(evidence.longest_survived_s)
            return (
                "The endpoint ends connections when it is pinged "
                f"({_ends(found, evidence)}): Pings cannot tell whether it lives, and until they "
                f"were sent, connections lived for {longest} without traffic."
            )
        case "sent":
            kinds = dict.fromkeys(t.trial for t in found.members)
            what = " or ".join(NAMES[kind] for kind in kinds)
            return (
                f"Idle connections are not dropped within "
                f"{format_seconds(evidence.longest_survived_s)}, but those that sent {what} were "
                f"({_ends(found, evidence)}): most likely because of what they sent."
            )
        case "blackout":
            return _blackout(evidence)
        case "displaced":
            return _displaced(found.allowed or 1, evidence)
        case "broken":
            what = next((t.violation for t in evidence.broken if t.violation), "")
            return f"{what[:1].upper()}{what[1:]}; connections had to be ended for that."
        case "link":
            at_s, what = context.lost_links[0]
            return (
                f"{format_seconds(at_s)} after the start {what}: that caused the drops, which say "
                "nothing about the path."
            )
        case "nothing":
            return f"Nothing could be measured: {context.error or 'no connection was opened'}"
    return _OTHERWISE[found.reason]


def _blackout(evidence: Evidence) -> str:
    drops = [t.drop for t in evidence.dropped() if t.drop is not None]
    silent = [drop for drop in drops if drop.how == "silent"]
    if any(t.outcome == "alive" for t in evidence.kept):
        return (
            "Connections in use went silent as idle ones did, and others answered afterwards: most "
            "likely the endpoint, or what is behind the nearest hop, stood still for a while."
        )
    if silent and all(d.tcp_acknowledged or d.detail == ZERO_WINDOW for d in silent):
        return (
            "All connections went silent, those in use too, while TCP still answered: most likely "
            "the endpoint, or what is behind the nearest hop, stopped working."
        )
    if not any(t.outcome in ("dropped", "silent") for t in evidence.kept):
        return (
            "All connections went silent, and no new one could be opened: most likely the network "
            "or the endpoint went away."
        )
    return (
        "All connections went silent, those in use too: most likely the network or the endpoint "
        "went away, or a device forgets connections whatever they carry."
    )


def _displaced(allowed: int, evidence: Evidence) -> str:
    if allowed == 1:
        return (
            "Each connection ended when the next one was opened: most likely the endpoint allows "
            "one connection at a time, so the probe disturbed itself."
        )
    opened = sorted((*evidence.turned_away, *evidence.idle, *evidence.kept), key=_started)
    ended = sorted((t for t in opened if t.outcome == "dropped"), key=ended_s)
    # What spares those in use spares the control connection as well, which is not among the trials.
    oldest = ended == opened[: len(ended)]
    which, about = (", the oldest first", "") if oldest else ("", "about ")
    return (
        f"Connections ended when others were opened{which}: most likely the endpoint allows "
        f"{about}{allowed} connections at a time, so the probe disturbed itself."
    )


def _started(trial: IdleTrial) -> float:
    return trial.started_s


def only_messages_help(kept: Mapping[TrialKind, KeepaliveOutcome]) -> bool:
    """Whether Pings did not keep connections open, and messages of the client did."""
    return kept.get("ping") == "drops" and "holds" in (kept.get("data"), kept.get("heartbeat"))


def _dropped_after(found: Classification, kept: Mapping[TrialKind, KeepaliveOutcome]) -> str:
    assert found.drop is not None
    assert found.cluster is not None
    assert found.range is not None
    values = found.cluster.values
    typical = format_seconds(values[len(values) // 2])
    if found.clock == "either" and (found.range.high or math.inf) < values[0]:
        # Dead first: that is when they are lost, and what the range tells.
        return (
            f"Idle connections no longer answer {_after(found.range)}, and are dropped only after "
            f"{typical} ({drop_phrase(found.drop)})."
        )
    if found.clock == "either" and values[-1] - values[0] > _SPREAD * values[-1]:
        first = format_seconds(round(values[0], 1)).removesuffix(" s")
        typical = f"between {first} and {format_seconds(round(values[-1], 1))}"
    what = {
        "either": f"Idle connections are dropped after {typical}",
        "sent": f"Connections are dropped {typical} after the client last sent something",
        "received": f"Connections are dropped {typical} after the endpoint last sent something",
        "message": f"Connections are dropped {typical} after the last message",
    }[found.clock]
    # The first message may have been enough.
    unless = ", unless the client sends messages" if only_messages_help(kept) else ""
    return f"{what} ({drop_phrase(found.drop)}){unless if found.clock == 'either' else ''}."


def _dropped_silently(found: Classification) -> str:
    assert found.drop is not None
    assert found.range is not None
    return f"Idle connections are dropped {_after(found.range)} ({drop_phrase(found.drop)})."


def _after(range_: Range) -> str:
    low, high = range_.low, range_.high or range_.low
    if not low:
        return f"within {format_seconds(high)}"
    return f"after more than {format_seconds(low)} and at most {format_seconds(high)}"


def _not_dropped(evidence: Evidence, context: ProbeContext) -> str:
    longest_s = evidence.longest_survived_s
    longest = format_seconds(longest_s)
    if context.partial and not longest_s:
        who = "--max-time ended the probe" if context.expired else "Interrupted"
        return f"{who} before anything could be measured."
    if context.partial and longest_s < 0.98 * context.longest_s:
        then = "--max-time ended the probe" if context.expired else "the probe was interrupted"
        return f"No drop up to {longest} of idleness; then {then}."
    return f"Idle connections are not dropped within {longest}."


def _lifetime(
    found: Classification, evidence: Evidence, context: ProbeContext, chosen: Sequence[Candidate]
) -> str:
    assert found.drop is not None
    assert found.range is not None
    end = drop_phrase(found.drop)
    age = format_seconds(round(found.drop.at_s, 1))
    ages = sorted(t.age_s or 0.0 for t in found.members)
    if ages and ages[-1] - ages[0] > _SPREAD * ages[-1]:
        age = span(Range(round(ages[0], 1), round(ages[-1], 1)))
    stated = stated_cause(found, evidence)
    if found.unproven and stated is None:
        return f"Every connection is dropped after {age}, though the client kept sending ({end})."
    used = stated is None or any(t.keepalives_sent for t in evidence.dropped())
    ends = f"Every connection ends after {age}{', in use or not' if used else ''}"
    if ages and (found.range.high or math.inf) < ages[0]:
        dead = f"no longer answer {_after(found.range)}"
        ends = f"Connections, in use or not, {dead}, and end only after {age}"
    what = f"a maximum lifetime, or {_wants_messages(evidence, context)}"
    if stated is not None:
        what = stated
    elif is_certain_lifetime(found, evidence, chosen):
        what = "a maximum lifetime, which no keepalive moves"
    return f"{ends} ({end}): {what}."


def _wants_messages(evidence: Evidence, context: ProbeContext) -> str:
    """What ends connections in use as well, and what decides whether it did."""
    if context.recorded:
        return "the endpoint wants messages"
    if any(t.keepalives_sent for t in evidence.of("data")):
        return "the endpoint wants other messages than those of --send"
    if context.greeted:
        return "an idle timer that only messages restart (--send TEXT tells)"
    return (
        "the endpoint wants a message: a first one (--hello TEXT tells), or one now and then "
        "(--send TEXT)"
    )


def is_certain_lifetime(
    found: Classification, evidence: Evidence, chosen: Sequence[Candidate]
) -> bool:
    """Whether messages that the endpoint answered did not help, or a product with such a lifetime
    named itself, or the endpoint says whose it is."""
    answered = any(
        died_in_use(t, evidence, found.range)
        and any(what in ("text", "binary") for _, what in t.received)
        for t in evidence.of("data")
    )
    named = any(
        c.default_s is not None
        and c.why is not None
        and c.why.startswith("identified by")
        and ";" not in c.why
        for c in chosen
    )
    said = stated_cause(found, evidence) is not None
    return found.verdict == "lifetime" and (answered or named or said)


def stated_cause(found: Classification, evidence: Evidence) -> str | None:
    """Why connections end at one age, where the endpoint's Close says it; None: it does not."""
    if found.all_say(token_expired):
        return "the token that it was opened with expires, as the endpoint says"
    if not found.all_say(keepalive_unanswered):
        return None
    dropped = evidence.dropped()
    if any(what == "ping" for t in dropped for _, what in t.received):
        return (
            "the endpoint says that its Pings got no answer, though those that came were answered: "
            "the Pongs do not reach it, or not in time"
        )
    if any(len(t.received) >= _RECEIVED_KEPT for t in dropped):
        return "the endpoint says that its Pings got no answer"
    return (
        "the endpoint says that its Pings got no answer, and none of them came: something on the "
        "path holds them back, or it sends none"
    )


def _swept(found: Classification) -> str:
    assert found.sweep is not None
    assert found.range is not None
    assert found.drop is not None
    high = format_seconds(found.range.high)
    every = found.sweep.period_s
    looks = "now and then" if every is None else f"every {format_seconds(round(every, 1))} or so"
    if found.range.low <= 0.0:
        span_ = f"at most {high}"
    else:
        span_ = f"more than {format_seconds(found.range.low)} and at most {high}"
    timeout = f"an idle timeout of {span_}"
    if (who := {"sent": "client", "received": "endpoint"}.get(found.clock)) is not None:
        timeout = f"a timeout of {span_} since the {who} last sent something,"
    return (
        f"Idle connections are dropped, all that are due at one moment ({drop_phrase(found.drop)}):"
        f" {timeout} that is looked at {looks}."
    )


def _spread(found: Classification) -> str:
    assert found.drop is not None
    idle_s = sorted(t.idle_s or 0.0 for t in found.members)
    low, high = format_seconds(round(idle_s[0], 1)), format_seconds(round(idle_s[-1], 1))
    return (
        f"Idle connections are dropped after between {low.removesuffix(' s')} and {high}, most "
        f"likely at random ({drop_phrase(found.drop)})."
    )


def _wanted(found: Classification, context: ProbeContext) -> str:
    assert found.application is not None
    assert found.drop is not None
    assert found.range is not None
    wanted, end = found.application, drop_phrase(found.drop)
    high_s = found.range.high if found.range.high is not None else found.range.low
    first_s, last_s = found.range.low + MARGIN_BELOW_S, high_s - MARGIN_ABOVE_S
    after = format_seconds(round((first_s + last_s) / 2, 1))
    if last_s - first_s > _SPREAD * last_s:
        after = span(Range(round(first_s, 1), round(last_s, 1)))
    row, dialect = wanted.endpoint, context.dialect
    if row is None and dialect is not None:
        return _wanted_in(dialect, found.drop, after, after_message=wanted.after_message)
    if wanted.asked is not None:
        return (
            f"Every connection ended {after} after the endpoint's heartbeat `{wanted.asked}` had "
            f"gone without an answer ({end}), whatever else was sent: most likely it wants one."
        )
    if wanted.after_message:
        ages = "Every connection ended" if row is None else f"{row.name}: every connection ended"
        answer = "an answer" if row is None or row.wants is None else row.wants
        why = f"most likely it wants {answer}"
        if row is None and wanted.like_a_lifetime:
            why = "it wants an answer, or this is a maximum lifetime"
        return (
            f"{ages} {after} after a message of the endpoint ({end}), whatever else was sent: "
            f"{why}."
        )
    first = "a first message" if row is None or row.wants is None else row.wants
    name = "" if row is None or row.default_s is None else f" ({row.name})"
    return (
        f"The endpoint ends connections on which the client has not sent what it wants to hear "
        f"first, {after} after the opening ({end}): most likely {first}{name}."
    )


def _wanted_in(dialect: Dialect, drop: Drop, after: str, *, after_message: bool) -> str:
    end = drop_phrase(drop)
    if after_message:
        shown = f" `{dialect.ping_shown}`" if dialect.ping_shown else ""
        return (
            f"The endpoint speaks {dialect.title}, and ends a client that does not answer its "
            f"heartbeat{shown} within {after} ({end}), whatever else was sent: no idle timeout, "
            "and nothing on the path."
        )
    why = f": {drop.detail}" if drop.detail else ""
    return (
        f"The endpoint speaks {dialect.title}, and ends a client that does not say its hello, "
        f"{after} after the opening ({end}{why}): idle times were not measured."
    )


def _at_one_moment(found: Classification, evidence: Evidence) -> str:
    if found.verdict != "event" and len(moments_of(found.members)) > 1:
        ages = sorted(t.age_s or 0.0 for t in found.members)
        if ages[-1] - ages[0] <= _SAME_AGES * ages[-1]:
            old = span(Range(round(ages[0], 1), round(ages[-1], 1)))
            return (
                f"Connections ended together, and again later, all {old} old: restarts or failures "
                "that recur, or a maximum lifetime."
            )
        return (
            "Connections ended together, whatever their age or idleness, and again later: most "
            "likely restarts or failures that recur, or a timer that is looked at now and then."
        )
    everything = all(t in found.members for t in evidence.dropped())
    alive = any(t.outcome in ("alive", "kept-busy") for t in evidence.kept)
    which = "All connections" if everything and not alive else f"{len(found.members)} connections"
    if found.verdict != "event" and len(found.members) == 1:
        idle = format_seconds(round(found.members[0].idle_s or 0.0, 1))
        ended = f"One connection ended, after {idle} of idleness ({_ends(found, evidence)})"
        if found.all_say(token_expired):
            return f"{ended}: the token that it was opened with expired then, as the endpoint says."
        return (
            f"{ended}, and none was idle for as long at another time: an idle timeout, a restart "
            "and a failure look the same here."
        )
    if found.all_say(token_expired):
        return (
            f"{which} ended at one moment, whatever their age or idleness ({_ends(found, evidence)}"
            f"): {TOKENS_EXPIRED}, as the endpoint says."
        )
    if found.verdict != "event":
        return (
            f"{which} ended at one moment, whatever their age or idleness: most likely a restart "
            "or a failure, or a timer that is looked at now and then."
        )
    return (
        f"{which} ended at one moment, whatever their age or idleness ({_ends(found, evidence)}): "
        "an event, such as a restart, a reload or a deploy, and no timeout."
    )


def _contradiction(found: Classification, evidence: Evidence) -> str:
    ended = [t for t in evidence.events if (t.age_s or 0.0) <= AT_ONCE_S]
    if found.cluster is not None and all(t in ended for t in found.cluster.members):
        return (
            f"{counted(len(ended), 'idle connection was', 'idle connections were')} accepted and "
            "ended at once, while others lived: most likely one of several backends does not serve."
        )
    said = "Some connections were dropped after an idle time that others survived: "
    members = found.cluster.values if found.cluster is not None else []
    # Drops this close together come from one timer, which others of the same round did not meet;
    # a Close that gives another reason does not.
    rounds = {t.round for t in evidence.events} & {t.round for t in evidence.survivors}
    close = bool(members) and members[-1] - members[0] <= min(1.0, _SPREAD * members[-1])
    says_why = found.drop is not None and found.drop.code in ENDS_FOR_ALL
    if len(members) > 2 and close and rounds and not says_why:
        return said + "most likely there is more than one backend or path."
    return said + "no single timeout explains that."


def _ends(found: Classification, evidence: Evidence) -> str:
    """The most common end."""
    trials = found.members or evidence.dropped()
    ends = Counter(drop_phrase(t.drop) for t in trials if t.drop is not None)
    return ends.most_common(1)[0][0] if ends else "unknown"


def likely_cause(
    found: Classification,
    kept: Mapping[TrialKind, KeepaliveOutcome],
    location: Location | None = None,
) -> list[str]:
    """Which side of things most likely dropped the connections; `location`: where, if known."""
    if found.drop is None:
        return []
    if found.verdict == "event":
        return _of_an_event(found.drop)
    if found.verdict not in ("idle-timeout", "lifetime"):
        return []
    sentences = [_by_drop_phrase(found.drop)]
    if only_messages_help(kept):
        if found.drop.how in ("fin", "tls-eof", "rst"):
            sentences = [
                "Pings did not help and messages did: what ended the connections, without a Close "
                "frame, tells WebSocket's frames apart: most likely the endpoint itself, or a load "
                "balancer that counts messages only."
            ]
        return sentences
    tcp = kept.get("tcp-keepalive")
    if found.verdict == "idle-timeout" and tcp == "holds":
        sentences.append(
            "TCP keepalive held: what drops the connections counts packets, so it is most likely a "
            "layer 3 or 4 device (NAT, firewall, network load balancer)."
        )
    elif found.verdict == "idle-timeout" and tcp == "drops":
        said = (
            "TCP keepalive did not help: what drops the connections counts data, not TCP keepalive "
            "probes"
        )
        if found.drop.sent_from is None and location is None:
            said += ", so it most likely terminates TCP (a proxy, a load balancer, or the endpoint)"
        sentences.append(f"{said}.")
    return sentences


def _of_an_event(drop: Drop) -> list[str]:
    code = None if drop.how != "close" else drop.code
    if code == 1012:
        return ["Close code 1012 says so itself: service restart."]
    if code == 1001:
        return ["Close code 1001 means going away: a server or proxy that shuts down or reloads."]
    return []


def _by_drop_phrase(drop: Drop) -> str:
    if drop.sent_from is not None:
        return (
            "It was cut by something in between that speaks in the endpoint's name: a firewall, an "
            "intrusion prevention system, a load balancer that passes TCP on."
        )
    match drop.how:
        case "close":
            return (
                "A Close frame indicates a WebSocket endpoint: the server itself, or a gateway "
                "that terminates WebSocket; plain proxies are not known to send one."
            )
        case "fin" | "tls-eof":
            return (
                "A connection cut without a Close frame was most likely cut by something in "
                "between (a proxy or load balancer), or by an endpoint that crashed or closes "
                "without a Close frame."
            )
        case "rst-stream":
            return (
                "RST_STREAM ends one stream, and its HTTP/2 connection lives on: it comes from "
                "the program that ends HTTP/2, most often a proxy or load balancer whose timer is "
                "for streams."
            )
        case "goaway":
            return (
                "GOAWAY ends the whole HTTP/2 connection: it comes from the program that ends "
                "HTTP/2, for an age or idle time of connections, a limit, or a shutdown."
            )
        case "rst":
            return (
                "A RST without a Close frame comes most likely from something in between, or from "
                "an endpoint that crashed; it does not tell which."
            )
        case "rst-on-write":
            return (
                "The client was not notified; only its next write was answered, with RST: most "
                "likely a device in between had forgotten the connection."
            )
    if drop.detail == ZERO_WINDOW:
        return (
            "The client was not notified. TCP acknowledged the Ping with a zero window: the "
            "endpoint's machine is alive, but the endpoint no longer reads. Only a Pong timeout "
            "detects this."
        )
    if drop.tcp_acknowledged is None:
        return "The client was not notified: only a Pong timeout detects this."
    still = "still" if drop.tcp_acknowledged else "no longer"
    return (
        f"The client was not notified, and TCP {still} acknowledged what it wrote. Only a Pong "
        "timeout detects this."
    )
