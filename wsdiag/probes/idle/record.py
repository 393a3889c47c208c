"""From a trial's state to its record `idle.trial`."""

from __future__ import annotations

from dataclasses import replace

from wsdiag.probes.idle.keepalives import longest_gap_s
from wsdiag.probes.idle.state import LivenessCheck, TrialState
from wsdiag.records import Drop, IdleTrial, Outcome

# Server traffic kept a trial busy whose longest idle time stayed this much below the one wanted.
_KEPT_BUSY = 0.95


def trial_record(
    state: TrialState,
    url: str,
    outcome: Outcome,
    age_s: float | None = None,
    *,
    drop: Drop | None = None,
    detail: str | None = None,
    retransmits: int | None = None,
) -> IdleTrial:
    """The record of a trial that is over; `age_s` None: its connection never came to be.

    What counts is how idle it was before we asked for an answer, if we did: our own write ended
    the idle time, and the answer proves that it was survived.
    """
    record = IdleTrial(
        url=url,
        trial=state.plan.trial,
        idle_for_s=state.plan.idle_for_s,
        interval_s=state.plan.gap_s,
        outcome=outcome,
        idle_s=None,
        drop=drop,
        connection=state.index,
        started_s=round(state.started_s, 3),
        detail=detail,
        round=state.round,
    )
    if age_s is None:
        return record
    check, silent = state.check, outcome == "silent"
    answered_s = None if check is None else check.answered_s
    times = state.idle_times(age_s)
    longest_s = times.longest_idle_s
    if outcome == "alive" or (answered_s is not None and not silent):
        longest_s = max(longest_s, times.idle_s)
    if outcome == "alive" and _kept_busy(state, age_s, longest_s):
        outcome = "kept-busy"
    pong_s = None if check is None or answered_s is None else round(answered_s - check.at_s, 4)
    late = silent or (outcome == "alive" and check is not None and check.answered_late)
    sent = [] if state.schedule is None else state.schedule.sent
    gap_s = None
    if state.plan.trial == "heartbeat":
        sent, gap_s = state.heartbeats, longest_gap_s(state.heartbeats, age_s)
    elif state.schedule is not None:
        waits_since_s = state.waits_since_s
        gap_s = state.schedule.longest_gap_s(age_s if waits_since_s is None else waits_since_s)
    return replace(
        record,
        outcome=outcome,
        idle_s=round(times.idle_s, 3),
        age_s=round(age_s, 3),
        received=_unsolicited(state),
        longest_idle_s=round(longest_s, 3),
        late_pong_s=pong_s if late else None,
        lost_pongs=(state.lost_pongs + (check is not None and check.first_pong_lost)) or None,
        since_sent_s=round(times.since_sent_s, 3),
        since_received_s=round(times.since_received_s, 3),
        keepalives_sent=len(sent),
        gap_s=None if gap_s is None else round(gap_s, 3),
        pong_s=pong_s,
        retransmits=retransmits,
        upgrade_s=round(state.upgrade_s, 4),
        blind_s=round(state.stalled_s, 3),
        violation=state.violation,
        unanswered_heartbeat_s=state.unanswered_heartbeat_s,
        unanswered_heartbeats=state.unanswered_heartbeats or None,
        after_write=outcome == "dropped"
        and check is not None
        and answered_s is None
        and not state.outlived_check,
        unanswered_s=_unanswered_s(state, outcome, age_s),
        last_message=state.last_message,
    )


def late_text(check: LivenessCheck | None) -> str | None:
    """What is to be said of an answer that came only after its deadline; None: it came in time."""
    if check is not None and check.first_pong_lost:
        return "no Pong to the first Ping, which TCP had acknowledged, but one to the next"
    if check is None or check.answered_s is None or not check.answered_late:
        return None
    return f"its Pong took {check.answered_s - check.at_s:.1f} s; TCP had acknowledged the Ping"


def _unsolicited(state: TrialState) -> tuple[tuple[float, str], ...]:
    """What the peer sent on its own, trailing traffic left out, and what followed our check: it may
    have been sent because of that."""
    received = state.activity.unsolicited
    if state.check is not None:
        received = [entry for entry in received if entry[0] < state.check.at_s]
    if state.drop is not None:
        until_s = round(state.activity.trailing_from_s(state.drop.at_s), 3)
        received = [entry for entry in received if entry[0] < until_s]
    return tuple(received)


def _unanswered_s(state: TrialState, outcome: Outcome, age_s: float) -> float | None:
    since_s = state.unanswered_since_s
    if outcome != "dropped" or since_s is None:
        return None
    return round(max(0.0, age_s - since_s), 4)


def _kept_busy(state: TrialState, age_s: float, longest_s: float) -> bool:
    """Whether only the peer's own traffic kept this from being idle as long as was wanted."""
    if state.plan.trial != "idle" or not state.activity.unsolicited:
        return False
    return longest_s < _KEPT_BUSY * min(state.idle_for_s, age_s)
