"""The verdict on one URL: a pure function of the recorded trials and their circumstances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wsdiag.judgement.verdict.advice import (
    directive_advice,
    message_advice,
    ping_advice,
    pongless_advice,
)
from wsdiag.judgement.verdict.candidates import candidates
from wsdiag.judgement.verdict.classify import Classification, classify
from wsdiag.judgement.verdict.evidence import Evidence, ProbeContext
from wsdiag.judgement.verdict.evidence_text import evidence_sentences
from wsdiag.judgement.verdict.headline import headline, likely_cause
from wsdiag.judgement.verdict.keepalives import KEEPALIVES, keepalives, recommended_s, rounded_down
from wsdiag.records import Candidate, IdleTrial, IdleVerdict, KeepaliveOutcome, Range, TrialKind

_RACE_S = 0.05


def judge(trials: Sequence[IdleTrial], case: ProbeContext) -> IdleVerdict:
    """What these trials mean. Nothing is measured here, and equal trials get equal verdicts."""
    evidence = Evidence.sort(trials)
    finding = classify(evidence, case)
    timed = finding.range if finding.verdict in ("idle-timeout", "lifetime") else None
    kept = keepalives(evidence, timed)
    if finding.verdict in ("unreachable", "local-fault"):
        kept = dict.fromkeys(kept, "untested")
    interval_s = _interval_s(finding, evidence, kept)
    chosen = candidates(finding, kept, case.hops)
    return IdleVerdict(
        url=case.url,
        verdict=finding.verdict,
        idle_timeout_s=finding.range if finding.verdict == "idle-timeout" else None,
        lifetime_s=finding.range if finding.verdict == "lifetime" else None,
        tested_up_to_s=_tested_s(evidence),
        drop=finding.drop,
        keepalives={kind: kept.get(kind, "untested") for kind in KEEPALIVES},
        recommended_ping_interval_s=interval_s,
        candidates=chosen,
        explanation=(
            headline(finding, evidence, case),
            *likely_cause(finding, kept),
            *evidence_sentences(finding, evidence, case, kept),
        ),
        advice=_advice(finding, case, kept, interval_s, chosen),
        hops=tuple(case.hops),
        partial=case.partial,
        required_s=case.required_s,
        require_ok=_requirement(finding, evidence, case),
    )


def _tested_s(evidence: Evidence) -> float | None:
    """The longest idleness that was survived."""
    return round(evidence.longest_survived_s, 3) if evidence.idle else None


def _interval_s(
    finding: Classification, evidence: Evidence, kept: Mapping[TrialKind, KeepaliveOutcome]
) -> float | None:
    if finding.verdict in ("no-drop", "kept-busy"):
        return recommended_s(evidence, None, None) if evidence.idle else None
    if finding.verdict == "idle-timeout":
        return recommended_s(evidence, finding.range, kept.get("ping"))
    return None


def _advice(
    finding: Classification,
    case: ProbeContext,
    kept: Mapping[TrialKind, KeepaliveOutcome],
    interval_s: float | None,
    chosen: Sequence[Candidate],
) -> tuple[str, ...]:
    if finding.verdict == "lifetime":
        return (
            "Reconnect when the connection ends: no keepalive prevents it.",
            *directive_advice(chosen),
        )
    if interval_s is not None and case.answers_pings is False:
        return (*pongless_advice(interval_s), *directive_advice(chosen))
    if interval_s is not None:
        return (*ping_advice(interval_s), *directive_advice(chosen))
    if finding.verdict == "idle-timeout" and kept.get("ping") == "drops":
        low_s = finding.range.low if finding.range is not None else 0.0
        lines = message_advice(rounded_down(min(20.0, low_s / 2))) if low_s else ()
        return (*lines, *directive_advice(chosen))
    return ()


def _requirement(finding: Classification, evidence: Evidence, case: ProbeContext) -> bool | None:
    """Whether idle connections survive what was required; None: neither shown to nor not to."""
    required = case.required_s
    if required is None:
        return None
    range_: Range | None = finding.range
    match finding.verdict:
        case "no-drop" | "kept-busy":
            return True if evidence.longest_survived_s >= required - 0.05 else None
        case "idle-timeout" | "lifetime":
            assert range_ is not None
            # A period that ends together with the timeout wins the race only now and then.
            return range_.low >= required + (0.0 if finding.reason == "silent" else _RACE_S)
        case "inconsistent":
            first = min((t.idle_s or 0.0 for t in evidence.gone()), default=0.0)
            return None if first > required else False
    return None
