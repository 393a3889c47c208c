"""The verdict on one URL: a pure function of the recorded trials and their circumstances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wsdiag.judgement.verdict.advice import advice, library_settings
from wsdiag.judgement.verdict.candidates import LATE_S, candidates
from wsdiag.judgement.verdict.classification import Classification
from wsdiag.judgement.verdict.classify import classify
from wsdiag.judgement.verdict.evidence import Evidence, ProbeContext
from wsdiag.judgement.verdict.evidence_text import evidence_sentences
from wsdiag.judgement.verdict.headline import headline, likely_cause
from wsdiag.judgement.verdict.keepalives import (
    KEEPALIVES,
    died_in_use,
    ended_sooner,
    keepalives,
    outlived,
    recommended_s,
    was_due,
)
from wsdiag.judgement.verdict.location import locate, location_sentences
from wsdiag.judgement.verdict.spread import beyond_chance, by_chance
from wsdiag.records import IdleTrial, IdleVerdict, KeepaliveOutcome, TrialKind

_TIMER_SLACK_S = 0.05


def judge(trials: Sequence[IdleTrial], context: ProbeContext) -> IdleVerdict:
    """What these trials mean. Nothing is measured here, and equal trials get equal verdicts."""
    evidence = Evidence.sort(trials)
    found = _with_sender(classify(evidence, context), trials)
    if found.beside:
        rounds = {t.round for t in found.beside}
        evidence = replace(
            Evidence.sort(t for t in trials if t.round not in rounds), cut_short=found.beside
        )
    verdict, range_ = found.verdict, found.range
    kept = _keepalives(found, evidence)
    interval_s = None
    if (
        found.reason not in ("touch", "sent")
        and verdict in ("no-drop", "kept-busy")
        and evidence.idle
        and kept.get("ping") != "drops"
    ):
        interval_s = recommended_s(evidence, None, None)
    elif verdict == "idle-timeout":
        interval_s = recommended_s(evidence, range_, kept.get("ping"))
    location = locate(trials, context.live_again)
    # What ended for what it sent says nothing about whose bytes count.
    telling = {kind: k for kind, k in kept.items() if not ended_sooner(kind, evidence, range_)}
    chosen = candidates(found, telling, context.hops)
    return IdleVerdict(
        url=context.url,
        verdict=verdict,
        idle_timeout_s=range_ if verdict == "idle-timeout" else None,
        lifetime_s=range_ if verdict == "lifetime" else None,
        application_timeout_s=range_ if verdict == "application-timeout" else None,
        tested_up_to_s=round(evidence.longest_survived_s, 3) if evidence.idle else None,
        drop=found.drop,
        hello=context.hello,
        dialect=context.recognised,
        keepalives={kind: kept.get(kind, "untested") for kind in KEEPALIVES},
        recommended_ping_interval_s=interval_s,
        location=location,
        candidates=chosen,
        explanation=(
            headline(found, evidence, context, kept, chosen),
            *likely_cause(found, kept, location),
            *location_sentences(location),
            *evidence_sentences(found, evidence, context, kept),
        ),
        advice=advice(found, evidence, context, kept, interval_s, chosen),
        library_settings=library_settings(found, context, interval_s),
        hops=tuple(context.hops),
        partial=context.partial,
        required_s=context.required_s,
        require_ok=_requirement(found, evidence, context),
    )


def _keepalives(found: Classification, evidence: Evidence) -> dict[TrialKind, KeepaliveOutcome]:
    """Which keepalives hold, as far as the verdict lets their trials say so."""
    ends = found.range if found.verdict in ("idle-timeout", "lifetime") else None
    if ends is not None and found.reason == "spread":
        ends = beyond_chance(ends)
    kept = keepalives(evidence, ends)
    if found.verdict == "idle-timeout" and found.reason != "sweep":
        kept = {kind: _beyond_chance(kind, said, found, evidence) for kind, said in kept.items()}
    if found.verdict == "no-drop":
        kept = {
            kind: "untested" if said == "holds" and not was_due(kind, evidence) else said
            for kind, said in kept.items()
        }
    if found.verdict in ("unreachable", "local-fault", "event", "inconsistent"):
        kept = dict.fromkeys(kept, "untested")  # where nothing is known to end idle connections
    if found.verdict == "lifetime":
        kept |= {t.trial: "drops" for t in found.members if t.keepalives_sent}
    if found.application is not None:
        # One that was still waiting for its answer at its end had not outlived anything.
        died = {t.trial for t in evidence.dropped()}
        kept = {kind: "drops" if kind in died else told for kind, told in kept.items()}
    refused = {t.trial for t in evidence.too_often if kept.get(t.trial) != "holds"}
    kept |= dict.fromkeys(refused, "drops")
    if found.reason == "touch":
        kept = {**kept, "ping": "drops"}
    return kept


def _beyond_chance(
    kind: TrialKind, said: KeepaliveOutcome, found: Classification, evidence: Evidence
) -> KeepaliveOutcome:
    """What became of a keepalive, where a timer with a random part may have spared its trials."""
    trials = evidence.of(kind)
    if found.reason == "spread" and any(died_in_use(t, evidence, found.range) for t in trials):
        return "drops"
    if said != "holds":
        return said
    lived = [t.age_s or 0.0 for t in trials if outlived(t, evidence, found.range)]
    ended = [t.age_s or 0.0 for t in evidence.events]
    few = found.reason == "spread" and len(lived) < 2
    return "untested" if few or by_chance(ended, lived) else said


def _with_sender(found: Classification, trials: Sequence[IdleTrial]) -> Classification:
    """The same with a drop that tells who sent it, if one like it does: not all are watched."""
    if found.drop is None:
        return found
    told = [t.drop for t in trials if t.drop and t.drop.sent_from and t.drop.how == found.drop.how]
    return replace(found, drop=told[0]) if told and not found.drop.sent_from else found


def _requirement(found: Classification, evidence: Evidence, context: ProbeContext) -> bool | None:
    """Whether idle connections survive what was required; None: neither shown to nor not to."""
    required_s = context.required_s
    if required_s is None:
        return None
    match found.verdict:
        case "no-drop" | "kept-busy":
            return True if evidence.longest_survived_s >= required_s - _TIMER_SLACK_S else None
        case "idle-timeout" | "lifetime" | "application-timeout":
            assert found.range is not None
            # A period that ends together with the timeout wins the race only now and then.
            slack_s = 0.0 if found.reason == "silent" else _TIMER_SLACK_S
            if found.range.low < required_s + slack_s:
                return False
            # A proxy may be dead for a second or two before its FIN: an answer is proof, no end is.
            answered = evidence.longest_survived_s >= required_s - _TIMER_SLACK_S
            return True if answered or found.range.low >= required_s + LATE_S else None
        case "inconsistent":
            first_s = min((t.idle_s or 0.0 for t in evidence.dropped()), default=0.0)
            return None if first_s > required_s else False
    return None
