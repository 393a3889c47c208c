"""The sentences of evidence behind a verdict: what was counted, what was odd, what is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from wsdiag.judgement.verdict.classify import Classification
from wsdiag.judgement.verdict.clocks import CLOCKS, groups
from wsdiag.judgement.verdict.evidence import Evidence, ProbeContext, two_way
from wsdiag.judgement.verdict.headline import ending, seconds
from wsdiag.judgement.verdict.keepalives import died_in_use, held_interval_s
from wsdiag.records import IdleTrial, KeepaliveOutcome, TrialKind

_NAMES: dict[TrialKind, str] = {
    "ping": "Pings",
    "pong": "unsolicited Pongs (one way)",
    "tcp-keepalive": "TCP keepalive",
    "push": "messages from the endpoint",
    "data": "messages from the client",
}
_GOING = {1001: "going away", 1012: "service restart"}


def evidence_sentences(
    finding: Classification,
    evidence: Evidence,
    case: ProbeContext,
    kept: Mapping[TrialKind, KeepaliveOutcome],
) -> list[str]:
    """Evidence first, caveats last."""
    return [
        *_counts(finding, evidence),
        *_disagreement(finding, evidence),
        *_keepalives(finding, evidence, kept),
        *_direction(finding, evidence, case, kept),
        *_oddities(finding, evidence, case),
        *_traffic(finding, evidence),
        *_caveats(finding, evidence, case),
        *case.notes,
    ]


def _counts(finding: Classification, evidence: Evidence) -> list[str]:
    if finding.reason == "event" and finding.agreement is not None:
        values, lived = finding.agreement.values, len(evidence.survivors)
        first, last = f"{values[0]:.2f}", f"{values[-1]:.2f} s"
        times = last if last.startswith(first) else f"{first} to {last}"
        rest = f"; {lived} that {_were(lived)} asked earlier answered" if lived else ""
        whose = {"either": "", "sent": "client's ", "received": "endpoint's "}
        since = f"{whose[finding.agreement.clock]}last byte"
        dropped = f"{_connections(len(values))} {_were(len(values))} dropped"
        return [f"{dropped}, {times} after the {since}{rest}."]
    if finding.reason == "silent" and finding.range is not None:
        found = len(evidence.found)
        low = finding.range.low
        last = f"after {seconds(low)} one still did" if low else "none ever did"
        return [
            f"{_connections(found)} gave no answer any more, the first asked "
            f"after {seconds(finding.range.high or 0.0)}; {last}."
        ]
    if finding.reason == "alive" and evidence.survivors:
        tried = len(evidence.survivors)
        if tried == 1:
            return ["1 idle connection was tried, and stayed open."]
        return [f"{tried} idle connections were tried, and all stayed open."]
    return []


def _connections(number: int) -> str:
    return f"{number} idle connection{'s' * (number != 1)}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _disagreement(finding: Classification, evidence: Evidence) -> list[str]:
    """All that was seen, where it does not agree."""
    if finding.verdict not in ("inconsistent", "local-fault"):
        return []
    sentences = []
    idle = sorted(t.idle_s or 0.0 for t in (*evidence.events, *evidence.found))
    if idle:
        parts = groups(idle)
        shown = [_group(part) for part in parts[:6]]
        more = f" and {len(parts) - 6} more" if len(parts) > 6 else ""
        sentences.append(f"Idle times at the drops: {', '.join(shown)}{more}.")
        if finding.reason == "random" and 1 < len(parts) <= 3 and min(map(len, parts)) > 1:
            sentences.append(
                "They fall into groups: most likely several backends or proxies with different "
                "settings."
            )
    if evidence.survivors and idle:
        longest = max(t.longest_idle_s or 0.0 for t in evidence.survivors)
        sentences.append(
            f"{len(evidence.survivors)} idle connections answered when asked, the last one after "
            f"{seconds(longest)} of idleness."
        )
    gone = Counter(ending(t.drop) for t in evidence.gone() if t.drop is not None)
    if gone:
        shown = [f"{how} ({n}x)" for how, n in gone.most_common(4)]
        sentences.append(f"Seen: {', '.join(shown)}.")
    sentences += _restart(evidence)
    sentences.append("Probe again, with --repeat, before believing in any timeout.")
    return sentences


def _restart(evidence: Evidence) -> list[str]:
    codes = {t.drop.code for t in evidence.gone() if t.drop is not None}
    return [f"Close code {code} means {words}." for code, words in _GOING.items() if code in codes]


def _group(part: list[float]) -> str:
    low, high = f"{part[0]:.1f}", f"{part[-1]:.1f}"
    return f"{len(part)} at {low}{'' if low == high else f' to {high}'} s"


def _keepalives(
    finding: Classification, evidence: Evidence, kept: Mapping[TrialKind, KeepaliveOutcome]
) -> list[str]:
    """What was proven to hold on this path, how often, and what was not."""
    if finding.verdict not in ("idle-timeout", "lifetime"):
        return []
    sentences = []
    for kind, word in kept.items():
        interval = held_interval_s(evidence.of(kind), finding.range)
        every = f" every {seconds(interval)}" if interval is not None and kind != "push" else ""
        name = _NAMES[kind]
        if word == "holds":
            sentences.append(f"{_capital(name)}{every} kept the connection open.")
        elif word == "drops":
            sentences.append(f"{_capital(name)} did not keep the connection open.")
        else:
            sentences.append(f"Whether {name} would keep the connection open was not found out.")
    return sentences


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def _direction(
    finding: Classification,
    evidence: Evidence,
    case: ProbeContext,
    kept: Mapping[TrialKind, KeepaliveOutcome],
) -> list[str]:
    if finding.verdict != "idle-timeout":
        return []
    if finding.clock == "sent":
        return ["What the endpoint sent did not restart the timer: it counts the client's bytes."]
    if finding.clock == "received":
        return ["What the client sent did not restart the timer: it counts the endpoint's bytes."]
    both = [t for t in evidence.others if two_way(t, case)]
    if kept.get("pong") == "drops" and both and kept.get(both[0].trial) == "holds":
        return [
            "Bytes from the client alone did not count: most likely only what the endpoint sends "
            "restarts the timer (or an answer is needed)."
        ]
    return []


def _oddities(finding: Classification, evidence: Evidence, case: ProbeContext) -> list[str]:
    sentences = []
    agreement = finding.agreement
    if finding.verdict == "idle-timeout" and agreement is not None and agreement.outliers:
        times = ", ".join(f"{CLOCKS[agreement.clock](t):.1f}" for t in agreement.outliers)
        sentences.append(
            f"Not counted: {len(agreement.outliers)} that ended otherwise ({times} s)."
        )
    late = [t.late_pong_s for t in evidence.found if t.late_pong_s is not None]
    if late:
        sentences.append(
            f"A Pong came after all, {seconds(min(late))} after its Ping: most likely a device "
            "that had forgotten the connection picked it up again."
        )
    sentences += _slow_pongs(evidence, case)
    sentences += _lost_pongs(evidence)
    sentences += _retransmissions(finding, evidence)
    if finding.verdict in ("no-drop", "kept-busy"):
        sentences += [_stray(t) for t in evidence.others if t.outcome in ("dropped", "silent")]
    if case.back is not None and evidence.gone():
        again = "could be opened at once" if case.back else "could not be opened"
        sentences.append(f"Afterwards a new connection {again}.")
    return sentences


def _slow_pongs(evidence: Evidence, case: ProbeContext) -> list[str]:
    """Connections that lived, but whose Pongs would have come too late for many a client."""
    late = [t.late_pong_s for t in evidence.survivors if t.late_pong_s is not None]
    longest_s = max([*late, case.slow_pong_s])
    if not longest_s:
        return []
    return [
        f"Pongs took up to {seconds(longest_s)}, longer than --pong-timeout, although TCP "
        "acknowledged the Pings: the endpoint, or what lies behind the nearest hop, answers "
        "slowly. That is no drop, but clients with a shorter deadline make it one."
    ]


def _lost_pongs(evidence: Evidence) -> list[str]:
    lost = sum(t.lost_pongs or 0 for t in (*evidence.survivors, *evidence.others))
    if not lost:
        return []
    return [
        f"{lost} Ping{'s' * (lost != 1)} got no Pong on connections that answered later ones: an "
        "endpoint may skip Pings that a later one followed (RFC 6455, 5.5.3); one that leaves out "
        "others is dropped by clients with a Pong deadline."
    ]


def _stray(trial: IdleTrial) -> str:
    how = ending(trial.drop) if trial.drop is not None else "unknown"
    return (
        f"One connection with {_NAMES[trial.trial]} was dropped after "
        f"{seconds(trial.age_s or 0.0)} ({how}), although idle ones were not."
    )


def _retransmissions(finding: Classification, evidence: Evidence) -> list[str]:
    """Answers that needed TCP to repeat itself, from some idle time on."""
    repeated = [t.idle_s or 0.0 for t in evidence.survivors if t.retransmits]
    smooth = [t.idle_s or 0.0 for t in evidence.survivors if t.retransmits == 0]
    if len(repeated) < 2 or finding.verdict != "no-drop":
        return []
    if max(smooth, default=0.0) > min(repeated):
        return []
    return [
        f"From {seconds(min(repeated))} on the first write after the idle time had to be repeated "
        "by TCP before it was answered: most likely a device had forgotten the connection and "
        "learnt it anew."
    ]


def _traffic(finding: Classification, evidence: Evidence) -> list[str]:
    """What the endpoint sent on its own."""
    kinds: Counter[str] = Counter(what for t in evidence.idle for _, what in t.received)
    if not kinds:
        return []
    what = " and ".join(f"{kind}s" for kind, _ in kinds.most_common(2))
    sentences = [f"The endpoint sent {what} on its own; each restarts the idle time."]
    if finding.verdict == "kept-busy":
        sentences.append(
            "While it does, idle timeouts longer than that cannot show, and do no harm; should it "
            "stop, one may appear."
        )
    return sentences


def _caveats(finding: Classification, evidence: Evidence, case: ProbeContext) -> list[str]:
    sentences = []
    if case.answers_pings is False:
        what = (
            "answers no Pings"
            if not case.other_pongs
            else ("answers Pings with payloads of its own, which are no answers (RFC 6455, 5.5.3)")
        )
        sentences.append(
            f"This endpoint {what}: life was judged by "
            + (
                "its answers to --send."
                if case.echoes
                else "TCP's acknowledgements, which the nearest hop may give."
            )
        )
    if finding.unproven and finding.verdict == "idle-timeout":
        sentences.append(
            "No keepalive trial shows the difference, so this may as well be a maximum lifetime."
        )
    if finding.verdict == "lifetime":
        sentences += _lifetime_caveats(finding, evidence, case)
    if evidence.broken and finding.reason != "broken":
        sentences.append(
            f"{len(evidence.broken)} connections ended because the endpoint broke the protocol "
            f"({evidence.broken[0].violation})."
        )
    if evidence.refused:
        detail = evidence.refused[0].detail or "no reason"
        sentences.append(f"{len(evidence.refused)} trials were refused a connection ({detail}).")
    if case.partial:
        sentences.append("The probe was interrupted: this is the verdict so far.")
    return sentences


def _lifetime_caveats(finding: Classification, evidence: Evidence, case: ProbeContext) -> list[str]:
    sentences = []
    if finding.unproven:
        sentences.append(
            "Nothing came back from the endpoint meanwhile, so a maximum lifetime and a timer that "
            "counts only the endpoint's bytes look alike here."
        )
    elif not _tried(evidence, "data", finding):
        sentences.append(
            "A timer that only application messages restart would look the same: --send TEXT "
            "tells them apart."
        )
    code = None if finding.drop is None else finding.drop.code
    if code is not None and (code == 1008 or code >= 4000):
        sentences.append(
            f"Close code {code} is the endpoint's own rule: it may want something from the client "
            "first (a login, a subscription)."
        )
    return sentences


def _tried(evidence: Evidence, kind: TrialKind, finding: Classification) -> bool:
    return any(died_in_use(t, finding.range) for t in evidence.of(kind))
