"""From a trial's connection to its record `idle.trial`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wsdiag.probes.idle.connection import TrialConnection
from wsdiag.probes.idle.context import RoundContext
from wsdiag.probes.idle.liveness import LivenessCheck
from wsdiag.records import Drop, IdleTrial, Outcome

if TYPE_CHECKING:
    from wsdiag.probes.idle.trial import Trial

# Server traffic masks an idle period that stayed this much shorter than the one wanted.
_MASKED = 0.95


def unopened_trial(lane: Trial, context: RoundContext, outcome: Outcome, detail: str) -> IdleTrial:
    """A trial whose connection never came to be."""
    return IdleTrial(
        url=context.url,
        trial=lane.plan.trial,
        idle_for_s=lane.plan.idle_for_s,
        interval_s=lane.plan.gap_s,
        outcome=outcome,
        idle_s=None,
        drop=None,
        connection=lane.index,
        detail=detail,
        round=context.round,
        started_s=round(context.clock.now_s(), 3),
    )


def open_trial(
    lane: Trial, context: RoundContext, outcome: Outcome, detail: str | None = None
) -> IdleTrial:
    """A trial whose connection is open to the end."""
    assert lane.link is not None
    trial = _base(lane, lane.link, context, lane.link.now_s())
    question = lane.link.question
    if outcome == "aborted" and question is not None and question.answered_s is None:
        proven_s = lane.link.notes.before(question.at_s).longest_idle_s
        trial = replace(trial, longest_idle_s=round(proven_s, 3))
    if outcome == "alive" and _masked(lane, trial, context):
        outcome = "kept-busy"
    late_s = None
    if outcome == "alive" and question is not None and question.again_at_s is not None:
        late_s = trial.pong_s if not question.lost else None
    return replace(trial, outcome=outcome, detail=detail, late_pong_s=late_s)


def late_words(question: LivenessCheck) -> str | None:
    """What is to be said of an answer that came only after its deadline; None: it came in time."""
    if question.answered_s is None or question.again_at_s is None:
        return None
    if question.lost:
        return "no Pong to the first Ping, which TCP had acknowledged, but one to the next"
    took_s = question.answered_s - question.at_s
    return f"its Pong took {took_s:.1f} s; TCP had acknowledged the Ping"


def ended_trial(lane: Trial, context: RoundContext, drop: Drop) -> IdleTrial:
    """A trial whose connection was dropped, with or without an event."""
    link = lane.link
    assert link is not None
    question = link.question
    silent = drop.how == "silent"
    late_s = None
    if silent and question is not None and question.answered_s is not None:
        late_s = round(question.answered_s - question.at_s, 3)
    return replace(
        _base(lane, link, context, drop.at_s, silent=silent),
        outcome="silent" if silent else "dropped",
        drop=drop,
        late_pong_s=late_s,
        blind_s=round(link.blind_s, 3),
        after_write=question is not None and question.answered_s is None and not silent,
    )


def _base(
    lane: Trial, link: TrialConnection, context: RoundContext, at_s: float, *, silent: bool = False
) -> IdleTrial:
    """Everything but the outcome. What counts is the quiet before we asked, if we did."""
    question = link.question
    asked_s = _asked_s(link)
    answered = question is not None and question.answered_s is not None and not silent
    quiet = link.quiet() if asked_s is None else link.notes.before(asked_s)
    longest_s = quiet.longest_idle_s
    if asked_s is not None and (answered or (not silent and link.drop is None)):
        longest_s = max(longest_s, quiet.idle_s)
    pong_s = None
    if question is not None and question.answered_s is not None:
        pong_s = round(question.answered_s - question.at_s, 4)
    return IdleTrial(
        url=context.url,
        trial=lane.plan.trial,
        idle_for_s=lane.plan.idle_for_s,
        interval_s=lane.plan.gap_s,
        outcome="aborted",
        idle_s=round(quiet.idle_s, 3),
        drop=None,
        connection=lane.index,
        age_s=round(at_s, 3),
        started_s=round(lane.started_s, 3),
        received=_unasked(link),
        longest_idle_s=round(longest_s, 3),
        round=context.round,
        since_sent_s=round(quiet.since_sent_s, 3),
        since_received_s=round(quiet.since_received_s, 3),
        keepalives_sent=0 if lane.pace is None else len(lane.pace.sent),
        gap_s=_gap(lane, at_s if asked_s is None else asked_s),
        pong_s=pong_s,
        upgrade_s=_upgrade_s(link),
        violation=link.violation,
        retransmits=None if question is None else question.retransmitted(link.session),
        lost_pongs=(link.lost_pongs + (question is not None and question.lost)) or None,
    )


def _asked_s(link: TrialConnection) -> float | None:
    """When we began to wait for an answer: a question's, or that of a Ping that never got one."""
    if link.question is not None:
        return link.question.at_s
    if link.drop is None and link.unanswered:
        return min(link.unanswered.values())
    return None


def _unasked(link: TrialConnection) -> tuple[tuple[float, str], ...]:
    """What the peer sent on its own, its farewell left out."""
    received = link.notes.received
    if link.drop is not None:
        until_s = round(link.notes.farewell_from_s(link.drop.at_s), 3)
        received = [entry for entry in received if entry[0] < until_s]
    return tuple(received)


def _gap(lane: Trial, until_s: float) -> float | None:
    gap = None if lane.pace is None else lane.pace.longest_gap_s(until_s)
    return None if gap is None else round(gap, 3)


def _upgrade_s(link: TrialConnection) -> float:
    report = link.session.report
    return 0.0 if report is None else round(report.phases_ms.get("upgrade", 0.0) / 1e3, 4)


def _masked(lane: Trial, trial: IdleTrial, context: RoundContext) -> bool:
    """Whether only the peer's own traffic kept this from being idle as long as was wanted."""
    if lane.plan.trial != "idle" or not trial.received or trial.age_s is None:
        return False
    wanted_s = min(lane.plan.idle_for_s or context.options.longest_s, trial.age_s)
    return (trial.longest_idle_s or 0.0) < _MASKED * wanted_s
