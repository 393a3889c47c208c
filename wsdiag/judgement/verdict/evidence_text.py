"""The sentences of evidence behind a verdict: what was counted, what was odd, what is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from wsdiag.judgement.products.endpoints import token_expired
from wsdiag.judgement.verdict.classification import Classification
from wsdiag.judgement.verdict.clocks import CLOCKS, ClockName, groups
from wsdiag.judgement.verdict.evidence import (
    AT_ONCE_S,
    Evidence,
    ProbeContext,
    ended_by_our_ping,
    ended_s,
    ended_with_connection,
    two_way,
)
from wsdiag.judgement.verdict.headline import (
    ENDS_FOR_ALL,
    NAMES,
    only_messages_help,
    span,
    stated_cause,
)
from wsdiag.judgement.verdict.keepalives import (
    carried,
    died_in_use,
    ended_sooner,
    held_interval_s,
    holds,
)
from wsdiag.judgement.verdict.moments import moments_of, one_by_one
from wsdiag.judgement.verdict.participation import participation
from wsdiag.judgement.verdict.spread import separate_groups
from wsdiag.records import KeepaliveOutcome, Range, TrialKind
from wsdiag.records.drops import ZERO_WINDOW, drop_phrase, ends_connection
from wsdiag.units import counted, format_seconds

_KINDS = {
    "ping": "Pings",
    "pong": "Pongs",
    "text": "text messages",
    "binary": "binary messages",
    "part": "part of a message",
}
# A moment may lie on the border of two tenths of a second.
_LAST: dict[ClockName, str] = {
    "either": "last byte",
    "sent": "client's last byte",
    "received": "endpoint's last byte",
    "message": "last message",
}
_FEW = 3
_MAYBE_LATE = (
    "These connections do not show whether the timer is only looked at now and then: the range "
    "allows for a look once a second; if looks are rarer, the {what} is shorter than this, by less "
    "than the time between two of them."
)
# Ages that differ by no more are told as one.
_EXACT_AGES_S = 0.25


def _again(context: ProbeContext) -> str:
    """What measures more often than this."""
    option = f"--repeat {context.repeat + 2}"
    return f"`wsdiag idle-probe {option}`" if context.recorded else option


def _few_drops(count: int, context: ProbeContext) -> str:
    few = "One drop alone may be chance" if count == 1 else "So few drops may agree by chance"
    return f"{few}: {_again(context)} tells."


def _one_connection(evidence: Evidence) -> list[str]:
    """Whether streams that share an HTTP/2 connection ended with it, or by themselves."""
    ended = [t for t in evidence.streams if t.drop is not None]
    if not ended:
        return []
    with_it = [t for t in ended if t.drop is not None and ends_connection(t.drop)]
    rounds = {t.round for t in ended}
    together = [ended_with_connection([t for t in ended if t.round == n]) for n in rounds]
    if sum(map(len, together)) == len(ended):
        assert ended[0].drop is not None
        return [
            f"{_streams(len(ended))} shared one HTTP/2 connection and ended at one moment, with "
            f"it ({drop_phrase(ended[0].drop)}): what was dropped is the connection."
        ]
    if not with_it:
        return [
            f"{_streams(len(ended))} shared one HTTP/2 connection and ended one by one, while it "
            "lived on: what is dropped are streams."
        ]
    return []


def _streams(count: int) -> str:
    return "The stream" if count == 1 else f"All {count} streams that ended"


def evidence_sentences(
    found: Classification,
    evidence: Evidence,
    context: ProbeContext,
    kept: Mapping[TrialKind, KeepaliveOutcome],
) -> list[str]:
    """Evidence first, caveats last."""
    return [
        *_counts(found, evidence, context),
        *_one_connection(evidence),
        *_disagreement(found, evidence, context),
        *_keepalives(found, evidence, context, kept),
        *_later_ends(found, evidence),
        *participation(evidence, context),
        *_oddities(found, evidence, context),
        *_traffic(found, evidence),
        *_last_words(found, evidence),
        *_caveats(found, evidence, context),
        *context.notes,
    ]


def _counts(found: Classification, evidence: Evidence, context: ProbeContext) -> list[str]:
    survivors = len(evidence.survivors)
    if found.reason == "event" and found.cluster is not None:
        return _of_one_timer(found, found.cluster.values, evidence, context)
    if found.reason == "silent" and found.range is not None:
        dead = counted(len(evidence.found_dead), "idle connection")
        low, high = found.range.low, format_seconds(found.range.high)
        when, never = "probed", "none ever answered"
        if context.recorded:
            when, never = "written to", "how much idleness they survive is not known"
        last = f"after {format_seconds(low)} one still answered" if low else never
        return [f"{dead} no longer answered, the first when {when} after {high}; {last}."]
    if found.reason == "sweep" and found.sweep is not None:
        idle = sorted(map(CLOCKS[found.clock], found.sweep.members))
        dropped = counted(len(idle), "idle connection was", "idle connections were")
        return [
            f"{dropped} dropped, {idle[0]:.2f} to {idle[-1]:.2f} s after the {_LAST[found.clock]}, "
            "but at common moments, although they had started apart; connections in use lived on. "
            "What lives on between two such moments may be overdue.",
            *_unknown_period(found, context),
        ]
    if found.reason == "spread":
        idle = sorted(t.idle_s or 0.0 for t in found.members)
        times = ", ".join(f"{at:.1f}" for at in idle[:12]) + (" …" if len(idle) > 12 else "")
        return [
            f"{len(idle)} idle connections were dropped, after {times} s: spread, and not in groups"
            " (tested: gaps this large between evenly spread times are not rare)."
        ]
    if found.reason == "moment":
        ages = sorted(t.age_s or 0.0 for t in found.members or evidence.dropped())
        if len(ages) > 1:
            ended = f"{len(ages)} connections ended, {ages[0]:.1f} to {ages[-1]:.1f} s old"
            return [f"{ended}{_moments(found)}."]
    if found.reason == "touch":
        touched = [t for t in evidence.dropped() if ended_by_our_ping(t)]
        latest_ms = max((t.unanswered_s or 0.0) * 1e3 for t in touched)
        return [
            f"{counted(len(touched), 'connection')} ended within {latest_ms:.0f} ms of a Ping; no "
            "Ping was ever answered. Clients that keep alive by Ping cannot use this endpoint."
        ]
    if found.reason == "alive" and survivors == 1:
        return ["1 idle connection was tried, and stayed open."]
    if found.reason == "alive" and survivors:
        return [f"{survivors} idle connections were tried, and all stayed open."]
    return []


def _moments(found: Classification) -> str:
    """When they ended, where that was not at one moment, as the end of a sentence."""
    moments = [max(map(ended_s, moment)) for moment in moments_of(found.members)]
    if len(moments) < 2:
        return ""
    shown = ", ".join(f"{at:.1f}" for at in moments[:6]) + (" …" if len(moments) > 6 else "")
    return f", at {len(moments)} moments: {shown} s after the probe's start"


def _of_one_timer(
    found: Classification, values: Sequence[float], evidence: Evidence, context: ProbeContext
) -> list[str]:
    first, latest = f"{values[0]:.2f}", f"{values[-1]:.2f} s"
    times = latest if latest.startswith(first) else f"{first} to {latest}"
    dropped = counted(len(values), "idle connection was", "idle connections were")
    rest = _survived(evidence, context)
    sentences = [f"{dropped} dropped, {times} after the {_LAST[found.clock]}{rest}."]
    if len(values) < _FEW and not evidence.found_dead:
        sentences.append(_few_drops(len(values), context))
    if found.maybe_late:
        sentences.append(_MAYBE_LATE.format(what="timeout"))
    return sentences


def _survived(evidence: Evidence, context: ProbeContext) -> str:
    """Those that were not dropped, as the end of a sentence."""
    count = len(evidence.survivors)
    if not count:
        return ""
    if context.recorded:
        longest_s = max(t.longest_idle_s or 0.0 for t in evidence.survivors)
        rest = counted(count, "that did not end so was", "that did not end so were")
        return f"; {rest} idle for {format_seconds(longest_s)} at most"
    return f"; {counted(count, 'that was', 'that were')} probed earlier still answered"


def _afterwards(found: Classification, evidence: Evidence, context: ProbeContext) -> list[str]:
    """What connections met that were opened when all had ended. Those that grow older than the ones
    that an event ended confirm it."""
    if not evidence.dropped():
        return []
    members = found.members if found.verdict == "event" else evidence.dropped()
    over_s, oldest_s = max(map(ended_s, members)), max(t.age_s or 0.0 for t in members)
    later = [t for t in (*evidence.idle, *evidence.kept) if t.started_s >= over_s]
    idle_s = max((t.longest_idle_s or 0.0 for t in later if t.trial == "idle"), default=0.0)
    sentences = []
    if found.verdict == "event" and idle_s > oldest_s:
        used_s = max((t.age_s or 0.0 for t in later if t.trial == "ping"), default=0.0)
        pinged = f", and with Pings {format_seconds(round(used_s, 1))}" if used_s > oldest_s else ""
        sentences.append(
            f"Connections opened afterwards lived longer: idle {format_seconds(round(idle_s, 1))}"
            f"{pinged}. So no timer ended these."
        )
    ended = [t.drop for t in later if t.drop is not None and (t.age_s or 0.0) <= AT_ONCE_S]
    if context.ended_again is not None:
        ended.append(context.ended_again)
    if ended:
        new = "a new connection was" if len(ended) == 1 else "new connections were"
        said = f"Afterwards {new} accepted and ended at once ({drop_phrase(ended[-1])})"
        unserved = found.verdict == "event" and not token_expired(ended[-1])
        why = ": the endpoint does not serve yet, or no longer" if unserved else ""
        sentences.append(f"{said}{why}.")
    elif context.back is not None:
        opened = "be opened at once, and stayed open" if context.back else "not be opened"
        sentences.append(f"Afterwards a new connection could {opened}.")
    return sentences


def _unknown_period(found: Classification, context: ProbeContext) -> list[str]:
    if found.sweep is None or found.sweep.period_s is not None:
        return []
    return [
        "How often it looks is not known, as all ended at one moment, so the timeout may be far "
        f"shorter; {_again(context)} narrows it down."
    ]


def _disagreement(found: Classification, evidence: Evidence, context: ProbeContext) -> list[str]:
    """All that was seen, where it does not agree."""
    if found.verdict not in ("inconsistent", "local-fault"):
        return []
    sentences = []
    idle = sorted(t.idle_s or 0.0 for t in (*evidence.events, *evidence.found_dead))
    if idle:
        parts = groups(idle)
        ranges = [
            f"{len(part)} at {low}{'' if low == high else f' to {high}'} s"
            for part in parts[:6]
            for low, high in [(f"{part[0]:.1f}", f"{part[-1]:.1f}")]
        ]
        more = f" and {len(parts) - 6} more" if len(parts) > 6 else ""
        sentences.append(f"Idle times at the drops: {', '.join(ranges)}{more}.")
        separate = separate_groups(idle) if found.reason == "backends" else None
        if separate is not None:
            sentences.append(
                f"They fall into {len(separate)} groups, with gaps in between that chance leaves "
                "less than once in 1,000 times: most likely several backends or proxies with "
                "different settings."
            )
    if evidence.survivors and idle:
        longest = format_seconds(max(t.longest_idle_s or 0.0 for t in evidence.survivors))
        answered = counted(len(evidence.survivors), "idle connection")
        what = f"answered when probed, the last one after {longest} of idleness"
        if context.recorded:
            what = f"did not end so; the longest idleness that one survived is {longest}"
        sentences.append(f"{answered} {what}.")
    drops = [t.drop for t in evidence.dropped() if t.drop is not None]
    if drops:
        ends = Counter(drop_phrase(drop) for drop in drops).most_common(4)
        sentences.append(f"Seen: {', '.join(f'{how} ({n}x)' for how, n in ends)}.")
    if any(drop.detail == ZERO_WINDOW for drop in drops):
        sentences.append(
            "TCP answered with a zero window: the endpoint's machine is alive, but the endpoint no "
            "longer reads."
        )
    codes = {drop.code for drop in drops}
    sentences += [
        f"Close code {code} means {words}." for code, words in ENDS_FOR_ALL.items() if code in codes
    ]
    if found.reason == "displaced":
        if any(code is not None and code >= 4000 for code in codes):
            sentences.append("A Close code in the 4000s is the endpoint's own rule.")
        return sentences
    if found.reason == "moment":
        sentences.append(
            "The endpoint's log, or its supervisor's, tells whether it was started then."
        )
    again = "Measure it" if context.recorded else "Probe again"
    sentences.append(f"{again}, with {_again(context)}, before relying on any timeout.")
    return sentences


def _keepalives(
    found: Classification,
    evidence: Evidence,
    context: ProbeContext,
    kept: Mapping[TrialKind, KeepaliveOutcome],
) -> list[str]:
    """What was proven to hold on this path, how often, and what was not; and whose bytes count."""
    if found.verdict not in ("idle-timeout", "lifetime"):
        return []
    sentences = []
    for kind, outcome in kept.items():
        name = NAMES[kind]
        if (
            kind == "ping"
            and all(map(ended_by_our_ping, evidence.of("ping")))
            and evidence.of("ping")
        ):
            sentences.append("Connections ended when they were pinged.")
            continue
        subject = name[0].upper() + name[1:]
        if outcome == "untested":
            keep = "keeps" if kind == "tcp-keepalive" else "keep"
            sentences.append(f"Not tested: whether {name} {keep} the connection open.")
        elif outcome == "drops":
            sentences.append(f"{subject} did not keep the connection open.")
        else:
            interval_s = None if kind == "push" else held_interval_s(kind, evidence, found.range)
            every = "" if interval_s is None else f" every {format_seconds(interval_s)}"
            sentences.append(f"{subject}{every} kept the connection open.")
    return sentences + _whose_bytes_count(found, evidence, context, kept)


def _whose_bytes_count(
    found: Classification,
    evidence: Evidence,
    context: ProbeContext,
    kept: Mapping[TrialKind, KeepaliveOutcome],
) -> list[str]:
    if found.verdict != "idle-timeout":
        return []
    both = [t for t in evidence.kept if two_way(t, context)]
    if found.clock == "sent":
        return ["What the endpoint sent did not restart the timer: it counts the client's bytes."]
    if found.clock == "received":
        return ["What the client sent did not restart the timer: it counts the endpoint's bytes."]
    if only_messages_help(kept):
        first = "" if context.greeted else ", or waits for a first one (--hello TEXT tells)"
        return [
            f"Pings and Pongs did not restart the timer: it counts messages from the client{first}."
        ]
    if kept.get("pong") != "drops":
        return []
    if ended_sooner("pong", evidence, found.range):
        return [
            "Connections on which Pongs were sent ended sooner than idle ones: most likely "
            "because of the Pongs."
        ]
    if kept.get("ping") == "holds" and context.answers_pings is False:
        return [
            "Pings restarted the timer without being answered, and Pongs did not: it counts the "
            "client's Pings, not every frame."
        ]
    if both and kept.get(both[0].trial) == "holds":
        return [
            "Bytes from the client alone did not count: most likely only what the endpoint sends "
            "restarts the timer (or an answer is needed)."
        ]
    return []


def _later_ends(found: Classification, evidence: Evidence) -> list[str]:
    """What became later of the connections that were kept alive, and for how long they were
    watched."""
    if found.verdict != "idle-timeout" or found.range is None:
        return []
    sentences = []
    for kind in dict.fromkeys(t.trial for t in evidence.kept):
        later = [t for t in evidence.of(kind) if carried(t, evidence, found.range)]
        if later:
            ages = sorted(t.age_s or 0.0 for t in later)
            drop = later[0].drop
            how = "unknown" if drop is None else drop_phrase(drop)
            sentences.append(
                f"{NAMES[kind][0].upper()}{NAMES[kind][1:]} carried connections past that, until "
                f"they ended after {format_seconds(round(ages[0], 1))} ({how}): something else "
                "ends them then."
            )
    if evidence.cut_short:
        count = counted(len(evidence.cut_short), "connection")
        if not any(t.trial == "idle" for t in evidence.cut_short):
            count += " that were kept alive"
        after = format_seconds(round(ended_s(evidence.cut_short[0]), 1))
        sentences.append(
            f"{count} ended at one moment, {after} after the probe's start: an event, "
            "such as a restart, and no timeout."
        )
    kept_s = [t.age_s or 0.0 for t in evidence.kept if holds(t, evidence, found.range)]
    if kept_s:
        sentences.append(
            f"Connections kept alive were watched for {format_seconds(round(max(kept_s), 1))}: a "
            "longer maximum lifetime would not have shown (--lifetime 10m watches on)."
        )
    return sentences


def _last_words(found: Classification, evidence: Evidence) -> list[str]:
    """The endpoint's last message before the end, where it may be the reason."""
    if found.verdict not in ("application-timeout", "lifetime", "unreachable", "inconsistent"):
        return []
    said: Counter[str] = Counter(
        t.last_message for t in evidence.dropped() if t.last_message is not None
    )
    if not said:
        return []
    return [f'Its last message before the end: "{said.most_common(1)[0][0]}".']


def _oddities(found: Classification, evidence: Evidence, context: ProbeContext) -> list[str]:
    sentences = []
    if found.verdict == "idle-timeout" and found.cluster is not None and found.cluster.outliers:
        read, outliers = CLOCKS[found.cluster.clock], found.cluster.outliers
        times = ", ".join(f"{read(t):.1f}" for t in outliers)
        sentences.append(f"{counted(len(outliers), 'outlier')} excluded ({times} s).")
    late = [t.late_pong_s for t in evidence.found_dead if t.late_pong_s is not None]
    if late:
        sentences.append(
            f"A Pong came after all, {format_seconds(min(late))} after its Ping: most likely a "
            "device that had forgotten the connection picked it up again."
        )
    slow = [t.late_pong_s for t in evidence.survivors if t.late_pong_s is not None]
    if slowest_s := max([*slow, context.slow_pong_s]):
        sentences.append(
            f"Pongs took up to {format_seconds(slowest_s)}, longer than --pong-timeout, although "
            "TCP acknowledged the Pings: the endpoint, or what is behind the nearest hop, answers "
            "slowly. Not a drop, but clients with a shorter timeout will disconnect."
        )
    if lost := sum(t.lost_pongs or 0 for t in (*evidence.survivors, *evidence.kept)):
        sentences.append(
            f"{counted(lost, 'Ping')} got no Pong on connections that answered later ones: an "
            "endpoint may skip Pings that a later one followed (RFC 6455, 5.5.3); one that skips "
            "others is dropped by clients with a Pong timeout."
        )
    repeated = [t.idle_s or 0.0 for t in evidence.survivors if t.retransmits]
    smooth = [t.idle_s or 0.0 for t in evidence.survivors if t.retransmits == 0]
    if found.verdict == "no-drop" and len(repeated) > 1 and max([0.0, *smooth]) <= min(repeated):
        sentences.append(
            f"From {format_seconds(min(repeated))} on, TCP had to retransmit the first write after "
            "the idle time before it was answered: most likely a device had forgotten the "
            "connection and re-created its state."
        )
    if found.verdict in ("no-drop", "kept-busy") and found.reason not in ("touch", "sent"):
        for trial in evidence.kept:
            if trial.outcome in ("dropped", "silent"):
                how = drop_phrase(trial.drop) if trial.drop is not None else "unknown"
                sentences.append(
                    f"One connection with {NAMES[trial.trial]} was dropped after "
                    f"{format_seconds(trial.age_s or 0.0)} ({how}), although idle ones were not."
                )
    return sentences + _afterwards(found, evidence, context)


def _traffic(found: Classification, evidence: Evidence) -> list[str]:
    """What the endpoint sent on its own."""
    kinds: Counter[str] = Counter(what for t in evidence.idle for _, what in t.received)
    if not kinds or found.verdict == "application-timeout":
        return []
    what = " and ".join(_KINDS.get(kind, kind) for kind, _ in kinds.most_common(2))
    restarts = "" if found.clock in ("sent", "message") else "; each restarts the idle time"
    sentences = [f"The endpoint sent {what} on its own{restarts}."]
    if found.verdict == "kept-busy":
        sentences.append(
            "While it does, longer idle timeouts cannot show, and do no harm; if it stops, one may "
            "appear."
        )
    return sentences


def _caveats(found: Classification, evidence: Evidence, context: ProbeContext) -> list[str]:
    sentences = []
    if context.answers_pings is False:
        answers = "answers no Pings"
        if context.other_pongs:
            answers = "answers Pings with payloads of its own (against RFC 6455, 5.5.3)"
        judged = "TCP's acknowledgements, which the nearest hop may give"
        if context.echoes:
            judged = "its answers to --send"
        sentences.append(f"This endpoint {answers}: liveness was determined from {judged}.")
    if found.unproven and found.verdict == "idle-timeout":
        what = "Nothing in the recording" if context.recorded else "No keepalive trial"
        sentences.append(f"{what} shows the difference, so this may as well be a maximum lifetime.")
    if found.verdict == "lifetime":
        sentences += _lifetime_caveats(found, evidence, context)
    if evidence.broken and found.reason != "broken":
        sentences.append(
            f"{counted(len(evidence.broken), 'connection')} had to be ended: "
            f"{evidence.broken[0].violation}."
        )
    if found.verdict in ("idle-timeout", "lifetime") and one_by_one(evidence.dropped()):
        sentences.append(
            "Connections ended one by one, at ages that differ: restarts again and again would "
            "look the same. More connections at once (--max-connections) tell."
        )
    wanted = found.application
    if wanted is not None and wanted.endpoint is None and context.dialect is None:
        ages = sorted(t.age_s or 0.0 for t in found.members)
        if wanted.like_a_lifetime:
            age = format_seconds(round(median(ages), 1))
            if ages[-1] - ages[0] > _EXACT_AGES_S:
                age = span(Range(round(ages[0], 1), round(ages[-1], 1)))
            sentences.append(f"A maximum lifetime of {age} would look the same.")
    sentences += _limits(evidence, context)
    if context.partial:
        who = "--max-time ended the probe" if context.expired else "The probe was interrupted"
        sentences.append(f"{who}: this is the verdict so far.")
    return sentences


def _limits(evidence: Evidence, context: ProbeContext) -> list[str]:
    """Connections that were not let in, or pinged too often."""
    sentences = []
    if evidence.waited and not context.partial:
        trials = counted(len(evidence.waited), "trial")
        sentences.append(
            f"{trials} got no connection, and no refusal, while the probe ran: most likely a limit "
            "on connections, beyond which the next has to wait (--max-connections 1 probes with "
            "one at a time)."
        )
    if evidence.too_often:
        how = Counter(drop_phrase(t.drop) for t in evidence.too_often if t.drop is not None)
        gap_s = max(t.gap_s or 0.0 for t in evidence.too_often)
        sentences.append(
            f"{counted(len(evidence.too_often), 'connection')} ended because too many Pings came, "
            f"as the endpoint says ({how.most_common(1)[0][0]}): up to {format_seconds(gap_s)} "
            "apart."
        )
    if evidence.refused:
        trials = counted(len(evidence.refused), "trial was", "trials were")
        detail = Counter(t.detail or "no reason" for t in evidence.refused).most_common(1)[0][0]
        open_ = ""
        if evidence.most_open:
            open_ = f" with {evidence.most_open} of its connections open"
        sentences.append(f"{trials} refused a connection ({detail}){open_}.")
    if evidence.turned_away:
        away = counted(len(evidence.turned_away), "connection was", "connections were")
        ends = Counter(drop_phrase(t.drop) for t in evidence.turned_away if t.drop is not None)
        sentences.append(
            f"{away} accepted and ended at once ({ends.most_common(1)[0][0]}), while "
            f"{evidence.most_open} others lived: most likely a limit on connections."
        )
    return sentences


def _lifetime_caveats(
    found: Classification, evidence: Evidence, context: ProbeContext
) -> list[str]:
    sentences = []
    if 0 < len(found.members) < _FEW:
        sentences.append(_few_drops(len(found.members), context))
    if found.maybe_late:
        sentences.append(_MAYBE_LATE.format(what="lifetime"))
    if stated_cause(found, evidence) is not None:
        return sentences
    if found.unproven:
        sentences.append(
            "Nothing came back from the endpoint meanwhile, so a maximum lifetime, a timer that "
            "counts only the endpoint's bytes, and one that waits for messages look alike here."
        )
    elif not any(died_in_use(t, evidence, found.range) for t in evidence.of("data")):
        hello = "" if context.greeted else ", and one that waits for a first message (--hello TEXT)"
        sentences.append(
            f"A timer that only application messages restart (--send TEXT tells){hello} would look "
            "the same."
        )
    code = None if found.drop is None else found.drop.code
    if code is not None and (code == 1008 or code >= 4000):
        sentences.append(
            f"Close code {code} is the endpoint's own rule: it may require something from the "
            "client first (a login, a subscription)."
        )
    return sentences
