"""The table of a trial's phases: where it can go from where, and that it comes to an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsdiag.probes.idle import phases
from wsdiag.probes.idle.phases import OPEN_PHASES, TRANSITIONS, Action, TrialEvent, TrialPhase

DONE = TrialPhase.DONE


def reachable(start: TrialPhase) -> set[TrialPhase]:
    found, todo = {start}, [start]
    while todo:
        here = todo.pop()
        for (phase, _), (to, _) in TRANSITIONS.items():
            if phase is here and to not in found:
                found.add(to)
                todo.append(to)
    return found


def test_every_phase_is_reached_and_leads_to_done() -> None:
    assert reachable(TrialPhase.DIALING) == set(TrialPhase)
    for phase in TrialPhase:
        assert DONE in reachable(phase)


def test_every_event_and_every_action_is_used() -> None:
    assert {event for _, event in TRANSITIONS} == set(TrialEvent)
    assert {action for _, action in TRANSITIONS.values()} == set(Action)


def test_nothing_leaves_done_and_only_done_has_a_record() -> None:
    assert not [phase for phase, _ in TRANSITIONS if phase is DONE]
    for to, action in TRANSITIONS.values():
        assert action.name.startswith("RECORD") is (to is DONE)


def test_an_end_or_a_broken_rule_is_recorded_from_every_open_phase() -> None:
    assert set(OPEN_PHASES) == set(TrialPhase) - {TrialPhase.DIALING, DONE}
    for phase in OPEN_PHASES:
        assert TRANSITIONS[phase, TrialEvent.ENDED] == (DONE, Action.RECORD_DROPPED)
        assert TRANSITIONS[phase, TrialEvent.VIOLATED] == (DONE, Action.RECORD_ABORTED)


def test_silence_is_believed_only_where_an_answer_was_awaited() -> None:
    silent = {p for (p, _), (_, action) in TRANSITIONS.items() if action is Action.RECORD_SILENT}
    assert silent == set(OPEN_PHASES)
    for (phase, event), (_, action) in TRANSITIONS.items():
        if action is Action.RECORD_SILENT and event is TrialEvent.ANSWERED:
            assert phase is TrialPhase.WAITING_FOR_LATE_PONG


@given(st.lists(st.sampled_from(TrialEvent), max_size=40))
def test_any_events_lead_on_to_done_or_leave_it_waiting(events: list[TrialEvent]) -> None:
    phase, records = TrialPhase.DIALING, 0
    for event in events:
        if (phase, event) in TRANSITIONS:
            phase, action = TRANSITIONS[phase, event]
            records += action.name.startswith("RECORD")
    assert records == (phase is DONE)
    assert phase is DONE or (phase, TrialEvent.ENDED) in TRANSITIONS or phase is TrialPhase.DIALING


def test_each_phase_and_event_is_in_the_drawing() -> None:
    drawing = phases.__doc__ or ""
    for name in (*TrialPhase.__members__, *TrialEvent.__members__):
        assert name in drawing
